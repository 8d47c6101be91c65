package pipeline

import "sync"

// maxVerdicts bounds what is remembered. Past it everything is forgotten: a
// sender of ever new names makes its own checks slow, and nobody's wrong.
const maxVerdicts = 1 << 14

// verdicts remembers what was judged of a name, so that it is judged once and
// not in every batch.
type verdicts[V any] struct {
	mu sync.RWMutex
	of map[string]V
}

func newVerdicts[V any]() *verdicts[V] { return &verdicts[V]{of: map[string]V{}} }

func (v *verdicts[V]) get(name []byte) (V, bool) {
	v.mu.RLock()
	defer v.mu.RUnlock()
	out, ok := v.of[string(name)]
	return out, ok
}

func (v *verdicts[V]) put(name []byte, verdict V) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if len(v.of) >= maxVerdicts {
		clear(v.of)
	}
	v.of[string(name)] = verdict
}
