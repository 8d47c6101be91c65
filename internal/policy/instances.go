package policy

import (
	"cmp"
	"encoding/json"
	"maps"
	"slices"
	"sync"
	"time"
)

// Bounds of what a kit says of itself.
const (
	MaxHeader    = 4096 // bytes of a Clew-Kit header
	maxInstances = 10_000
	maxEntries   = 32 // of its maps
	silence      = 10 * time.Minute
)

// Instance is a process with a kit, as it described itself when it last asked.
type Instance struct {
	Service  string            `json:"service"`
	Instance string            `json:"instance"`
	Language string            `json:"language"`
	Version  string            `json:"version"`
	Applied  string            `json:"applied"`
	Levels   map[string]string `json:"levels"`
	Dropped  map[string]int64  `json:"dropped"`
	Seen     time.Time         `json:"-"`
}

// Instances lists the kits that asked in the last ten minutes, of every tenant at
// most 10,000 in all: when there are more, the one that was silent longest leaves.
type Instances struct {
	now func() time.Time
	mu  sync.Mutex
	by  map[[3]string]Instance // by tenant, service, instance
}

// NewInstances returns an empty list. now may be nil.
func NewInstances(now func() time.Time) *Instances {
	if now == nil {
		now = time.Now
	}
	return &Instances{now: now, by: map[[3]string]Instance{}}
}

// Note takes what a kit says of itself. It reports whether it was understood: kits
// of other versions may say what this one does not know, never more than it bounds.
func (in *Instances) Note(tenant, header string) bool {
	var i Instance
	if header == "" || len(header) > MaxHeader || json.Unmarshal([]byte(header), &i) != nil || i.Service == "" || i.Instance == "" ||
		len(i.Service) > maxText || len(i.Instance) > maxText || len(i.Levels) > maxEntries || len(i.Dropped) > maxEntries {
		return false
	}
	if i.Levels == nil {
		i.Levels = map[string]string{}
	}
	if i.Dropped == nil {
		i.Dropped = map[string]int64{}
	}
	i.Seen = in.now()
	key := [3]string{tenant, i.Service, i.Instance}
	in.mu.Lock()
	defer in.mu.Unlock()
	if _, known := in.by[key]; !known && len(in.by) >= maxInstances {
		in.makeRoom()
	}
	in.by[key] = i
	return true
}

// makeRoom removes who is silent, and when nobody is, the one that asked longest ago.
func (in *Instances) makeRoom() {
	var oldest [3]string
	var at time.Time
	for k, i := range in.by {
		if in.now().Sub(i.Seen) > silence {
			delete(in.by, k)
		} else if at.IsZero() || i.Seen.Before(at) {
			oldest, at = k, i.Seen
		}
	}
	if len(in.by) >= maxInstances {
		delete(in.by, oldest)
	}
}

// Of lists a tenant's instances by service and instance.
func (in *Instances) Of(tenant string) []Instance {
	in.mu.Lock()
	defer in.mu.Unlock()
	maps.DeleteFunc(in.by, func(_ [3]string, i Instance) bool { return in.now().Sub(i.Seen) > silence })
	out := []Instance{}
	for k, i := range in.by {
		if k[0] == tenant {
			out = append(out, i)
		}
	}
	slices.SortFunc(out, func(a, b Instance) int {
		return cmp.Or(cmp.Compare(a.Service, b.Service), cmp.Compare(a.Instance, b.Instance))
	})
	return out
}
