package store

import (
	"encoding/base64"
	"strings"
	"testing"

	"github.com/clew-dev/clew/internal/telemetry"
)

// A cursor comes from outside: whatever it is, it is refused with words that help, or
// it is one that Clew could have given, for this query.
func FuzzCursor(f *testing.F) {
	const query = 42
	good := cursor{Query: query, MaxSeq: 7, Expired: 1, After: &searchKey{Key: -5, ID: telemetry.TraceID{1, 15: 2}}}
	other := good
	other.Query++
	f.Add(good.String())
	f.Add(other.String())
	for _, text := range []string{"", "AA", "=", "null", "{}", `{"q":42}`, `{"q":42,"a":{}}`, `{"q":42,"a":{"Key":1e99}}`, `{"q":42,"s":-1,"a":{"ID":[1,2,3,300]}}`} {
		f.Add(text)
		f.Add(base64.RawURLEncoding.EncodeToString([]byte(text)))
	}
	f.Fuzz(func(t *testing.T, text string) {
		c := cursor{Query: query}
		if err := c.parse(text); err != nil {
			if say := err.Error(); telemetry.KindOf(err) != telemetry.KindInvalid || !strings.Contains(say, "the cursor") || !strings.Contains(say, "first page") {
				t.Fatalf("%q: %v", text, err)
			}
			return
		}
		if c.Query != query || c.After == nil {
			t.Fatalf("%q was taken: %+v", text, c)
		}
		again := cursor{Query: query}
		if err := again.parse(c.String()); err != nil || *again.After != *c.After || again.MaxSeq != c.MaxSeq || again.Expired != c.Expired {
			t.Fatalf("%q was taken for %+v, which reads as %+v, %v", text, c, again, err)
		}
	})
}
