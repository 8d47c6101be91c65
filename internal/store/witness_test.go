package store_test

import (
	"context"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/clew-dev/clew/internal/store"
	"github.com/clew-dev/clew/internal/store/storetest"
	"github.com/clew-dev/clew/internal/telemetry"
	"github.com/clew-dev/clew/internal/testkit"
)

// witness knows what was sent to a store and what of it was acknowledged, and
// tells whether a store holds that, once, and nothing else.
type witness struct {
	batches []*witnessed
	spans   map[string]map[string]*witnessed // by tenant and the line that storetest.Dump writes of a span
	cutoff  map[string]int64                 // by tenant: what was received before may have expired
}

// witnessed is one batch.
type witnessed struct {
	batch *telemetry.Batch
	lines []string
	seq   int64 // of the first time that it was sent
	acked bool  // or seen once: then it must be there in every later life
}

func newWitness() *witness {
	return &witness{spans: map[string]map[string]*witnessed{}, cutoff: map[string]int64{}}
}

// clone is the same knowledge for one of several lives that begin at the same point.
func (w *witness) clone() *witness {
	c := newWitness()
	maps.Copy(c.cutoff, w.cutoff)
	for _, x := range w.batches {
		c.add(x.batch, x.seq).acked = x.acked
	}
	return c
}

// add notes that b is being sent. What was sent before is the same batch.
func (w *witness) add(b *telemetry.Batch, seq int64) *witnessed {
	lines := lines(b)
	known := w.spans[b.Tenant]
	if known == nil {
		known = map[string]*witnessed{}
		w.spans[b.Tenant] = known
	}
	if x := known[lines[0]]; x != nil {
		return x
	}
	x := &witnessed{batch: b, lines: lines, seq: seq}
	w.batches = append(w.batches, x)
	for _, line := range lines {
		known[line] = x
	}
	return x
}

// lines writes each span of a batch with everything that belongs to it.
func lines(b *telemetry.Batch) []string {
	if b.Spans.N == 0 {
		return nil
	}
	return strings.Split(storetest.Dump(b), "\n")
}

// faults says what e holds too little or too much of, and what signs of damage it
// shows, which neither a crash nor a full disk is.
func (w *witness) faults(e *store.Embedded) []string {
	return append(w.lost(e), statusFaults(e.Status())...)
}

// lost says what e holds too little or too much of.
func (w *witness) lost(e *store.Embedded) (all []string) {
	fault := func(format string, args ...any) { all = append(all, fmt.Sprintf(format, args...)) }
	for _, tenant := range slices.Sorted(maps.Keys(w.spans)) {
		rows, partial, err := e.Rows(tenant)
		if err != nil || partial != "" {
			fault("tenant %s cannot be read whole: %q, %v", tenant, partial, err)
		}
		there := map[string]bool{}
		count := map[*witnessed]int{}
		traces := map[telemetry.TraceID]bool{}
		for _, b := range rows {
			for _, line := range lines(b) {
				x := w.spans[tenant][line]
				switch {
				case x == nil:
					fault("tenant %s has a span that nobody sent: %s", tenant, line)
					continue
				case there[line]:
					fault("tenant %s has a span twice: %s", tenant, line)
				}
				there[line] = true
				count[x]++
				traces[x.batch.Spans.TraceID[0]] = true
			}
		}
		for _, x := range w.batches {
			switch n := count[x]; {
			case x.batch.Tenant != tenant || x.seq < w.cutoff[tenant]:
			case n == len(x.lines):
				x.acked = true
			case n > 0:
				fault("tenant %s has %d of the %d spans of a batch", tenant, n, len(x.lines))
			case x.acked:
				fault("tenant %s has lost an acknowledged batch of %d spans", tenant, len(x.lines))
			}
		}
		all = append(all, w.traceFaults(e, tenant, there, traces)...)
	}
	return all
}

// traceFaults asks for each trace by its id: the answer must be the rows that are there.
func (w *witness) traceFaults(e *store.Embedded, tenant string, there map[string]bool, traces map[telemetry.TraceID]bool) (all []string) {
	got := 0
	for id := range traces {
		answer, err := e.Trace(context.Background(), tenant, id, store.TraceOptions{})
		if err != nil || answer.Partial != "" {
			return append(all, fmt.Sprintf("trace %s of tenant %s: %+v, %v", id, tenant, answer, err))
		}
		for _, line := range lines(answer.Batch) {
			if got++; !there[line] {
				all = append(all, fmt.Sprintf("trace %s of tenant %s has what the segments have not: %s", id, tenant, line))
			}
		}
	}
	if got != len(there) {
		all = append(all, fmt.Sprintf("tenant %s: %d spans by trace id, %d rows", tenant, got, len(there)))
	}
	return all
}

// statusFaults are the signs of damage.
func statusFaults(s store.Status) (all []string) {
	if s.Quarantined > 0 || s.ReadOnly != "" {
		all = append(all, fmt.Sprintf("%d quarantined, read-only %q", s.Quarantined, s.ReadOnly))
	}
	for _, name := range []string{"segments_quarantined", "log_bytes_lost", "read_errors"} {
		if n := s.Counters[name]; n > 0 {
			all = append(all, fmt.Sprintf("%s is %d", name, n))
		}
	}
	return all
}

// leftovers lists what lies in the data folder and belongs to nobody. fresh says
// that the store has just been opened: a removed segment may leave empty folders
// until the next start.
func leftovers(fs *testkit.FS, dir string, e *store.Embedded, fresh bool) (all []string) {
	named := e.Folders()
	used := map[string]bool{".": true, "segments": true, "log": true}
	var starts []int64
	for path := range fs.Files() {
		name, ok := strings.CutPrefix(path, dir+"/")
		folder := filepath.Dir(name)
		start, err := strconv.ParseInt(strings.TrimSuffix(filepath.Base(name), ".log"), 16, 64)
		switch {
		case !ok:
			all = append(all, path)
		case name == "manifest" || name == "ballast":
		case folder == "log" && err == nil:
			starts = append(starts, start)
		case named[folder]:
			for at := folder; at != "."; at = filepath.Dir(at) {
				used[at] = true
			}
		default:
			all = append(all, name)
		}
	}
	if fresh {
		for _, path := range fs.Folders() {
			if name, ok := strings.CutPrefix(path, dir+"/"); ok && !used[name] {
				all = append(all, name+"/")
			}
		}
	}
	slices.Sort(starts)
	for i := 1; i < len(starts); i++ {
		if starts[i] <= e.Cursor() {
			all = append(all, fmt.Sprintf("log file at %d, all of which is before the cursor %d", starts[i-1], e.Cursor()))
		}
	}
	return all
}

// report fails the test with what was found, a few of it.
func report(t *testing.T, when string, fs *testkit.FS, found []string) {
	t.Helper()
	if len(found) > 0 {
		t.Fatalf("%s:\n%s\nfiles:\n%s", when, strings.Join(found[:min(len(found), 6)], "\n"), fs.Dump())
	}
}
