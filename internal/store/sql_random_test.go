package store

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/clew-dev/clew/internal/query"
	"github.com/clew-dev/clew/internal/telemetry"
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
	switch rng.IntN(31) {
	case 0:
		return one("span.n", ".n", "resource.n") + cmp() + one("1", "0", "2", "1.5", "-1", "0/0", "1/0", "1ms", "9007199254740993", "9007199254740992.0", "9223372036854775807", "9223372036854775808.0", "minInt", "-1/0")
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
		return "duration" + cmp() + one("5ms", "10ms", "0", "1500us", "10 * 1ms", "9007199254740993ns", "9007199254740992.0", "9223372036854775807ns", "1.5", "100")
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
		return one("span.f", "span.n", ".n", "duration / 1ms") + one(" + ", " - ", " * ", " / ", " % ", " ^ ") + one("span.n", "span.f", "2", "resource.n") + cmp() + one("1", "2.25", "span.f", "0", "-0.5")
	case 19:
		return one("span.n", ".n", "span.f", "span.zone", ".zone") + cmp() + one("span.f", "resource.n", "resource.zone", "span.zone", ".n")
	case 20:
		return "event:timeSinceStart" + cmp() + "2ms"
	case 21:
		return "span:parentID" + one(" = ", " != ", " =~ ") + one(`"59"`, `"5900000000000001"`, `"0f00000000000047"`)
	case 23:
		return one("span.n", ".n", "span.f") + cmp() + one("minInt", "maxInt", "-1 * span.f", "2 ^ 2 % 3")
	case 24:
		return "instrumentation:version" + eq() + one("nil", `"1"`)
	case 25:
		return one("event.n", "event:timeSinceStart / 1ms") + one(" + ", " - ", " ^ ") + one("1", "span.f") + cmp() + one("2", "span.n", "1.5")
	case 27:
		return one("span.list", ".list") + one(" = ", " != ", " > ", " <= ", " =~ ", " !~ ") + one(`"x"`, `"y|x"`, `"[xy].*"`)
	case 28:
		return one("span.list", ".list") + cmp() + one("1", "2", "0.5", "1e-3", "0/0", "2ms", "span.n", "span.f", ".list")
	case 29:
		return one(one("parent:name", "parent.zone", "parent.span.n", "parent.resource.zone", "parent:statusMessage")+cmp()+one(`"eu"`, `"SELECT"`, `"1"`, "name", ".zone", "parent.resource.service.name"),
			one("parent.n", "parent.span.list", "parent:duration / 1ms", "parent.span.f", "parent.resource.n", "parent:childCount")+cmp()+one("1", "2.5", "span.n", "parent.f", "event.n"),
			one("parent:kind", "parent:kind")+eq()+one("server", "client", "kind"), "parent:status"+eq()+one("error", "status"),
			one("parent:id", "parent:parentID", "parent.n", "parent.zone", "parent.instrumentation.x")+eq()+"nil", "parent:id"+eq()+`"5900000000000001"`)
	case 30:
		return one("nestedSetLeft", "nestedSetRight", "nestedSetParent", "nestedSetRight - nestedSetLeft") + cmp() + one("1", "2", "0", "-1", "4", "nestedSetLeft", "span:childCount")
	case 22:
		return "span:id" + one(" = ", " != ", " =~ ", " > ") + one(`"5900000000000001"`, `"0f"`)
	}
	if rng.IntN(3) == 0 {
		return "span:childCount" + cmp() + one("0", "1", "2 - 1")
	}
	return "trace:id" + one(" = ", " != ", " < ") + one(`"25000000000000000000000000000001"`, `"1"`)
}

// randomQuery writes a search.
func randomQuery(rng *rand.Rand) string {
	return randomSpanset(rng, 2) + randomStages(rng, 2)
}

var structural = []string{">", ">>", "<", "<<", "~", "!>", "!>>", "!<", "!<<", "!~", "&>", "&>>", "&<", "&<<", "&~"}

