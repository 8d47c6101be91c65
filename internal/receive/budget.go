package receive

import "sync/atomic"

// budget is the memory that all requests together may hold, in bytes.
type budget struct {
	max  int64
	held atomic.Int64
}

// free is what nobody holds now.
func (b *budget) free() int64 { return b.max - b.held.Load() }

func (b *budget) take(n int64) bool {
	if b.held.Add(n) > b.max {
		b.held.Add(-n)
		return false
	}
	return true
}

// step is the size in which a request reserves memory as its bytes arrive. Reserving
// its whole declared length at once would let a sender that sends nothing lock others out.
const step = 64 << 10

// reservation is the part of the budget that one request holds.
type reservation struct {
	b    *budget
	held int64
}

// cover reserves what is missing to n bytes, in whole steps as far as the budget has
// them, and reports whether there is room.
func (r *reservation) cover(n int64) bool {
	if whole := (n + step - 1) / step * step; whole <= r.b.max {
		n = whole
	}
	if n <= r.held {
		return true
	}
	if !r.b.take(n - r.held) {
		return false
	}
	r.held = n
	return true
}

func (r *reservation) release() {
	r.b.held.Add(-r.held)
	r.held = 0
}
