// Package finding keeps what the checks of the ingest path have to say: which
// service breaks which rule of the charter, since when, how often, and where to
// look. One finding stands for any number of spans:
//
//	rule                  service   subject            count  first   last    trace
//	misspelled_attribute  payment   shop.ordr.id         412  10:02   10:09   4bf92f35…
//	personal_data         checkout  (name) charge …        3  10:07   10:07   00f067aa…
//
// A Table is bounded whatever arrives: a service has a share of its own, so that
// one with a million names hides nobody else's findings, and what a bound keeps
// out is counted by rule. A service that the charter names always has its share,
// however many names strangers think of. Everything in it was redacted before.
//
// The methods of a Table may be called concurrently. Snapshot and Restore carry it
// over a restart as JSON; what was found in the seconds before a crash is found
// again with the next span that breaks the rule.
package finding
