package sanitise

import "strings"

// redacted stands for a value that was taken out.
const redacted = "REDACTED"

// secrets are the names of query parameters that hold credentials, in lower case.
var secrets = [...]string{
	"awsaccesskeyid", "signature", "sig", "x-goog-signature", "x-amz-signature", "x-amz-credential",
	"x-amz-security-token", "token", "access_token", "api_key", "key", "password", "secret",
}

// longestSecret bounds what is compared: each character of a name may be written
// with three.
const longestSecret = 3 * len("x-amz-security-token")

// URL returns s without user info and without the values of secret parameters of
// the query and the fragment. It works on any text, and returns s itself when there
// is nothing to take out.
func URL(s string) string {
	from, to := userInfo(s)
	tail := strings.IndexAny(s[to:], "?#")
	if tail < 0 {
		if from == to {
			return s
		}
		return s[:from] + s[to:]
	}
	tail += to + 1
	query := Query(s[tail:])
	if from == to && len(query) == len(s)-tail && query == s[tail:] {
		return s
	}
	return s[:from] + s[to:tail] + query
}

// userInfo returns the borders of the user info with its @, two equal ones when
// there is none.
func userInfo(s string) (from, to int) {
	if at := strings.Index(s, "//"); at >= 0 && (at == 0 || s[at-1] == ':' && !strings.ContainsAny(s[:at], "/?#")) {
		from = at + 2
		end := strings.IndexAny(s[from:], "/\\?#")
		if end < 0 {
			end = len(s) - from
		}
		if at := strings.LastIndexByte(s[from:from+end], '@'); at >= 0 {
			return from, from + at + 1
		}
	}
	return 0, 0
}

// Query returns a query, without its ?, with the values of secret parameters
// replaced. A fragment behind it is treated alike.
func Query(s string) string {
	var b []byte // s[:done] as it will be, once something was replaced
	done := 0
	for at := 0; at <= len(s); {
		end := strings.IndexAny(s[at:], "&;#?")
		if end < 0 {
			end = len(s)
		} else {
			end += at
		}
		if equals := strings.IndexByte(s[at:end], '='); equals >= 0 && at+equals+1 < end && secret(s[at:at+equals]) &&
			s[at+equals+1:end] != redacted {
			b = append(append(b, s[done:at+equals+1]...), redacted...)
			done = end
		}
		at = end + 1
	}
	if b == nil {
		return s
	}
	return string(append(b, s[done:]...))
}

// secret reports whether a parameter's name, which may be percent-encoded, is one
// of those that hold credentials. Case does not count.
func secret(name string) bool {
	if len(name) > longestSecret {
		return false
	}
	var plain [longestSecret]byte
	n := 0
	for i := 0; i < len(name); i++ {
		c := name[i]
		if c == '%' && i+2 < len(name) {
			if hi, lo := hex(name[i+1]), hex(name[i+2]); hi < 16 && lo < 16 {
				c = hi<<4 | lo
				i += 2
			}
		}
		if 'A' <= c && c <= 'Z' {
			c += 'a' - 'A'
		}
		plain[n] = c
		n++
	}
	for _, s := range secrets {
		if string(plain[:n]) == s {
			return true
		}
	}
	return false
}

func hex(c byte) byte {
	switch {
	case '0' <= c && c <= '9':
		return c - '0'
	case 'a' <= c|0x20 && c|0x20 <= 'f':
		return c | 0x20 - 'a' + 10
	}
	return 0xff
}
