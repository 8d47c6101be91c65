// Package score computes the Instrumentation Score of the public specification
// (instrumentation-score/spec, version 0.1) from stored traces, for each service:
//
//	traces ──► Evaluation.Add ──► rules passed and failed, with examples ──► Result
//	                                 score = 100 · Σ passed·weight ÷ Σ total·weight
//
// It has the rules of the specification that spans decide and no others; Missing
// names the rest with the reason. It reads no store and no clock: who calls it
// chooses the traces. The same traces give the same result in any order, but for
// which examples are shown.
//
// An Evaluation is used by one goroutine. A History may be used by many.
package score
