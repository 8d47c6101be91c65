// Package privacy finds personal data and secrets in text, and holds the acts that
// take them away: marks, hashes, masks, addresses cut to a network. It knows
// nothing of charters, spans or columns: its caller says which detectors are on,
// hands over the text with the key that it stands under, and decides what follows.
//
//	key   db.query.text
//	value SELECT * FROM users WHERE mail = 'ann@example.com' AND card = '4111 1111 1111 1111'
//	                                        └── email ────┘            └── payment_card ──┘
//	Redact: … WHERE mail = '[email]' AND card = '[payment_card]'
//
// # How a value is read
//
// Most values hold nothing, so the way to that answer is the short one:
//
//	value ─► gate ─► one pass over the bytes: which letters, which signs, how many
//	         │       digits; from that, which detectors could match at all
//	         ├─ none ─► done, nothing was allocated
//	         ▼
//	        walk ─► one pass over the words (runs of ASCII letters and digits) and the
//	         │      signs between them; a word's first bytes, its length and its classes
//	         │      choose the detectors that look closer
//	         ▼
//	        unescape ─► %40, \u0040 and \n, up to three layers deep, then gate and walk
//	         │          again; places are those of the value as it came
//	         ▼
//	        matches in order of place, none over another, at most [MaxMatches]
//
// There are no regular expressions. Every look ahead or back is bounded or done
// once for a stretch of bytes, so that the steps are linear in the value's length,
// whatever it holds.
//
// # What counts as a finding
//
// A finding begins and ends at the edge of a token: a card number within a longer
// number is none. Numbers need more than their look. One random number in ten
// passes the check digit of a card, so that a bare one also needs the prefix of an
// issuer and a context that does not call it an id: `order.id`, `trace=`,
// `/orders/…`. National numbers need a strong check digit, or their usual separators, or
// a word of theirs in the key or just before them: `user.bsn`, "SSN is …". Words and
// classes are ASCII.
//
// A mark such as "[email]" is never a finding, and redacted text holds none:
// [Scanner.Redact] looks at what it wrote until nothing is found, and gives up the
// whole value rather than a part of a finding.
//
// A [Scanner] and a [Hasher] may be used by any number of goroutines at once; the
// functions keep no state.
package privacy
