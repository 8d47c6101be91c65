package store

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/clew-dev/clew/internal/query"
)

// randomFilter writes a condition of the language.
func randomFilter(rng *rand.Rand, depth int) string {
	one := func(of ...string) string { return of[rng.IntN(len(of))] }
	if depth > 0 {
		switch rng.IntN(6) {
		case 0:
			return "(" + randomFilter(rng, depth-1) + " && " + randomFilter(rng, depth-1) + ")"
		case 1:
			return "(" + randomFilter(rng, depth-1) + " || " + randomFilter(rng, depth-1) + ")"
		case 2:
			return "!(" + randomFilter(rng, depth-1) + ")"
		}
	}
	cmp := func() string { return " " + one("=", "!=", ">", ">=", "<", "<=") + " " }
	eq := func() string { return " " + one("=", "!=") + " " }
	switch rng.IntN(24) {
	case 0:
		return one("span.n", ".n", "resource.n") + cmp() + one("1", "0", "2", "1.5", "-1", "0/0", "1/0", "1ms")
	case 1:
		return one("span.n", ".n", "span.zone", ".zone", "resource.zone", "resource.service.name", "name", "statusMessage") + cmp() +
			one(`"1"`, `"eu"`, `"web"`, `"cart"`, `""`, `"it's"`, `"it's; DROP"`, `"a\x00b"`, `"late"`)
	case 2:
		return one("span.n", ".n", "span.zone", ".zone", "resource.zone", "resource.service.name", "name") + one(" =~ ", " !~ ") +
			one(`"e.|a.*"`, `"eu|web|cart"`, `"(?i)WEB"`, `"a.b"`, `"(?s)a.b"`, `".*"`, `""`, `"[^e].*"`, "`\\w+ /.*`", `"it's.*"`)
	case 3:
		return one("span.n", ".n", ".zone", "span.list", "span.rare", "resource.service.name", "resource.n", "event.n", "event.rare", "link.kind",
			"statusMessage", "span:parentID", "rootName", "rootServiceName", "span.nowhere", ".nowhere", "duration", "event:name") + eq() + "nil"
	case 4:
		return "duration" + cmp() + one("5ms", "10ms", "0", "1500us", "10 * 1ms")
	case 5:
		return "status" + eq() + one("error", "ok", "unset")
	case 6:
		return "kind" + eq() + one("server", "client", "internal", "consumer")
	case 7:
		return one("span.n", ".n", "instrumentation.x", "span.rare") + eq() + one("true", "false")
	case 8:
		return `span."a\"b'c"` + cmp() + one("0", "1", "1.5")
	case 9:
		return "event:name" + eq() + one(`"exception"`, `"retry"`)
	case 10:
		return "event.n" + cmp() + one("1", "2.5")
	case 11:
		return one("event:name", "event.rare", "link.kind") + one(" =~ ", " !~ ") + one(`"e.*"`, `"x|follows"`)
	case 12:
		return "link:traceID" + eq() + one(`"1"`, `"02"`)
	case 13:
		return "link:spanID" + eq() + `"3"`
	case 14:
		return "instrumentation:name" + one(" = ", " != ", " =~ ") + one(`"lib0"`, `"lib1"`)
	case 15:
		return "nestedSetParent" + cmp() + one("0", "-1")
	case 16:
		return "traceDuration" + cmp() + one("30ms", "45ms")
	case 17:
		return one("rootName", "rootServiceName") + cmp() + one(`"GET /"`, `"web"`)
	case 18:
		return one("span.f", "span.n", ".n", "duration / 1ms") + one(" + ", " - ", " * ", " / ", " % ") + one("span.n", "span.f", "2", "resource.n") + cmp() + one("1", "2.25", "span.f", "0")
	case 19:
		return one("span.n", ".n", "span.f", "span.zone", ".zone") + cmp() + one("span.f", "resource.n", "resource.zone", "span.zone", ".n")
	case 20:
		return "event:timeSinceStart" + cmp() + "2ms"
	case 21:
		return "span:parentID" + one(" = ", " != ", " =~ ") + one(`"59"`, `"5900000000000001"`, `"0f00000000000047"`)
	case 22:
		return "span:id" + one(" = ", " != ", " =~ ", " > ") + one(`"5900000000000001"`, `"0f"`)
	}
	return "trace:id" + one(" = ", " != ", " < ") + one(`"25000000000000000000000000000001"`, `"1"`)
}

func randomQuery(rng *rand.Rand) string {
	one := func(of ...string) string { return of[rng.IntN(len(of))] }
	filter := func() string { return "{ " + randomFilter(rng, 2) + " }" }
	q := filter()
	switch rng.IntN(6) {
	case 0:
		q += one(" && ", " || ") + filter()
	case 1:
		q = "(" + q + one(" && ", " || ") + filter() + ")" + one(" && ", " || ") + filter()
	case 2:
		q += " " + one(">", ">>", "<", "<<", "~", "!>", "!>>", "!<", "!~", "&>", "&>>", "&~") + " " + filter()
	}
	number := func() string {
		return one("duration", "span.n", "span.f", ".n", "span.n * 2", "resource.n", "traceDuration", "span.rare")
	}
	for range rng.IntN(3) {
		switch rng.IntN(5) {
		case 0:
			q += " | " + filter()
		case 1:
			q += " | count()" + one(" > ", " <= ", " = ") + one("1", "2", "3")
		case 2:
			q += " | " + one("sum", "avg", "min", "max") + "(" + number() + ")" + one(" > ", " <= ", " != ") + one("1", "2.5", "10ms")
		case 3:
			q += " | by(" + label(rng) + ")"
		case 4:
			q += " | coalesce()"
		}
	}
	return q
}

