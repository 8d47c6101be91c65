package store

import (
	"cmp"
	"context"
	"math"
	"math/bits"
	"slices"

	"github.com/clew-dev/clew/internal/query"
	"github.com/clew-dev/clew/internal/segment"
)

// scanQuantiles reports whether quantiles of a plan are found by looks at blocks.
func scanQuantiles(src sources, p *query.Plan, leaf query.Expr) bool {
	m := p.Metrics
	stored, fresh := src.rows()
	if m.Func != query.Quantile || stored+fresh > math.MaxUint32 || !columnar(src, leaf) || !argLowerable(m.Arg) {
		return false
	}
	fine := true
	query.WalkOperand(m.Arg, func(f query.Field) { fine = fine && scannable(src, f) })
	for _, f := range m.By {
		fine = fine && scannable(src, f)
	}
	return fine
}

// quantiles gives the series of a plan whose quantiles are found by looks.
func (c *duckConn) quantiles(ctx context.Context, src sources, o metricsSpec, leaf query.Expr) ([]query.Series, error) {
	q := &quantileScan{o: o, leaf: leaf, max: c.d.memory / 2, table: newGroupTable(o.plan.Metrics.SeriesLimit(o.steps)),
		out: &assembly{m: o.plan.Metrics, steps: o.steps, lines: map[string]*query.Series{}}}
	q.scanner = scanner{src: src.within(o.steps.Range), fields: slices.Concat(o.plan.Fields, o.plan.Metrics.By), extra: segment.ScanFields{Start: true}}
	targets, err := q.spread(ctx)
	for err == nil && len(targets) > 0 {
		targets, err = q.look(ctx, targets)
	}
	if err != nil {
		return nil, err
	}
	return q.out.finish()
}

type quantileScan struct {
	scanner
	o     metricsSpec
	leaf  query.Expr
	max   int64 // bytes to keep
	table *groupTable
	out   *assembly
}

// found enters a quantile into the answer.
func (q *quantileScan) found(t target, v float64) error {
	m := q.o.plan.Metrics
	labels := append(q.table.labels(m.By, int(t.group)), query.QuantileLabel(m.Quantiles[t.quantile]))
	return q.out.set(labels, int64(t.step), v)
}

// spread looks for the first time, and finds the bucket of each quantile.
func (q *quantileScan) spread(ctx context.Context) ([]target, error) {
	width := q.src.turns.workers()
	all := make([]*spreads, width)
	workers := make([]blockWorker, width)
	for i := range workers {
		s := &spreads{quantiles: q.o.plan.Metrics.Quantiles, room: &room{max: q.max / int64(width)}}
		all[i] = s
		workers[i] = q.worker(s.see)
	}
	if err := q.run(ctx, workers); err != nil {
		return nil, err
	}
	all[0].room.max = q.max
	for i, s := range all[1:] {
		if err := all[0].join(s); err != nil {
			return nil, err
		}
		all[i+1] = nil
	}
	return all[0].targets(q.found)
}

// worker looks at rows and calls see for each that counts, with its number.
func (q *quantileScan) worker(see func(group int32, step int, v float64) error) *quantileWorker {
	return &quantileWorker{q: q, see: see, condition: blockCondition(q.leaf), groups: newGrouper(q.table, q.o.plan.Metrics.By)}
}

type quantileWorker struct {
	q         *quantileScan
	condition condition
	groups    *grouper
	see       func(group int32, step int, v float64) error
	chosen    []int32
	of        []int32
	numbers   []float64
}

func (w *quantileWorker) skip(int64) bool { return false }

func (w *quantileWorker) block(b *block) (err error) {
	o := &w.q.o
	w.chosen = b.every(w.chosen)
	chosen, err := b.visible(w.chosen, o.steps.Range, w.q.src.maxSeq)
	if err != nil {
		return err
	}
	if chosen, err = w.condition.filter(b, chosen); err != nil || len(chosen) == 0 {
		return err
	}
	if chosen, w.numbers, err = b.numbers(o.plan.Metrics.Arg, chosen, w.numbers[:0]); err != nil {
		return err
	}
	if w.of, err = w.groups.of(b, chosen, w.of[:0]); err != nil {
		return err
	}
	if err := b.need(segment.ScanFields{Start: true}); err != nil {
		return err
	}
	start := b.batch.Spans.Start
	step, from := 0, o.steps.Start
	for i, row := range chosen {
		// Rows of a trace follow each other, and most are in one step.
		if at := start[row]; at < from || at-from >= o.steps.Step {
			step = o.steps.Of(at)
			from = o.steps.Start + int64(step)*o.steps.Step
		}
		if err := w.see(w.of[i], step, w.numbers[i]); err != nil {
			return err
		}
	}
	return nil
}

// narrowing is one further look for targets.
type narrowing struct {
	targets []target   // by group, step and quantile
	first   [][]uint32 // by group and step: 1 + the first of its targets; 0: there is none
	collect int        // targets with no more numbers than this have them collected
	parts   int        // bits of the parts in which those of others are counted
}

