// Package rpc is the part of gRPC that a handler of net/http needs: frames of
// messages, and the status that travels behind them. It serves unary calls and
// streams of answers; a stream of requests it does not know.
//
//	request  ─► one frame:  0 or 1 (compressed) │ length, 4 bytes │ message
//	answer   ◄─ any number of frames, then trailers: grpc-status, grpc-message, details
//
// A library of gRPC reads a whole message before its handler is asked. Here the
// handler sees the length first and decides how much memory it is worth.
//
// Nothing here keeps state: any number of calls may run at once.
package rpc