func label(rng *rand.Rand) string {
	return []string{"name", "status", "kind", "resource.service.name", ".zone", "span.n", ".n", "span.rare", "rootName", "traceDuration", "span:parentID", "statusMessage"}[rng.IntN(12)]
}

func randomMetrics(rng *rand.Rand) string {
	one := func(of ...string) string { return of[rng.IntN(len(of))] }
	q := "{ " + randomFilter(rng, 1) + " }"
	switch rng.IntN(6) {
	case 0:
		q += one(" >> ", " && ") + "{ " + randomFilter(rng, 1) + " }"
	case 1:
		q += " | count() > 1"
	}
	number := one("duration", "span.n", "span.f", ".n", "span.f / 2", "resource.n", "traceDuration")
	q += " | " + one("rate()", "count_over_time()", "min_over_time("+number+")", "max_over_time("+number+")", "avg_over_time("+number+")",
		"sum_over_time("+number+")", "quantile_over_time("+number+", 0, 0.5, 0.07, 0.99, 1)", "histogram_over_time("+number+")")
	switch rng.IntN(3) {
	case 0:
		q += " by(" + label(rng) + ")"
	case 1:
		q += " by(" + label(rng) + ", " + label(rng) + ")"
	}
	return q
}

var arrangements = []string{"fresh", "mixed", "segments"}

// TestSQLAgainstModel runs random queries over random traces, in memory, in
// segments and in both, and compares every answer with that of the evaluator.
func TestSQLAgainstModel(t *testing.T) {
	rounds, queries := 2, 30
	if testing.Short() {
		rounds, queries = 1, 15
	}
	ctx := context.Background()
	for round := range rounds {
		rng := rand.New(rand.NewPCG(uint64(round), 7))
		all := randomSpans(rng, 400+901*round)
		dir := t.TempDir()
		d := openTestDuck(t, dir)
		var sets []*bench
		for _, how := range arrangements {
			sets = append(sets, arrange(t, d, dir, how, all))
		}
		for range queries {
			text := randomQuery(rng)
			within := query.Range{Start: base, End: base + 1e12}
			if rng.IntN(2) == 0 {
				within = query.Range{Start: base + int64(rng.IntN(30))*1e8, End: base + int64(31+rng.IntN(30))*1e8}
			}
			p, err := query.Compile(text)
			if err != nil {
				t.Fatalf("%s: %v", text, err)
			}
			order := []Order{OrderNewest, OrderSlowest}[rng.IntN(2)]
			limit := 1 + rng.IntN(40)
			for i, b := range sets {
				if err := checkSearch(ctx, b, p, within, order, limit); err != nil {
					t.Fatalf("round %d, %s, %s:\n%s\n%v", round, arrangements[i], order, text, err)
				}
			}
		}
		for range queries {
			text := randomMetrics(rng)
			p, err := query.Compile(text)
			if err != nil {
				t.Fatalf("%s: %v", text, err)
			}
			steps, err := query.NewSteps(base+int64(rng.IntN(20))*1e8, base+40e8, 3e8)
			if err != nil {
				t.Fatal(err)
			}
			for i, b := range sets {
				got, err := b.duck.metrics(ctx, b.src, metricsSpec{plan: p, steps: steps, load: b.load})
				if err != nil {
					t.Fatalf("round %d, %s:\n%s\n%v", round, arrangements[i], text, err)
				}
				if want := b.modelSeries(t, p, steps); !sameSeries(got, want) {
					t.Fatalf("round %d, %s:\n%s\ngot\n%swant\n%s", round, arrangements[i], text, seriesText(got), seriesText(want))
				}
			}
		}
	}
}

// checkSearch pages through the whole answer and compares it with the model's.
func checkSearch(ctx context.Context, b *bench, p *query.Plan, within query.Range, order Order, limit int) error {
	want := b.model(p, within, order)
	var got []searchKey
	var after *searchKey
	for {
		page, more, err := b.duck.search(ctx, b.src, searchSpec{plan: p, within: within, order: order, limit: limit, after: after, load: b.load})
		if err != nil {
			return err
		}
		for _, f := range page {
			if k := keyOf(order, f.Batch, f.Sets); k != f.Key {
				return fmt.Errorf("trace %s is ranked by %d and has %d", f.ID, f.Key, k)
			}
			got = append(got, f.searchKey)
		}
		if len(page) > limit || more != (len(got) < len(want)) {
			return fmt.Errorf("a page of %d of %d, limit %d, more %v", len(page), len(want), limit, more)
		}
		if !more {
			break
		}
		after = &got[len(got)-1]
	}
	if !slices.Equal(got, want) {
		return fmt.Errorf("got %s\nwant %s", keysText(got), keysText(want))
	}
	return nil
}

func keysText(keys []searchKey) string {
	var out strings.Builder
	for _, k := range keys {
		fmt.Fprintf(&out, "%s %d, ", k.ID, k.Key)
	}
	return out.String()
}
