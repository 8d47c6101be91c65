// Package pipeline is what a batch passes between the wire and the disk. Each
// stage is a telemetry.Sink around the next:
//
//	receive ──► Normalise ──► Enrich ──► Redact ──► Check ──► Log ──► wal, then store and other consumers
//	                                        │          │
//	                             charter ───┴──────────┴───► findings, coverage
//
// Stages work on columns: a rule on a value runs once per distinct value. They
// add nothing that the sender did not say, but for names that the OpenTelemetry
// specification demands and what the charter says of values and names. Redact comes
// before Check, whose findings show names and values, and before anything is on a disk.
//
// A stage may be called by any number of goroutines at once, each with its own
// batch. It may change the batch, whose columns it replaces and never edits: they
// belong to the sender's Builder.
package pipeline
