package propagate_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/clew-dev/clew/kit/go/internal/propagate"
)

const (
	parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
	state  = "rojo=00f067aa0ba902b7,ot=th:8,congo=t61rcWkgMzE"
)

func TestReadingDoesNotAllocate(t *testing.T) {
	buffer := make([]byte, 0, 64)
	targets := propagate.NewTargets([]string{".example.com", "orders.>"})
	for name, fn := range map[string]func(){
		"traceparent": func() { propagate.ParseTraceparent(parent) },
		"written":     func() { propagate.AppendTraceparent(buffer, [16]byte{1}, [8]byte{2}, 1) },
		"tracestate":  func() { propagate.ParseTracestate(state) },
		"ot":          func() { propagate.OT(state) },
		"b3":          func() { propagate.ParseB3(parent[3:]) },
		"target":      func() { targets.Match("a.example.com:443") },
	} {
		if n := testing.AllocsPerRun(100, fn); n != 0 {
			t.Errorf("%s allocates %v times, want 0", name, n)
		}
	}
}

func TestTracestateIsReadUpToItsLimit(t *testing.T) {
	for length, want := range map[int]string{32768: "a=1", 32769: ""} {
		if got := propagate.ParseTracestate("a=1" + strings.Repeat(",", length-3)); got != want {
			t.Errorf("%d bytes give %q, want %q", length, got, want)
		}
	}
}

func TestBaggageIsReadAndWrittenUpToItsLimit(t *testing.T) {
	for length, want := range map[int]int{8192: 1, 8193: 0} {
		text := "a=" + strings.Repeat("v", length-2)
		members, dropped := propagate.ParseBaggage(text)
		if len(members) != want || dropped != 1-want {
			t.Errorf("%d bytes: %d members and %d dropped", length, len(members), dropped)
		}
		out, dropped := propagate.AppendBaggage(nil, []propagate.Member{{Key: "a", Value: text[2:]}}, nil)
		if len(out) != want*length || dropped != 1-want {
			t.Errorf("%d bytes: wrote %d and dropped %d", length, len(out), dropped)
		}
		out, dropped = propagate.AppendBaggage([]byte("before"), []propagate.Member{{Key: "k", Value: "1"}, {Key: "a", Value: text[:length-6]}}, nil)
		if want == 1 && (len(out) != 6+length || dropped != 0) || want == 0 && (string(out) != "beforek=1" || dropped != 1) {
			t.Errorf("%d bytes in two members: wrote %d and dropped %d", length, len(out), dropped)
		}
	}
}

func TestTooManyTargetsWithholdBaggage(t *testing.T) {
	patterns := make([]string, propagate.MaxTargets, propagate.MaxTargets+1)
	for i := range patterns {
		patterns[i] = strings.Repeat("a", i%50+1) + ".test"
	}
	patterns[propagate.MaxTargets-1] = "last.test"
	targets := propagate.NewTargets(append(patterns, "over.test"))
	if !targets.Match("last.test") || targets.Match("over.test") {
		t.Errorf("the last pattern counts: %v, the one over the limit: %v; want true and false", targets.Match("last.test"), targets.Match("over.test"))
	}
}

func FuzzTraceparent(f *testing.F) {
	for _, seed := range []string{parent, "cc" + parent[2:] + "-x", "ff" + parent[2:], parent + "-", strings.ToUpper(parent), ""} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, s string) {
		p, ok := propagate.ParseTraceparent(s)
		if !ok {
			return
		}
		written := string(propagate.AppendTraceparent(nil, p.TraceID, p.SpanID, p.Flags))
		if again, ok := propagate.ParseTraceparent(written); !ok || again != p || written[3:52] != s[3:52] {
			t.Errorf("%q is written %q", s, written)
		}
	})
}

func FuzzTracestate(f *testing.F) {
	for _, seed := range []string{state, " a=1 ,, b=2", "a=1,a=2", "ot=th:8", strings.Repeat("k=v,", 40)} {
		f.Add(seed, "b=2", "th:c")
	}
	f.Fuzz(func(t *testing.T, line, second, value string) {
		once := propagate.ParseTracestate(line, second)
		if again := propagate.ParseTracestate(once); again != once {
			t.Errorf("%q is read as %q and then as %q", line, once, again)
		}
		if strings.Count(once, ",") >= propagate.MaxMembers {
			t.Errorf("%q has too many members", once)
		}
		if propagate.ParseTracestate("x="+value) != "x="+value {
			return
		}
		replaced := propagate.ReplaceOT(once, value)
		if got, ok := propagate.OT(replaced); !ok || got != value || !strings.HasPrefix(replaced, "ot=") {
			t.Errorf("ot %q in %q gives %q", value, once, replaced)
		}
		if propagate.ParseTracestate(replaced) != replaced {
			t.Errorf("%q with ot is no tracestate: %q", once, replaced)
		}
	})
}

