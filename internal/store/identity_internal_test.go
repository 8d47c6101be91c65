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
