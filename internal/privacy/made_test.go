package privacy_test

import (
	"encoding/base64"
	"fmt"
	"math/rand/v2"
	"strings"

	"github.com/clew-dev/clew/internal/privacy"
)

// maker makes up text from a seed. What it makes is computed by the published
// rules, apart from the code that it tests.
type maker struct{ *rand.Rand }

const (
	digits   = "0123456789"
	smalls   = "abcdefghijklmnopqrstuvwxyz"
	capitals = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
	hexes    = "0123456789abcdef"
	alnum    = digits + smalls + capitals
)

func (m maker) of(n int, from string) string {
	b := make([]byte, n)
	for i := range b {
		b[i] = from[m.IntN(len(from))]
	}
	return string(b)
}

func (m maker) one(of ...string) string { return of[m.IntN(len(of))] }

// size gives a number from least to most.
func (m maker) size(least, most int) int { return least + m.IntN(most-least+1) }

func (m maker) base64(bytes int) string {
	b := make([]byte, bytes)
	for i := range b {
		b[i] = byte(m.Uint32())
	}
	return base64.StdEncoding.EncodeToString(b)
}

// last appends the digit of 0 to 9, or the letter, with which text is valid.
func last(text, from string, valid func(string) bool) string {
	for _, c := range from {
		if valid(text + string(c)) {
			return text + string(c)
		}
	}
	return ""
}

// again makes text until it is not empty: some numbers have no check digit.
func again(f func() string) string {
	for {
		if s := f(); s != "" {
			return s
		}
	}
}

func (m maker) card() string {
	type issuer struct {
		prefix string
		size   int
	}
	all := []issuer{{"4", 16}, {"4", 16}, {"5" + m.of(1, "12345"), 16}, {"34", 15}, {"37", 15}, {"6011", 16}, {"65", 16}, {"36", 14},
		{fmt.Sprint(m.size(3528, 3589)), 16}, {"62", 16}, {"62", 19}, {fmt.Sprint(m.size(2221, 2720)), 16}, {"6759", 16}, {"2202", 16}, {"4", 19}, {"644", 16}}
	i := all[m.IntN(len(all))]
	return last(i.prefix+m.of(i.size-1-len(i.prefix), digits), digits, func(s string) bool {
		sum := 0
		for k := range len(s) {
			x := int(s[len(s)-1-k] - '0')
			if k%2 == 1 {
				x = x*2/10 + x*2%10
			}
			sum += x
		}
		return sum%10 == 0
	})
}

// apart puts a separator between groups of these sizes.
func apart(s, sep string, sizes ...int) string {
	var parts []string
	for _, n := range sizes {
		if n = min(n, len(s)); n == 0 {
			break
		}
		parts = append(parts, s[:n])
		s = s[n:]
	}
	if s != "" {
		parts = append(parts, s)
	}
	return strings.Join(parts, sep)
}

func (m maker) cardApart(sep string) string {
	c := m.card()
	switch len(c) {
	case 15:
		return apart(c, sep, 4, 6, 5)
	case 14:
		return apart(c, sep, 4, 6, 4)
	}
	return apart(c, sep, 4, 4, 4, 4)
}

func (m maker) iban() string {
	shapes := []string{"DEnnnnnnnnnnnnnnnnnn", "GBaaaannnnnnnnnnnnnn", "FRnnnnnnnnnncccccccccccnn", "NLaaaannnnnnnnnn", "ESnnnnnnnnnnnnnnnnnnnn",
		"ITannnnnnnnnncccccccccccc", "BEnnnnnnnnnnnn", "CHnnnnncccccccccccc", "NOnnnnnnnnnnn", "PLnnnnnnnnnnnnnnnnnnnnnnnn", "ATnnnnnnnnnnnnnnnn", "MTaaaannnnncccccccccccccccccc"}
	shape := m.one(shapes...)
	bban := ""
	for _, c := range shape[2:] {
		switch c {
		case 'n':
			bban += m.of(1, digits)
		case 'a':
			bban += m.of(1, capitals)
		case 'c':
			bban += m.of(1, digits+capitals)
		}
	}
	rest := 0
	for _, c := range bban + shape[:2] + "00" {
		if c >= 'A' {
			rest = (rest*100 + int(c-'A') + 10) % 97
		} else {
			rest = (rest*10 + int(c-'0')) % 97
		}
	}
	return fmt.Sprintf("%s%02d%s", shape[:2], 98-rest, bban)
}

