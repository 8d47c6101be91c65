package privacy

import (
	"bytes"
	"strings"
)

// ibanShapes gives what follows the two check digits, by country (SWIFT's IBAN
// registry): how many digits (n), letters (a), or either (c). A random word of a
// country's length passes the check digits one time in 97, but hardly the shape.
const ibanShapes = "AD8n12c AE19n AL8n16c AT16n AZ4a20c BA16n BE12n BG4a6n8c BH4a14c BI23n BR23n1a1c BY4c4n16c CH5n12c CR18n " +
	"CY8n16c CZ20n DE18n DJ23n DK14n DO4c20n EE16n EG25n ES20n FI14n FK2a12n FO14n FR10n11c2n GB4a14n GE2a16n " +
	"GI4a15c GL14n GR7n16c GT24c HN4a20n HR17n HU24n IE4a14n IL19n IQ4a15n IS22n IT1a10n12c JO4a4n18c KW4a22c " +
	"KZ3n13c LB4n20c LC4a24c LI5n12c LT16n LU3n13c LV4a13c LY21n MC10n11c2n MD20c ME18n MK3n10c2n MN16n MR23n " +
	"MT4a5n18c MU4a19n3a NI4a20n NL4a10n NO11n OM3n16c PK4a16c PL24n PS4a21c PT21n QA4a21c RO4a16c RS18n " +
	"RU14n15c SA2n18c SC4a20n3a SD14n SE20n SI15n SK20n SM1a10n12c SO19n ST21n SV4a20n TL19n TN20n TR6n16c " +
	"UA6n19c VA18n VG4a16n XK16n YE4a4n18c"

var ibanShape = makeIBANShapes()

// makeIBANShapes writes each country's shape out, a letter for each character.
func makeIBANShapes() (t [26 * 26]string) {
	for country := range strings.FieldsSeq(ibanShapes) {
		var shape []byte
		n := 0
		for _, c := range []byte(country[2:]) {
			if kinds[c] == digit {
				n = n*10 + int(c-'0')
				continue
			}
			shape, n = append(shape, bytes.Repeat([]byte{c}, n)...), 0
		}
		t[int(country[0]-'A')*26+int(country[1]-'A')] = string(shape)
	}
	return t
}

// iban looks at a word that begins with two letters and two digits: an account
// number in one piece, or in groups of four with blanks or dashes between.
func (w *walk) iban(start, end int) int {
	v := w.v
	shape := ibanShape[int(v[start]&^0x20-'A')*26+int(v[start+1]&^0x20-'A')]
	size := 4 + len(shape)
	if shape == "" || end-start != size && end-start != 4 || !w.wordEdges(start, start) {
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
			if isDigit := kinds[c] == digit; shape[n-4] != 'c' && isDigit != (shape[n-4] == 'n') {
				return 0
			}
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
