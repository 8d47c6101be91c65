// Package telemetry holds the words that all parts of Clew share: identifiers,
// the columnar Batch of spans, the kinds of error and the Sink.
//
// A Batch is a set of tables that point at each other by row number:
//
//	Resources ◄── Spans ──► Scopes          Spans[row].Resource, .Scope are row numbers
//	                ▲  ▲
//	           Events  Links                Events.Span[i], Links.Span[i] are span row numbers
//
// Every table has a few fixed columns and any number of sparse ones. A sparse
// Column is named by (scope, key, type): the same key with two types is two
// columns, because types of attributes are never coerced. Text lives in one
// dictionary per column, so that a rule on a value runs once per distinct value
// and a rule on a key once per column. Between a sender and a segment the values
// of seldom keys are in the Rest of their table, without a column for each key;
// Settle makes columns of them.
//
// The package imports the standard library only. Values are not safe for
// concurrent change; a Batch that nobody changes may be read by many.
package telemetry
