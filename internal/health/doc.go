// Package health is how Clew watches itself: metrics, readiness, build
// information and traces of its own requests.
//
//	Registry   counters, gauges and histograms → Prometheus text on /metrics
//	Readiness  a state and a reason per part   → /ready
//	Tracer     spans of own requests           → the pipeline, as a tenant of their own
//
// A metric is made once, when its part is built, with a fixed set of labels; no
// label value ever comes from a sender, so that the number of series is known
// when the program is written. Counting is an atomic addition.
//
// Own traces never feed themselves: only questions and upkeep are traced, not
// ingest, spans wait in a bounded buffer, a rate limit holds for new traces, and
// what does not fit is counted and dropped.
//
// Any number of goroutines may call any method.
package health
