package store

import (
	"sync"

	"github.com/clew-dev/clew/internal/query"
	"github.com/clew-dev/clew/internal/segment"
)

// groupTable numbers the groups that labels make, for all workers of a question.
type groupTable struct {
	mu     sync.Mutex
	limit  int
	values []query.Value
	byText map[string]int32
	groups [][]int32 // by group: the number of each label's value
	byPair map[[2]int32]int32
	pairs  int32
}

func newGroupTable(limit int) *groupTable {
	return &groupTable{limit: limit, byText: map[string]int32{}, byPair: map[[2]int32]int32{}}
}

// value numbers a value; equal ones, by type and text, have one number. A new one
// makes a new group, so that the limit of groups bounds values too.
func (t *groupTable) value(v query.Value) int32 {
	key := string(rune(v.Type)) + v.String()
	t.mu.Lock()
	defer t.mu.Unlock()
	n, ok := t.byText[key]
	if !ok {
		n = int32(len(t.values))
		t.values = append(t.values, v)
		t.byText[key] = n
	}
	return n
}

// group numbers a group by the numbers of its values.
func (t *groupTable) group(values []int32) (int32, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	// A chain of pairs: what stands for all values before, and the next one.
	at := int32(-1)
	for i, v := range values {
		key := [2]int32{at, v}
		next, ok := t.byPair[key]
		if !ok {
			if i == len(values)-1 {
				if len(t.groups) >= t.limit {
					return 0, query.TooManySeries(t.limit)
				}
				next = int32(len(t.groups))
				t.groups = append(t.groups, append([]int32(nil), values...))
			} else {
				t.pairs++
				next = -1 - t.pairs
			}
			t.byPair[key] = next
		}
		at = next
	}
	if len(values) == 0 && len(t.groups) == 0 {
		t.groups = append(t.groups, nil)
	}
	return max(at, 0), nil
}

// labels gives the labels of a group.
func (t *groupTable) labels(by []query.Field, group int) []query.Label {
	out := make([]query.Label, len(by), len(by)+1)
	for i, f := range by {
		out[i] = query.Label{Name: f.String(), Value: t.values[t.groups[group][i]]}
	}
	return out
}

// grouper finds the groups of rows, for one worker.
type grouper struct {
	table  *groupTable
	labels []*labeller
	last   []int32 // values of the row before
	group  int32
}

func newGrouper(t *groupTable, by []query.Field) *grouper {
	g := &grouper{table: t, group: -1, last: make([]int32, len(by))}
	for _, f := range by {
		g.labels = append(g.labels, &labeller{table: t, field: f})
	}
	return g
}

// of appends the group of each chosen row.
func (g *grouper) of(b *block, chosen []int32, out []int32) ([]int32, error) {
	for _, l := range g.labels {
		if err := l.bind(b); err != nil {
			return nil, err
		}
	}
	if len(g.labels) == 1 {
		return g.labels[0].groups(chosen, out)
	}
	for _, row := range chosen {
		same := g.group >= 0
		for i, l := range g.labels {
			v := l.value(int(row))
			same = same && g.last[i] == v
			g.last[i] = v
		}
		if !same {
			var err error
			if g.group, err = g.table.group(g.last); err != nil {
				return nil, err
			}
		}
		out = append(out, g.group)
	}
	return out, nil
}

// labeller gives the numbers of one label's values. What a code stands for is
// looked up once for the rows that have the same dictionary.
type labeller struct {
	table *groupTable
	field query.Field
	seg   *segmentSource
	row   int // row group
	read  func(row int) query.Value
	of    []uint32 // codes of the block's rows; nil: there are none
	known []int32  // by code: number + 1
	group []int32  // by code, when it is the only label: group + 1
	many  map[query.Value]int32
}

// bind goes on to the next block.
func (l *labeller) bind(b *block) error {
	f := fixedFields(l.field)
	if l.field.Level() == query.LevelSpan || l.field.Level() == query.LevelSpanOrResource {
		f.Columns = b.columns
	}
	r, err := b.read(f)
	if err != nil {
		return err
	}
	l.read = func(row int) query.Value {
		v, _ := r.One(l.field, row)
		return v
	}
	s, n, dictionary := &b.batch.Spans, 0, false
	switch {
	case l.field.Intrinsic == query.Name:
		l.of, n = s.Name, s.Names.Len()
		dictionary = b.seg != nil && b.scan.Names(b.group)
	case l.field.Level() == query.LevelResource:
		l.of, n, dictionary = s.Resource, b.batch.Resources.N, b.seg != nil
	case l.field.Level() == query.LevelInstrumentation:
		l.of, n, dictionary = s.Scope, b.batch.Scopes.N, b.seg != nil
	default:
		l.of = nil
		return nil
	}
	if !dictionary || l.seg != b.seg || l.row != b.group || len(l.known) != n {
		l.known, l.group = make([]int32, n), make([]int32, n)
	}
	l.seg, l.row = b.seg, b.group
	return nil
}

// value gives the number of a row's value.
func (l *labeller) value(row int) int32 {
	if l.of == nil {
		return l.valueOf(l.read(row))
	}
	code := l.of[row]
	if l.known[code] == 0 {
		l.known[code] = l.table.value(l.read(row)) + 1
	}
	return l.known[code] - 1
}

// maxKnownValues bounds what a labeller remembers of values without codes.
const maxKnownValues = 4096

func (l *labeller) valueOf(v query.Value) int32 {
	if n, ok := l.many[v]; ok {
		return n
	}
	if l.many == nil || len(l.many) == maxKnownValues {
		l.many = map[query.Value]int32{}
	}
	n := l.table.value(v)
	l.many[v] = n
	return n
}

// groups appends the groups of the chosen rows when there is no other label.
func (l *labeller) groups(chosen []int32, out []int32) ([]int32, error) {
	one := make([]int32, 1)
	for _, row := range chosen {
		if l.of != nil {
			if g := l.group[l.of[row]]; g != 0 {
				out = append(out, g-1)
				continue
			}
		}
		one[0] = l.value(int(row))
		g, err := l.table.group(one)
		if err != nil {
			return nil, err
		}
		if l.of != nil {
			l.group[l.of[row]] = g + 1
		}
		out = append(out, g)
	}
	return out, nil
}

// numbers appends the number that the operand has of each chosen row, and leaves
// out rows that have none.
func (b *block) numbers(o query.Operand, chosen []int32, out []float64) ([]int32, []float64, error) {
	if ref, ok := o.(query.Ref); ok && ref.Field.Intrinsic == query.Duration {
		if err := b.need(segment.ScanFields{Duration: true}); err != nil {
			return nil, nil, err
		}
		of := b.batch.Spans.Duration
		for _, row := range chosen {
			out = append(out, float64(of[row]))
		}
		return chosen, out, nil
	}
	f := segment.ScanFields{Columns: b.columns}
	query.WalkOperand(o, func(x query.Field) { f = f.With(fixedFields(x)) })
	r, err := b.read(f)
	if err != nil {
		return nil, nil, err
	}
	number := r.AccessNumber(o)
	n := 0
	for _, row := range chosen {
		v, ok := number(int(row))
		if !ok {
			continue
		}
		chosen[n] = row
		n++
		out = append(out, v.Number())
	}
	return chosen[:n], out, nil
}
