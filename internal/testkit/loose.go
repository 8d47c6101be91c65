package testkit

import (
	"cmp"
	"math/rand/v2"
	"slices"

	"github.com/clew-dev/clew/internal/telemetry"
)

// Loose gives a batch with the same rows in which some columns of attributes, as
// r says, are in the Rest of their tables, as those of seldom keys are on their
// way from a sender into a segment.
func Loose(b *telemetry.Batch, r *rand.Rand) *telemetry.Batch {
	out := *telemetry.Settle(b)
	for _, t := range []*telemetry.Table{&out.Spans.Table, &out.Events.Table, &out.Links.Table} {
		type entry struct {
			c   *telemetry.Column
			pos int
		}
		var loose []entry
		var kept []*telemetry.Column
		for _, c := range t.Cols {
			if c.Scope == telemetry.ScopeIntrinsic || r.IntN(2) == 0 {
				kept = append(kept, c)
				continue
			}
			for pos := range c.Rows {
				loose = append(loose, entry{c, pos})
			}
			t.Rest.Scope = c.Scope
		}
		slices.SortStableFunc(loose, func(a, b entry) int { return cmp.Compare(a.c.Rows[a.pos], b.c.Rows[b.pos]) })
		t.Cols = kept
		for _, e := range loose {
			var num uint64
			var text []byte
			if e.c.Type.IsText() {
				text = e.c.Dict.At(e.c.Codes[e.pos])
			} else {
				num = e.c.Nums[e.pos]
			}
			t.Rest.Add(e.c.Rows[e.pos], e.c.Type, []byte(e.c.Key), num, text)
		}
	}
	return &out
}
