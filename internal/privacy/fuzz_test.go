package privacy_test

import (
	"bytes"
	"testing"

	"github.com/clew-dev/clew/internal/privacy"
)

// checkRedacted checks what holds for any value.
func checkRedacted(t testing.TB, s *privacy.Scanner, key string, value []byte) {
	t.Helper()
	kept := bytes.Clone(value)
	found := s.Find(nil, key, value)
	at := 0
	for _, m := range found {
		if m.Start < at || m.End <= m.Start || m.End > len(value) {
			t.Fatalf("%q %q: %v is out of order or range", key, value, found)
		}
		at = m.End
	}
	if len(found) > privacy.MaxMatches {
		t.Fatalf("%d matches", len(found))
	}
	text, same := s.Redact(nil, key, value)
	if len(same) != len(found) || !bytes.Equal(value, kept) {
		t.Fatalf("%q %q: Redact found %v, Find %v", key, kept, same, found)
	}
	if len(found) == 0 && !bytes.Equal(text, value) {
		t.Fatalf("%q %q: nothing was found, and it became %q", key, value, text)
	}
	if left := s.Find(nil, key, text); len(left) > 0 {
		t.Fatalf("%q %q became %q, which holds %v", key, value, text, left)
	}
	if again, _ := s.Redact(nil, key, text); !bytes.Equal(again, text) {
		t.Fatalf("%q %q became %q and then %q", key, value, text, again)
	}
}

// FuzzFind checks that matches are in order and in range, and that redacted text
// holds none and stays as it is.
func FuzzFind(f *testing.F) {
	for _, d := range privacy.Detectors() {
		for _, l := range corpus(f, d) {
			f.Add(l.key, l.value)
		}
	}
	all := scanner(f, privacy.Detectors()...)
	some := scanner(f, privacy.Defaults()...)
	f.Fuzz(func(t *testing.T, key string, value []byte) {
		checkRedacted(t, all, key, value)
		checkRedacted(t, some, key, value)
	})
}

// FuzzUnescaped hides what is found behind escapes, and looks whether the places
// are still those of the value.
func FuzzUnescaped(f *testing.F) {
	f.Add([]byte("x="), []byte("%26"), uint8(1))
	f.Add([]byte("%zz%"), []byte(`\u00e9\`), uint8(2))
	f.Add([]byte(`\\u0040`), []byte("%2"), uint8(3))
	s := scanner(f, privacy.Email)
	f.Fuzz(func(t *testing.T, before, after []byte, layers uint8) {
		at := []byte("@")
		for range layers % 4 {
			at = bytes.ReplaceAll(at, []byte("%"), []byte("%25"))
			at = bytes.ReplaceAll(at, []byte("@"), []byte("%40"))
		}
		mail := append(append([]byte("ann"), at...), "example.com"...)
		value := append(append(append(append(bytes.Clone(before), ' '), mail...), ' '), after...)
		start := len(before) + 1
		found := s.Find(nil, "", value)
		for _, m := range found {
			if m.Start <= start && m.End >= start+len(mail) {
				return
			}
		}
		t.Fatalf("%q: %q is not found: %v", value, mail, found)
	})
}
