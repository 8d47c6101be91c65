package sampling_test

import (
	"math/rand/v2"
	"strings"
	"sync"
	"testing"

	"github.com/clew-dev/clew/kit/go/internal/propagate"
	"github.com/clew-dev/clew/kit/go/internal/sampling"
)

var trace = [16]byte{0x0a, 0xf7, 0x65, 0x19, 0x16, 0xcd, 0x43, 0xdd, 0x84, 0x48, 0xeb, 0x21, 0x1c, 0x80, 0x31, 0x9c}

func TestDecisionsDoNotAllocate(t *testing.T) {
	s := sampling.NewSampler(0)
	for name, fn := range map[string]func(){
		"root":            func() { s.Root(trace) },
		"child":           func() { sampling.Child(trace, 1, "a=1,ot=th:0;rv:ffffffffffffff,b=2") },
		"child, no state": func() { sampling.Child(trace, 0, "") },
		"forced":          func() { sampling.Forced(true, "ot=rv:ffffffffffffff") },
	} {
		if n := testing.AllocsPerRun(100, fn); n != 0 {
			t.Errorf("%s allocates %v times, want 0", name, n)
		}
	}
}

// A trace that is kept at a share is kept at every higher share.
func TestHigherSharesKeepWhatLowerSharesKeep(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	var samplers []*sampling.Sampler
	for _, ratio := range []string{"1/10000", "1/1000", "1%", "5%", "1/10", "1/3", "1/2", "99%", "1"} {
		parsed, err := sampling.ParseRatio(ratio)
		if err != nil {
			t.Fatal(err)
		}
		samplers = append(samplers, sampling.NewSampler(parsed.Threshold()))
	}
	kept := make([]int, len(samplers))
	const traces = 200_000
	for range traces {
		var id [16]byte
		for i := range id {
			id[i] = byte(r.Uint32())
		}
		before := false
		for i, s := range samplers {
			now := s.Root(id).Sampled
			if before && !now {
				t.Fatalf("%x is kept at share %d and not at the next one", id, i-1)
			}
			if before = now; now {
				kept[i]++
			}
		}
	}
	if share := float64(kept[4]) / traces; share < 0.097 || share > 0.103 {
		t.Errorf("1/10 keeps %v", share)
	}
	if kept[len(kept)-1] != traces {
		t.Errorf("1 keeps %d of %d", kept[len(kept)-1], traces)
	}
}

// The window's roots are all counted while many goroutines ask.
func TestLimiterCountsEveryRoot(t *testing.T) {
	l := sampling.NewLimiter(sampling.NewSampler(0), 10)
	const workers, each = 8, 125
	var wait sync.WaitGroup
	l.Sampler(1)
	for range workers {
		wait.Add(1)
		go func() {
			defer wait.Done()
			for range each {
				l.Sampler(1)
			}
		}()
	}
	wait.Wait()
	want, _ := sampling.ParseRatio("10/1001")
	if got := l.Sampler(2).Threshold(); got != want.Threshold() {
		t.Errorf("after %d roots T is %v, want %v", workers*each+1, got, want.Threshold())
	}
	// Many at the border of two seconds: each gets one of the two samplers.
	for range workers {
		wait.Add(1)
		go func() {
			defer wait.Done()
			for second := int64(3); second < 200; second++ {
				if s := l.Sampler(second); s == nil {
					t.Error("no sampler")
				}
			}
		}()
	}
	wait.Wait()
}

func FuzzRatio(f *testing.F) {
	for _, seed := range []string{"1/10", "10%", "0.1", "1", "0", "1/72057594037927936", "0.00000000000000001", "-1", "1/0", "100000000000000000/999999999999999999"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, s string) {
		r, err := sampling.ParseRatio(s)
		if err != nil {
			if len(err.Error()) > 300 {
				t.Errorf("an error of %d bytes", len(err.Error()))
			}
			return
		}
		text := r.Threshold().String()
		if text == "never" {
			if r.Numerator != 0 {
				t.Errorf("%q never keeps", s)
			}
			return
		}
		back, ok := sampling.ParseThreshold(text)
		if !ok || back != r.Threshold() {
			t.Errorf("%q is th %s, which reads as %v", s, text, back)
		}
	})
}

func FuzzState(f *testing.F) {
	for _, seed := range []string{"ot=th:8", "a=1,ot=th:f;rv:00000000000000,b=2", "ot=th:f;th:8", "ot=rv:ffffffffffffff;th:0;x:y", "ot=", "ot=th:f;", "otx=th:f"} {
		f.Add(seed, byte(1))
	}
	f.Fuzz(func(t *testing.T, line string, flags byte) {
		state := propagate.ParseTracestate(line)
		r := sampling.CauseRandomness(trace, state)
		for name, d := range map[string]sampling.Decision{"child": sampling.Child(trace, flags, state), "forced": sampling.Forced(true, state)} {
			if again := propagate.ParseTracestate(d.State); again != d.State {
				t.Errorf("%s of %q gives %q, which is not a tracestate", name, state, d.State)
			}
			if got := sampling.CauseRandomness(trace, d.State); got != r {
				t.Errorf("%s of %q changes R from %x to %x", name, state, r, got)
			}
			if th, ok := sampling.StateThreshold(d.State); ok && (name == "forced" || (r >= uint64(th)) != d.Sampled) {
				t.Errorf("%s of %q leaves th %v", name, state, th)
			}
			if strings.Count(d.State, ",") > strings.Count(state, ",") || len(d.State) > len(state) {
				t.Errorf("%s of %q grows to %q", name, state, d.State)
			}
		}
	})
}

func BenchmarkRoot(b *testing.B) {
	s := sampling.NewSampler(0)
	for b.Loop() {
		s.Root(trace)
	}
}

func BenchmarkLimitedRoot(b *testing.B) {
	l := sampling.NewLimiter(sampling.NewSampler(0), 100)
	for b.Loop() {
		l.Sampler(1).Root(trace)
	}
}

func BenchmarkChild(b *testing.B) {
	for b.Loop() {
		sampling.Child(trace, 1, "vendor=t61rcWkgMzE,ot=th:8;rv:ffffffffffffff")
	}
}

// The costliest child: th contradicts the flag.
func BenchmarkChildErasesTh(b *testing.B) {
	for b.Loop() {
		sampling.Child(trace, 1, "vendor=t61rcWkgMzE,ot=th:f;rv:00000000000000")
	}
}
