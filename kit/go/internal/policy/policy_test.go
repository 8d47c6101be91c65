package policy_test

import (
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/clew-dev/clew/kit/go/internal/policy"
	"github.com/clew-dev/clew/kit/go/internal/sampling"
)

func TestDocumentsAreReadUpToTheirLimits(t *testing.T) {
	many := func(element string, n int) string {
		return "[" + strings.Repeat(element+",", n-1) + element + "]"
	}
	for name, c := range map[string]struct {
		document string
		problem  string
	}{
		"262,144 bytes":     {`{"a":"` + strings.Repeat("x", policy.MaxBytes-8) + `"}`, ""},
		"262,145 bytes":     {`{"a":"` + strings.Repeat("x", policy.MaxBytes-7) + `"}`, "parse policy: over 262144 bytes; shorten it"},
		"10,000 rules":      {`{"sampling":{"rules":` + many("{}", policy.MaxRules) + `}}`, ""},
		"10,001 rules":      {`{"sampling":{"rules":` + many("{}", policy.MaxRules+1) + `}}`, "parse policy: sampling.rules: more than 10000; leave some out"},
		"10,000 redactions": {`{"redact":` + many("{}", policy.MaxRedactions) + `}`, ""},
		"10,001 redactions": {`{"redact":` + many("{}", policy.MaxRedactions+1) + `}`, "parse policy: redact: more than 10000; leave some out"},
	} {
		_, err := policy.Parse([]byte(c.document))
		if got := fmt.Sprint(err); got != c.problem && (err != nil || c.problem != "") {
			t.Errorf("%s: %v, want %q", name, err, c.problem)
		}
	}
}

// The index finds what a walk through all rules finds.
func TestIndexFindsTheFirstRule(t *testing.T) {
	patterns := []string{"", "/a", "/a*", "/ab*", "*", "b", "b*", "/a/b"}
	texts := []string{"", "/a", "/ab", "/abc", "/a/b", "b", "bc", "c"}
	some := func(n int) policy.Optional[string] {
		if n%3 == 0 {
			return policy.Optional[string]{}
		}
		return policy.Some(patterns[n%len(patterns)])
	}
	for seed := range 500 {
		n := seed * 7919
		next := func() int { n = (n*1103515245 + 12345) & 0x7fffffff; return n >> 8 }
		d := policy.Document{Sampling: policy.Sampling{Rules: policy.Some([]policy.Rule{})}}
		for i := range 1 + seed%12 {
			d.Sampling.Rules.Value = append(d.Sampling.Rules.Value, policy.Rule{
				Match:     policy.Match{Route: some(next()), Name: some(next()), Method: some(next()), Kind: some(next())},
				Threshold: policy.Some(sampling.Threshold(i+1) << 32),
			})
		}
		s := policy.Compile(&d, nil, nil)
		for range 50 {
			pick := func() string { return texts[next()%len(texts)] }
			f := policy.Facts{Route: pick(), Name: pick(), Method: pick(), Kind: pick()}
			want := sampling.Threshold(0)
			for _, r := range d.Sampling.Rules.Value {
				if matches(r.Match.Route, f.Route) && matches(r.Match.Name, f.Name) && matches(r.Match.Method, f.Method) && matches(r.Match.Kind, f.Kind) {
					want = r.Threshold.Value
					break
				}
			}
			if got := s.Sampler(f, 0).Threshold(); got != want {
				t.Fatalf("seed %d: %+v is decided by %v, want %v, of %+v", seed, f, got, want, d.Sampling.Rules.Value)
			}
		}
	}
}

func matches(pattern policy.Optional[string], text string) bool {
	if !pattern.Set {
		return true
	}
	if prefix, ok := strings.CutSuffix(pattern.Value, "*"); ok {
		return strings.HasPrefix(text, prefix)
	}
	return text == pattern.Value
}

// many is a snapshot with 10,000 rules of each kind of place.
func many(rule func(i int) policy.Match) *policy.Snapshot {
	d := policy.Document{Sampling: policy.Sampling{Rules: policy.Some([]policy.Rule{})}}
	for i := range policy.MaxRules {
		d.Sampling.Rules.Value = append(d.Sampling.Rules.Value, policy.Rule{Match: rule(i), Threshold: policy.Some(sampling.Threshold(1))})
		d.Redact = append(d.Redact, policy.Redaction{Key: fmt.Sprintf("key.%d.*", i)}, policy.Redaction{Key: fmt.Sprintf("key.%d", i)})
	}
	return policy.Compile(&d, nil, nil)
}

var places = map[string]func(i int) policy.Match{
	"routes":   func(i int) policy.Match { return policy.Match{Route: policy.Some(fmt.Sprintf("/r/%d", i))} },
	"prefixes": func(i int) policy.Match { return policy.Match{Route: policy.Some(fmt.Sprintf("/r/%d/*", i))} },
	"names":    func(i int) policy.Match { return policy.Match{Name: policy.Some(fmt.Sprintf("GET /r/%d", i))} },
}

var lastFacts = policy.Facts{Route: "/r/9999/x", Name: "GET /r/9999", Method: "GET", Kind: "server"}

func TestQuestionsDoNotAllocate(t *testing.T) {
	s := many(places["prefixes"])
	if n := testing.AllocsPerRun(100, func() {
		s.Sampler(lastFacts, 1)
		s.Redact("key.9999.x")
		s.PropagateTo("a")
		s.BaggageKey("a")
	}); n != 0 {
		t.Errorf("%v allocations, want 0", n)
	}
	if _, ok := s.Redact("key.9999.x"); !ok {
		t.Error("the last redaction is not found")
	}
}

