// Package policy tells the kits inside services what to do: which components to
// record at what level, what to sample, what to redact. It reads one JSON file,
// compiles from it one document per service, hands a document out as soon as it
// differs from the one that the asker has, and keeps a list of who asked and what
// they have applied.
//
//	file ── Watch ──► Source ── For(service) ──► document + ETag ──► kits, waiting
//	                                                                  │
//	                                Instances ◄── Clew-Kit header ────┘
//
// The file is a document as the contract of the kits describes it
// (kit/contract, section 3), where a ratio may stand in place of a threshold, and
// with a section per service:
//
//	{
//	  "level": "standard",
//	  "sampling": {"ratio": "1/10", "rules": [{"match": {"route": "/pay*"}, "ratio": "1"}]},
//	  "services": {"orders": {"components": {"sql": "off"}}}
//	}
//
// Kits read documents leniently and fail open; people write the file, so it is
// read strictly: an unknown key, a level or a ratio that is none is an error, and
// the document before stays in force. Thresholds are computed here, once, with
// integers, so that no kit converts a float.
//
// Everything here may be used by any number of goroutines at once.
package policy
