package storetest

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"math/rand"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/clew-dev/clew/internal/query"
	"github.com/clew-dev/clew/internal/store"
	"github.com/clew-dev/clew/internal/telemetry"
)

// model is a store as simple as can be: a map of slices. Random does the same to
// an engine and to it, and wants the same answers.
type model struct {
	spans map[string][]*modelSpan // by tenant, in the order of receipt
	known map[string]*modelSpan   // by tenant and line: what is stored now
	again map[string][]*modelSpan // by tenant: expired, but received once more after what expired
}

// modelSpan is a stored span.
type modelSpan struct {
	line          string // the whole span, as Dump writes it
	trace         telemetry.TraceID
	span          telemetry.SpanID
	service, name string
	kind, status  uint8
	start, took   int64
	seq           int64 // of receipt
	last          int64 // when it came the last time
	route         string
	code          int64
	hasCode       bool
	score         float64
	hasScore      bool
	keys          []string // of span attributes
}

func newModel() *model {
	return &model{spans: map[string][]*modelSpan{}, known: map[string]*modelSpan{}, again: map[string][]*modelSpan{}}
}

// add stores what is not stored yet.
func (m *model) add(b *telemetry.Batch, seq int64) {
	services := telemetry.ServiceNames(b)
	for i := range b.Spans.N {
		one := telemetry.Gather(b, []uint32{uint32(i)})
		s := &modelSpan{line: Dump(one), trace: b.Spans.TraceID[i], span: b.Spans.SpanID[i], service: services[b.Spans.Resource[i]],
			name: b.Spans.Names.Str(b.Spans.Name[i]), kind: b.Spans.Kind[i], status: b.Spans.Status[i],
			start: b.Spans.Start[i], took: b.Spans.Duration[i], seq: seq, last: seq}
		if old := m.known[b.Tenant+s.line]; old != nil {
			old.last = seq
			continue
		}
		m.again[b.Tenant] = slices.DeleteFunc(m.again[b.Tenant], func(a *modelSpan) bool { return a.line == s.line })
		for _, c := range one.Spans.Cols {
			if c.Scope == telemetry.ScopeSpan && len(c.Rows) > 0 {
				s.attribute(c)
			}
		}
		m.known[b.Tenant+s.line] = s
		m.spans[b.Tenant] = append(m.spans[b.Tenant], s)
	}
}

func (s *modelSpan) attribute(c *telemetry.Column) {
	s.keys = append(s.keys, c.Key)
	switch c.Key {
	case "http.route":
		s.route = c.Dict.Str(c.Codes[0])
	case "http.response.status_code":
		s.code, s.hasCode = int64(c.Nums[0]), true
	case "app.score":
		s.score, s.hasScore = math.Float64frombits(c.Nums[0]), true
	}
}

// remove takes away the spans for which gone is true.
func (m *model) remove(tenant string, gone func(*modelSpan) bool) {
	m.spans[tenant] = slices.DeleteFunc(m.spans[tenant], func(s *modelSpan) bool {
		if gone(s) {
			delete(m.known, tenant+s.line)
			if s.last > s.seq {
				m.again[tenant] = append(m.again[tenant], s)
			}
			return true
		}
		return false
	})
}

// traces gives the spans that match, by trace.
func (m *model) traces(tenant string, match func(*modelSpan) bool) map[telemetry.TraceID][]*modelSpan {
	out := map[telemetry.TraceID][]*modelSpan{}
	for _, s := range m.spans[tenant] {
		if match(s) {
			out[s.trace] = append(out[s.trace], s)
		}
	}
	return out
}

// condition is a filter in the language and what it means.
type condition struct {
	text  string
	match func(*modelSpan) bool
}

