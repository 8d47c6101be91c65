// Package charter reads the governance file of an installation: one strict YAML
// file that is checked as a whole, compiled once into immutable values and
// swapped atomically when it changes.
//
//	charter: 1
//	organisation: shop
//	retention: { default: 168h, disk: 50GiB, clock_skew: 24h }
//	limits:    { attributes: 128, attribute_value_bytes: 16KiB, request_bytes: 16MiB,
//	             inflight_bytes: 64MiB, query_timeout: 30s, query_concurrency: 4,
//	             trace_spans: 1000000, series: 1000 }
//	tenants:
//	  team-a: { retention: 24h, disk: 5GiB }
//
// Everything but the version is optional; what is left out has the value that
// [Default] gives. A key that the language does not know is an error that names
// the nearest one it does. Every quantity has one spelling: a duration is a whole
// number and one of ms, s, m, h; a size is a whole number and one of B, KiB, MiB,
// GiB, TiB. All errors of a file are reported in one pass, each with its place,
// what was found and the mend:
//
//	charter.yaml:4:12: retention.default: "7 days" is not a duration; write 168h
//
// Parse does no I/O. A *Charter never changes, so any number of goroutines may
// read it; the methods of a [Watcher] may be called concurrently. The package is
// the only importer of a YAML library.
package charter
