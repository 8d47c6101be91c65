package privacy

// context is what the words before a number, or the parts of its key, say it is.
type context uint32

const (
	ctxID context = 1 << iota
	ctxCard
	ctxPhone
	ctxSSN
	ctxDE
	ctxUK
	ctxFR
	ctxES
	ctxIT
	ctxNL
	ctxIN
	ctxBR
	ctxPL
	ctxVersion
	ctxAuthorization
	ctxSecret // of Amazon: a secret key
	ctxAzure  // an account key
	ctxJoin   // "id", "number": the word before says of what
)

const (
	contextReach = 48 // bytes looked back
	contextWords = 4  // words looked at
	longestWord  = 24 // no word of the lists is longer
)

// context gives what the text before i says, and the key. Whether it is an id or a
// card the text knows better.
func (w *walk) context(i int) context {
	c := before(w.v[:i])
	w.steps += contextReach
	if c&^ctxJoin != 0 {
		return c | w.ofKey()&^(ctxID|ctxCard)
	}
	return c | w.ofKey()
}

// Key is the name of what values belong to, with what its words say of them. It is
// for one goroutine.
type Key struct {
	name    string
	context context
	known   bool
}

// NewKey makes one that can be asked about many values.
func NewKey(name string) Key { return Key{name: name} }

// Name gives the name.
func (k *Key) Name() string { return k.name }

// ofKey gives what the key says, looked at once.
func (w *walk) ofKey() context {
	if k := w.key; !k.known {
		k.known = true
		key := k.name
		if len(key) > contextReach {
			key = key[len(key)-contextReach:]
		}
		var room [contextReach]byte
		k.context = before(room[:copy(room[:], key)])
	}
	return w.key.context
}

// before reads the last words of text from its end. It stops at a word that names
// another thing, at a mark, and at a number that is not part of a list.
func before(text []byte) (c context) {
	from := max(0, len(text)-contextReach)
	words, near := 0, true
	for i := len(text); i > from && words < contextWords; {
		b := text[i-1]
		switch kind := kinds[b]; {
		case kind == 0:
			if b == ']' && endsInMark(text[:i]) || b == '\n' && words > 0 {
				return c
			}
			near = near && b != '\n' // an id is named on its line
			i--
		case kind == digit:
			// "ids 17, 18, 19" is a list; "bsn 17 order 18" is two things.
			if i < len(text) && text[i] != ',' && !(i == len(text) && words == 0) {
				return c
			}
			for i > from && kinds[text[i-1]] == digit {
				i--
			}
		default:
			end := i
			for i > from && kinds[text[i-1]]&letter != 0 {
				i--
			}
			part := meaning(text[i:end])
			if part != 0 {
				words++
				if c = c.and(part, near); part&ctxJoin == 0 {
					return c
				}
				continue
			}
			// A part of a word ends where its case changes: userSsn, SSNHash.
			i = end - 1
			for i > from && kinds[text[i-1]]&letter != 0 && !(kinds[text[i-1]] == lower && kinds[text[i]] == upper) &&
				!(end-i > 1 && kinds[text[i-1]] == upper && kinds[text[i]] == upper && kinds[text[i+1]] == lower) {
				i--
			}
			words++
			if part = meaning(text[i:end]); part == 0 {
				near = false
				continue
			}
			if c = c.and(part, near); part&ctxJoin == 0 {
				return c
			}
		}
	}
	return c
}

// and adds what a word further in front says: a "card.id" is an id. An order's
// comment is none: only what is near, with no other word between, makes an id.
func (c context) and(part context, near bool) context {
	if c&ctxID != 0 {
		part &^= ctxCard
	}
	if !near {
		part &^= ctxID
	}
	return c | part
}

// endsInMark reports whether text ends in the mark of a detector.
func endsInMark(text []byte) bool {
	for i := len(text) - 2; i >= 0 && len(text)-i <= longestWord; i-- {
		if text[i] == '[' {
			return isMark(text[i:])
		}
	}
	return false
}

