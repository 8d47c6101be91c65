package score

import (
	"encoding/json"
	"fmt"
	"slices"
	"sync"
	"time"
)

// Bounds of a History.
const (
	maxDays    = 400
	maxTenants = 1000
)

const historyVersion = 1

const dayForm = "2006-01-02"

// Point is the score of a service on a day, in UTC; the last one of the day stays.
type Point struct {
	Day   string  `json:"day"`
	Score float64 `json:"score"`
}

// History keeps one point for each service and day.
type History struct {
	mu       sync.Mutex
	tenants  map[string]map[string][]Point
	overflow map[string]map[string]bool
}

// NewHistory returns an empty one.
func NewHistory() *History {
	return &History{tenants: map[string]map[string][]Point{}, overflow: map[string]map[string]bool{}}
}

// Put records a score of the day of now.
func (h *History) Put(tenant, service string, score float64, now time.Time) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.put(tenant, service, Point{now.UTC().Format(dayForm), score})
}

func (h *History) put(tenant, service string, p Point) {
	services := h.tenants[tenant]
	if services == nil {
		if len(h.tenants) == maxTenants {
			return
		}
		services = map[string][]Point{}
		h.tenants[tenant] = services
	}
	points, known := services[service]
	if !known && len(services) == maxServices {
		if h.overflow[tenant] == nil {
			h.overflow[tenant] = map[string]bool{}
		}
		if len(h.overflow[tenant]) < maxServices {
			h.overflow[tenant][service] = true
		}
		return
	}
	at, same := slices.BinarySearchFunc(points, p.Day, func(q Point, day string) int {
		switch {
		case q.Day < day:
			return -1
		case q.Day > day:
			return 1
		}
		return 0
	})
	if same {
		points[at] = p
	} else {
		points = slices.Insert(points, at, p)
	}
	services[service] = slices.Clone(points[max(0, len(points)-maxDays):])
}

// Of gives the points of a service, the oldest first.
func (h *History) Of(tenant, service string) []Point {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Clone(h.tenants[tenant][service])
}

// Overflow is the number of services that had no room, since the start.
func (h *History) Overflow(tenant string) int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return len(h.overflow[tenant])
}

type historyFile struct {
	Version int                           `json:"version"`
	Tenants map[string]map[string][]Point `json:"tenants"`
}

// Snapshot gives everything as JSON; the same gives the same bytes.
func (h *History) Snapshot() ([]byte, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return json.Marshal(historyFile{historyVersion, h.tenants})
}

// Restore adds what a snapshot holds, within the bounds. An error changes nothing.
func (h *History) Restore(text []byte) error {
	var in historyFile
	if err := json.Unmarshal(text, &in); err != nil {
		return fmt.Errorf("read scores: %w", err)
	}
	if in.Version != historyVersion {
		return fmt.Errorf("read scores: version %d: this clew reads %d", in.Version, historyVersion)
	}
	for tenant, services := range in.Tenants {
		for service, points := range services {
			for _, p := range points {
				if _, err := time.Parse(dayForm, p.Day); err != nil {
					return fmt.Errorf("read scores of %s in %s: %w", service, tenant, err)
				}
			}
		}
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	for tenant, services := range in.Tenants {
		for service, points := range services {
			for _, p := range points {
				h.put(tenant, service, p)
			}
		}
	}
	return nil
}
