package api

import (
	"io"

	"github.com/clew-dev/clew/internal/store"
)

// Routes lists what New serves, for comparison with openapi.yaml.
func Routes() []string {
	s := &Server{}
	out := []string{"GET /api/version", "GET /api/openapi.yaml", "GET /ready", "GET /metrics"}
	for _, r := range s.table() {
		out = append(out, r.pattern)
	}
	return out
}

// Tree exposes the layout of a trace.
var NewTree = newTree

// Order gives the rows, their depths and which have a missing parent.
func (t *tree) Order() (rows, depth []uint32, missing []bool) { return t.order, t.depth, t.missing }

// WriteSkeleton exposes the encoder.
func WriteSkeleton(w io.Writer, tr *store.Trace) error {
	k, err := newSkeleton(tr)
	if err != nil {
		return err
	}
	return k.write(w)
}
