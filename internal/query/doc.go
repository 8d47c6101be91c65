// Package query reads TraceQL and says what it means. It does no I/O: a store
// lowers the Plan to its own language, and the evaluator here is the definition
// that the store is tested against.
//
//	text ──lex──► tokens ──Parse──► Query ──Plan──► Plan ──► SQL (store)
//	                                  │               └────► EvalTrace (exact, one whole trace)
//	                                  └──String──► canonical text
//
// A Plan for `{ status = error } >> { duration > 1s } | count() > 2`:
//
//	plan needs structure
//	├─ spans >>
//	│  ├─ leaf 0
//	│  └─ leaf 1
//	├─ leaf 0: status = error
//	├─ leaf 1: duration > 1s
//	└─ stage count() > 2
//
// A leaf is a boolean expression over one span; it is two-valued: a comparison
// whose attribute is missing is false, and so is its `!=`; only `= nil` asks for
// absence. Types are never coerced, but integers, floats and durations compare as
// numbers. Regular expressions are RE2 and match the whole value.
//
// What the language does not have here is refused with its position, never ignored.
//
// Values of these types are immutable after Parse and Plan; any number of
// goroutines may evaluate one Plan.
package query
