// Package otlp turns OTLP trace requests into telemetry.Batch and back. It is the
// only package that knows the wire forms of OTLP: protobuf and JSON. Zipkin's JSON
// becomes OTLP here, too.
//
//	protobuf ─────────────────────► Decoder ──► telemetry.Builder ──► Batch
//	JSON ──► protobuf in a buffer ────┘                                 │
//	Zipkin ──► the same ──────────────┘                                 │
//	protobuf, JSON ◄── Traces, in pieces or as a whole ◄────────────────┘
//
// The Decoder reads the wire once, without generated types: a span's fields are
// collected in buffers that are used again for the next span, checked, and then
// copied into columns and dictionaries. Nothing of the request is kept. JSON is
// rewritten as protobuf first, so that there is one place where the rules live:
//
//   - A message that does not follow the protobuf or JSON grammar, or a known
//     field of the wrong type, makes the whole request an error of
//     telemetry.KindInvalid that names the field: such bytes cannot be trusted.
//   - A singular message that is there twice is such an error as well. Protobuf
//     would merge the two; no exporter writes that.
//   - A span with a bad id is rejected alone; see Report.
//   - What is over the Limits is cut or dropped, counted in the Report and marked on
//     the span. Nothing is dropped without a count.
//   - Unknown fields are skipped.
//
// Nested values (arrays, key-value lists) become the canonical text of
// telemetry.AppendValueString and its siblings; ParseValue reads it. Nesting is followed
// to MaxDepth levels; what is below is stepped over without a stack.
//
// The package does no I/O, knows no tenants and no transports. A Decoder MUST NOT be
// used by two goroutines at once; the encoders may run concurrently on one Batch.
package otlp
