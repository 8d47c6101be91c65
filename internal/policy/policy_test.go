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

	"github.com/clew-dev/clew/internal/policy"
	"github.com/clew-dev/clew/internal/testkit"
)

// TestGoodFiles pins what a service with a section and one without are told.
func TestGoodFiles(t *testing.T) {
	files, _ := filepath.Glob("testdata/*.good.json")
	if len(files) < 2 {
		t.Fatal("no corpus")
	}
	for _, name := range files {
		t.Run(filepath.Base(name), func(t *testing.T) {
			f := parse(t, name)
			var out bytes.Buffer
			for _, service := range []string{"orders", "cart"} {
				d := f.For(service)
				fmt.Fprintf(&out, "%s %s %s\n", service, d.Version, d.ETag)
				if err := json.Indent(&out, d.Body, "", "  "); err != nil {
					t.Fatal(err)
				}
				out.WriteByte('\n')
			}
			testkit.Golden(t, strings.TrimSuffix(name, ".json")+".txt", out.Bytes())
		})
	}
}

func parse(t *testing.T, name string) *policy.File {
	t.Helper()
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	f, err := policy.Parse(filepath.Base(name), text)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// TestBadFiles pins the sentences that a person reads.
func TestBadFiles(t *testing.T) {
	files, _ := filepath.Glob("testdata/*.bad.json")
	if len(files) < 4 {
		t.Fatal("no corpus")
	}
	for _, name := range files {
		t.Run(filepath.Base(name), func(t *testing.T) {
			text, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			f, err := policy.Parse("kit-policy.json", text)
			if err == nil || f != nil {
				t.Fatalf("accepted: %+v", f)
			}
			testkit.Golden(t, strings.TrimSuffix(name, ".json")+".txt", []byte(err.Error()+"\n"))
		})
	}
}

func TestLimitsBothSides(t *testing.T) {
	redactions := func(n int) string {
		return `{"redact":[` + strings.TrimSuffix(strings.Repeat(`{"key":"a","action":"drop"},`, n), ",") + `]}`
	}
	list := func(key string, n int) string {
		return `{"` + key + `":[` + strings.TrimSuffix(strings.Repeat(`"a",`, n), ",") + `]}`
	}
	for _, tt := range []struct{ name, ok, over, want string }{
		{"rules", redactions(5000), redactions(10_001), "10001 rules are over the limit of 10000"},
		{"document", redactions(8000), redactions(10_000), "kits take 262144"},
		{"file", `{}` + strings.Repeat(" ", policy.MaxBytes-2), `{}` + strings.Repeat(" ", policy.MaxBytes-1), "over 1048576 bytes"},
		{"targets", list("propagate_to", 1024), list("propagate_to", 1025), "1025 targets are over the limit of 1024"},
		{"keys", list("baggage_keys", 10_000), list("baggage_keys", 10_001), "10001 keys are over the limit of 10000"},
		{"version", `{"version":"` + strings.Repeat("v", 128) + `"}`, `{"version":"` + strings.Repeat("v", 129) + `"}`, "129 bytes; kits tell 128"},
		{"key", `{"redact":[{"key":"` + strings.Repeat("k", 256) + `","action":"drop"}]}`, `{"redact":[{"key":"` + strings.Repeat("k", 257) + `","action":"drop"}]}`, "257 bytes; the limit is 256"},
	} {
		if _, err := policy.Parse("p", []byte(tt.ok)); err != nil {
			t.Errorf("%s at the limit: %v", tt.name, err)
		}
		if _, err := policy.Parse("p", []byte(tt.over)); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s over the limit: %v", tt.name, err)
		}
	}
}

