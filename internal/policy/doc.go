// Package policy tells the kits inside services what to do: which components to
// record at what level, what to sample, what to redact. It compiles a charter to
// one document per service, hands a document out as soon as it differs from the one
// that the asker has, and keeps a list of who asked and what they have applied.
//
//	charter ── Compile ──► Source ── For(service) ──► document + ETag ──► kits, waiting
//	                                                                       │
//	                                     Instances ◄── Clew-Kit header ────┘
//
// A document is what the contract of the kits describes (kit/contract, section 3).
// Its version is the charter's, so that every kit can say which charter it goes by.
// Thresholds are computed here, once, with integers, so that no kit converts a float.
//
// Everything here may be used by any number of goroutines at once.
package policy
