// Package api serves Clew's own HTTP interface and the web page.
//
//	request ──► headers, host, size ──► auth ──► time limit ──► handler ──► JSON, gzip
//	              │                                               │
//	              └── /, /assets: the page                        └── /tempo …: mounted dialects
//
// openapi.yaml beside this file describes every path; the page's types are made
// from it. Keys are camelCase, but for /api/status. Ids are lower-case hex.
// Instants are Unix nanoseconds as decimal strings, because JSON readers lose
// digits over 2^53; durations are numbers of nanoseconds. An error is
//
//	{"error":{"kind":"invalid","message":"query:1:17: …","position":17}}
//
// with the HTTP status of its telemetry.Kind. The text of an internal error stays
// in the server's log, under the id that the answer shows.
//
// Everything that a handler asks the store is asked for the tenant of the
// authenticated principal; no parameter can name another one. Text that senders
// chose leaves as JSON strings with <, > and & escaped, never as HTML.
//
// A Server serves any number of requests at once, up to its limit.
package api
