package sanitise_test

import (
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/clew-dev/clew/kit/go/internal/sanitise"
)

var systems = []string{"postgresql", "mysql", "sqlite", "oracle.db", "microsoft.sql_server", "other"}

func TestNothingToTakeOutDoesNotAllocate(t *testing.T) {
	for name, fn := range map[string]func(){
		"url":   func() { sanitise.URL("https://example.com/orders?page=2&size=10#top") },
		"query": func() { sanitise.Query("page=2&size=10") },
	} {
		if n := testing.AllocsPerRun(100, fn); n != 0 {
			t.Errorf("%s allocates %v times, want 0", name, n)
		}
	}
}

func TestStatementsAreCut(t *testing.T) {
	for _, c := range []struct {
		name, text string
		length     int
	}{
		{"at the limit", "SELECT " + strings.Repeat("a", 4089), 4096},
		{"over the limit", "SELECT " + strings.Repeat("a", 4090), 4096},
		{"inside a character", "SELECT " + strings.Repeat("a", 4088) + "é", 4095},
		{"long literal", "SELECT '" + strings.Repeat("a", 10000) + "' FROM t", len("SELECT ? FROM t")},
		{"literal over what is read", "SELECT '" + strings.Repeat("é", 10000) + "' FROM t", len("SELECT ?")},
		{"read inside a character", "/*" + strings.Repeat("a", 16371) + "*/ SELECT é", len("SELECT")},
	} {
		if got := sanitise.SQL("postgresql", c.text).Text; len(got) != c.length || !utf8.ValidString(got) {
			t.Errorf("%s: %d bytes (%.60q…), want %d", c.name, len(got), got, c.length)
		}
	}
}

// A literal is taken out whatever stands in it.
func FuzzLiteral(f *testing.F) {
	for _, seed := range []string{"secret", "--", "/*", "\"", "`", "$$", "#", "é\x00", ";"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, secret string) {
		if len(secret) > 4000 || strings.ContainsAny(secret, "'\\") {
			return
		}
		for _, system := range systems {
			for _, quoted := range []string{"'" + secret + "'", "E'" + secret + "'", "N'" + secret + "'"} {
				if got := sanitise.SQL(system, "SELECT "+quoted+" FROM t"); got.Text != "SELECT ? FROM t" || got.Summary != "SELECT t" {
					t.Errorf("%s: %q gives %+v", system, quoted, got)
				}
			}
		}
	})
}

func FuzzSQL(f *testing.F) {
	for _, seed := range []string{"SELECT * FROM orders WHERE id = 1", "WITH x AS (SELECT 1) SELECT * FROM x", "q'[", "$a$", "/*/*", "\"", "[", "0x", "1e+", "((((((((((", "a.\"b\"", "\\'"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		for _, system := range systems {
			s := sanitise.SQL(system, text)
			if len(s.Text) > 4096 || len(s.Summary) > 255 {
				t.Errorf("%d bytes of text, %d of summary", len(s.Text), len(s.Summary))
			}
			if utf8.ValidString(text) && (!utf8.ValidString(s.Text) || !utf8.ValidString(s.Summary) || !utf8.ValidString(s.Collection)) {
				t.Errorf("%q is cut inside a character: %+v", text, s)
			}
		}
	})
}

func FuzzURL(f *testing.F) {
	for _, seed := range []string{"https://u:p@h/?token=1", "//@", "redis://:x@h", "?sig=1#key=2", "%74oken=1", "a:b@c"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, s string) {
		once := sanitise.URL(s)
		if again := sanitise.URL(once); again != once {
			t.Errorf("%q is %q and then %q", s, once, again)
		}
		if strings.ContainsAny(s, "/\\?#@&;=") {
			return
		}
		if got := sanitise.URL("https://user:" + s + "@h/p?a=1&token=" + s); got != "https://h/p?a=1&token=REDACTED" && s != "" {
			t.Errorf("%q stays in %q", s, got)
		}
	})
}

func BenchmarkSQL(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		sanitise.SQL("postgresql", "SELECT id, name, price FROM orders WHERE customer = $1 AND state = 'open' LIMIT 10")
	}
}

func BenchmarkURL(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		sanitise.URL("https://example.com/orders?page=2&size=10")
	}
}
