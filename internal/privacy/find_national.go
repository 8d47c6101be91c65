package privacy

// ssn checks the parts of a Social Security number: there is no check digit, but
// there are areas, groups and serials that are never given (SSA, POMS RM 10201).
func ssn(d []byte) bool {
	area := string(d[:3])
	return area != "000" && area != "666" && d[0] != '9' && string(d[3:5]) != "00" && string(d[5:9]) != "0000"
}

// taxID checks a German tax id: ISO/IEC 7064 MOD 11,10, no zero in front, and
// among the first ten digits one stands there twice or three times, the others once.
func taxID(d []byte) bool {
	if d[0] == '0' {
		return false
	}
	var count [10]int
	p := 10
	for _, c := range d[:10] {
		count[c-'0']++
		s := (int(c-'0') + p) % 10
		if s == 0 {
			s = 10
		}
		p = 2 * s % 11
	}
	if int(d[10]-'0') != (11-p)%10 {
		return false
	}
	more := 0
	for _, n := range count {
		if n > 3 {
			return false
		}
		if n > 1 {
			more++
		}
	}
	return more == 1
}

// nir checks a French number: sex, month, department, and the key 97 − n mod 97.
// Corsica's departments 2A and 2B count as 19 and 18.
func nir(d []byte) bool {
	switch d[0] {
	case '1', '2', '3', '4', '7', '8':
	default:
		return false
	}
	month := int(d[3]-'0')*10 + int(d[4]-'0')
	if !(month >= 1 && month <= 12 || month >= 20 && month <= 42) {
		return false
	}
	if d[5] == '0' && d[6] == '0' {
		return false
	}
	rest := 0
	for i, c := range d[:13] {
		x := int(c - '0')
		if i == 6 && kinds[c]&letter != 0 {
			// 2A is 19: one less in front, nine here.
			if d[5] != '2' {
				return false
			}
			switch c | 0x20 {
			case 'a':
				x = 9
			case 'b':
				x = 8
			default:
				return false
			}
			rest = (rest - 1 + 97) % 97
		} else if kinds[c] != digit {
			return false
		}
		rest = (rest*10 + x) % 97
	}
	return 97-rest == int(d[13]-'0')*10+int(d[14]-'0')
}

// bsn checks a Dutch number: the sum with weights 9 to 2 and −1 is divisible by 11.
func bsn(d []byte) bool {
	sum, zeros := 0, true
	for i, c := range d[:8] {
		sum += (9 - i) * int(c-'0')
		zeros = zeros && c == '0'
	}
	return !zeros && (sum-int(d[8]-'0'))%11 == 0
}

// cpf checks both digits of a Brazilian number.
func cpf(d []byte) bool {
	same := true
	for n := 9; n <= 10; n++ {
		sum := 0
		for i, c := range d[:n] {
			sum += (n + 1 - i) * int(c-'0')
			same = same && c == d[0]
		}
		if sum*10%11%10 != int(d[n]-'0') {
			return false
		}
	}
	return !same
}

// pesel checks a Polish number: the date of birth, whose month says the century,
// and the last digit.
func pesel(d []byte) bool {
	month, day := (int(d[2]-'0')*10+int(d[3]-'0'))%20, int(d[4]-'0')*10+int(d[5]-'0')
	if month < 1 || month > 12 || day < 1 || day > 31 {
		return false
	}
	sum := 0
	for i, c := range d[:10] {
		sum += int("1379137913"[i]-'0') * int(c-'0')
	}
	return (10-sum%10)%10 == int(d[10]-'0')
}

var (
	verhoeffTimes = [10]string{
		"0123456789", "1234067895", "2340178956", "3401289567", "4012395678",
		"5987604321", "6598710432", "7659821043", "8765932104", "9876543210",
	}
	verhoeffTurn = [8]string{
		"0123456789", "1576283094", "5803796142", "8916043527",
		"9453126870", "4286573901", "2793806415", "7046913258",
	}
)

// aadhaar checks an Indian number: it begins with 2 to 9, and its last digit is
// Verhoeff's.
func aadhaar(d []byte) bool {
	c, same := byte(0), true
	for i := range d {
		x := d[len(d)-1-i] - '0'
		c = verhoeffTimes[c][verhoeffTurn[i%8][x]-'0'] - '0'
		same = same && d[i] == d[0]
	}
	return c == 0 && d[0] >= '2' && !same
}

