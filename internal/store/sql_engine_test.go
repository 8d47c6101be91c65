package store

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/clew-dev/clew/internal/query"
	"github.com/clew-dev/clew/internal/telemetry"
)

// TestEngineIsConfined tries what a query that broke out of its literals could do.
func TestEngineIsConfined(t *testing.T) {
	dir := t.TempDir()
	outside := filepath.Join(t.TempDir(), "secret.csv")
	if err := os.WriteFile(outside, []byte("a\n1\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	d := openTestDuck(t, dir)
	for _, statement := range []string{
		"SELECT * FROM read_csv(" + text(outside) + ")",
		"COPY (SELECT 1) TO " + text(filepath.Join(filepath.Dir(outside), "x.csv")),
		"INSTALL httpfs",
		"SET enable_external_access = true",
		"SET memory_limit = '1TB'",
		"ATTACH " + text(filepath.Join(filepath.Dir(outside), "x.db")),
	} {
		err := d.do(context.Background(), 0, func(ctx context.Context, c *duckConn) error {
			return c.rows(ctx, statement, func([]any) error { return nil })
		})
		if err == nil {
			t.Errorf("%s was allowed", statement)
		}
	}
}

func TestEngineLimits(t *testing.T) {
	dir := t.TempDir()
	d, err := openDuck(duckOptions{Dir: dir, MemoryBytes: 24 << 20, Threads: 1, Slots: 1, Timeout: time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	const endless = "SELECT count(*) FROM range(1000000) a, range(1000000) b WHERE a.range * b.range = 7"
	run := func(ctx context.Context, timeout time.Duration, statement string) error {
		return d.do(ctx, timeout, func(ctx context.Context, c *duckConn) error {
			return c.rows(ctx, statement, func([]any) error { return nil })
		})
	}
	if err := run(context.Background(), 50*time.Millisecond, endless); telemetry.KindOf(err) != telemetry.KindExhausted || !strings.Contains(err.Error(), "query took over 50ms") {
		t.Errorf("over the time limit: got %v", err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := run(ctx, 0, endless); telemetry.KindOf(err) != telemetry.KindUnavailable || !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: got %v", err)
	}
	if err := run(context.Background(), 0, "SELECT list(range) FROM range(100000000)"); telemetry.KindOf(err) != telemetry.KindExhausted || !strings.Contains(err.Error(), "24 MiB") {
		t.Errorf("over the memory limit: got %v", err)
	}
	if err := run(context.Background(), 0, "SELECT 1"); err != nil {
		t.Errorf("after all that: %v", err)
	}
	// The only slot is taken: the next query waits until its own time is over.
	err = d.do(context.Background(), 0, func(context.Context, *duckConn) error {
		return run(context.Background(), 10*time.Millisecond, "SELECT 1")
	})
	if telemetry.KindOf(err) != telemetry.KindExhausted {
		t.Errorf("without a slot: got %v", err)
	}
}

// TestTextSurvives sends hostile text through a literal and compares what comes back.
func TestTextSurvives(t *testing.T) {
	d := openTestDuck(t, t.TempDir())
	for _, s := range []string{"", "'", "''", "'; DROP TABLE x; --", "\\'", "a\x00b", "\x00", "\x00'\x00", "/*", "$$", "é\n\t\"", "E'\\x00'"} {
		err := d.do(context.Background(), 0, func(ctx context.Context, c *duckConn) error {
			return c.rows(ctx, "SELECT "+text(s)+" AS "+name("x\"; --"+strings.ReplaceAll(s, "\x00", "")), func(v []any) error {
				if v[0] != s {
					return fmt.Errorf("got %q", v[0])
				}
				return nil
			})
		})
		if err != nil {
			t.Errorf("%q: %v", s, err)
		}
	}
}

// TestTagValues compares with a count over all spans, in every arrangement.
func TestTagValues(t *testing.T) {
	all := randomSpans(rand.New(rand.NewPCG(5, 5)), 600)
	dir := t.TempDir()
	d := openTestDuck(t, dir)
	within := query.Range{Start: base + 5e8, End: base + 50e8}
	// The second condition is of the whole trace, most of which is not where an event is.
	for i, text := range []string{"{ status != ok }", "{ status != ok && !(traceDuration < 40ms || name = \"render\") }"} {
		where, err := query.CompileFilter(text)
		if err != nil {
			t.Fatal(err)
		}
		for _, how := range arrangements {
			checkTagValues(t, arrange(t, d, filepath.Join(dir, fmt.Sprint(i)), how, all), how, all, within, where)
		}
	}
}

func checkTagValues(t *testing.T, b *bench, how string, all *telemetry.Batch, within query.Range, where query.Expr) {
	t.Helper()
	ctx, d := context.Background(), b.duck
	for _, name := range []string{"name", "resource.service.name", ".zone", "span.n", "status", "event:name", "event.n", "event.rare", "link.kind", "span.rare", "span.nowhere"} {
		f, err := query.ParseField(name)
		if err != nil {
			t.Fatal(err)
		}
		for _, prefix := range []string{"", "e"} {
			want := modelValues(all, within, f, prefix, where)
			got, more, err := d.tagValues(ctx, b.src, within, f, prefix, where, 3)
			if err != nil {
				t.Fatalf("%s, %s: %v", how, name, err)
			}
			if more != (len(want) > 3) || tagText(got) != tagText(want[:min(3, len(want))]) {
				t.Errorf("%s, %s, prefix %q: got %s more %v, want %s", how, name, prefix, tagText(got), more, tagText(want))
			}
		}
	}
}

func tagText(v []tagValue) string {
	var out strings.Builder
	for _, x := range v {
		fmt.Fprintf(&out, "%v×%d ", x.value, x.count)
	}
	return out.String()
}

// modelValues counts the spans that have each value.
func modelValues(b *telemetry.Batch, within query.Range, f query.Field, prefix string, where query.Expr) []tagValue {
	r := query.NewReader(b)
	var out []tagValue
	for row := range b.Spans.N {
		if !within.Contains(b.Spans.Start[row]) || !r.Eval(where, row) {
			continue
		}
		var vals []query.Value
		if f.Level() == query.LevelEvent || f.Level() == query.LevelLink {
			vals = r.Values(f, row)
		} else if v, ok := r.One(f, row); ok {
			vals = []query.Value{v}
		}
		var seen []query.Value
		for _, v := range vals {
			same := func(o query.Value) bool {
				return query.CompareGroups([]query.Value{o}, []query.Value{v}) == 0
			}
			if slices.ContainsFunc(seen, same) || (prefix != "" && (v.Type != query.TypeString || !strings.HasPrefix(v.Str, prefix))) {
				continue
			}
			seen = append(seen, v)
			i := slices.IndexFunc(out, func(o tagValue) bool { return same(o.value) })
			if i < 0 {
				i = len(out)
				out = append(out, tagValue{value: v})
			}
			out[i].count++
		}
	}
	slices.SortFunc(out, func(a, b tagValue) int {
		return cmp.Or(cmp.Compare(b.count, a.count), query.CompareGroups([]query.Value{a.value}, []query.Value{b.value}))
	})
	return out
}

// TestSummaries compares services and operations with a count over all spans.
func TestSummaries(t *testing.T) {
	ctx := context.Background()
	all := randomSpans(rand.New(rand.NewPCG(6, 6)), 500)
	dir := t.TempDir()
	d := openTestDuck(t, dir)
	within := query.Range{Start: base, End: base + 30e8}
	web := "web"
	for _, how := range arrangements {
		b := arrange(t, d, dir, how, all)
		for _, service := range []*string{nil, &web} {
			got, err := d.summaries(ctx, b.src, within, service)
			if err != nil {
				t.Fatal(err)
			}
			if want := modelSummaries(all, within, service); fmt.Sprint(got) != fmt.Sprint(want) {
				t.Errorf("%s: got\n%v\nwant\n%v", how, got, want)
			}
		}
	}
}

func modelSummaries(b *telemetry.Batch, within query.Range, service *string) []Summary {
	type group struct{ all, entry []int }
	groups := map[Summary]*group{}
	services := telemetry.ServiceNames(b)
	s := &b.Spans
	for row := range s.N {
		svc := services[s.Resource[row]]
		if !within.Contains(s.Start[row]) || (service != nil && svc != *service) {
			continue
		}
		k := Summary{Name: svc}
		if service != nil {
			k = Summary{Name: s.Names.Str(s.Name[row]), Kind: s.Kind[row]}
		}
		g := groups[k]
		if g == nil {
			g = &group{}
			groups[k] = g
		}
		g.all = append(g.all, row)
		if s.Kind[row] == telemetry.KindServer || s.Kind[row] == telemetry.KindConsumer {
			g.entry = append(g.entry, row)
		}
	}
	var out []Summary
	for k, g := range groups {
		rows := g.entry
		if len(rows) == 0 {
			rows = g.all
		}
		k.Spans, k.Requests = int64(len(g.all)), int64(len(rows))
		var durations []int64
		for _, row := range rows {
			durations = append(durations, s.Duration[row])
			if s.Status[row] == telemetry.StatusError {
				k.Errors++
			}
		}
		for _, row := range g.all {
			k.LastSeen = max(k.LastSeen, s.Start[row])
		}
		slices.Sort(durations)
		at := func(q float64) int64 { return durations[query.QuantileIndex(q, len(durations))] }
		k.P50, k.P95, k.P99 = at(0.5), at(0.95), at(0.99)
		out = append(out, k)
	}
	slices.SortFunc(out, func(a, b Summary) int { return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.Kind, b.Kind)) })
	return out
}

// TestLaterRowsStayInvisible fixes what a page may see and adds rows after it.
func TestLaterRowsStayInvisible(t *testing.T) {
	ctx := context.Background()
	all := randomSpans(rand.New(rand.NewPCG(8, 8)), 300)
	early := telemetry.Gather(all, rowsWhere(all, func(i int) bool { return all.Spans.Seq[i] < base+150 }))
	dir := t.TempDir()
	d := openTestDuck(t, dir)
	for _, text := range []string{"{ status = error }", "{ } >> { status = ok }", "{ } | count() > 3"} {
		p, err := query.Compile(text)
		if err != nil {
			t.Fatal(err)
		}
		for _, how := range arrangements {
			b := arrange(t, d, filepath.Join(dir, strings.ReplaceAll(text, ">", "")), how, all)
			b.src.maxSeq = base + 149
			want := arrange(t, d, dir, "fresh", early).model(p, everything, OrderSlowest)
			found, _, err := d.search(ctx, b.src, searchSpec{plan: p, within: everything, order: OrderSlowest, limit: 1000, load: b.load})
			if err != nil {
				t.Fatal(err)
			}
			var got []searchKey
			for _, f := range found {
				got = append(got, f.searchKey)
			}
			if !slices.Equal(got, want) {
				t.Errorf("%s, %s: got %s, want %s", text, how, keysText(got), keysText(want))
			}
		}
	}
}