func randomCondition(r *rand.Rand) condition {
	service, name, route := services[r.Intn(len(services))], operations[r.Intn(len(operations))], routes[r.Intn(len(routes))]
	took, score := time.Duration(r.Intn(4000))*time.Microsecond, float64(r.Intn(12))
	all := []condition{
		{"true", func(*modelSpan) bool { return true }},
		{fmt.Sprintf("resource.service.name = %q", service), func(s *modelSpan) bool { return s.service == service }},
		{fmt.Sprintf("name != %q", name), func(s *modelSpan) bool { return s.name != name }},
		{"status = error", func(s *modelSpan) bool { return s.status == telemetry.StatusError }},
		{"kind = consumer", func(s *modelSpan) bool { return s.kind == telemetry.KindConsumer }},
		{fmt.Sprintf("duration > %s", took), func(s *modelSpan) bool { return s.took > int64(took) }},
		{fmt.Sprintf("span.http.route = %q", route), func(s *modelSpan) bool { return s.route == route }},
		{"span.http.response.status_code >= 500", func(s *modelSpan) bool { return s.hasCode && s.code >= 500 }},
		{fmt.Sprintf("span.app.score <= %g", score), func(s *modelSpan) bool { return s.hasScore && s.score <= score }},
		{"span.app.score = nil", func(s *modelSpan) bool { return !s.hasScore }},
	}
	c := all[r.Intn(len(all))]
	if r.Intn(3) == 0 {
		d := all[r.Intn(len(all))]
		if r.Intn(2) == 0 {
			return condition{c.text + " && " + d.text, func(s *modelSpan) bool { return c.match(s) && d.match(s) }}
		}
		return condition{c.text + " || " + d.text, func(s *modelSpan) bool { return c.match(s) || d.match(s) }}
	}
	return c
}

// Random does ops random things to an engine: batches of two tenants, late spans,
// repeats, flushes with their merges, expiry and restarts; and after each of them
// asks one question, whose answer must be that of the model, at the end all of them.
func Random(t *testing.T, e Engine, seed int64, ops int) {
	x := &walk{t: t, e: e, r: rand.New(rand.NewSource(seed)), g: NewGen(1000+seed, Base), m: newModel(), did: map[string]int{}}
	for op := range ops {
		x.step = fmt.Sprintf("seed %d, operation %d", seed, op)
		x.operation()
		x.question(x.r.Intn(questions), modelTenants[x.r.Intn(2)])
	}
	for _, tenant := range modelTenants {
		x.everyTrace(tenant)
		for q := range questions {
			x.question(q, tenant)
		}
	}
	t.Logf("seed %d: %v", seed, x.did)
	if err := x.e.Close(); err != nil {
		t.Error(err)
	}
}

var modelTenants = [2]string{Tenant, "other"}

// walk is one course of random operations.
type walk struct {
	t    *testing.T
	e    Engine
	r    *rand.Rand
	g    *Gen
	m    *model
	sent []*telemetry.Batch
	late []*telemetry.Batch // of traces that are there in part
	seq  []int64            // of receipts, ascending
	step string
	did  map[string]int
}

func (x *walk) operation() {
	switch n := x.r.Intn(20); {
	case n < 2:
		x.did["flush"]++
		flush(x.t, x.e)
	case n < 3:
		x.did["restart"]++
		x.e = x.e.Crash(x.t)
		x.revive()
	case n < 4 && len(x.seq) > 20:
		x.did["expiry"]++
		x.expire(x.seq[x.r.Intn(len(x.seq)/4)])
	case n < 7 && len(x.sent) > 0:
		x.did["repeat"]++
		x.send(x.sent[x.r.Intn(len(x.sent))])
	case n < 10 && len(x.late) > 0:
		x.did["late"]++
		x.send(x.late[0])
		x.late = x.late[1:]
	default:
		x.did["trace"]++
		x.g.Base = Base - int64(x.r.Intn(3))*int64(24*time.Hour)
		parts := x.g.Trace(modelTenants[x.r.Intn(2)], 1+x.r.Intn(40))
		now := 1 + x.r.Intn(len(parts))
		for _, b := range parts[:now] {
			x.send(b)
		}
		x.late = append(x.late, parts[now:]...)
	}
}

func (x *walk) send(b *telemetry.Batch) {
	seq := x.e.Send(x.t, b)
	x.m.add(b, seq)
	x.sent = append(x.sent, b)
	x.seq = append(x.seq, seq)
}

// expire lets go of what was received before. Engines remove as much of it as
// they can at once: what is left must be whole spans of it, and all that is newer.
func (x *walk) expire(before int64) {
	x.e.Expire(x.t, before)
	for _, tenant := range modelTenants {
		there := map[string]bool{}
		for id := range x.m.traces(tenant, func(s *modelSpan) bool { return s.seq < before }) {
			for _, line := range x.trace(tenant, id) {
				there[line] = true
			}
		}
		n := len(x.m.spans[tenant])
		x.m.remove(tenant, func(s *modelSpan) bool { return s.seq < before && !there[s.line] })
		x.did["expired spans"] += n - len(x.m.spans[tenant])
	}
}