// mixed looks at a word of letters and digits. It gives the end of what it found, or 0.
func (w *walk) mixed(start, end int, kind uint8) int {
	v, n := w.v, end-start
	d := v[start:end]
	if w.on&iban != 0 && n >= 4 && kinds[d[0]]&letter != 0 && kinds[d[1]]&letter != 0 && kinds[d[2]] == digit && kinds[d[3]] == digit {
		if next := w.iban(start, end); next > 0 {
			return next
		}
	}
	switch {
	case n == 16 && w.on&itFiscalCode != 0:
		if fiscalCode(d) && w.wordEdges(start, end) {
			return w.add(itFiscalCode, start, end)
		}
	case n == 15 && w.on&frNIR != 0 && d[5] == '2' && kinds[d[6]]&letter != 0:
		if nirMixed(d) && w.wordEdges(start, end) {
			return w.add(frNIR, start, end)
		}
	case n == 9 && w.on&(esDNI|ukNINO) != 0:
		if !w.wordEdges(start, end) {
			return 0
		}
		if w.on&esDNI != 0 && dni(d) && (kind&lower == 0 && w.context(start)&ctxID == 0 || w.context(start)&ctxES != 0) {
			return w.add(esDNI, start, end)
		}
		// Without a check digit it is a pattern that part numbers have too.
		if w.on&ukNINO != 0 && nino(d) && w.context(start)&ctxUK != 0 {
			return w.add(ukNINO, start, end)
		}
	case n == 2 && w.on&frNIR != 0 && d[0] == '2':
		return w.nirCorsica(start)
	}
	return 0
}

// wordEdges reports whether the word v[start:end] stands alone.
func (w *walk) wordEdges(start, end int) bool {
	if start > 0 {
		switch c := w.v[start-1]; c {
		case '-', '.', '_':
			if w.kind(start-2) == digit {
				return false
			}
		default:
			if w.accented(start - 1) {
				return false
			}
		}
	}
	return !(w.is(end, '-') || w.is(end, '_')) || w.kind(end+1) == 0
}

const dniLetters = "TRWAGMYFPDXBNJZSQVHLCKE"

// dni checks the control letter of a Spanish number, or of a foreigner's.
func dni(d []byte) bool {
	n := 0
	digits := d[:8]
	switch d[0] | 0x20 {
	case 'x', 'y', 'z':
		n, digits = int(d[0]|0x20-'x'), d[1:8]
	}
	for _, c := range digits {
		if kinds[c] != digit {
			return false
		}
		n = n*10 + int(c-'0')
	}
	return n > 0 && kinds[d[8]]&letter != 0 && d[8]&^0x20 == dniLetters[n%23]
}

// dniDashed looks for the letter of the digits v[start:end]: 12345678-Z, 12.345.678-Z.
func (w *walk) dniDashed(start, end int) int {
	at := end
	if w.is(at, '-') || w.is(at, ' ') {
		at++
	}
	if w.kind(at) != upper || w.kind(at+1) != 0 || w.is(at+1, '-') && w.kind(at+2) != 0 {
		return 0
	}
	var room [9]byte
	d := append(w.pure(room[:0:8], start, end), w.v[at])
	if len(d) != 9 || !dni(d) || w.context(start)&ctxID != 0 && w.context(start)&ctxES == 0 {
		return 0
	}
	if w.is(end, ' ') && w.context(start)&ctxES == 0 {
		return 0
	}
	return w.add(esDNI, start, at+1)
}

// nino checks the letters of a British number: HMRC's NIM39110 lists what is not given.
func nino(d []byte) bool {
	a, b, last := d[0]&^0x20, d[1]&^0x20, d[8]&^0x20
	for _, c := range [...]byte{d[0], d[1], d[8]} {
		if kinds[c]&letter == 0 {
			return false
		}
	}
	for _, c := range d[2:8] {
		if kinds[c] != digit {
			return false
		}
	}
	for _, c := range [...]byte{a, b} {
		switch c {
		case 'D', 'F', 'I', 'Q', 'U', 'V':
			return false
		}
	}
	switch string([]byte{a, b}) {
	case "BG", "GB", "NK", "KN", "TN", "NT", "ZZ":
		return false
	}
	return b != 'O' && last >= 'A' && last <= 'D'
}

