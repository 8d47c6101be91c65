package store

import (
	"math"
	"slices"

	"github.com/clew-dev/clew/internal/query"
	"github.com/clew-dev/clew/internal/telemetry"
)

// Exact quantiles without keeping all numbers: a look at the rows counts numbers in
// buckets of a logarithmic scale, by group and step. That says in which bucket each
// quantile lies and how far from its beginning. Numbers near to where a quantile
// seems to be are kept on the way, and nearly always its bucket is among them. If
// not, a second look keeps the numbers of the bucket; where it holds too many, they
// are counted in parts of it, look by look, until few are left or all are equal.
//
//	look 1   ▁▃▆█▆▃▂▁   counts        99 of 100 ─┐
//	look 2         │      numbers of one bucket ◄┘ ─► the one that has the rank

// A bucket is one of 16 parts of a power of two. The order of buckets is that of
// numbers, negative ones included.
const (
	pageBuckets = 16
	bucketShift = 52 - 4
	pageShift   = 52
)

// orderOf gives bits whose order as integers is that of numbers. NaN has no place
// in it and must not come here; −0 is 0.
func orderOf(v float64) uint64 {
	b := math.Float64bits(v + 0)
	if b>>63 != 0 {
		return ^b
	}
	return b | 1<<63
}

func numberOfOrder(u uint64) float64 {
	if u>>63 != 0 {
		return math.Float64frombits(u &^ (1 << 63))
	}
	return math.Float64frombits(^u)
}

// spread is how the numbers of a group and step are spread: the numbers themselves
// while they are few, then how many are in each bucket, and the numbers of the
// buckets from low to high.
type spread struct {
	n         int
	low, high uint16
	kept      []float64
	first     int32   // page of pages[0]
	pages     []int32 // by page, which is a power of two: 1 + its place in the counts; 0: no number is there
}

// fewNumbers is how many numbers a spread keeps before it counts; mostKept is how
// many it keeps beside its counts. What is kept takes a share of the room alone:
// without it, a second look is needed, and no refusal.
const (
	fewNumbers = 64
	mostKept   = 64 << 10
	keptShare  = 2
)

// stepChunk is how many steps of a group are made room for together.
const stepChunk = 64

// spreads are those of one worker.
type spreads struct {
	quantiles []float64
	groups    [][]*[stepChunk]*spread // by group and chunk of steps
	counts    [][pageBuckets]uint32
	room      *room
}

// see counts a number.
func (s *spreads) see(group int32, step int, v float64) error {
	if int(group) < len(s.groups) {
		if chunks := s.groups[group]; step/stepChunk < len(chunks) {
			if chunk := chunks[step/stepChunk]; chunk != nil && chunk[step%stepChunk] != nil {
				return s.add(chunk[step%stepChunk], v)
			}
		}
	}
	x, err := s.at(group, step)
	if err != nil {
		return err
	}
	return s.add(x, v)
}

// at gives the spread of a group and step, which may be new.
func (s *spreads) at(group int32, step int) (*spread, error) {
	for int(group) >= len(s.groups) {
		s.groups = append(s.groups, nil)
	}
	chunks := s.groups[group]
	for step/stepChunk >= len(chunks) {
		if err := s.room.take(8); err != nil {
			return nil, err
		}
		chunks = append(chunks, nil)
		s.groups[group] = chunks
	}
	chunk := chunks[step/stepChunk]
	if chunk == nil {
		if err := s.room.take(8 * stepChunk); err != nil {
			return nil, err
		}
		chunk = new([stepChunk]*spread)
		chunks[step/stepChunk] = chunk
	}
	x := chunk[step%stepChunk]
	if x == nil {
		if err := s.room.take(spreadBytes); err != nil {
			return nil, err
		}
		x = &spread{}
		chunk[step%stepChunk] = x
	}
	return x, nil
}

// spreadBytes is what a spread takes before its numbers.
const spreadBytes = 96