// revive notes what a restart has brought back. A record that came twice is stored
// once, and an engine may take either receipt for that of retention: also the later
// one, when it finds only that one again.
func (x *walk) revive() {
	for _, tenant := range modelTenants {
		x.m.again[tenant] = slices.DeleteFunc(x.m.again[tenant], func(s *modelSpan) bool {
			if !slices.Contains(x.trace(tenant, s.trace), s.line) {
				return false
			}
			x.did["revived spans"]++
			s.seq = s.last
			x.m.known[tenant+s.line] = s
			x.m.spans[tenant] = append(x.m.spans[tenant], s)
			return true
		})
	}
}

// trace gives the lines of a stored trace, none when there is none.
func (x *walk) trace(tenant string, id telemetry.TraceID) []string {
	x.t.Helper()
	got, err := x.e.Trace(context.Background(), tenant, id, store.TraceOptions{})
	if telemetry.KindOf(err) == telemetry.KindNotFound {
		return nil
	}
	if err != nil || got.Partial != "" {
		x.t.Fatalf("%s: trace %s: %+v, %v", x.step, id, got, err)
	}
	return strings.Split(Dump(got.Batch), "\n")
}

func (x *walk) everyTrace(tenant string) {
	ids := map[telemetry.TraceID]bool{}
	for _, b := range x.sent {
		if b.Tenant == tenant {
			ids[b.Spans.TraceID[0]] = true
		}
	}
	for id := range ids {
		x.oneTrace(tenant, id)
	}
}

func (x *walk) oneTrace(tenant string, id telemetry.TraceID) {
	x.t.Helper()
	var want []string
	for _, s := range x.m.spans[tenant] {
		if s.trace == id {
			want = append(want, s.line)
		}
	}
	slices.Sort(want)
	x.equal("trace "+id.String(), strings.Join(x.trace(tenant, id), "\n"), strings.Join(want, "\n"))
}

func (x *walk) equal(what string, got, want any) {
	x.t.Helper()
	if g, w := fmt.Sprint(got), fmt.Sprint(want); g != w {
		x.t.Fatalf("%s: %s:\ngot  %s\nwant %s", x.step, what, g, w)
	}
}

const questions = 6

func (x *walk) question(which int, tenant string) {
	x.t.Helper()
	switch which {
	case 0:
		if len(x.sent) > 0 {
			b := x.sent[x.r.Intn(len(x.sent))]
			x.oneTrace(b.Tenant, b.Spans.TraceID[0])
		}
	case 1:
		x.search(tenant)
	case 2:
		x.count(tenant)
	case 3:
		x.tagNames(tenant)
	case 4:
		x.tagValues(tenant)
	case 5:
		x.services(tenant)
	}
}

// when is a random range of time, or all of it.
func (x *walk) when() (store.Range, func(*modelSpan) bool) {
	if x.r.Intn(2) == 0 {
		return store.Range{}, func(*modelSpan) bool { return true }
	}
	start := Base - int64(x.r.Intn(60))*int64(time.Hour)
	r := store.Range{Start: start, End: start + int64(1+x.r.Intn(60))*int64(time.Hour)}
	return r, func(s *modelSpan) bool { return s.start >= r.Start && s.start < r.End }
}