// A target is collected when it has no more numbers than mostCollected, and
// counted in at most 1<<mostParts parts otherwise: either takes at most 16 KiB.
const (
	mostCollected = 1024
	mostParts     = 10
)

// narrow shares room out among targets, for so many workers.
func narrow(targets []target, steps, workers int, r *room) (*narrowing, error) {
	n := &narrowing{targets: targets}
	for i, t := range targets {
		for int(t.group) >= len(n.first) {
			n.first = append(n.first, nil)
		}
		if n.first[t.group] == nil {
			if err := r.take(int64(4 * steps)); err != nil {
				return nil, err
			}
			n.first[t.group] = make([]uint32, steps)
		}
		if n.first[t.group][t.step] == 0 {
			n.first[t.group][t.step] = uint32(i + 1)
		}
	}
	each := (r.max - r.used - int64(targetBytes*len(targets))) / int64(len(targets))
	n.collect = int(min(each/hitBytes, mostCollected))
	n.parts = min(bits.Len64(uint64(max(each, 0)/int64(4*workers)))-1, mostParts)
	if n.collect < 1 || n.parts < 1 {
		return nil, r.take(r.max)
	}
	return n, nil
}

// hit is a number of a target that is collected.
type hit struct {
	target uint32
	order  uint64
}

const hitBytes = 2 * 16 // slices grow to twice of what they hold

// partCounts counts the numbers of a target that has too many to collect.
type partCounts struct {
	low, high uint64 // of the numbers that are there
	counts    []uint32
}

// seen is what one worker has of the targets.
type seen struct {
	n     *narrowing
	hits  []hit
	parts []*partCounts // by target
}

func (s *seen) see(group int32, step int, v float64) error {
	if int(group) >= len(s.n.first) || s.n.first[group] == nil || s.n.first[group][step] == 0 {
		return nil
	}
	u := orderOf(v)
	for i := s.n.first[group][step] - 1; int(i) < len(s.n.targets); i++ {
		t := &s.n.targets[i]
		if t.group != group || t.step != step {
			break
		}
		switch {
		case u < t.low || u > t.high:
		case t.n <= s.n.collect:
			s.hits = append(s.hits, hit{i, u})
		default:
			s.count(i, t, u)
		}
	}
	return nil
}

func (s *seen) count(i uint32, t *target, u uint64) {
	p := s.parts[i]
	if p == nil {
		p = &partCounts{low: u, high: u, counts: make([]uint32, 1<<s.n.parts)}
		s.parts[i] = p
	}
	p.low, p.high = min(p.low, u), max(p.high, u)
	p.counts[(u-t.low)>>t.shift(s.n.parts)]++
}

// shift gives the bits of one of 1<<parts parts.
func (t *target) shift(parts int) int { return max(bits.Len64(t.high-t.low)-parts, 0) }

// look looks at all rows for targets, and gives those that are not found yet.
func (q *quantileScan) look(ctx context.Context, targets []target) ([]target, error) {
	width := q.src.turns.workers()
	n, err := narrow(targets, q.o.steps.N, width, &room{max: q.max})
	if err != nil {
		return nil, err
	}
	all := make([]*seen, width)
	workers := make([]blockWorker, width)
	for i := range workers {
		all[i] = &seen{n: n, parts: make([]*partCounts, len(targets))}
		workers[i] = q.worker(all[i].see)
	}
	if err := q.run(ctx, workers); err != nil {
		return nil, err
	}
	return n.resolve(all, q.found)
}

// resolve finds what has been collected, and narrows the others.
func (n *narrowing) resolve(all []*seen, found func(t target, v float64) error) (left []target, err error) {
	var hits []hit
	for _, s := range all {
		hits = append(hits, s.hits...)
		s.hits = nil
	}
	slices.SortFunc(hits, func(a, b hit) int {
		return cmp.Or(cmp.Compare(a.target, b.target), cmp.Compare(a.order, b.order))
	})
	at := 0
	for i, t := range n.targets {
		if t.n <= n.collect {
			err = found(t, numberOfOrder(hits[at+t.rank].order))
			at += t.n
		} else if t.descend(joinParts(all, i), n.parts); t.low == t.high {
			err = found(t, numberOfOrder(t.low))
		} else {
			left = append(left, t)
		}
		if err != nil {
			return nil, err
		}
	}
	return left, nil
}

func joinParts(all []*seen, i int) *partCounts {
	var out *partCounts
	for _, s := range all {
		p := s.parts[i]
		switch {
		case p == nil:
		case out == nil:
			out = p
		default:
			out.low, out.high = min(out.low, p.low), max(out.high, p.high)
			for k, c := range p.counts {
				out.counts[k] += c
			}
		}
	}
	return out
}

// descend narrows the target to the part in which its rank lies, and to the
// numbers that there are.
func (t *target) descend(p *partCounts, parts int) {
	shift := t.shift(parts)
	for k, c := range p.counts {
		if t.rank >= int(c) {
			t.rank -= int(c)
			continue
		}
		low := t.low + uint64(k)<<shift
		t.low, t.high, t.n = max(low, p.low), min(low+(1<<shift-1), p.high), int(c)
		return
	}
}