func (s *spreads) add(x *spread, v float64) error {
	u := orderOf(v)
	if at := int(u>>pageShift) - int(x.first); uint(at) < uint(len(x.pages)) && x.pages[at] != 0 {
		s.counts[x.pages[at]-1][u>>bucketShift%pageBuckets]++
		x.n++
		if b := uint16(u >> bucketShift); b >= x.low && b <= x.high {
			s.keep(x, v)
		}
		return nil
	}
	x.n++
	if x.pages == nil {
		if len(x.kept) < fewNumbers {
			if len(x.kept) == cap(x.kept) {
				grown := max(4, 2*cap(x.kept))
				if err := s.room.take(int64(8 * (grown - cap(x.kept)))); err != nil {
					return err
				}
				x.kept = append(make([]float64, 0, grown), x.kept...)
			}
			x.kept = append(x.kept, v)
			return nil
		}
		if err := s.begin(x); err != nil {
			return err
		}
	}
	if b := uint16(u >> bucketShift); b >= x.low && b <= x.high {
		s.keep(x, v)
	}
	return s.count(x, v)
}

// begin starts to count the numbers of a spread.
func (s *spreads) begin(x *spread) error {
	x.low, x.high = 0, math.MaxUint16
	return s.count(x, x.kept...)
}

// keep keeps a number beside the counts.
func (s *spreads) keep(x *spread, v float64) {
	if len(x.kept) == cap(x.kept) {
		s.narrow(x)
		if len(x.kept) > cap(x.kept)/2 {
			more := int64(8 * cap(x.kept))
			if 2*cap(x.kept) > mostKept || s.room.used+more > s.room.max/keptShare {
				s.keepNone(x)
				return
			}
			s.room.used += more
			x.kept = append(make([]float64, 0, 2*cap(x.kept)), x.kept...)
		}
	}
	if b := uint16(orderOf(v) >> bucketShift); b >= x.low && b <= x.high {
		x.kept = append(x.kept, v)
	}
}

func (s *spreads) keepNone(x *spread) {
	s.room.give(int64(8 * cap(x.kept)))
	x.kept, x.low, x.high = nil, 1, 0
}

// narrow keeps no numbers but those near to where the quantiles are among the
// numbers so far. Were numbers in no order, the place of a quantile would wander by
// a standard deviation; those of one trace resemble each other, so that of 2,000
// spreads of real load one was lost at five times that.
func (s *spreads) narrow(x *spread) {
	low, high := x.n, 0
	for _, q := range s.quantiles {
		at, wander := query.QuantileIndex(q, x.n), int(20*math.Sqrt(float64(x.n)*q*(1-q)))+32
		low, high = min(low, at-wander), max(high, at+wander)
	}
	if low > 0 {
		t := target{rank: low}
		s.bucket(x, &t)
		x.low = max(x.low, uint16(t.low>>bucketShift))
	}
	if high < x.n-1 {
		t := target{rank: high}
		s.bucket(x, &t)
		x.high = min(x.high, uint16(t.low>>bucketShift))
	}
	x.keepOnly()
}

// keepOnly leaves out what lies outside of low and high.
func (x *spread) keepOnly() {
	x.kept = slices.DeleteFunc(x.kept, func(v float64) bool {
		b := uint16(orderOf(v) >> bucketShift)
		return b < x.low || b > x.high
	})
}

func (s *spreads) count(x *spread, numbers ...float64) error {
	for _, v := range numbers {
		u := orderOf(v)
		page, err := s.page(x, int32(u>>pageShift))
		if err != nil {
			return err
		}
		s.counts[page][u>>bucketShift%pageBuckets]++
	}
	return nil
}

// page gives the place of a page in the counts, which may be new.
func (s *spreads) page(x *spread, page int32) (int32, error) {
	if len(x.pages) == 0 {
		x.first = page
	}
	before, after := max(x.first-page, 0), max(page-x.first-int32(len(x.pages))+1, 0)
	if before+after > 0 {
		if err := s.room.take(int64(4 * (before + after))); err != nil {
			return 0, err
		}
		grown := make([]int32, before, int(before)+len(x.pages)+int(after))
		grown = append(grown, x.pages...)
		x.pages = append(grown, make([]int32, after)...)
		x.first -= before
	}
	at := &x.pages[page-x.first]
	if *at == 0 {
		if err := s.room.take(4 * pageBuckets); err != nil {
			return 0, err
		}
		s.counts = append(s.counts, [pageBuckets]uint32{})
		*at = int32(len(s.counts))
	}
	return *at - 1, nil
}