func FuzzBaggage(f *testing.F) {
	for _, seed := range []string{"a=1,b=%C3%A9;p=1", "a=%ff", "a=1,a=2", "=,;,=;", strings.Repeat("k=v,", 100)} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, line string) {
		members, dropped := propagate.ParseBaggage(line)
		if len(members) > propagate.MaxBaggageMembers || dropped > strings.Count(line, ",")+1 {
			t.Errorf("%d members and %d dropped", len(members), dropped)
		}
		for _, m := range members {
			if !utf8.ValidString(m.Value) || !propagate.Token(m.Key) {
				t.Errorf("member %q", m)
			}
		}
		written, left := propagate.AppendBaggage(nil, members, nil)
		if len(written) > propagate.MaxBaggageBytes {
			t.Errorf("wrote %d bytes", len(written))
		}
		if again, _ := propagate.ParseBaggage(string(written)); left == 0 && !slices.Equal(again, members) {
			t.Errorf("%q is written %q and read again %q", members, written, again)
		}
	})
}

func FuzzB3(f *testing.F) {
	for _, seed := range []string{parent[3:], "0", parent[3:51] + "-d", parent[3:52] + "-1-05e3ac9a4f6e3b90"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, s string) {
		p, ok := propagate.ParseB3(s)
		if ok && (p.TraceID == [16]byte{} || p.SpanID == [8]byte{} || p.Sampled && p.Deferred) {
			t.Errorf("%q is read as %+v", s, p)
		}
	})
}

func FuzzTargets(f *testing.F) {
	f.Add(".example.com", "a.example.com:80")
	f.Add("orders.>", "orders.placed")
	f.Add("::1", "[::1]:80")
	f.Fuzz(func(t *testing.T, pattern, target string) {
		targets := propagate.NewTargets([]string{pattern})
		if targets.Match(target) && pattern == "" {
			t.Errorf("the empty pattern lets %q have baggage", target)
		}
		if pattern != "" && pattern[0] != '.' && pattern[0] != '[' && !strings.ContainsAny(pattern, ":>") && !targets.Match(pattern) {
			t.Errorf("%q does not match itself", pattern)
		}
	})
}

func BenchmarkTraceparent(b *testing.B) {
	for b.Loop() {
		propagate.ParseTraceparent(parent)
	}
}

func BenchmarkTracestate(b *testing.B) {
	for b.Loop() {
		propagate.ParseTracestate(state)
	}
}

func BenchmarkBaggage(b *testing.B) {
	for b.Loop() {
		propagate.ParseBaggage("userId=alice,serverNode=DF%2028")
	}
}

// TestEmptyMembersAreWalkedOnce: a stranger may send thousands of commas before 32 members, whose keys are compared.
func TestEmptyMembersAreWalkedOnce(t *testing.T) {
	var members []string
	for i := range propagate.MaxMembers {
		members = append(members, fmt.Sprintf("k%d=v", i))
	}
	list := strings.Join(members, ",")
	text := strings.Repeat(",", 32768-len(list)) + list
	if got := propagate.ParseTracestate(text); got != list {
		t.Errorf("got %.80q", got)
	}
	if got := propagate.ParseTracestate(strings.Replace(text, "k31", "k30", 1)); got != "" {
		t.Errorf("a key that stands twice is taken: %.80q", got)
	}
	few, many := quickest(func() { propagate.ParseTracestate(text[:len(text)-len(list)] + "k=v") }), quickest(func() { propagate.ParseTracestate(text) })
	if many > 8*few {
		t.Errorf("behind commas 32 members cost %v, one %v", many, few)
	}
}

// quickest is the least time that one of ten runs takes.
func quickest(run func()) time.Duration {
	least := time.Hour
	for range 10 {
		start := time.Now()
		run()
		least = min(least, time.Since(start))
	}
	return least
}