// randomSpanset writes filters, their relations, and pipelines in parentheses.
func randomSpanset(rng *rand.Rand, depth int) string {
	filter := func() string { return "{ " + randomFilter(rng, 2) + " }" }
	if depth == 0 {
		return filter()
	}
	inner := func() string { return randomSpanset(rng, depth-1) }
	switch rng.IntN(12) {
	case 0, 1:
		return "(" + inner() + ") && (" + inner() + ")"
	case 2:
		return "(" + inner() + ") || (" + inner() + ")"
	case 3, 4:
		return "(" + inner() + ") " + structural[rng.IntN(len(structural))] + " (" + inner() + ")"
	case 5:
		return "(" + inner() + randomStage(rng, 0) + ")"
	}
	return filter()
}

func randomStages(rng *rand.Rand, most int) string {
	out := ""
	for range rng.IntN(most + 1) {
		out += randomStage(rng, 1)
	}
	return out
}

func randomStage(rng *rand.Rand, depth int) string {
	one := func(of ...string) string { return of[rng.IntN(len(of))] }
	compare := func() string { return one(" > ", " <= ", " = ", " != ", " < ", " >= ") }
	aggregate := func() string { return one("sum", "avg", "min", "max") + "(" + randomNumber(rng) + ")" }
	switch rng.IntN(9) {
	case 0:
		return " | { " + randomFilter(rng, 2) + " }"
	case 1:
		return " | count()" + compare() + one("1", "2", "3")
	case 2, 3:
		return " | " + aggregate() + compare() + one("1", "2.5", "10ms", "-1")
	case 4:
		return " | by(" + randomGroups(rng) + ")"
	case 5:
		return " | coalesce()"
	case 6:
		return " | " + one("count()", aggregate()) + compare() + one("count()", aggregate())
	case 7:
		return " | select(" + one("name", "span.n", "event:name", "nestedSetLeft, nestedSetRight, nestedSetParent", "span:childCount", "link.kind") + ")"
	}
	if depth == 0 {
		return " | coalesce()"
	}
	return " | " + randomSpanset(rng, 1)
}

func randomNumber(rng *rand.Rand) string {
	return []string{"duration", "span.n", "span.f", ".n", "span.n * 2", "resource.n", "traceDuration", "span.rare", "event.n",
		"event:timeSinceStart", "event.n + span.f", "span:childCount", "span.f / 2", "span.f - span.n", "parent:duration", "parent.n", "nestedSetLeft"}[rng.IntN(17)]
}

var randomLabels = []string{"name", "status", "kind", "resource.service.name", ".zone", "span.n", ".n", "span.rare", "rootName", "traceDuration",
	"span:parentID", "statusMessage", "event:name", "event.n", "span:childCount", "instrumentation:name", "instrumentation.x", "rootServiceName", "span:id", "trace:id",
	"parent:name", "parent.zone", "nestedSetParent"}

func randomGroups(rng *rand.Rand) string {
	label := func() string { return randomLabels[rng.IntN(len(randomLabels))] }
	switch rng.IntN(6) {
	case 0:
		return label() + ", " + label()
	case 1:
		return "link.kind"
	case 2:
		return "event.n, " + label()
	}
	return label()
}

// randomCalculation writes a calculation with series.
func randomCalculation(rng *rand.Rand, depth int) string {
	one := func(of ...string) string { return of[rng.IntN(len(of))] }
	then := func() string {
		return one("", "", " > 0.5", " | topk(2)", " <= 4 | bottomk(1)")
	}
	group := one("", " by(name)", " by(status, .zone)", " by(.zone)")
	part := func() string {
		by := group
		if rng.IntN(3) == 0 {
			by = ""
		}
		f := one("rate()", "count_over_time()", "avg_over_time(duration)", "sum_over_time(span.f)", "max_over_time(span.n)")
		return "({ " + randomFilter(rng, 1) + " } | " + f + by + then() + ")"
	}
	var operand func(depth int) string
	operand = func(depth int) string {
		switch {
		case rng.IntN(4) == 0:
			return one("2", "-1.5", "100", "10ms", "0")
		case depth > 0 && rng.IntN(2) == 0:
			return "(" + operand(depth-1) + one(" + ", " - ", " * ", " / ") + part() + then() + ")"
		}
		return part()
	}
	return operand(depth) + one(" + ", " - ", " * ", " / ") + part() + then()
}

