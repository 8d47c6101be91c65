package store_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/clew-dev/clew/internal/query"
	"github.com/clew-dev/clew/internal/store"
	"github.com/clew-dev/clew/internal/store/storetest"
	"github.com/clew-dev/clew/internal/telemetry"
	"github.com/clew-dev/clew/internal/wal"
)

// asked is a question of a kind that reads files through DuckDB.
type asked struct {
	text string
	ask  func(ctx context.Context, e *engine) (partial string, answer any, err error)
}

func searched(q string) asked {
	return asked{q, func(ctx context.Context, e *engine) (string, any, error) {
		p, err := query.Compile(q)
		if err != nil {
			return "", nil, err
		}
		r, err := e.Search(ctx, storetest.Tenant, p, store.SearchOptions{Limit: 500, SpansPerTrace: 3})
		if err != nil {
			return "", nil, err
		}
		return r.Partial, r.Traces, nil
	}}
}

func measured(q string) asked {
	return asked{q, func(ctx context.Context, e *engine) (string, any, error) {
		p, err := query.Compile(q)
		if err != nil {
			return "", nil, err
		}
		r, err := e.Metrics(ctx, storetest.Tenant, p, store.MetricsOptions{Step: 10 * time.Minute,
			Range: store.Range{Start: storetest.Base - int64(time.Hour), End: storetest.Base + int64(time.Hour)}})
		if err != nil {
			return "", nil, err
		}
		return r.Partial, r.Series, nil
	}}
}

var askedOfDecay = []asked{
	measured(`{ } | count_over_time() by (resource.service.name)`),
	{"values of http.route", func(ctx context.Context, e *engine) (string, any, error) {
		r, err := e.TagValues(ctx, storetest.Tenant, query.Field{Scope: telemetry.ScopeSpan, Key: "http.route"}, store.TagOptions{})
		if err != nil {
			return "", nil, err
		}
		return r.Partial, r.Values, nil
	}},
	measured(`{ kind = server } | quantile_over_time(duration, 0.5) by (name)`),
	{"services", func(ctx context.Context, e *engine) (string, any, error) {
		r, err := e.Services(ctx, storetest.Tenant, store.Range{})
		if err != nil {
			return "", nil, err
		}
		return r.Partial, r.Services, nil
	}},
	measured(`{ event.exception.type = "shop.Deadline" } | rate()`),
	measured(`{ span.app.list != nil || span.app.score > 3 } | max_over_time(duration)`),
	searched(`{ span.http.route =~ "/c.*" } >> { duration > 1ms }`),
	searched(`{ status = error }`),
	searched(`{ }`),
}

const damagedAnswer = "partial"

// answer gives what e says, or that it cannot say all of it.
func (q asked) answer(t *testing.T, e *engine) string {
	t.Helper()
	partial, answer, err := q.ask(context.Background(), e)
	switch {
	case telemetry.KindOf(err) == telemetry.KindUnavailable, err == nil && partial != "":
		return damagedAnswer
	case err != nil:
		t.Fatalf("%s: %v", q.text, err)
	}
	return fmt.Sprintf("%+v", answer)
}

// What DuckDB reads is as safe as what Go reads: with one byte of a segment changed,
// every question has the answer that it had, or says that it is partial.
func TestDecayUnderQuestions(t *testing.T) {
	seq := &atomic.Int64{}
	seq.Store(time.Now().UnixNano())
	e := open(t, t.TempDir(), wal.OS, seq)
	g := storetest.NewGen(8, storetest.Base)
	for i := range 60 {
		for _, b := range g.Trace(storetest.Tenant, 30) {
			e.Send(t, b)
		}
		if i%25 == 24 {
			if err := e.Flush(context.Background()); err != nil {
				t.Fatal(err)
			}
		}
	}
	var before []string
	for _, q := range askedOfDecay {
		before = append(before, q.answer(t, e))
	}
	if slices.Contains(before, damagedAnswer) {
		t.Fatalf("partial before any damage: %v", before)
	}
	e.Abandon()
	files, err := filepath.Glob(filepath.Join(e.dir, "segments", "*", "*", "*", "*"))
	if err != nil || len(files) < 10 {
		t.Fatalf("%v, %v", files, err)
	}
	r := rand.New(rand.NewPCG(3, 9))
	n := *flips / 16
	if testing.Short() {
		n = min(n, 20)
	}
	same, partial := 0, 0
	for i := range n {
		dir := t.TempDir()
		if err := os.CopyFS(dir, os.DirFS(e.dir)); err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(dir, strings.TrimPrefix(files[i%len(files)], e.dir))
		p, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		at, mask := r.IntN(len(p)), byte(1+r.IntN(255))
		p[at] ^= mask
		if err := os.WriteFile(path, p, 0o600); err != nil {
			t.Fatal(err)
		}
		damaged := open(t, dir, wal.OS, seq)
		for j := range 3 { // what comes later only hears what the first have found
			q := (i + j*4) % len(askedOfDecay)
			switch got := askedOfDecay[q].answer(t, damaged); got {
			case before[q]:
				same++
			case damagedAnswer:
				partial++
			default:
				t.Errorf("byte %d of %s, mask %#x: a wrong answer to %s, not said to be partial:\n%.300s\nwant\n%.300s", at, path, mask, askedOfDecay[q].text, got, before[q])
			}
		}
		damaged.Abandon()
		if t.Failed() {
			return
		}
		if err := os.RemoveAll(dir); err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("%d flips: %d answers as before, %d partial", n, same, partial)
	if partial == 0 || same == 0 {
		t.Error("the flips hit nothing, or everything: this proves nothing")
	}
}
