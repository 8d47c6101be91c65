// Package generate writes code and pages from a charter, so that a misspelled name,
// a wrong type or a forgotten attribute is an error of the compiler and not a
// finding of tomorrow.
//
//	charter ──► model (names in the language's shape, checked for clashes)
//	                │
//	templates ──────┴──► files: Go package, Rust module, glossary and reference, Weaver registry
//
// Of the contract
//
//	checkout.place: { service: checkout, match: { http.route: /checkout }, requires: [shop.order.id],
//	                  errors: { business: [out_of_stock] } }
//
// follows in Go
//
//	place := charter.CheckoutPlaceOf(ctx)
//	place.Fail(charter.CheckoutPlaceOutOfStock)      // error.type; the status as count_as_failure says
//	place.End(charter.ShopOrderID(id))               // without its argument it does not compile
//
// and in Rust the same as CheckoutPlace::current(), fail and finish. Every attribute
// is a type of its own, so that neither a literal nor another attribute fits in its
// place. The enums of the charter are closed; those of an import are open, as the
// conventions have it, and take any value beside the named ones.
//
// A template is a file NAME.tmpl in the folder of its language; text/template makes
// NAME of it, with [Model] as its data. Files that begin with _ only define parts for
// the others. Options.Templates replaces and adds files, and may hold a language
// that is not built in.
//
// The output depends on the charter, the options and the templates alone, byte for
// byte. The package reads no file and writes none, holds no state, and [Run] may be
// called from many goroutines.
package generate