// isMark reports whether text is a mark.
func isMark(text []byte) bool {
	if len(text) < 3 || text[0] != '[' || text[len(text)-1] != ']' {
		return false
	}
	inner := text[1 : len(text)-1]
	for _, n := range names {
		if string(inner) == string(n) {
			return true
		}
	}
	return false
}

// meaning gives what one word says.
func meaning(word []byte) context {
	if len(word) > longestWord || len(word) < 2 {
		return 0
	}
	var room [longestWord]byte
	for i, b := range word {
		room[i] = b | 0x20
	}
	return meaningOf(room[:len(word)])
}

func meaningOf(word []byte) context {
	if c := listed(word); c != 0 {
		return c
	}
	n := len(word)
	if n > 3 && word[n-1] == 's' {
		if c := listed(word[:n-1]); c != 0 {
			return c
		}
	}
	for _, end := range [...]string{"id", "ids", "number", "num", "nr", "no"} {
		if cut := n - len(end); cut >= 3 && string(word[cut:]) == end {
			if c := listed(word[:cut]); c != 0 {
				if end == "id" || end == "ids" {
					c = c&^ctxCard | ctxID
				}
				return c
			}
		}
	}
	return 0
}

func listed(word []byte) context {
	switch string(word) {
	case "id", "ids":
		return ctxID | ctxJoin
	case "number", "nummer", "numero", "num", "nr", "no", "key", "is", "in", "value", "the", "code":
		return ctxJoin
	case "uid", "uuid", "guid", "oid", "pid", "tid", "ref", "reference", "order", "trace", "span", "parent",
		"request", "req", "session", "txn", "tx", "transaction", "correlation", "seq", "sequence", "offset", "ts",
		"time", "timestamp", "epoch", "nano", "milli", "micro", "nanos", "millis", "micros", "unix", "hash", "digest", "checksum", "etag",
		"invoice", "ticket", "sku", "tracking", "shipment", "parcel",
		"build", "job", "task", "batch", "nonce", "serial", "imei", "partition", "cursor", "snowflake", "commit",
		"revision", "user", "customer", "tenant", "device", "node", "cart", "basket", "size", "byte", "length",
		"count", "duration", "elapsed", "port", "thread", "process", "shard":
		return ctxID
	case "card", "cc", "pan", "credit", "debit", "visa", "mastercard", "amex", "creditcard", "ccnum", "karte", "kreditkarte":
		return ctxCard
	case "phone", "tel", "telephone", "telefon", "mobile", "cell", "fax", "msisdn", "whatsapp", "sms", "handy", "call", "called", "caller":
		return ctxPhone
	case "ssn", "social", "itin":
		return ctxSSN
	case "steuer", "steuerid", "idnr", "tin", "taxid", "tax", "identifikationsnummer", "steuernummer", "steuerlich":
		return ctxDE
	case "nino", "ni", "insurance":
		return ctxUK
	case "nir", "insee", "secu", "sociale", "vitale":
		return ctxFR
	case "dni", "nie", "nif":
		return ctxES
	case "fiscale", "fiscal", "codicefiscale", "cf":
		return ctxIT
	case "bsn", "sofi", "burgerservice", "burgerservicenummer":
		return ctxNL
	case "aadhaar", "aadhar", "uidai":
		return ctxIN
	case "cpf":
		return ctxBR
	case "pesel":
		return ctxPL
	case "version", "ver", "release", "chrome", "safari", "firefox", "edg", "edge", "opr":
		return ctxVersion
	case "security": // social security, sécurité sociale
		return ctxJoin
	case "authorization", "authentication":
		return ctxAuthorization
	case "secret":
		return ctxSecret
	case "access":
		return ctxJoin
	case "accountkey", "sharedaccesskey", "sharedkey", "account", "storage", "azure", "shared":
		return ctxAzure
	}
	return 0
}