// randomMetrics writes a query that gives series.
func randomMetrics(rng *rand.Rand) string {
	if rng.IntN(8) == 0 {
		return randomCalculation(rng, 2)
	}
	one := func(of ...string) string { return of[rng.IntN(len(of))] }
	q := "{ " + randomFilter(rng, 1) + " }"
	switch rng.IntN(6) {
	case 0:
		q = randomSpanset(rng, 1)
	case 1:
		q += one(" | count() > 1", " | { "+randomFilter(rng, 1)+" }", " | { } >> { }")
	}
	if rng.IntN(6) == 0 {
		q += " | compare({ " + randomFilter(rng, 1) + " }"
		if rng.IntN(2) == 0 {
			q += one(", 1", ", 3", ", 100")
			if rng.IntN(2) == 0 {
				q += fmt.Sprintf(", %d, %d", base+int64(rng.IntN(30))*1e8, base+int64(30+rng.IntN(30))*1e8)
			}
		}
		return q + ")"
	}
	number := randomNumber(rng)
	q += " | " + one("rate()", "count_over_time()", "min_over_time("+number+")", "max_over_time("+number+")", "avg_over_time("+number+")",
		"sum_over_time("+number+")", "quantile_over_time("+number+", 0, 0.5, 0.07, 0.99, 1)", "histogram_over_time("+number+")")
	if rng.IntN(3) > 0 && !strings.Contains(number, "link") {
		groups := randomGroups(rng)
		if groups == "link.kind" && strings.Contains(number, "event") {
			groups = "event:name"
		}
		q += " by(" + groups + ")"
	}
	if rng.IntN(4) == 0 {
		q += one(" > 0", " <= 2", " != 1", " > 0.005", " >= 1", " < 3", " = 1")
	}
	if rng.IntN(3) == 0 {
		q += one(" | topk(1)", " | topk(3)", " | bottomk(2)", " | topk(4) | bottomk(1)", " | bottomk(3) > 0")
	}
	if rng.IntN(2) == 0 {
		q += one(" with (exemplars = true)", " with (exemplars = 1)", " with (exemplars = 3)", " with (exemplars = false)", " with (most_recent = true, exemplars = 7)")
	}
	return q
}

// TestRandomQueriesCoverTheLanguage reads what the generators write, without asking
// a store, and looks for everything that the language has in the plans.
func TestRandomQueriesCoverTheLanguage(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 3))
	seen := map[string]bool{}
	for i := range 6000 {
		text := randomQuery(rng)
		if i%2 == 0 {
			text = randomMetrics(rng)
		}
		p, err := query.Compile(text)
		if err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		noteFeatures(p, text, func(kind string, what any) { seen[fmt.Sprint(kind, " ", what)] = true })
	}
	want := map[string][]string{
		"relation":  append([]string{"", "&&", "||", query.OpPipe}, structural...),
		"compare":   {"=", "!=", ">", ">=", "<", "<=", "=~", "!~"},
		"calculate": {"+", "-", "*", "/", "%", "^"},
		"stage":     {"filter", "by", "coalesce", "aggregate", "relate", "other"},
		"aggregate": {"count", "avg", "min", "max", "sum", "quantile", "histogram", "compare"},
		"metrics": {"rate", "count_over_time", "min_over_time", "max_over_time", "avg_over_time", "sum_over_time", "quantile_over_time",
			"histogram_over_time", "compare"},
		"series": {fmt.Sprint(query.SeriesTop), fmt.Sprint(query.SeriesBottom), fmt.Sprint(query.SeriesThreshold)},
		"by":     randomLabels,
		"word": {"exists", "not", "and", "or", "select", "exemplars", "most_recent", "comparison range", "minInt", "maxInt", "seconds",
			"true", "nil", "error", "server", "1ms", "-1"},
		"scope": {"span", "resource", "event", "link", "instrumentation", "unscoped"},
		"field": {"duration", "name", "status", "statusMessage", "kind", "traceDuration", "rootName", "rootServiceName", "trace:id", "span:id",
			"span:parentID", "nestedSetParent", "span:childCount", "event:name", "event:timeSinceStart", "link:traceID", "link:spanID",
			"instrumentation:name", "instrumentation:version", "nestedSetLeft", "nestedSetRight", "parent:name", "parent:duration", "parent:status",
			"parent:statusMessage", "parent:kind", "parent:id", "parent:parentID", "parent:childCount"},
		"calculation": {"+", "-", "*", "/", "(", "values", "largest", "smallest"},
		"parent":      {"unscoped", "span", "resource", "instrumentation"},
		"list":        {"=", "!=", ">", "<=", "=~", "!~", "two fields"},
	}
	for kind, list := range want {
		for _, what := range list {
			if !seen[kind+" "+what] {
				t.Errorf("no random query has %s %q", kind, what)
			}
		}
	}
}

