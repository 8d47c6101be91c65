package query

import (
	"cmp"
	"slices"
	"strings"

	"github.com/clew-dev/clew/internal/telemetry"
)

// Labels of the series of compare(…): what Traces Drilldown reads.
const (
	labelMetaType  = "__meta_type"
	labelMetaError = "__meta_error"
	tooManyValues  = "__too_many_values__"
)

// comparedIntrinsics are compared beside all attributes.
var comparedIntrinsics = []Intrinsic{Name, Status, StatusMessage, Kind, RootName, RootService, EventName, ScopeName, ScopeVersion}

// MaxComparedValues bounds the distinct values that are counted in memory.
const MaxComparedValues = 200_000

// ComparedFields gives the fields that compare(…) tells apart, of all attributes
// that there are, in order of their names.
func ComparedFields(attributes []Field) []Field {
	out := slices.Clone(attributes)
	for _, i := range comparedIntrinsics {
		out = append(out, IntrinsicField(i))
	}
	slices.SortFunc(out, func(a, b Field) int { return cmp.Compare(a.String(), b.String()) })
	return slices.Compact(out)
}

// ComparedSide is what one field is in the selection or in the baseline.
type ComparedSide struct {
	Top      []ComparedValue // the most frequent values, at most as many as asked for
	Total    []float64       // by step, of all values
	Distinct int             // values there are
}

// ComparedValue is a value and the spans that have it, by step.
type ComparedValue struct {
	Value  Value
	Counts []float64
}

// Series gives the lines of one field: for each side its most frequent values and
// the total, and a line that says so when there are more values than asked for.
func (c *Comparison) Series(f Field, baseline, selection ComparedSide) []Series {
	var out []Series
	text := func(s string) Value { return Value{Type: TypeString, Str: s} }
	for _, side := range []struct {
		name string
		ComparedSide
	}{{"baseline", baseline}, {"selection", selection}} {
		if side.Distinct == 0 {
			continue
		}
		for _, v := range side.Top {
			out = append(out, Series{Labels: []Label{{labelMetaType, text(side.name)}, {f.String(), v.Value}}, Values: v.Counts})
		}
		out = append(out, Series{Labels: []Label{{labelMetaType, text(side.name + "_total")}, {f.String(), Value{Type: TypeNil}}}, Values: side.Total})
		if side.Distinct > c.Top {
			values := slices.Repeat([]float64{float64(side.Distinct)}, len(side.Total))
			out = append(out, Series{Labels: []Label{{labelMetaType, text(side.name)}, {labelMetaError, text(tooManyValues)}, {f.String(), Value{Type: TypeNil}}}, Values: values})
		}
	}
	return out
}

// comparing counts the values of every field on both sides.
type comparing struct {
	c      *Comparison
	steps  Steps
	values int
	fields map[Field]*[2]map[string]*comparedCount // baseline, selection
}

type comparedCount struct {
	value Value
	all   int64
	steps map[int]int64
}

func newComparing(c *Comparison, steps Steps) *comparing {
	return &comparing{c: c, steps: steps, fields: map[Field]*[2]map[string]*comparedCount{}}
}

func (x *comparing) add(r *Reader, rows []int) error {
	fields := ComparedFields(r.attributes())
	for _, row := range rows {
		start := r.b.Spans.Start[row]
		side := 0
		if x.c.Range.Contains(start) && r.Eval(x.c.Selection, row) {
			side = 1
		}
		for _, f := range fields {
			var err error
			r.eachGroup([]Field{f}, row, func(by []Value) {
				if by[0].Type != TypeNil {
					err = firstError(err, x.count(f, side, x.steps.Of(start), by[0]))
				}
			})
			if err != nil {
				return err
			}
		}
	}
	return nil
}

// CheckCompared refuses an answer of compare(…) with too many values.
func CheckCompared(lines int, steps Steps) error {
	if lines*steps.N > maxCells {
		return telemetry.Errorf(telemetry.KindExhausted, "compare gives %d series of %d steps, over %d values: ask for one step, which is what it is made for, or for fewer values of an attribute", lines, steps.N, maxCells)
	}
	return nil
}

func (x *comparing) count(f Field, side, step int, v Value) error {
	sides := x.fields[f]
	if sides == nil {
		sides = &[2]map[string]*comparedCount{{}, {}}
		x.fields[f] = sides
	}
	key := string(rune(v.Type)) + v.String()
	n := sides[side][key]
	if n == nil {
		if x.values++; x.values > MaxComparedValues {
			return telemetry.Errorf(telemetry.KindExhausted, "compare meets over %d distinct values of attributes: narrow the time range or add a filter", MaxComparedValues)
		}
		n = &comparedCount{value: v, steps: map[int]int64{}}
		sides[side][key] = n
	}
	n.all++
	n.steps[step]++
	return nil
}

func (x *comparing) series() ([]Series, error) {
	fields := make([]Field, 0, len(x.fields))
	for f := range x.fields {
		fields = append(fields, f)
	}
	slices.SortFunc(fields, func(a, b Field) int { return strings.Compare(a.String(), b.String()) })
	var out []Series
	for _, f := range fields {
		out = append(out, x.c.Series(f, x.side(x.fields[f][0]), x.side(x.fields[f][1]))...)
		if err := CheckCompared(len(out), x.steps); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// side orders values by how often they are there, then by value.
func (x *comparing) side(counts map[string]*comparedCount) ComparedSide {
	out := ComparedSide{Total: make([]float64, x.steps.N), Distinct: len(counts)}
	all := make([]*comparedCount, 0, len(counts))
	for _, n := range counts {
		all = append(all, n)
		for step, k := range n.steps {
			out.Total[step] += float64(k)
		}
	}
	slices.SortFunc(all, func(a, b *comparedCount) int {
		return cmp.Or(cmp.Compare(b.all, a.all), CompareGroups([]Value{a.value}, []Value{b.value}))
	})
	for _, n := range all[:min(len(all), x.c.Top)] {
		v := ComparedValue{n.value, make([]float64, x.steps.N)}
		for step, k := range n.steps {
			v.Counts[step] = float64(k)
		}
		out.Top = append(out.Top, v)
	}
	return out
}

// attributes lists the fields of all columns of the batch; one with two types is
// there twice.
func (r *Reader) attributes() []Field {
	var out []Field
	for _, t := range r.b.Tables() {
		t.EachName(func(s telemetry.Scope, key string, _ telemetry.Type) {
			if s != telemetry.ScopeIntrinsic {
				out = append(out, Field{Scope: s, Key: key})
			}
		})
	}
	return out
}
