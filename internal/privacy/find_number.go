package privacy

// groups are runs of digits with one sign between each and the next, as numbers
// are printed: 4111-1111-1111-1111, 123.456.789-09.
type groups struct {
	start [maxGroups]int
	size  [maxGroups]int
	sep   [maxGroups]byte // sep[i] stands before group i
	n     int
}

const maxGroups = 8

// number looks at the word of digits v[start:end], and at those that follow it. It
// gives the end of what it found, or 0.
func (w *walk) number(start, end int) int {
	if !w.leftEdge(start) {
		return 0
	}
	if n := end - start; n >= 7 {
		if next := w.bare(start, end); next > 0 {
			return next
		}
		if n > 8 {
			if n == 13 && w.on&frNIR != 0 && w.is(end, ' ') {
				return w.grouped(start, end)
			}
			return 0
		}
	}
	return w.grouped(start, end)
}

// leftEdge reports whether a number may begin at i: it is not the rest of a longer
// one, nor a decimal's fraction.
func (w *walk) leftEdge(i int) bool {
	if i == 0 {
		return true
	}
	switch c := w.v[i-1]; c {
	case '.', '-', '_':
		return w.kind(i-2) != digit
	default:
		return c < 0x80 || !w.accented(i-1)
	}
}

// accented reports whether the byte at i is of a letter such as é or я, which make
// a word of what stands beside them.
func (w *walk) accented(i int) bool {
	return i > 0 && w.v[i] < 0xc0 && w.v[i] >= 0x80 && w.v[i-1] >= 0xc3 && w.v[i-1] < 0xe0
}

// rightEdge reports whether a number may end before i.
func (w *walk) rightEdge(i int) bool {
	if i >= len(w.v) {
		return true
	}
	switch w.v[i] {
	case '.':
		return w.kind(i+1) != digit
	case '-', '_':
		return w.kind(i+1) == 0
	}
	return kinds[w.v[i]] == 0
}

// bare looks at a number without separators.
func (w *walk) bare(start, end int) int {
	d, n := w.v[start:end], end-start
	if !w.rightEdge(end) {
		return 0
	}
	if w.on&paymentCard != 0 && n >= 12 && n <= 19 && issued(d) && luhn(d) && w.context(start)&ctxID == 0 {
		return w.add(paymentCard, start, end)
	}
	if w.on&frNIR != 0 && n == 15 && nir(d) && w.context(start)&ctxID == 0 {
		return w.add(frNIR, start, end)
	}
	if n > 15 {
		return 0
	}
	// What else there is passes too easily without a word that says what it is.
	type weak struct {
		of    set
		says  context
		valid bool
	}
	var may weak
	switch n {
	case 9:
		may = weak{usSSN, ctxSSN, ssn(d)}
		if w.on&nlBSN != 0 && bsn(d) && w.context(start)&ctxNL != 0 {
			return w.add(nlBSN, start, end)
		}
	case 11:
		may = weak{brCPF, ctxBR, cpf(d)}
		c := context(0)
		if w.on&(deTaxID|plPESEL) != 0 {
			c = w.context(start)
		}
		if w.on&deTaxID != 0 && c&ctxDE != 0 && taxID(d) {
			return w.add(deTaxID, start, end)
		}
		if w.on&plPESEL != 0 && c&ctxPL != 0 && pesel(d) {
			return w.add(plPESEL, start, end)
		}
	case 12:
		may = weak{inAadhaar, ctxIN, aadhaar(d)}
	}
	if may.valid && w.on&may.of != 0 && w.context(start)&may.says != 0 {
		return w.add(may.of, start, end)
	}
	if w.on&phone != 0 && w.context(start)&ctxPhone != 0 {
		return w.add(phone, start, end)
	}
	return 0
}

