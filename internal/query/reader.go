package query

import (
	"math"
	"slices"

	"github.com/clew-dev/clew/internal/telemetry"
)

// Reader gives the values of fields in a Batch of whole traces. It keeps what it
// has looked up and is not safe for concurrent use; the Batch must not change.
type Reader struct {
	b      *telemetry.Batch
	cols   map[colKey][]*telemetry.Column
	traces map[telemetry.TraceID]traceFacts // made on first use
	nested *nestedSets                      // likewise
}

type colKey struct {
	table *telemetry.Table
	scope telemetry.Scope
	key   string
}

// NewReader reads b.
func NewReader(b *telemetry.Batch) *Reader {
	return &Reader{b: b, cols: map[colKey][]*telemetry.Column{}}
}

// typeOrder is the order in which the values of one attribute with several types come.
var typeOrder = []telemetry.Type{telemetry.TypeString, telemetry.TypeInt, telemetry.TypeDouble, telemetry.TypeBool, telemetry.TypeBytes, telemetry.TypeValue}

func (r *Reader) columns(t *telemetry.Table, s telemetry.Scope, key string) []*telemetry.Column {
	k := colKey{t, s, key}
	cols, ok := r.cols[k]
	if !ok {
		for _, typ := range typeOrder {
			if c := t.Find(s, key, typ); c != nil {
				cols = append(cols, c)
			}
		}
		r.cols[k] = cols
	}
	return cols
}

// attribute appends the values of row to dst and reports whether there is one of
// any type; lists, key-value lists and bytes are there but compare with nothing.
func (r *Reader) attribute(dst []Value, t *telemetry.Table, s telemetry.Scope, key string, row uint32) ([]Value, bool) {
	found := false
	for _, c := range r.columns(t, s, key) {
		i, ok := slices.BinarySearch(c.Rows, row)
		if !ok {
			continue
		}
		found = true
		switch c.Type {
		case telemetry.TypeString:
			dst = append(dst, Value{Type: TypeString, Str: c.Dict.Str(c.Codes[i])})
		case telemetry.TypeInt:
			dst = append(dst, Value{Type: TypeInt, Int: int64(c.Nums[i])})
		case telemetry.TypeDouble:
			dst = append(dst, Value{Type: TypeFloat, Float: math.Float64frombits(c.Nums[i])})
		case telemetry.TypeBool:
			dst = append(dst, Value{Type: TypeBool, Int: int64(c.Nums[i])})
		}
	}
	return dst, found
}

// values appends the values that the field has for the span at row; child is the
// row of the event or link for fields of those, which it must then be.
func (r *Reader) values(dst []Value, f Field, row, child int) ([]Value, bool) {
	s := &r.b.Spans
	switch f.Scope {
	case telemetry.ScopeIntrinsic:
		v, ok := r.intrinsic(f.Intrinsic, row, child)
		if !ok {
			return dst, false
		}
		return append(dst, v), true
	case telemetry.ScopeSpan:
		return r.attribute(dst, &s.Table, f.Scope, f.Key, uint32(row))
	case telemetry.ScopeResource:
		return r.attribute(dst, &r.b.Resources, f.Scope, f.Key, s.Resource[row])
	case telemetry.ScopeInstrumentation:
		return r.attribute(dst, &r.b.Scopes, f.Scope, f.Key, s.Scope[row])
	case telemetry.ScopeEvent:
		return r.attribute(dst, &r.b.Events.Table, f.Scope, f.Key, uint32(child))
	case telemetry.ScopeLink:
		return r.attribute(dst, &r.b.Links.Table, f.Scope, f.Key, uint32(child))
	}
	dst, ok := r.attribute(dst, &s.Table, telemetry.ScopeSpan, f.Key, uint32(row))
	if ok {
		return dst, true
	}
	return r.attribute(dst, &r.b.Resources, telemetry.ScopeResource, f.Key, s.Resource[row])
}

func (r *Reader) intrinsic(i Intrinsic, row, child int) (Value, bool) {
	s := &r.b.Spans
	str := func(v string) (Value, bool) { return Value{Type: TypeString, Str: v}, true }
	text := func(t *telemetry.Table, key string, at uint32) (Value, bool) {
		v, _ := r.attribute(nil, t, telemetry.ScopeIntrinsic, key, at)
		if len(v) == 0 {
			return Value{}, false
		}
		return v[0], true
	}
	switch i {
	case Duration:
		return Value{Type: TypeDuration, Int: s.Duration[row]}, true
	case Name:
		return str(s.Names.Str(s.Name[row]))
	case Status:
		return Value{Type: TypeStatus, Int: int64(s.Status[row])}, true
	case Kind:
		return Value{Type: TypeKind, Int: int64(s.Kind[row])}, true
	case StatusMessage:
		return text(&s.Table, telemetry.KeyStatusMessage, uint32(row))
	case TraceIDField:
		return str(s.TraceID[row].String())
	case SpanIDField:
		return str(s.SpanID[row].String())
	case ParentID:
		if s.Parent[row].IsZero() {
			return Value{}, false
		}
		return str(s.Parent[row].String())
	case NestedSetParent:
		if s.Parent[row].IsZero() {
			return Value{Type: TypeInt, Int: -1}, true
		}
		return Value{Type: TypeInt, Int: 1}, true
	case NestedSetLeft, NestedSetRight, ChildCount:
		return r.nestedField(i, row), true
	case EventName:
		return str(r.b.Events.Names.Str(r.b.Events.Name[child]))
	case EventTime:
		return Value{Type: TypeDuration, Int: SaturatingSub(r.b.Events.Time[child], s.Start[row])}, true
	case LinkTraceID:
		return str(r.b.Links.TraceID[child].String())
	case LinkSpanID:
		return str(r.b.Links.SpanID[child].String())
	case ScopeName:
		return text(&r.b.Scopes, telemetry.KeyScopeName, s.Scope[row])
	case ScopeVersion:
		return text(&r.b.Scopes, telemetry.KeyScopeVersion, s.Scope[row])
	}
	return r.traceField(i, row)
}

