// Package compat speaks the interfaces of other systems over Clew's store, so
// that the clients of those systems work unchanged. It is the only package that
// knows them.
//
//	/tempo/…                      Grafana Tempo's HTTP API as the Grafana data source uses it
//	/tempopb.StreamingQuerier/…   the same questions over gRPC, with answers in parts
//
//	HTTP parameters ──► ask ──► query.Plan ──► store ──► answer ──► JSON or protobuf
//	gRPC message ────────┘                                └───────► packets of a stream
//
// A question of gRPC becomes parameters first, and an answer knows both its forms, so
// that the interfaces cannot drift apart. Messages are written and read by the numbers
// of their fields; there are no generated types.
//
// A handler expects to be mounted behind authentication: it takes the tenant from
// auth.FromContext, and the deadline from the request's context. What a dialect
// leaves open, such as the order of results, is as Clew's own interface has it.
//
// Where an answer differs from Tempo's on purpose: a search is complete and newest
// first; ids in JSON traces are hex, as OTLP demands, not base64; start and end of
// a trace by id are checked and change nothing, since a trace is always whole.
//
// Handlers keep no state; any number of requests may run at once.
package compat