func weights(s string, w ...int) (sum int) {
	for i, x := range w {
		sum += x * int(s[i]-'0')
	}
	return sum
}

func (m maker) ssn() string {
	return fmt.Sprintf("%03d-%02d-%04d", m.one2(m.size(1, 665), m.size(667, 899)), m.size(1, 99), m.size(1, 9999))
}

func (m maker) one2(a, b int) int {
	if m.IntN(2) == 0 {
		return a
	}
	return b
}

func (m maker) taxID() string {
	return again(func() string {
		p := m.Perm(10)
		if p[0] == 0 {
			return ""
		}
		p[m.size(1, 9)] = p[0] // one digit twice, one never
		s, rest := "", 10
		for _, d := range p {
			s += fmt.Sprint(d)
			if rest = (rest + d) % 10; rest == 0 {
				rest = 10
			}
			rest = rest * 2 % 11
		}
		return s + fmt.Sprint((11-rest)%10)
	})
}

func (m maker) nino() string {
	return again(func() string {
		p := m.of(1, "ABCEGHJKLMNOPRSTWXYZ") + m.of(1, "ABCEGHJKLMNPRSTWXYZ")
		if strings.Contains("BG GB NK KN TN NT ZZ", p) {
			return ""
		}
		return p + m.of(6, digits) + m.of(1, "ABCD")
	})
}

func (m maker) nir() string {
	s := fmt.Sprintf("%d%02d%02d%02d%03d%03d", m.size(1, 2), m.size(0, 99), m.size(1, 12), m.size(1, 95), m.size(1, 999), m.size(1, 999))
	n := 0
	for _, c := range s {
		n = (n*10 + int(c-'0')) % 97
	}
	return fmt.Sprintf("%s%02d", s, 97-n)
}

func (m maker) dni() string {
	n := m.size(1_000_000, 99_999_999)
	return fmt.Sprintf("%08d%c", n, "TRWAGMYFPDXBNJZSQVHLCKE"[n%23])
}

func (m maker) nie() string {
	k, n := m.IntN(3), m.size(1, 9_999_999)
	return fmt.Sprintf("%c%07d%c", "XYZ"[k], n, "TRWAGMYFPDXBNJZSQVHLCKE"[(k*10_000_000+n)%23])
}

func (m maker) fiscalCode() string {
	s := m.of(6, "BCDFGLMNPRSTVZ") + m.of(2, digits) + m.of(1, "ABCDEHLMPRST") + fmt.Sprintf("%02d", m.size(1, 31)) + m.of(1, "ABCDEFGHIL") + m.of(3, digits)
	odd := map[byte]int{}
	for i, v := range []int{1, 0, 5, 7, 9, 13, 15, 17, 19, 21} {
		odd[byte('0'+i)] = v
	}
	for i, v := range []int{1, 0, 5, 7, 9, 13, 15, 17, 19, 21, 2, 4, 18, 20, 11, 3, 6, 8, 12, 14, 16, 10, 22, 25, 24, 23} {
		odd[byte('A'+i)] = v
	}
	sum := 0
	for i := range len(s) {
		switch c := s[i]; {
		case i%2 == 0:
			sum += odd[c]
		case c <= '9':
			sum += int(c - '0')
		default:
			sum += int(c - 'A')
		}
	}
	return s + string(rune('A'+sum%26))
}

func (m maker) bsn() string {
	return again(func() string {
		return last(m.of(1, "123456789")+m.of(7, digits), digits, func(s string) bool {
			return weights(s, 9, 8, 7, 6, 5, 4, 3, 2, -1)%11 == 0
		})
	})
}

func (m maker) aadhaar() string {
	// Verhoeff's check by the dihedral group itself: a rotation and a mirror.
	times := func(a, b int) int {
		switch {
		case a < 5 && b < 5:
			return (a + b) % 5
		case a < 5:
			return (a+b-5)%5 + 5
		case b < 5:
			return (a-5-b+5)%5 + 5
		}
		return (a - b + 5) % 5
	}
	turn := [10]int{1, 5, 7, 6, 2, 8, 3, 0, 9, 4}
	return last(m.of(1, "23456789")+m.of(10, digits), digits, func(s string) bool {
		c := 0
		for i := range len(s) {
			x := int(s[len(s)-1-i] - '0')
			for range i % 8 {
				x = turn[x]
			}
			c = times(c, x)
		}
		return c == 0
	})
}