// collect gathers the groups of digits from v[start:end] on.
func (w *walk) collect(start, end int) (g groups) {
	g.start[0], g.size[0], g.n = start, end-start, 1
	for g.n < maxGroups && end+1 < len(w.v) && kinds[w.v[end+1]] == digit {
		switch w.v[end] {
		case ' ', '-', '.', '+', '/':
		default:
			w.steps += end - start
			return g
		}
		from := end + 1
		to := from
		for to < len(w.v) && to-from <= 8 && kinds[w.v[to]] == digit {
			to++
		}
		g.start[g.n], g.size[g.n], g.sep[g.n] = from, to-from, w.v[end]
		g.n++
		end = to
	}
	w.steps += end - start
	return g
}

// shape reports whether the first groups have these sizes and, all but those
// that are listed otherwise, the separator of the first; and where they end.
func (g *groups) shape(sizes string) (end int, ok bool) {
	if g.n < len(sizes) {
		return 0, false
	}
	for i := range len(sizes) {
		if g.size[i] != int(sizes[i]-'0') || i > 1 && g.sep[i] != g.sep[1] {
			return 0, false
		}
	}
	last := len(sizes) - 1
	return g.start[last] + g.size[last], true
}

// pure copies the digits of v[start:end] to a buffer of the caller.
func (w *walk) pure(to []byte, start, end int) []byte {
	for _, c := range w.v[start:end] {
		if kinds[c] == digit && len(to) < cap(to) {
			to = append(to, c)
		}
	}
	return to
}

// edges reports whether what the separator sep divides begins at start and ends
// at end: after a blank another number may follow, after a dash or a dot none.
func (w *walk) edges(start, end int, sep byte) bool {
	if w.kind(end) != 0 || w.is(end, '_') {
		return false
	}
	if sep != ' ' && w.is(end, sep) && w.kind(end+1) != 0 {
		return false
	}
	return sep == ' ' || !(w.is(start-1, sep) && w.kind(start-2) == digit)
}

// grouped looks at a number with separators that begins at start.
func (w *walk) grouped(start, end int) int {
	g := w.collect(start, end)
	if g.n == 1 {
		if w.on&esDNI != 0 && g.size[0] == 8 {
			return w.dniDashed(start, end)
		}
		return 0
	}
	var room [20]byte
	sep := g.sep[1]
	if w.on&paymentCard != 0 && sep != '/' {
		for _, sizes := range [...]string{"44443", "4444", "465", "464", "4333"} {
			to, ok := g.shape(sizes)
			if !ok || !w.edges(start, to, sep) {
				continue
			}
			d := w.pure(room[:0], start, to)
			if d[0] < '2' || d[0] == '7' || !luhn(d) || w.context(start)&ctxID != 0 && !issued(d) {
				continue
			}
			return w.add(paymentCard, start, to)
		}
	}
	if w.on&usSSN != 0 {
		if to, ok := g.shape("324"); ok && w.edges(start, to, sep) && ssn(w.pure(room[:0], start, to)) &&
			(sep == '-' && w.context(start)&ctxID == 0 || w.context(start)&ctxSSN != 0) {
			return w.add(usSSN, start, to)
		}
	}
	if w.on&deTaxID != 0 && sep != '+' && sep != '-' {
		if to, ok := g.shape("2333"); ok && w.edges(start, to, sep) && taxID(w.pure(room[:0], start, to)) {
			return w.add(deTaxID, start, to)
		}
	}
	if w.on&frNIR != 0 && (sep == ' ' || sep == '.' || sep == '-') {
		if to, ok := g.shape("1222332"); ok && w.edges(start, to, sep) && nir(w.pure(room[:0], start, to)) {
			return w.add(frNIR, start, to)
		}
		if g.size[0] == 13 && g.size[1] == 2 {
			to := g.start[1] + 2
			if w.edges(start, to, sep) && nir(w.pure(room[:0], start, to)) {
				return w.add(frNIR, start, to)
			}
		}
	}
	if w.on&nlBSN != 0 {
		if to, ok := g.shape("423"); ok && sep == '.' && w.edges(start, to, sep) && bsn(w.pure(room[:0], start, to)) {
			return w.add(nlBSN, start, to)
		}
		if to, ok := g.shape("333"); ok && w.edges(start, to, sep) && bsn(w.pure(room[:0], start, to)) && w.context(start)&ctxNL != 0 {
			return w.add(nlBSN, start, to)
		}
	}
	if w.on&inAadhaar != 0 && (sep == ' ' || sep == '-') {
		to, ok := g.shape("444")
		more := g.n > 3 && g.sep[3] == sep && g.size[3] == 4 || w.is(start-1, sep) && w.kind(start-2) == digit
		if ok && !more && w.edges(start, to, sep) && aadhaar(w.pure(room[:0], start, to)) && w.context(start)&ctxID == 0 {
			return w.add(inAadhaar, start, to)
		}
	}
	if w.on&brCPF != 0 && g.n >= 4 && g.size[0] == 3 && g.size[1] == 3 && g.size[2] == 3 && g.size[3] == 2 &&
		g.sep[2] == sep && (sep == '.' || sep == ' ') && (g.sep[3] == '-' || g.sep[3] == '/') {
		to := g.start[3] + 2
		if w.edges(start, to, '-') && cpf(w.pure(room[:0], start, to)) {
			return w.add(brCPF, start, to)
		}
	}
	if w.on&esDNI != 0 && g.n >= 3 {
		if to, ok := g.shape("233"); ok && sep == '.' {
			if next := w.dniDashed(start, to); next > 0 {
				return next
			}
		}
	}
	if w.on&phone != 0 {
		return w.phoneGroups(start, &g)
	}
	return 0
}