// traceFacts is what the fields of a whole trace need to know of it.
type traceFacts struct {
	start, end int64
	root       int // row of the root, -1 when it is not there
}

func (r *Reader) traceField(i Intrinsic, row int) (Value, bool) {
	if r.traces == nil {
		r.findTraces()
	}
	t := r.traces[r.b.Spans.TraceID[row]]
	switch {
	case i == TraceDuration:
		return Value{Type: TypeDuration, Int: SaturatingSub(t.end, t.start)}, true
	case t.root < 0:
		return Value{}, false
	case i == RootName:
		return r.intrinsic(Name, t.root, -1)
	}
	for _, v := range r.Values(Field{Scope: telemetry.ScopeResource, Key: telemetry.KeyServiceName}, t.root) {
		if v.Type == TypeString {
			return v, true
		}
	}
	return Value{}, false
}

// findTraces looks for the first start, the last end and the root of every trace:
// the root is the span without a parent that starts first, and of those the one
// with the smallest id.
func (r *Reader) findTraces() {
	s := &r.b.Spans
	r.traces = map[telemetry.TraceID]traceFacts{}
	for row := range s.N {
		end := SaturatingAdd(s.Start[row], s.Duration[row])
		t, ok := r.traces[s.TraceID[row]]
		if !ok {
			t = traceFacts{s.Start[row], end, -1}
		}
		t.start, t.end = min(t.start, s.Start[row]), max(t.end, end)
		if s.Parent[row].IsZero() && (t.root < 0 || earlier(s, row, t.root)) {
			t.root = row
		}
		r.traces[s.TraceID[row]] = t
	}
}

// SaturatingAdd adds and stays at the ends of the range, as stores must when
// senders claim impossible times.
func SaturatingAdd(a, b int64) int64 {
	switch {
	case b > 0 && a > math.MaxInt64-b:
		return math.MaxInt64
	case b < 0 && a < math.MinInt64-b:
		return math.MinInt64
	}
	return a + b
}

// SaturatingSub subtracts likewise.
func SaturatingSub(a, b int64) int64 {
	switch {
	case b < 0 && a > math.MaxInt64+b:
		return math.MaxInt64
	case b > 0 && a < math.MinInt64+b:
		return math.MinInt64
	}
	return a - b
}

// children gives the rows [lo, hi) of a child table that belong to the span.
func children(spans []uint32, row int) (lo, hi int) {
	lo, _ = slices.BinarySearch(spans, uint32(row))
	for hi = lo; hi < len(spans) && spans[hi] == uint32(row); hi++ {
	}
	return lo, hi
}

// Values gives all values that the span at row has of the field, those of every
// event or link included, in the order in which they are stored.
func (r *Reader) Values(f Field, row int) []Value {
	var out []Value
	r.eachChild(f.Level() == LevelEvent, f.Level() == LevelLink, row, func(child int) bool {
		out, _ = r.values(out, f, row, child)
		return false
	})
	return out
}

// Selected gives what select(…) shows: Values, and the numbers of nested sets,
// where conditions know of nestedSetParent no more than its sign.
func (r *Reader) Selected(f Field, row int) []Value {
	if f.Intrinsic == NestedSetParent {
		return []Value{r.nestedField(NestedSetParent, row)}
	}
	return r.Values(f, row)
}

// One gives the value that stands for the field where a span can have one only,
// as in by(…); −0 is 0 there.
func (r *Reader) One(f Field, row int) (Value, bool) { return r.oneAt(f, row, -1) }

func (r *Reader) oneAt(f Field, row, child int) (Value, bool) {
	v, _ := r.values(nil, f, row, child)
	if len(v) == 0 {
		return Value{Type: TypeNil}, false
	}
	v[0].Float += 0
	return v[0], true
}

// eachChild calls f with every event or link of the span until it answers true;
// with -1 once when the question is about neither.
func (r *Reader) eachChild(events, links bool, row int, f func(child int) bool) bool {
	var spans []uint32
	switch {
	case events:
		spans = r.b.Events.Span
	case links:
		spans = r.b.Links.Span
	default:
		return f(-1)
	}
	lo, hi := children(spans, row)
	for child := lo; child < hi; child++ {
		if f(child) {
			return true
		}
	}
	return false
}

// eachChildOrNone calls f for every event or link, and with -1 when there are none.
func (r *Reader) eachChildOrNone(events, links bool, row int, f func(child int)) {
	none := true
	r.eachChild(events, links, row, func(child int) bool {
		none = false
		f(child)
		return false
	})
	if none {
		f(-1)
	}
}