// search compares whole answers, read in pages: traces in order, their spans and those that match.
func (x *walk) search(tenant string) {
	x.t.Helper()
	c := randomCondition(x.r)
	within, in := x.when()
	order, text := store.OrderNewest, "{ "+c.text+" }"
	key := func(s *modelSpan) int64 { return s.start }
	if x.r.Intn(2) == 0 {
		order, key = store.OrderSlowest, func(s *modelSpan) int64 { return s.took }
	}
	type line struct {
		key            int64
		trace          telemetry.TraceID
		matched, spans int
	}
	var want []line
	whole := x.m.traces(tenant, func(*modelSpan) bool { return true })
	for id, match := range x.m.traces(tenant, func(s *modelSpan) bool { return in(s) && c.match(s) }) {
		best := slices.MaxFunc(match, func(a, b *modelSpan) int { return cmp.Compare(key(a), key(b)) })
		want = append(want, line{key(best), id, len(match), len(whole[id])})
	}
	slices.SortFunc(want, func(a, b line) int {
		return cmp.Or(-cmp.Compare(a.key, b.key), slices.Compare(a.trace[:], b.trace[:]))
	})
	var got []line
	plan, limit, cursor := parse(x.t, text), 1+x.r.Intn(40), ""
	for {
		res, err := x.e.Search(context.Background(), tenant, plan, store.SearchOptions{Range: within, Order: order, Limit: limit, Cursor: cursor})
		if err != nil || res.Partial != "" {
			x.t.Fatalf("%s: search %s: %+v, %v", x.step, text, res, err)
		}
		for _, f := range res.Traces {
			n := len(got)
			if n < len(want) { // the key is not part of the answer
				got = append(got, line{want[n].key, f.TraceID, f.Matched, f.Spans})
			} else {
				got = append(got, line{0, f.TraceID, f.Matched, f.Spans})
			}
		}
		if cursor = res.Cursor; cursor == "" {
			break
		}
	}
	x.equal(fmt.Sprintf("%s of tenant %s in %+v, %s, %d a page", text, tenant, within, order, limit), got, want)
}

func (x *walk) count(tenant string) {
	x.t.Helper()
	c := randomCondition(x.r)
	start, end := Base-int64(80*time.Hour), Base+int64(time.Hour)
	text := "{ " + c.text + " } | count_over_time() by (resource.service.name)"
	res, err := x.e.Metrics(context.Background(), tenant, parse(x.t, text), store.MetricsOptions{Range: store.Range{Start: start, End: end}})
	if err != nil || res.Partial != "" {
		x.t.Fatalf("%s: %s: %+v, %v", x.step, text, res, err)
	}
	got, want := map[string]float64{}, map[string]float64{}
	for _, s := range res.Series {
		for _, v := range s.Values {
			got[fmt.Sprint(s.Labels[0].Value)] += v
		}
	}
	for _, s := range x.m.spans[tenant] {
		if c.match(s) && s.start >= start && s.start < end {
			want[s.service]++
		}
	}
	x.equal(text, got, want)
}

func (x *walk) tagNames(tenant string) {
	x.t.Helper()
	res, err := x.e.TagNames(context.Background(), tenant, store.TagOptions{Scope: telemetry.ScopeSpan})
	if err != nil || res.Partial != "" {
		x.t.Fatalf("%s: tag names: %+v, %v", x.step, res, err)
	}
	var got, want []string
	for _, s := range res.Scopes {
		got = append(got, s.Names...)
	}
	for _, s := range x.m.spans[tenant] {
		want = append(want, s.keys...)
	}
	slices.Sort(want)
	x.equal("tag names of tenant "+tenant, got, slices.Compact(want))
}

func (x *walk) tagValues(tenant string) {
	x.t.Helper()
	within, in := x.when()
	res, err := x.e.TagValues(context.Background(), tenant, query.Field{Scope: telemetry.ScopeSpan, Key: "http.route"}, store.TagOptions{Range: within})
	if err != nil || res.Partial != "" || res.More {
		x.t.Fatalf("%s: tag values: %+v, %v", x.step, res, err)
	}
	counts := map[string]int64{}
	for _, s := range x.m.spans[tenant] {
		if s.route != "" && in(s) {
			counts[s.route]++
		}
	}
	var want []store.TagValue
	for v, n := range counts {
		want = append(want, store.TagValue{Value: v, Count: n})
	}
	slices.SortFunc(want, func(a, b store.TagValue) int {
		return cmp.Or(-cmp.Compare(a.Count, b.Count), cmp.Compare(a.Value.(string), b.Value.(string)))
	})
	x.equal(fmt.Sprintf("values of http.route of tenant %s in %+v", tenant, within), res.Values, want)
}

func (x *walk) services(tenant string) {
	x.t.Helper()
	res, err := x.e.Services(context.Background(), tenant, store.Range{})
	if err != nil || res.Partial != "" {
		x.t.Fatalf("%s: services: %+v, %v", x.step, res, err)
	}
	got, want := map[string]int64{}, map[string]int64{}
	for _, s := range res.Services {
		got[s.Name] = s.Spans
	}
	for _, s := range x.m.spans[tenant] {
		want[s.service]++
	}
	x.equal("services of tenant "+tenant, got, want)
}
