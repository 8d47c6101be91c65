package store

import (
	"math/rand/v2"
	"slices"
	"testing"
)

// The table gives every row that was entered under a hash, also where hashes share
// their lower half, and near says no only where there is none.
func TestIdentityTable(t *testing.T) {
	type class struct{ part, low uint64 } // what hashes are told apart by
	of := func(h uint64) class { return class{h >> 58, h & (1<<32 - 1)} }
	r := rand.New(rand.NewPCG(1, 2))
	var table idTables
	want := map[class][]uint32{}
	may := []bool{false}
	if table.near([]uint64{1}, may); may[0] {
		t.Fatal("an empty table has a row")
	}
	add := func(h uint64, row uint32) {
		table.add(h, row)
		want[of(h)] = append(want[of(h)], row)
	}
	for row := range uint32(20_000) {
		h := uint64(row/3) * 0x9e3779b97f4a7c15
		switch {
		case row%7 == 0:
			h ^= uint64(row) << 32 & (1<<58 - 1) // of another hash, with the same lower half
		case row%11 == 0:
			h = 0
		}
		add(h, row)
	}
	add(1<<63, ^uint32(0)-1) // the last row that there can be
	for i := range table {
		if p := &table[i]; len(p.slots) < 2*p.n {
			t.Errorf("%d slots for %d rows", len(p.slots), p.n)
		}
	}
	missing := 0
	for n := range uint64(10_000) {
		h := n*0x9e3779b97f4a7c15 + uint64(r.Uint32N(2))
		may[0] = false
		table.near([]uint64{h}, may)
		var got []uint32
		table.each(h, func(row uint32) bool { got = append(got, row); return true })
		slices.Sort(got)
		if !slices.Equal(got, want[of(h)]) {
			t.Fatalf("hash %x has rows %v; want %v", h, got, want[of(h)])
		}
		if len(got) > 0 && !may[0] {
			t.Fatalf("hash %x is there and not near", h)
		}
		if !may[0] {
			missing++
		}
	}
	if missing == 0 {
		t.Error("everything is near")
	}
}

// A table that is used again holds nothing of what was in it, keeps room that suits
// the rows to come, and lets go of room that would take long to clear.
func TestIdentityTableIsUsedAgain(t *testing.T) {
	var table idTable
	for _, x := range []struct{ rows, slots int }{{1000, 2048}, {128, 2048}, {127, 256}, {0, minIDs}} {
		table.reset(x.rows)
		if table.n != 0 || len(table.slots) != x.slots {
			t.Errorf("reset for %d rows: %d rows in %d slots; want none in %d", x.rows, table.n, len(table.slots), x.slots)
		}
		for row := range uint32(x.rows) {
			h := uint64(row) * 0x9e3779b97f4a7c15
			table.each(h, func(uint32) bool { t.Fatalf("row %d is there before it is added", row); return false })
			table.add(h, row)
		}
	}
}

// A filter knows every key that it was given, whatever its size, and few others.
func TestRecentIDs(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	for _, rows := range []int{1, 2, 3, 1000, 66_000, 100_001} {
		filter := newRecentIDs(rows)
		if n := 8 * len(filter.words); n > max(3*rows, 8) {
			t.Errorf("%d rows take %d bytes", rows, n)
		}
		given := make([]uint64, rows)
		for i := range given {
			given[i] = r.Uint64()
			filter.add(given[i])
		}
		filter.add(^uint64(0))
		for _, h := range append(given, ^uint64(0)) {
			if !filter.has(h) {
				t.Fatalf("a filter of %d rows has forgotten %x", rows, h)
			}
		}
		alarms := 0
		for range 100_000 {
			if filter.has(r.Uint64()) {
				alarms++
			}
		}
		if rows >= 1000 && alarms > 300 {
			t.Errorf("%d rows: %d of 100,000 others are taken for one of them; want at most 300", rows, alarms)
		}
		t.Logf("%d rows: %d of 100,000", rows, alarms)
	}
}
