package store_test

import (
	"context"
	"flag"
	"fmt"
	"maps"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/clew-dev/clew/internal/store"
	"github.com/clew-dev/clew/internal/telemetry"
)

var flips = flag.Int("flips", 1000, "bytes that the test of decay changes")

// decaying makes a data folder with merged and unmerged segments of two tenants
// and a log of several files with records that are in no segment. The process is
// killed; with rest the manifest is one that a start has compacted, and nothing is in the log.
func decaying(t *testing.T, dir string, rest bool) *scripted {
	s := newScripted(t, dir, 5)
	s.begin()
	const old = -3 * 24 * time.Hour
	for i := range 5 {
		s.each(s.trace(tenantLong, 0, 40))
		s.each(s.trace(tenantShort, 0, 10))
		if i < 2 {
			s.each(s.trace(tenantLong, old, 10))
		}
		s.flush()
	}
	if rest {
		s.close()
		return s
	}
	for range 3 {
		s.each(s.trace(tenantLong, 0, 60))
		s.each(s.trace(tenantShort, 0, 10))
	}
	s.stop()
	return s
}

// places gives, by kind of file, the bytes that count: path and a range of offsets.
func places(t *testing.T, s *scripted) map[string][]place {
	n := s.on(t, s.fs.Kill())
	if err := n.start(); err != nil {
		t.Fatal(err)
	}
	defer n.stop()
	cursor := n.e.Cursor()
	tails := n.e.Tailed()
	all := map[string][]place{}
	for path, size := range s.fs.Files() {
		name := filepath.Base(path)
		add := func(kind string, from, to int64) {
			if from < to {
				all[kind] = append(all[kind], place{path, from, to})
			}
		}
		switch {
		case name == "ballast": // nobody reads it
		case strings.HasSuffix(name, ".log"):
			var start int64
			if _, err := fmt.Sscanf(name, "%x.log", &start); err != nil {
				t.Fatal(err)
			}
			if size > 40 { // else a crash may have left it like that, and it holds nothing
				add("log header", 0, 40)
			}
			add("log frame", max(40, cursor-start), size)
			if size > 80 && start+size == int64(n.e.Log().End()) {
				add("log, last frame", size-40, size)
			}
		case name == "manifest":
			add("manifest header", 0, 40)
			add("manifest record", 40, size)
		case name == "meta", name == "traces.filter":
			add(name, 0, size)
		case strings.HasSuffix(name, ".parquet"):
			tail := tails[strings.TrimPrefix(path, s.dir+"/")]
			add(name+" pages", 0, tail)
			add(name+" tail", tail, size)
		default:
			t.Fatalf("a file of no known kind: %s", path)
		}
	}
	return all
}

type place struct {
	path     string
	from, to int64
}

// One byte of any file changes while no process runs. The next one starts; it
// answers what was sent, or says that its answers are partial; no answer has what
// nobody sent, or anything twice; and that a byte has changed is seen and counted.
func TestDecay(t *testing.T) {
	dir := t.TempDir()
	type victim struct {
		s    *scripted
		kind string
		in   []place
	}
	var victims []victim
	for _, rest := range []bool{false, true} {
		s := decaying(t, dir, rest)
		all := places(t, s)
		for _, kind := range slices.Sorted(maps.Keys(all)) {
			victims = append(victims, victim{s, kind, all[kind]})
		}
	}
	r := rand.New(rand.NewPCG(11, 11))
	n := *flips
	if testing.Short() {
		n = min(n, 200)
	}
	verdicts := map[string]map[string]int{}
	for i := range n {
		v := victims[i%len(victims)]
		slices.SortFunc(v.in, func(a, b place) int { return strings.Compare(a.path, b.path) })
		p := v.in[r.IntN(len(v.in))]
		at, mask := p.from+r.Int64N(p.to-p.from), byte(1+r.IntN(255))
		fs := v.s.fs.Kill()
		fs.Flip(p.path, at, mask)
		verdict, wrong := decayed(t, v.s.on(t, fs))
		if len(wrong) > 0 {
			verdict = "WRONG"
			t.Errorf("flip %d: %s: byte %d of %s, mask %#x: %s", i, v.kind, at, p.path, mask, strings.Join(wrong[:min(len(wrong), 3)], "; "))
		}
		if verdicts[v.kind] == nil {
			verdicts[v.kind] = map[string]int{}
		}
		verdicts[v.kind][verdict]++
	}
	for _, kind := range slices.Sorted(maps.Keys(verdicts)) {
		t.Logf("%-24s %v", kind, verdicts[kind])
	}
}