func (m maker) cpf() string {
	s := m.of(8, digits) + m.of(1, "123456789")
	for _, w := range [][]int{{10, 9, 8, 7, 6, 5, 4, 3, 2}, {11, 10, 9, 8, 7, 6, 5, 4, 3, 2}} {
		d := 11 - weights(s, w...)%11
		if d > 9 {
			d = 0
		}
		s += fmt.Sprint(d)
	}
	return s
}

func (m maker) pesel() string {
	s := fmt.Sprintf("%02d%02d%02d%04d", m.size(0, 99), m.size(1, 12)+20*m.IntN(2), m.size(1, 28), m.size(0, 9999))
	return s + fmt.Sprint((10-weights(s, 1, 3, 7, 9, 1, 3, 7, 9, 1, 3)%10)%10)
}

func (m maker) email() string {
	first := m.one("ann", "bob", "carol.lee", "d.e.f", "grace_h", "mo-li", "x", "sales", "jürgen", "n1ck") + m.one("", "", m.of(2, digits), "+shop", "."+m.of(4, smalls))
	return first + "@" + m.one("", "", "mail.", "eu-1.") + m.of(m.size(2, 9), smalls) + "." + m.one("com", "org", "de", "co.uk", "io", "museum", "com.br")
}

func (m maker) jwt() string {
	enc := base64.RawURLEncoding.EncodeToString
	return enc([]byte(`{"alg":"`+m.one("HS256", "RS256", "ES512")+`","typ":"JWT"}`)) + "." +
		enc([]byte(fmt.Sprintf(`{"sub":"%d","n":"%s"}`, m.Uint32(), m.of(6, smalls)))) + "." + m.of(m.size(43, 86), alnum+"-_")
}

func (m maker) password() string {
	return m.of(1, alnum) + m.of(m.size(5, 18), alnum+"!$*_-.~") + m.of(1, alnum)
}