// issued reports whether a number has the prefix and the length of an issuer of
// cards (ISO/IEC 7812; the ranges that the networks publish).
func issued(d []byte) bool {
	n := len(d)
	six := 0
	for i := range 6 {
		six = six*10 + int(d[i]-'0')
	}
	two, three, four := six/10000, six/1000, six/100
	switch {
	case two/10 == 4: // Visa
		return n == 13 || n == 16 || n == 19
	case two >= 51 && two <= 55, four >= 2221 && four <= 2720: // Mastercard
		return n == 16
	case two == 34 || two == 37: // American Express
		return n == 15
	case two == 36 || two == 38 || two == 39 || three >= 300 && three <= 305: // Diners Club
		return n == 14 || n == 16
	case four == 6011, two == 65, three >= 644 && three <= 649, two == 62: // Discover, UnionPay, RuPay
		return n >= 16
	case two == 60, two == 81, two == 82, three == 508: // RuPay, Hipercard
		return n == 16
	case four >= 3528 && four <= 3589: // JCB
		return n >= 16
	case four >= 2200 && four <= 2205: // Mir
		return n >= 16
	case four == 9792: // Troy
		return n == 16
	case six >= 506099 && six <= 506198: // Verve
		return n >= 16
	case six >= 506699 && six <= 506778, three == 509, six == 627780, six == 636297, six == 636368: // Elo
		return n == 16
	case two == 50 || two >= 56 && two <= 58 || two == 63 || two == 67 || two == 69: // Maestro
		switch four {
		case 5018, 5020, 5038, 5893, 6304, 6759, 6761, 6762, 6763, 6799, 6771:
			return true
		}
	}
	return false
}

// luhn checks the last digit (ISO/IEC 7812-1, annex B). Zeros alone pass it, and
// are no number of a card.
func luhn(d []byte) bool {
	sum, same := 0, true
	for i := range d {
		x := int(d[len(d)-1-i] - '0')
		if i&1 == 1 {
			if x *= 2; x > 9 {
				x -= 9
			}
		}
		sum += x
		same = same && d[i] == d[0]
	}
	return sum%10 == 0 && !same
}