// TestNoDocumentThatKitsRefuse: a kit refuses a document as a whole for one value that it does not know, so such
// a value must not get into one. An empty list is a word too: nobody, none.
func TestNoDocumentThatKitsRefuse(t *testing.T) {
	for _, text := range []string{`{"log_level":"off"}`, `{"sampling":{"per_second":0.5}}`, `{"sampling":{"rules":[{"match":{"kind":"server"},"per_second":1.5}]}}`} {
		if f, err := policy.Parse("p", []byte(text)); err == nil {
			t.Errorf("%s becomes %s, which kits refuse", text, f.For("orders").Body)
		}
	}
	f, err := policy.Parse("p", []byte(`{"propagate_to":["*"],"baggage_keys":["a"],"services":{"orders":{"propagate_to":[],"baggage_keys":[]}}}`))
	if err != nil {
		t.Fatal(err)
	}
	if body := string(f.For("orders").Body); !strings.Contains(body, `"propagate_to":[],"baggage_keys":[]`) {
		t.Errorf("orders is told %s, which leaves propagate_to to its own configuration", body)
	}
	if body := string(f.For("cart").Body); !strings.Contains(body, `"propagate_to":["*"]`) {
		t.Errorf("cart is told %s", body)
	}
}

func write(t *testing.T, path, text string, n int) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	at := time.Unix(1_700_000_000+int64(n), 0)
	if err := os.Chtimes(path, at, at); err != nil {
		t.Fatal(err)
	}
}

// TestChangeReachesWaiters: 200 kits wait, the file appears, changes, breaks and
// goes; each state that checks reaches all of them, within two seconds.
func TestChangeReachesWaiters(t *testing.T) {
	path := filepath.Join(t.TempDir(), "kit-policy.json")
	synctest.Test(t, func(t *testing.T) {
		s, err := policy.Watch(path, nil)
		if err != nil {
			t.Fatal(err)
		}
		ctx, stop := context.WithCancel(t.Context())
		go s.Run(ctx)
		step := func(n int, text, want string) {
			tag := s.Current("orders").ETag
			began := time.Now()
			answers := make(chan string, 200)
			for range cap(answers) {
				go func() {
					d, changed := s.Wait(ctx, "orders", tag)
					answers <- fmt.Sprint(changed, string(d.Body))
				}()
			}
			synctest.Wait()
			if text == "" {
				os.Remove(path)
			} else {
				write(t, path, text, n)
			}
			for range cap(answers) {
				if got := <-answers; got != "true"+want {
					t.Fatalf("step %d: %s", n, got)
				}
			}
			if took := time.Since(began); took > 2*time.Second {
				t.Errorf("step %d took %s", n, took)
			}
		}
		step(1, `{"level":"edges"}`, `{"version":"`+versionOf(t, `{"level":"edges"}`)+`","ttl_seconds":3600,"level":"edges"}`)
		step(2, `{"version":"2","services":{"orders":{"components":{"sql":"off"}}}}`, `{"version":"2","ttl_seconds":3600,"components":{"sql":"off"}}`)
		write(t, path, `{"level":"loud"}`, 3)
		time.Sleep(time.Second)
		if _, err := s.State(); err == nil || s.Current("orders").Version != "2" {
			t.Errorf("a bad file is in force: %v, %v", s.Current("orders"), err)
		}
		step(4, "", `{"version":"`+versionOf(t, `{}`)+`","ttl_seconds":3600}`)
		short, cancel := context.WithTimeout(ctx, time.Second)
		defer cancel()
		if d, changed := s.Wait(short, "orders", s.Current("orders").ETag); changed || d.ETag == "" || d.Body != nil {
			t.Errorf("nothing changed, but got %v %v", d, changed)
		}
		stop()
	})
}

func versionOf(t *testing.T, text string) string {
	f, err := policy.Parse("p", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return f.For("").Version
}

func TestWatchRefusesABadFirstFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "kit-policy.json")
	write(t, path, `{"level":"loud"}`, 0)
	if _, err := policy.Watch(path, nil); err == nil || !strings.Contains(err.Error(), `kit-policy.json: level: "loud" is none of`) {
		t.Errorf("got %v", err)
	}
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

func FuzzParse(f *testing.F) {
	files, _ := filepath.Glob("testdata/*.json")
	for _, name := range files {
		text, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		file, err := policy.Parse("p", text)
		if err != nil {
			return
		}
		d := file.For("orders")
		// What kits are told is itself a policy, and says the same.
		again, err := policy.Parse("p", d.Body)
		if err != nil {
			t.Fatalf("%v: %s", err, d.Body)
		}
		if got := again.For("").Body; !bytes.Equal(got, d.Body) {
			t.Errorf("%s became %s", d.Body, got)
		}
	})
}
