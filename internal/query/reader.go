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
	byID   map[spanKey][]int                // likewise
	lists  map[listKey][]Value
	listed bool // there are lists in the Batch

	former     map[colKey][]string // by table, scope and Field.Former; made on first use
	lastFormer colKey
	lastKeys   []string
}

type colKey struct {
	table *telemetry.Table
	scope telemetry.Scope
	key   string
}

// NewReader reads b.
func NewReader(b *telemetry.Batch) *Reader {
	r := &Reader{b: b, cols: map[colKey][]*telemetry.Column{}}
	for _, t := range []*telemetry.Table{&b.Spans.Table, &b.Resources, &b.Scopes, &b.Events.Table, &b.Links.Table} {
		r.listed = r.listed || t.HasType(telemetry.TypeValue)
	}
	return r
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
// any type. Lists are not among the values: comparisons look at their elements.
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

// formerKeys gives those former names of a field that a table has. Most have none, and
// are asked for in every row.
func (r *Reader) formerKeys(f Field, t tableRow) []string {
	k := colKey{t.table, t.scope, f.Former}
	if r.former == nil {
		r.former = map[colKey][]string{}
	} else if r.lastFormer == k {
		return r.lastKeys
	}
	keys, ok := r.former[k]
	if !ok {
		for _, key := range f.Keys()[1:] {
			if len(r.columns(t.table, t.scope, key)) > 0 {
				keys = append(keys, key)
			}
		}
		r.former[k] = keys
	}
	r.lastFormer, r.lastKeys = k, keys
	return keys
}

// of gives the field and the row that it is read from, when the place has that.
func (at spot) of(f Field) (own Field, row int, ok bool) {
	if f.Parent {
		f.Parent = false
		return f, at.parent, at.parent != none
	}
	level := f.Level()
	return f, at.row, at.child != none || (level != LevelEvent && level != LevelLink)
}

// tableRow is where an attribute may be.
type tableRow struct {
	table *telemetry.Table
	scope telemetry.Scope
	row   uint32
}

// tables gives where the attribute of a span may be, in the order in which it is
// looked for.
func (r *Reader) tables(f Field, row, child int) (out [2]tableRow, n int) {
	s := &r.b.Spans
	switch f.Scope {
	case telemetry.ScopeSpan:
		out[0] = tableRow{&s.Table, f.Scope, uint32(row)}
	case telemetry.ScopeResource:
		out[0] = tableRow{&r.b.Resources, f.Scope, s.Resource[row]}
	case telemetry.ScopeInstrumentation:
		out[0] = tableRow{&r.b.Scopes, f.Scope, s.Scope[row]}
	case telemetry.ScopeEvent:
		out[0] = tableRow{&r.b.Events.Table, f.Scope, uint32(child)}
	case telemetry.ScopeLink:
		out[0] = tableRow{&r.b.Links.Table, f.Scope, uint32(child)}
	case telemetry.ScopeIntrinsic:
		return out, 0
	default:
		out[0] = tableRow{&s.Table, telemetry.ScopeSpan, uint32(row)}
		out[1] = tableRow{&r.b.Resources, telemetry.ScopeResource, s.Resource[row]}
		return out, 2
	}
	return out, 1
}

// values appends the values that the field has at a place.
func (r *Reader) values(dst []Value, f Field, at spot) ([]Value, bool) {
	f, row, ok := at.of(f)
	if !ok {
		return dst, false
	}
	if f.Scope == telemetry.ScopeIntrinsic {
		v, ok := r.intrinsic(f.Intrinsic, row, at.child)
		if !ok {
			return dst, false
		}
		return append(dst, v), true
	}
	tables, n := r.tables(f, row, at.child)
	for _, t := range tables[:n] {
		if dst, ok = r.attribute(dst, t.table, t.scope, f.Key, t.row); ok {
			return dst, true
		}
		if f.Former == "" {
			continue
		}
		for _, key := range r.formerKeys(f, t) {
			if dst, ok = r.attribute(dst, t.table, t.scope, key, t.row); ok {
				return dst, true
			}
		}
	}
	return dst, false
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
	case NestedSetLeft, NestedSetRight, NestedSetParentLeft, ChildCount:
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
	n := reach{}.with(f)
	r.each(n, n, row, func(at spot) bool {
		out, _ = r.values(out, f, at)
		return false
	})
	return out
}

// Selected gives what select(…) shows: Values, and the numbers of nested sets,
// where conditions know of nestedSetParent no more than its sign.
func (r *Reader) Selected(f Field, row int) []Value {
	if f.Intrinsic == NestedSetParent {
		f.Intrinsic = NestedSetParentLeft
	}
	return r.Values(f, row)
}

// One gives the value that stands for the field where a span can have one only,
// as in by(…); −0 is 0 there.
func (r *Reader) One(f Field, row int) (Value, bool) { return r.oneAt(f, spot{row, none, none}) }

func (r *Reader) oneAt(f Field, at spot) (Value, bool) {
	v, _ := r.values(nil, f, at)
	if len(v) == 0 {
		return Value{Type: TypeNil}, false
	}
	v[0].Float += 0
	return v[0], true
}
