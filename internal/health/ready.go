package health

import (
	"fmt"
	"slices"
	"strings"
	"sync"
)

// Readiness collects which parts are able to serve. It is ready when every part
// that was named says so; before the first one it is not.
type Readiness struct {
	mu    sync.Mutex
	parts map[string]string // empty: ready, or why not
	stop  string
}

// NewReadiness returns a Readiness that waits for the named parts.
func NewReadiness(parts ...string) *Readiness {
	r := &Readiness{parts: map[string]string{}}
	for _, p := range parts {
		r.parts[p] = "starting"
	}
	return r
}

// Ready says that a part is able to serve.
func (r *Readiness) Ready(part string) { r.set(part, "") }

// NotReady says that a part is not able to serve, and why.
func (r *Readiness) NotReady(part, why string) { r.set(part, why) }

func (r *Readiness) set(part, why string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.parts[part] = why
}

// Stopping makes the whole not ready for good, so that load balancers send no
// more while the rest is finished.
func (r *Readiness) Stopping() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.stop = "stopping"
}

// Reason is empty when everything is ready, and otherwise names each part that
// is not with its reason.
func (r *Readiness) Reason() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.stop != "" {
		return r.stop
	}
	if len(r.parts) == 0 {
		return "starting"
	}
	var why []string
	for part, reason := range r.parts {
		if reason != "" {
			why = append(why, fmt.Sprintf("%s: %s", part, reason))
		}
	}
	slices.Sort(why)
	return strings.Join(why, "; ")
}