// TestTenThousandRulesCostLittleMoreThanOne holds the bound of kit/contract/policy.json.
func TestTenThousandRulesCostLittleMoreThanOne(t *testing.T) {
	text, err := os.ReadFile("../../../contract/policy.json")
	if err != nil {
		t.Fatal(err)
	}
	var contract struct {
		Bounds struct {
			Rules int
			Times int `json:"times_of_one"`
		}
	}
	if err := json.Unmarshal(text, &contract); err != nil {
		t.Fatal(err)
	}
	if contract.Bounds.Rules != policy.MaxRules {
		t.Fatalf("the bound is for %d rules", contract.Bounds.Rules)
	}
	// The best of several runs is free of what else the machine does.
	cost := func(s *policy.Snapshot) time.Duration {
		best := time.Hour
		for range 20 {
			began := time.Now()
			for range 1000 {
				s.Sampler(lastFacts, 1)
			}
			best = min(best, time.Since(began))
		}
		return best
	}
	for name, place := range places {
		one := policy.Document{Sampling: policy.Sampling{Rules: policy.Some([]policy.Rule{{Match: place(0)}})}}
		if few, all := cost(policy.Compile(&one, nil, nil)), cost(many(place)); all >= time.Duration(contract.Bounds.Times)*few {
			t.Errorf("%s: 1,000 decisions take %v, under one rule %v", name, all, few)
		}
	}
}

func BenchmarkTenThousandRules(b *testing.B) {
	for name, place := range places {
		s := many(place)
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				s.Sampler(lastFacts, 1)
			}
		})
	}
}

func BenchmarkOn(b *testing.B) {
	h := policy.NewHolder(policy.Document{})
	for b.Loop() {
		h.Load().On(policy.SQL, policy.Edges)
	}
}

// Readers see whole snapshots while documents come and expire.
func TestHolderWhileItChanges(t *testing.T) {
	h := policy.NewHolder(policy.Document{})
	done := make(chan struct{})
	var readers sync.WaitGroup
	for range 4 {
		readers.Add(1)
		go func() {
			defer readers.Done()
			for {
				select {
				case <-done:
					return
				default:
				}
				s := h.Load()
				if off := s.Level(policy.HTTP) == policy.Off; off != (s.Version() == "off") {
					t.Error("version and level are of two documents")
					return
				}
			}
		}()
	}
	now := time.Unix(0, 0)
	for range 500 {
		if err := h.Apply([]byte(`{"version":"off","level":"off","ttl_seconds":1}`), now); err != nil {
			t.Error(err)
		}
		now = now.Add(time.Second)
		h.Expire(now)
	}
	close(done)
	readers.Wait()
}

// What this reader takes, encoding/json takes too.
func FuzzParse(f *testing.F) {
	for _, seed := range []string{
		`{"version":"7","sampling":{"th":"e666","rules":[{"match":{"route":"/a*"},"th":"never"}]},"redact":[{"key":"a","action":"truncate","length":3}]}`,
		`{"a":[1,-0.5e+3,null,true,"\u00e9\ud83d\ude00"]}`, `{"level":"off","level":"off"}`, `{"a":` + strings.Repeat("[", 40), `{"version":"\ud83d"}`, `[]`, ` {} x`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, document []byte) {
		d, err := policy.Parse(document)
		if err != nil {
			if !strings.HasPrefix(err.Error(), "parse policy: ") || strings.HasSuffix(err.Error(), ".") {
				t.Errorf("error %q", err)
			}
			return
		}
		if !json.Valid(document) {
			t.Errorf("%q is no JSON", document)
		}
		var want map[string]any
		if err := json.Unmarshal(document, &want); err != nil {
			t.Errorf("%q is no object: %v", document, err)
		} else if version, _ := want["version"].(string); d.Version != version {
			t.Errorf("version %q, want %q", d.Version, version)
		}
		s := policy.Compile(d, nil, nil)
		s.Sampler(policy.Facts{Route: "/a", Name: "b"}, 0)
		s.Redact("a")
	})
}

// A server, or a proxy that takes the tags away, sends the same document every second. That must not begin the seconds of a rate anew, in the
// first of which nothing is limited.
func TestTheSameDocumentKeepsItsRates(t *testing.T) {
	h := policy.NewHolder(policy.Document{})
	apply := func(text string) {
		t.Helper()
		if err := h.Apply([]byte(text), time.Unix(0, 0)); err != nil {
			t.Fatal(err)
		}
	}
	const text = `{"ttl_seconds":5,"sampling":{"per_second":1}}`
	apply(text)
	for range 1000 {
		h.Load().Sampler(policy.Facts{}, 0)
	}
	apply(text)
	if th := h.Load().Sampler(policy.Facts{}, 1).Threshold(); th == 0 {
		t.Error("after a second of 1,000 roots nothing is limited to one")
	}
	if h.Expire(time.Unix(5, 0)); h.Load().Sampler(policy.Facts{}, 2).Threshold() != 0 {
		t.Error("the document has not expired")
	}
	apply(text)
	apply(`{"sampling":{"per_second":0}}`)
	if th := h.Load().Sampler(policy.Facts{}, 3).Threshold(); th == 0 {
		t.Error("another document is not applied")
	}
}