func noteFeatures(p *query.Plan, text string, see func(kind string, what any)) {
	for _, word := range []string{"minInt", "maxInt", "exemplars", "most_recent", "true", "nil", "error", "server", "1ms", "-1"} {
		if strings.Contains(text, word) {
			see("word", word)
		}
	}
	for _, l := range p.Leaves {
		noteCondition(l, see)
	}
	if p.Metrics != nil && p.Metrics.Calculation != nil {
		drawn := p.Metrics.Calculation.String()
		for _, what := range []string{"+", "-", "*", "/", "(", "values", "largest", "smallest"} {
			if strings.Contains(drawn, what) {
				see("calculation", what)
			}
		}
		for _, part := range p.Metrics.Calculation.Parts {
			noteFeatures(part, "", see)
		}
		return
	}
	noteSpans(p.Spans, see)
	noteStages(p.Stages, see)
	if len(p.Select) > 0 {
		see("word", "select")
	}
	for _, f := range p.Fields {
		if name, ok := scopeNames[f.Scope]; ok && f.Parent {
			see("parent", name)
		} else if ok {
			see("scope", name)
		} else {
			see("field", f)
		}
	}
	m := p.Metrics
	if m == nil {
		return
	}
	see("metrics", m.Name)
	see("aggregate", m.Func)
	for _, f := range m.By {
		see("by", f)
	}
	for _, s := range m.Then {
		see("series", s.Kind)
	}
	if m.Seconds {
		see("word", "seconds")
	}
	if m.Compare != nil && m.Compare.Range.Start > 0 {
		see("word", "comparison range")
	}
}

var scopeNames = map[telemetry.Scope]string{0: "unscoped", telemetry.ScopeSpan: "span", telemetry.ScopeResource: "resource",
	telemetry.ScopeEvent: "event", telemetry.ScopeLink: "link", telemetry.ScopeInstrumentation: "instrumentation"}

func noteSpans(e *query.SpanExpr, see func(kind string, what any)) {
	if e == nil {
		return
	}
	see("relation", e.Op)
	noteSpans(e.L, see)
	noteSpans(e.R, see)
	noteStages(e.Stages, see)
}

func noteStages(stages []query.Stage, see func(kind string, what any)) {
	names := map[query.StageKind]string{query.StageFilter: "filter", query.StageBy: "by", query.StageCoalesce: "coalesce",
		query.StageAggregate: "aggregate", query.StageRelate: "relate"}
	for _, s := range stages {
		see("stage", names[s.Kind])
		noteSpans(s.Spans, see)
		for _, f := range s.By {
			see("by", f)
		}
		if s.Kind == query.StageAggregate {
			see("aggregate", s.Func)
		}
		if s.Other != nil {
			see("stage", "other")
		}
	}
}

func noteCondition(e query.Expr, see func(kind string, what any)) {
	switch e := e.(type) {
	case query.And:
		see("word", "and")
		for _, x := range e.Xs {
			noteCondition(x, see)
		}
	case query.Or:
		see("word", "or")
		for _, x := range e.Xs {
			noteCondition(x, see)
		}
	case query.Not:
		see("word", "not")
		noteCondition(e.X, see)
	case query.Exists:
		see("word", "exists")
	case query.Compare:
		see("compare", e.Op)
		if l, ok := e.L.(query.Ref); ok && l.Field.Key == "list" {
			see("list", e.Op)
			if _, ok := e.R.(query.Ref); ok {
				see("list", "two fields")
			}
		}
		noteOperand(e.L, see)
		noteOperand(e.R, see)
	}
}

func noteOperand(o query.Operand, see func(kind string, what any)) {
	if a, ok := o.(query.Arith); ok {
		see("calculate", string(a.Op))
		noteOperand(a.L, see)
		noteOperand(a.R, see)
	}
}
