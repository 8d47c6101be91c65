package ledger

import (
	"bytes"
	"testing"
)

// FuzzAnswers reads foreign bytes as acknowledgements and as traces in every
// dialect: no panic, and a span of the run that is read back is the one that was made.
func FuzzAnswers(f *testing.F) {
	s := &numbers{run: 7, base: 1_700_000_000_000_000_000, batch: 2}
	f.Add(s.request(0))
	f.Add([]byte{0x0a, 0x02, 0x08, 0x01})
	f.Add([]byte{0x0a, 0xff, 0x01})
	f.Add([]byte(`{"data":[{"spans":[{"spanID":"8000000000000001","operationName":"entry 1","startTime":1,"duration":2,"tags":[{"key":"ledger.number","value":"1"}]}]}]}`))
	f.Add([]byte(`{"resourceSpans":[]}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		_ = rejected(body) // either answer is right for foreign bytes
		for _, d := range dialects {
			spans, err := d.read(s, body)
			if err != nil && spans != nil {
				t.Error("spans beside an error")
			}
		}
	})
}

// The layout is one to one: each span is in one request and in one trace, at one
// place, and its ids are its own.
func TestNumbers(t *testing.T) {
	for _, batch := range []int{1, 3, 64} {
		s := &numbers{run: 99, base: 1_700_000_000_000_000_000, batch: batch}
		seen := map[int]bool{}
		ids := map[[8]byte]bool{}
		for trace := range 3 * batch {
			for i := range spread {
				n := s.spanOf(trace, i)
				if seen[n] || s.traceOf(n) != trace {
					t.Fatalf("batch %d: span %d of trace %d is number %d, of trace %d", batch, i, trace, n, s.traceOf(n))
				}
				seen[n] = true
				ids[s.spanID(n)] = true
			}
		}
		if len(seen) != 3*batch*spread || len(ids) != len(seen) || !seen[0] || !seen[len(seen)-1] {
			t.Errorf("batch %d: %d numbers, %d ids", batch, len(seen), len(ids))
		}
	}
}

// What is sent reads back as what is asked for, whole.
func TestRequestReadsBack(t *testing.T) {
	s := &numbers{run: 5, base: 1_700_000_000_000_000_000, batch: 10}
	body := s.request(2)
	if !bytes.Equal(body, s.request(2)) {
		t.Error("the same request differs")
	}
	got, err := readOTLP(s, body)
	if err != nil || len(got) != 10 {
		t.Fatalf("%d spans, %v", len(got), err)
	}
	for n := 20; n < 30; n++ {
		if c := got[s.spanID(n)]; len(c) != 1 || c[0] != s.of(n) {
			t.Errorf("span %d: %+v is not %+v", n, c, s.of(n))
		}
	}
}
