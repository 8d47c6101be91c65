package store

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/clew-dev/clew/internal/query"
	"github.com/clew-dev/clew/internal/telemetry"
)

// TestTagNames compares with the names that spans have, each asked for on its own, in
// every arrangement.
func TestTagNames(t *testing.T) {
	all := randomSpans(rand.New(rand.NewPCG(6, 6)), 600)
	dir := t.TempDir()
	d := openTestDuck(t, dir)
	within := query.Range{Start: base + 5e8, End: base + 50e8}
	for _, how := range arrangements {
		b := arrange(t, d, dir, how, all)
		cut := false
		for _, text := range []string{"{ status = error }", `{ resource.service.name = "cart" }`, "{ span.rare != nil }", "{ event.rare != nil && kind != client }",
			"{ traceDuration < 40ms }", `{ traceDuration > 40ms && event:name != nil }`, `{ name = "nowhere" }`} {
			where, err := query.CompileFilter(text)
			if err != nil {
				t.Fatal(err)
			}
			for _, f := range []nameFilter{{}, {scope: telemetry.ScopeEvent}, {prefix: "r"}} {
				want := modelNames(b, all, within, f, where)
				got, err := d.tagNamesWhere(context.Background(), b.src, within, f, where, 3)
				if err != nil {
					t.Fatalf("%s, %s: %v", how, text, err)
				}
				every := tagNames(b.src, within, f, 3)
				cut = cut || len(want) > 0 && fmt.Sprint(got) != fmt.Sprint(every)
				if fmt.Sprint(got) != fmt.Sprint(want) {
					t.Errorf("%s, %s, %+v: got %v, want %v", how, text, f, got, want)
				}
			}
		}
		if !cut {
			t.Errorf("%s: no condition narrows the names", how)
		}
	}
}

// modelNames are the first three names of each scope that a wanted span has.
func modelNames(b *bench, all *telemetry.Batch, within query.Range, f nameFilter, where query.Expr) []TagScope {
	r := query.NewReader(all)
	var out []TagScope
	for _, s := range tagNames(b.src, everything, f, math.MaxInt) {
		var names []string
		for _, key := range s.Names {
			has := query.And{Xs: []query.Expr{where, query.Exists{Field: query.Field{Scope: s.Scope, Key: key}}}}
			for row := range all.Spans.N {
				if within.Contains(all.Spans.Start[row]) && r.Eval(has, row) {
					names = append(names, key)
					break
				}
			}
		}
		if len(names) > 0 {
			out = append(out, TagScope{s.Scope, names[:min(3, len(names))]})
		}
	}
	return out
}

// TestTagNamesOfSeldomKeys asks a batch whose values have no columns of their own.
func TestTagNamesOfSeldomKeys(t *testing.T) {
	b := telemetry.NewBuilder()
	res, scope := b.Resources.AddRow(), b.Scopes.AddRow()
	for i := range 4 {
		b.AddSpan(telemetry.Span{Start: base + int64(i), Duration: int64(i), Resource: res, Scope: scope}, nil)
	}
	rest := &b.Batch.Spans.Rest
	rest.Scope = telemetry.ScopeSpan
	for row, key := range []string{"first", "second", "third", "fourth"} {
		rest.Add(uint32(row), telemetry.TypeInt, []byte(key), 1, nil)
	}
	where, err := query.CompileFilter("{ duration > 0ns }")
	if err != nil {
		t.Fatal(err)
	}
	d := openTestDuck(t, t.TempDir())
	src := sources{fresh: []*telemetry.Batch{&b.Batch}}
	got, err := d.tagNamesWhere(context.Background(), src, query.Range{Start: base, End: base + 3}, nameFilter{}, where, 9)
	if want := fmt.Sprint([]TagScope{{telemetry.ScopeSpan, []string{"second", "third"}}}); err != nil || fmt.Sprint(got) != want {
		t.Errorf("got %v and %v, want %s", got, err, want)
	}
}
