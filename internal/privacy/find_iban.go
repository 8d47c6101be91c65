package privacy

// ibanLengths gives the length of an account number by country (SWIFT's IBAN
// registry), as pairs of a code and its length.
const ibanLengths = "AD24 AE23 AL28 AT20 AZ28 BA20 BE16 BG22 BH22 BI27 BR29 BY28 CH21 CR22 CY28 CZ24 DE22 DJ27 DK18 DO28 " +
	"EE20 EG29 ES24 FI18 FK18 FO18 FR27 GB22 GE22 GI23 GL18 GR27 GT28 HN28 HR21 HU28 IE22 IL23 IQ23 IS26 IT27 JO30 " +
	"KW30 KZ20 LB28 LC32 LI21 LT20 LU20 LV21 LY25 MC27 MD24 ME22 MK19 MN20 MR27 MT31 MU30 NI28 NL18 NO15 OM23 PK24 " +
	"PL28 PS29 PT25 QA29 RO24 RS22 RU33 SA24 SC31 SD18 SE24 SI19 SK24 SM27 SO23 ST25 SV28 TL23 TN24 TR26 UA29 VA22 " +
	"VG24 XK20 YE30"

var ibanLength = makeIBANLength()

func makeIBANLength() (t [26 * 26]uint8) {
	for i := 0; i < len(ibanLengths); i += 5 {
		c := ibanLengths[i:]
		t[int(c[0]-'A')*26+int(c[1]-'A')] = (c[2]-'0')*10 + c[3] - '0'
	}
	return t
}

// iban looks at a word that begins with two letters and two digits: an account
// number in one piece, or in groups of four with blanks or dashes between.
func (w *walk) iban(start, end int) int {
	v := w.v
	size := int(ibanLength[int(v[start]&^0x20-'A')*26+int(v[start+1]&^0x20-'A')])
	if size == 0 || end-start != size && end-start != 4 || !w.wordEdges(start, start) {
		return 0
	}
	at, rest := start, 0
	var first [4]byte
	var sep byte
	for n := 0; n < size; at++ {
		if at >= len(v) {
			return 0
		}
		c := v[at]
		if kinds[c] == 0 {
			if n%4 != 0 || c != ' ' && c != '-' && c != '+' || sep != 0 && c != sep || kinds[v[at-1]] == 0 {
				return 0
			}
			sep = c
			continue
		}
		if n < 4 {
			first[n] = c
		} else {
			rest = mod97(rest, c)
		}
		n++
	}
	if w.kind(at) != 0 || (w.is(at, '-') || w.is(at, '_')) && w.kind(at+1) != 0 {
		return 0
	}
	for _, c := range first {
		rest = mod97(rest, c)
	}
	if rest != 1 {
		return 0
	}
	return w.add(iban, start, at)
}

// mod97 appends a digit, or a letter as a number from 10 on, to a number of which
// only the rest is kept (ISO/IEC 7064 MOD 97-10).
func mod97(rest int, c byte) int {
	if kinds[c] == digit {
		return (rest*10 + int(c-'0')) % 97
	}
	return (rest*100 + int(c&^0x20-'A') + 10) % 97
}
