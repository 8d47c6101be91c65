// Package charter reads the governance of an installation: one strict YAML file,
// or a folder of them, that is checked as a whole, compiled once into immutable
// values and swapped atomically when it changes.
//
//	charter: 1
//	organisation: shop
//	import: [{ semconv: builtin }]
//	teams:      { payments: { contact: "#payments" } }
//	services:   { checkout: { team: payments, language: go, tier: critical } }
//	attributes: { shop.order.id: { type: string, formerly: [orderId], personal: false } }
//	spans:      { checkout.place: { service: checkout, match: { http.route: /checkout }, requires: [shop.order.id] } }
//	checks:     { rules: { unknown_attribute: observe } }
//	retention:  { default: 168h, disk: 50GiB }
//
// One table of fields (language.go) is the language. Everything goes by it:
//
//	files ─ YAML ─ tree of values ─ defaults ─ cross checks ─ *Charter ─ with imported words ─ Check
//	                   │                                          │
//	      errors: file, line, column, mend          Effective, EffectiveJSON, Diff
//	                                   table ──────  Schema, Keys, Explain, docs/charter.md
//
// Everything but the version is optional; what is left out has the default that
// the table gives, or is left to the import that defines the name. A key that the
// language does not know is an error that names the nearest one it does. Every
// quantity has one spelling: a duration is a whole number and one of ms, s, m, h;
// a size is a whole number and one of B, KiB, MiB, GiB, TiB. All errors of all
// files are reported in one pass, each with its place, what was found and the mend:
//
//	teams/payments.yaml:4:12: retention.default: "7 days" is not a duration; write 168h
//
// What stands in a folder is merged: sections are joined, and a name or a value
// that two files define is an error that names both places.
//
// The charter names what it imports and does not read it: a [Resolve] does, and
// [Charter.WithVocabulary] puts the words behind the charter's own. Former names
// lead to the one to use ([Charter.Canonical]); one that was given away is never
// used again.
//
// Parse does no I/O. A *Charter never changes, so any number of goroutines may
// read it; the methods of a [Watcher] may be called concurrently. Only this package
// and those within it import a YAML library.
package charter