// decayed starts on a disk of which one byte has changed and gives what was seen of
// it, and what is wrong.
func decayed(t *testing.T, n *scripted) (verdict string, wrong []string) {
	if err := n.start(); err != nil {
		return "", []string{fmt.Sprintf("the store does not start: %v", err)}
	}
	defer n.stop()
	partial, lost := "", 0
	for _, tenant := range []string{tenantLong, tenantShort} {
		p, l, w := n.w.decay(n.e, tenant)
		partial, lost = max(partial, p), lost+l
		wrong = append(wrong, w...)
	}
	if err := n.e.Look(context.Background()); err != nil {
		wrong = append(wrong, fmt.Sprintf("background work after it: %v", err))
	}
	c := n.e.Status().Counters
	switch torn := c["log_bytes_torn"]; {
	case partial != "" && lost > 0:
		verdict = "answers are partial"
	case partial != "":
		verdict = "said to be partial, nothing missing"
	case lost > 1 || lost > 0 && torn == 0:
		wrong = append(wrong, fmt.Sprintf("%d batches are gone and no answer says so: %v", lost, c))
	case lost > 0:
		verdict = "the last record is counted as torn"
	case n.e.Status().Quarantined > 0:
		verdict = "answered whole, found by the scrub"
	case torn > 0:
		verdict = "a seal or header is mended"
	case c["manifest_bytes_torn"] > 0:
		verdict = "the end of the manifest is mended"
	default:
		wrong = append(wrong, "nobody saw it")
	}
	return verdict, wrong
}

// decay compares what is answered with what was sent when a part may be missing:
// why answers are partial, how many batches are not whole, and what is wrong.
func (w *witness) decay(e *store.Embedded, tenant string) (partial string, lost int, wrong []string) {
	rows, partial, err := e.Rows(tenant)
	if err != nil {
		wrong = append(wrong, err.Error())
	}
	there := map[string]bool{}
	see := func(b *telemetry.Batch, in map[string]bool) {
		for _, line := range lines(b) {
			if w.spans[tenant][line] == nil {
				wrong = append(wrong, "a span that nobody sent: "+line)
			}
			if in[line] {
				wrong = append(wrong, "a span twice: "+line)
			}
			in[line] = true
		}
	}
	for _, b := range rows {
		see(b, there)
	}
	whole := map[telemetry.TraceID]bool{}
	for _, x := range w.batches {
		if x.batch.Tenant != tenant {
			continue
		}
		id := x.batch.Spans.TraceID[0]
		if _, known := whole[id]; !known {
			whole[id] = true
		}
		if slices.ContainsFunc(x.lines, func(line string) bool { return !there[line] }) {
			lost++
			whole[id] = false
		}
	}
	for id, all := range whole {
		got, err := e.Trace(context.Background(), tenant, id, store.TraceOptions{})
		switch {
		case err != nil:
			if k := telemetry.KindOf(err); k != telemetry.KindUnavailable && (all || k != telemetry.KindNotFound || partial != "") {
				wrong = append(wrong, fmt.Sprintf("trace %s: %v", id, err))
			}
		case got.Partial == "" && partial != "":
			wrong = append(wrong, fmt.Sprintf("trace %s is not said to be partial, others are: %s", id, partial))
		default:
			see(got.Batch, map[string]bool{})
		}
	}
	return partial, lost, wrong
}
