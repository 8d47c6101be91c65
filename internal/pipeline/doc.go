// Package pipeline is what a batch passes between the wire and the disk. Each
// stage is a telemetry.Sink around the next:
//
//	receive ──► Normalise ──► Enrich ──► Log ──► wal, then store and other consumers
//
// Stages work on columns: a rule on a value runs once per distinct value. They
// add nothing that the sender did not say, but for names that the OpenTelemetry
// specification demands. Deprecated spellings of attributes are kept as they are.
//
// A stage may be called by any number of goroutines at once, each with its own
// batch. It may change the batch, whose columns it replaces and never edits: they
// belong to the sender's Builder.
package pipeline
