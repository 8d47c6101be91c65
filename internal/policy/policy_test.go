package policy_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/clew-dev/clew/internal/charter"
	"github.com/clew-dev/clew/internal/policy"
	"github.com/clew-dev/clew/internal/testkit"
)

func compiled(t *testing.T, text string) *policy.Policy {
	t.Helper()
	c, err := charter.Parse("charter.yaml", []byte("charter: 1\n"+text))
	if err != nil {
		t.Fatal(err)
	}
	p, err := policy.Compile(c)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// TestDocuments pins what a service with a section and one without are told.
func TestDocuments(t *testing.T) {
	files, _ := filepath.Glob("testdata/*.yaml")
	if len(files) < 2 {
		t.Fatal("no corpus")
	}
	for _, name := range files {
		t.Run(filepath.Base(name), func(t *testing.T) {
			text, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			p := compiled(t, string(text))
			var out bytes.Buffer
			for _, service := range []string{"orders", "cart"} {
				d := p.For(service)
				fmt.Fprintf(&out, "%s %s %s\n", service, d.Version, d.ETag)
				if err := json.Indent(&out, d.Body, "", "  "); err != nil {
					t.Fatal(err)
				}
				out.WriteByte('\n')
			}
			testkit.Golden(t, strings.TrimSuffix(name, ".yaml")+".txt", out.Bytes())
		})
	}
}

// A share becomes a threshold by OpenTelemetry's table of one in so many (tracestate
// probability sampling, four digits of precision).
func TestThresholds(t *testing.T) {
	for ratio, want := range map[string]string{"1": "0", "1/2": "8", "1/3": "aaab", "1/4": "c", "1/5": "cccd", "1/8": "e", "1/10": "e666", "1/16": "f",
		"1/100": "fd70a", "1/1000": "ffbe77", "1/10000": "fff9724", "1/100000": "ffff583a", "1/1000000": "ffffef39", "0": "never", "10%": "e666", "0.1": "e666",
		"1/72057594037927936": "ffffffffffffff"} {
		body := string(compiled(t, "kits: { sampling: { ratio: "+ratio+" } }").For("").Body)
		if !strings.Contains(body, `"sampling":{"th":"`+want+`"}`) {
			t.Errorf("%s: %s, want %s", ratio, body, want)
		}
	}
}

// The most that the language allows, in plain names, is a document that kits take.
func TestTheLargestDocumentIsTaken(t *testing.T) {
	list := func(n int, one string) string {
		return "[" + strings.TrimSuffix(strings.Repeat(one+", ", n), ", ") + "]"
	}
	numbered := func(text string) string {
		n := 0
		for strings.Contains(text, "#") {
			text = strings.Replace(text, "#", fmt.Sprintf("%05d", n), 1)
			n++
		}
		return text
	}
	long := strings.Repeat("x", 90)
	rules := list(40, "{ name: #"+long+", match: { kind: #"+long+", method: #"+long+", name: #"+long+", route: #"+long+" }, ratio: 0.123456789, per_second: 1000000000 }")
	text := "services: { orders: {} }\nattributes:\n" + strings.Repeat("  a#: { type: string, on_ingest: { truncate: 65536 } }\n", 2900) +
		"kits: { sampling: { rules: " + rules + " }, propagate_to: " + list(256, "#"+long) + ", baggage_keys: " + list(64, "a#"+strings.Repeat(long, 2)) +
		", services: { orders: { sampling: { rules: " + strings.ReplaceAll(rules, "{ name", "{ name") + " } } } }\n"
	p := compiled(t, numbered(text))
	if n := len(p.For("orders").Body); n < 200<<10 || n > 256<<10 {
		t.Errorf("%d bytes", n)
	}
}

// TestChangeReachesWaiters: 200 kits wait; each change that is one to them reaches
// all of them, and one that is none wakes nobody.
func TestChangeReachesWaiters(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := policy.NewSource(compiled(t, ""))
		ctx, stop := context.WithCancel(t.Context())
		defer stop()
		for n, text := range []string{"kits: { level: edges }", "services: { orders: {} }\nkits: { services: { orders: { components: { sql: off } } } }", "organisation: other"} {
			tag := s.Current("orders").ETag
			answers := make(chan policy.Document, 200)
			for range cap(answers) {
				go func() {
					if d, changed := s.Wait(ctx, "orders", tag); changed {
						answers <- d
					}
				}()
			}
			synctest.Wait()
			p := compiled(t, text)
			s.Set(p)
			synctest.Wait()
			if len(answers) != cap(answers) {
				t.Fatalf("step %d: %d of %d heard of it", n, len(answers), cap(answers))
			}
			for range cap(answers) {
				if d := <-answers; !bytes.Equal(d.Body, p.For("orders").Body) || d.Tag != s.Current("orders") {
					t.Fatalf("step %d: %s", n, d.Body)
				}
			}
			s.Set(compiled(t, text)) // the same again
			short, cancel := context.WithTimeout(ctx, time.Second)
			if d, changed := s.Wait(short, "orders", s.Current("orders").ETag); changed || d.ETag == "" || d.Body != nil {
				t.Errorf("nothing changed, but got %v %v", d, changed)
			}
			cancel()
		}
	})
}

// TestInstances: what strangers say is bounded and apart by tenant, who is silent
// for ten minutes leaves, and who was silent longest leaves when there is no room.
func TestInstances(t *testing.T) {
	now := time.Unix(1_700_000_000, 0)
	in := policy.NewInstances(func() time.Time { return now })
	say := func(tenant, instance string) bool {
		return in.Note(tenant, `{"service":"s","instance":"`+instance+`","language":"go","applied":"7","levels":{"sql":"off"},"unknown":1}`)
	}
	if !say("a", "2") || !say("a", "1") || !say("b", "1") {
		t.Fatal("not understood")
	}
	for _, bad := range []string{"", "{", `{"service":"s"}`, `{"instance":"s"}`, `{"service":"s","instance":"` + strings.Repeat("x", policy.MaxHeader) + `"}`, `{"service":1,"instance":"a"}`} {
		if in.Note("a", bad) {
			t.Errorf("understood %.40q", bad)
		}
	}
	if got := in.Of("a"); len(got) != 2 || got[0].Instance != "1" || got[0].Levels["sql"] != "off" || got[0].Applied != "7" {
		t.Errorf("got %+v", got)
	}
	now = now.Add(9 * time.Minute)
	say("a", "1")
	now = now.Add(2 * time.Minute)
	if got := in.Of("a"); len(got) != 1 || got[0].Instance != "1" {
		t.Errorf("got %+v", got)
	}
	for i := range 10_000 {
		now = now.Add(time.Microsecond)
		say("c", fmt.Sprint(i))
	}
	if a, c := len(in.Of("a")), len(in.Of("c")); a != 0 || c != 10_000 {
		t.Errorf("%d of a and %d of c are left", a, c)
	}
}
