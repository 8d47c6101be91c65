// Package ledger finds out whether a backend of traces keeps what it acknowledges.
//
//	spans 0, 1, 2 … ──► sender ──[proxy]──► backend        kill -9, or cut the connections, while requests are in flight
//	                      │ acknowledged                     │ come back, send what was not acknowledged again
//	                      ▼                                  ▼ … cycle after cycle
//	                    the book ◄── every trace asked for by its id: found, lost, doubled, damaged
//
// A span is a function of the run and its number: ids, name, times, a number and a
// text. So nothing has to be kept to know what a found span must be, and a span
// that was changed is told from one that is missing. A trace has its spans in
// eight requests, so that a kill goes through the middle of traces.
//
// A request that was in flight at a kill is sent again, as exporters do, whether
// it was stored or not: a backend that does not know repeats shows spans twice,
// which is counted apart. A request that was acknowledged is never sent again.
//
// Backends are spoken to in OTLP, over gRPC or HTTP, and asked in Clew's dialect,
// Tempo's or Jaeger's. The package knows no backend's inside and touches no file
// of one. One Run uses a few goroutines and a bounded amount of memory: a bit a
// request, and the requests of its connections.
package ledger
