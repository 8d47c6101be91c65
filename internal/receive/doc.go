// Package receive takes traces from the network: OTLP/gRPC, OTLP/HTTP with protobuf
// and JSON, and Zipkin's JSON, plain, gzip or zstd. Behind it nothing sees a wire format.
//
//	connection ─► token ─► tenant ─► bytes reserved ─► inflated ─► otlp.Decoder ─► Sink ─► answer
//	 (counted)     401,403            429, 413          413, 400      400, partial   503
//
// Nothing is spent for a request before its limits are known to hold. The compressed
// and the inflated size are bounded while bytes arrive, not afterwards, and every
// byte that a request holds is reserved from one budget for the whole server
// before it is read. When the budget is spent, requests are refused as OTLP says: 429
// with Retry-After, RESOURCE_EXHAUSTED with RetryInfo. A request has a fixed time
// to arrive in.
//
// gRPC is served by net/http's HTTP/2 server and a unary frame reader of our own: a
// gRPC library reads a whole message before its handler is asked, so that a sender of
// many unfinished messages decides how much memory there is. Every listener speaks every
// protocol; which is which is a matter of default ports.
//
// The answer to a sender waits for Sink.Write. Nothing that failed is answered as a
// success: what Sink refuses, the sender is told to send again, or told why not.
//
// Any number of connections and requests run concurrently; each request has a decoder
// and a Builder of its own from a pool.
package receive