// spaced looks at numbers that begin with a short word of letters, and go on after
// a blank or a dash: "AB 12 34 56 C", "X-1234567-L", "RSS MRA 85T10 A562S".
func (w *walk) spaced(start, end int) int {
	sep := w.v[end]
	if sep != ' ' && sep != '-' {
		return 0
	}
	sizes, d := "", set(0)
	switch end - start {
	case 1:
		sizes, d = "171", esDNI
	case 2:
		sizes, d = "22221", ukNINO
	case 3:
		sizes, d = "3355", itFiscalCode
	}
	if w.on&d == 0 || start > 0 && !w.gapBefore(start) {
		return 0
	}
	var room [16]byte
	text, at := room[:0], start
	for i := range len(sizes) {
		if i > 0 {
			if !w.is(at, sep) {
				return 0
			}
			at++
		}
		for range int(sizes[i] - '0') {
			if w.kind(at) == 0 {
				return 0
			}
			text = append(text, w.v[at])
			at++
		}
	}
	if w.kind(at) != 0 || sep == '-' && (w.is(at, '-') && w.kind(at+1) != 0 || w.is(start-1, '-')) {
		return 0
	}
	switch {
	case d == ukNINO && nino(text), d == esDNI && kinds[text[0]] == upper && dni(text), d == itFiscalCode && fiscalCode(text):
		return w.add(d, start, at)
	}
	return 0
}

// nirCorsica looks at a French number whose department is the word 2A or 2B at i:
// "1 85 05 2A 123 456 78".
func (w *walk) nirCorsica(i int) int {
	start, end := i-8, i+13
	if start < 0 || end > len(w.v) || !w.gapBefore(start) || w.kind(end) != 0 {
		return 0
	}
	var room [15]byte
	d := room[:0]
	for j := start; j < end; j++ {
		switch j - start {
		case 1, 4, 7, 10, 14, 18:
			if w.v[j] != w.v[start+1] || w.v[j] != ' ' && w.v[j] != '.' && w.v[j] != '-' {
				return 0
			}
		default:
			d = append(d, w.v[j])
		}
	}
	if !nirMixed(d) {
		return 0
	}
	return w.add(frNIR, start, end)
}

// nirMixed is nir for 15 bytes that may be others than digits.
func nirMixed(d []byte) bool {
	for i, c := range d {
		if i != 6 && kinds[c] != digit {
			return false
		}
	}
	return kinds[d[6]] != 0 && nir(d)
}

// fiscalOdd are the values of digits and letters at odd places of an Italian code.
// At even places a digit or letter counts as its order.
var (
	fiscalOddDigits  = [10]int{1, 0, 5, 7, 9, 13, 15, 17, 19, 21}
	fiscalOddLetters = [26]int{1, 0, 5, 7, 9, 13, 15, 17, 19, 21, 2, 4, 18, 20, 11, 3, 6, 8, 12, 14, 16, 10, 22, 25, 24, 23}
)

// fiscalCode checks an Italian code: LLLLLLddLddLdddL, the month's letter, and the
// last letter. Where two people would have the same code, digits are written as
// letters of LMNPQRSTUV.
func fiscalCode(d []byte) bool {
	sum := 0
	for i, c := range d[:16] {
		isDigit := kinds[c] == digit
		if c >= 0x80 || kinds[c] == 0 {
			return false
		}
		up := c &^ 0x20
		switch i {
		case 6, 7, 9, 10, 12, 13, 14:
			if !isDigit && !isOneOf(up, "LMNPQRSTUV") {
				return false
			}
		case 8:
			if isDigit || !isOneOf(up, "ABCDEHLMPRST") {
				return false
			}
		default:
			if isDigit {
				return false
			}
		}
		switch {
		case i == 15:
			return int(up-'A') == sum%26
		case i&1 == 1 && isDigit:
			sum += int(c - '0')
		case i&1 == 1:
			sum += int(up - 'A')
		case isDigit:
			sum += fiscalOddDigits[c-'0']
		default:
			sum += fiscalOddLetters[up-'A']
		}
	}
	return false
}

func isOneOf(c byte, all string) bool {
	for i := range len(all) {
		if all[i] == c {
			return true
		}
	}
	return false
}
