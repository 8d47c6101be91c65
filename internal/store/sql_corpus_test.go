package store

import (
	"context"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/clew-dev/clew/internal/query"
)

var updateSQL = flag.Bool("update-sql", false, "write what the package answers into testdata/sql")

const corpusPath = "testdata/sql/queries.txt"

// TestSQLCorpus pins, for every query of the corpus, its plan, its SQL over one
// segment and rows in memory, and its answer, which is the same in every
// arrangement. The data folder is written as DATA.
func TestSQLCorpus(t *testing.T) {
	data, err := os.ReadFile(corpusPath)
	if err != nil {
		t.Fatal(err)
	}
	all := randomSpans(rand.New(rand.NewPCG(1, 1)), 48)
	dir := t.TempDir()
	var sets []*bench
	for _, how := range arrangements {
		sets = append(sets, arrange(t, nil, dir, how, all))
	}
	var out strings.Builder
	for i, block := range strings.Split(strings.TrimSpace(string(data)), "\n\n\n") {
		text, want, _ := strings.Cut(block+"\n", "----\n")
		text = strings.TrimSpace(text)
		got := corpusAnswer(t, sets, dir, text)
		if i > 0 {
			out.WriteString("\n\n")
		}
		out.WriteString(text + "\n----\n" + got)
		if diff := cmp.Diff(want, got); diff != "" && !*updateSQL {
			t.Errorf("%s (-want +got):\n%s", text, diff)
		}
	}
	if *updateSQL {
		if err := os.WriteFile(corpusPath, []byte(out.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// corpusAnswer uses an engine of its own, so that the names of temporary tables
// begin at one.
func corpusAnswer(t *testing.T, sets []*bench, dir, text string) string {
	t.Helper()
	p, err := query.Compile(text)
	if err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	d := openTestDuck(t, dir)
	defer d.Close()
	ctx := context.Background()
	o := searchSpec{plan: p, within: query.Range{Start: base + 1e8, End: base + 10e8}, order: OrderSlowest, limit: 4}
	steps, err := query.NewSteps(base, base+8e8, 4e8)
	if err != nil {
		t.Fatal(err)
	}
	m := metricsSpec{plan: p, steps: steps}
	var statement string
	err = d.do(ctx, 0, func(ctx context.Context, c *duckConn) (err error) {
		src := sets[1].src
		if leaf, ok := query.Expr(nil), false; p.Metrics != nil {
			if leaf, ok = sqlMetrics(p); ok {
				_, statement, err = c.seriesStatement(ctx, src, m, leaf)
				return err
			}
		} else if sqlSearch(p) && !src.lists(conditions(p)...) {
			statement, err = c.rankStatement(ctx, src, o)
			return err
		}
		statement, err = c.candidateStatement(ctx, src, p, o.within)
		statement = "evaluate the traces of " + statement
		return err
	})
	if err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	var first string
	for i, b := range sets {
		var answer string
		if p.Metrics != nil {
			m.load = b.load
			series, err := d.metrics(ctx, b.src, m)
			if err != nil {
				t.Fatalf("%s: %v", text, err)
			}
			answer = seriesText(series)
		} else {
			o.load = b.load
			found, next, err := d.search(ctx, b.src, o)
			if err != nil {
				t.Fatalf("%s: %v", text, err)
			}
			for _, f := range found {
				answer += fmt.Sprintf("%s %dus in %d sets\n", f.ID, f.Key/1000, len(f.Sets))
			}
			answer += fmt.Sprintf("more: %v\n", next != nil)
		}
		if i == 0 {
			first = answer
		} else if answer != first {
			t.Errorf("%s: %s answers\n%s%s answers\n%s", text, arrangements[0], first, arrangements[i], answer)
		}
	}
	return p.String() + "\n" + strings.ReplaceAll(statement, dir, "DATA") + "\n\n" + first
}