// each calls f for every spread, in the order of groups and steps.
func (s *spreads) each(f func(group int32, step int, x *spread) error) error {
	for g, chunks := range s.groups {
		for c, chunk := range chunks {
			if chunk == nil {
				continue
			}
			for i, x := range chunk {
				if x == nil {
					continue
				}
				if err := f(int32(g), c*stepChunk+i, x); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// join adds what another worker has seen.
func (s *spreads) join(o *spreads) error {
	return o.each(func(group int32, step int, x *spread) error {
		to, err := s.at(group, step)
		if err != nil {
			return err
		}
		if x.pages == nil {
			for _, v := range x.kept {
				if err := s.add(to, v); err != nil {
					return err
				}
			}
			return nil
		}
		if to.pages == nil {
			if err := s.begin(to); err != nil {
				return err
			}
		}
		return s.joinCounts(to, o, x)
	})
}

func (s *spreads) joinCounts(to *spread, o *spreads, x *spread) error {
	for i, from := range x.pages {
		if from == 0 {
			continue
		}
		page, err := s.page(to, x.first+int32(i))
		if err != nil {
			return err
		}
		for k, n := range o.counts[from-1] {
			s.counts[page][k] += n
		}
	}
	to.n += x.n
	to.low, to.high = max(to.low, x.low), min(to.high, x.high)
	if err := s.room.take(int64(8 * len(x.kept))); err != nil {
		return err
	}
	to.kept = append(to.kept, x.kept...)
	to.keepOnly()
	return nil
}

// room is what may be kept for one question.
type room struct {
	max, used int64
}

func (r *room) take(n int64) error {
	if r.used += n; r.used > r.max {
		return telemetry.Errorf(telemetry.KindExhausted, "exact quantiles of so many groups and steps need over %d MiB of memory: group by less varied fields, give a longer step, or narrow the time range", r.max>>20)
	}
	return nil
}

func (r *room) give(n int64) { r.used -= n }

// target is a quantile that is not found yet: the number of that rank, from 0,
// among those whose order lies in [low, high], of which there are n.
type target struct {
	group     int32
	step      int
	quantile  int
	low, high uint64
	rank, n   int
}

// targets gives the quantiles that are found already, to found, and the others.
func (s *spreads) targets(found func(t target, v float64) error) (out []target, err error) {
	var among []float64 // the numbers that rank counts
	err = s.each(func(group int32, step int, x *spread) error {
		for i, q := range s.quantiles {
			t := target{group: group, step: step, quantile: i, rank: query.QuantileIndex(q, x.n), n: x.n}
			among = append(among[:0], x.kept...)
			if x.pages != nil {
				s.bucket(x, &t)
				if b := uint16(t.low >> bucketShift); b < x.low || b > x.high {
					if err := s.room.take(targetBytes); err != nil {
						return err
					}
					out = append(out, t)
					continue
				}
				among = slices.DeleteFunc(among, func(v float64) bool { return orderOf(v)>>bucketShift != t.low>>bucketShift })
			}
			slices.Sort(among)
			if err := found(t, among[t.rank]); err != nil {
				return err
			}
		}
		return nil
	})
	return out, err
}

const targetBytes = 128

// bucket narrows a target to the bucket in which its rank lies.
func (s *spreads) bucket(x *spread, t *target) {
	for i, page := range x.pages {
		if page == 0 {
			continue
		}
		for k, n := range s.counts[page-1] {
			if t.rank < int(n) {
				t.low = uint64(x.first+int32(i))<<pageShift | uint64(k)<<bucketShift
				t.high = t.low | (1<<bucketShift - 1)
				t.n = int(n)
				return
			}
			t.rank -= int(n)
		}
	}
}