// secret makes what a detector should find, the key that gives it a meaning, and
// what must stand before and behind it: "" for most.
func (m maker) secret(d privacy.Detector) (key, before, text, behind string) {
	switch d {
	case privacy.Email:
		return "", "", m.email(), ""
	case privacy.PaymentCard:
		return "", "", m.one(m.card(), m.cardApart(" "), m.cardApart("-")), ""
	case privacy.IBAN:
		i := m.iban()
		return "", "", m.one(i, apart(i, " ", 4, 4, 4, 4, 4, 4, 4, 4)), ""
	case privacy.Phone:
		n := m.of(1, "23456789") + m.of(2, digits) + m.of(1, "23456789") + m.of(6, digits)
		return "", "", m.one("+"+m.one("1", "49", "44", "353")+n, "+1-"+apart(n, "-", 3, 3), apart(n, "-", 3, 3), "("+n[:3]+") "+n[3:6]+"-"+n[6:], "+49 "+apart(n, " ", 3, 3)), ""
	case privacy.JWT:
		return "", "", m.jwt(), ""
	case privacy.AWSKey:
		if m.IntN(2) == 0 {
			return "", m.one("aws_secret_access_key=", `"SecretAccessKey":"`, "AWS_SECRET_ACCESS_KEY: "), m.of(1, smalls) + m.of(18, alnum+"/+") + m.of(1, capitals) + m.of(19, alnum+"/+") + m.of(1, digits), ""
		}
		return "", "", m.one("AKIA", "ASIA") + m.of(16, capitals+"234567"), ""
	case privacy.GCPKey:
		return "", "", m.one("AIza"+m.of(35, alnum+"-_"), "GOCSPX-"+m.of(28, alnum+"-_"), "ya29."+m.of(80, alnum+"-_")), ""
	case privacy.AzureKey:
		switch m.IntN(3) {
		case 0:
			return "", m.one("AccountKey=", "SharedAccessKey="), m.one(m.base64(64), m.base64(32)), ""
		case 1:
			return "", "https://x.example/c?sv=2024-11-04&sig=", strings.NewReplacer("+", "%2B", "/", "%2F", "=", "%3D").Replace(m.base64(32)), "&se=2027"
		}
		return "", "", m.of(3, alnum) + m.of(1, digits) + "Q~" + m.of(m.size(31, 34), alnum+"~_"), ""
	case privacy.GitHubToken:
		return "", "", m.one("ghp_"+m.of(36, alnum), "gho_"+m.of(36, alnum), "ghs_"+m.of(36, alnum), "github_pat_"+m.of(22, alnum)+"_"+m.of(59, alnum)), ""
	case privacy.GitLabToken:
		return "", "", m.one("glpat-", "gldt-", "glrt-", "glcbt-64_") + m.of(20, alnum+"-_"), ""
	case privacy.SlackToken:
		return "", "", m.one("xoxb-", "xoxp-") + m.of(12, digits) + "-" + m.of(12, digits) + "-" + m.of(24, alnum), ""
	case privacy.StripeKey:
		return "", "", m.one("sk_live_", "sk_test_", "rk_live_") + m.one(m.of(24, alnum), "51"+m.of(97, alnum)), ""
	case privacy.PrivateKey:
		kind := m.one("", "RSA ", "EC ", "OPENSSH ", "ENCRYPTED ")
		return "", "", "-----BEGIN " + kind + "PRIVATE KEY-----\n" + m.base64(48) + "\n" + m.base64(30) + "\n-----END " + kind + "PRIVATE KEY-----", ""
	case privacy.BasicAuth:
		return "", m.one("Basic ", "Authorization: Basic ", "basic "), base64.StdEncoding.EncodeToString([]byte(m.of(m.size(1, 9), smalls) + ":" + m.password())), ""
	case privacy.BearerToken:
		return "", m.one("Bearer ", "Authorization: Bearer ", "authorization: bearer "), m.of(1, digits) + m.of(m.size(20, 60), alnum+"-_.~+/") + m.of(1, alnum), ""
	case privacy.URLPassword:
		return "", m.one("postgres", "amqp", "redis", "https", "mongodb+srv") + "://" + m.one("", "ann", "shop_rw") + ":", m.password(), "@db-1.example" + m.one(":5432", "") + "/x"
	case privacy.ConnectionString:
		if m.IntN(2) == 0 {
			return "", m.one("Server=db;Uid=ann;Pwd=", "host=db user=ann password=", "Data Source=db;User Id=a;Password="), m.password(), m.one(";", " ") + "x=1"
		}
		return "", "ann:", m.password(), "@tcp(db:3306)/shop"
	case privacy.USSSN:
		s := m.ssn()
		if m.IntN(2) == 0 {
			return "", "", s, ""
		}
		return "user.ssn", "", strings.ReplaceAll(s, "-", m.one("", " ")), ""
	case privacy.DETaxID:
		s := m.taxID()
		return m.one("user.tax_id", "customer.steuer_id"), "", m.one(s, apart(s, " ", 2, 3, 3, 3)), ""
	case privacy.UKNINO:
		s := m.nino()
		return "user.nino", "", m.one(s, apart(s, " ", 2, 2, 2, 2, 1)), ""
	case privacy.FRNIR:
		s := m.nir()
		return "", "", m.one(s, apart(s, " ", 1, 2, 2, 2, 3, 3, 2)), ""
	case privacy.ESDNI:
		return "", "", m.one(m.dni(), m.nie()), ""
	case privacy.ITFiscalCode:
		return "", "", m.fiscalCode(), ""
	case privacy.NLBSN:
		s := m.bsn()
		return "customer.bsn", "", m.one(s, apart(s, ".", 4, 2, 3)), ""
	case privacy.INAadhaar:
		return "", "", apart(m.aadhaar(), m.one(" ", "-"), 4, 4, 4), ""
	case privacy.BRCPF:
		s := m.cpf()
		if m.IntN(2) == 0 {
			return "user.cpf", "", s, ""
		}
		return "", "", s[:3] + "." + s[3:6] + "." + s[6:9] + "-" + s[9:], ""
	case privacy.PLPESEL:
		return "user.pesel", "", m.pesel(), ""
	case privacy.IPv4:
		return "", "", fmt.Sprintf("%d.%d.%d.%d", m.size(1, 126), m.size(0, 255), m.size(1, 255), m.size(1, 254)), ""
	case privacy.IPv6:
		return "", "", m.one("2001:db8:"+m.of(3, "123456789abcdef")+"::"+m.of(1, "123456789")+m.of(3, hexes), "fe80::"+m.of(1, "123456789")+m.of(3, hexes),
			fmt.Sprintf("2a02:%x:%x:%x:%x:%x:%x:%x", m.size(1, 65535), m.size(1, 65535), m.size(1, 65535), m.size(1, 65535), m.size(1, 65535), m.size(1, 65535), m.size(1, 65535))), ""
	case privacy.MACAddress:
		return "", "", apart("02"+m.of(10, hexes), m.one(":", "-"), 2, 2, 2, 2, 2), ""
	}
	panic("no maker of " + d)
}
