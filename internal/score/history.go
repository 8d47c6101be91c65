package score

import (
	"encoding/json"
	"fmt"
	"slices"
	"sync"
	"time"
)

// Bounds of a History. Services that are known have room beside them.
const (
	maxDays    = 400
	maxTenants = 1000
	maxKept    = 4000 // services of all tenants
	idleDays   = 30   // a service without a score for so long gives way to another
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
	services int               // of all tenants
	days     map[string]string // one text of each day, which all points share
	overflow map[string]map[string]bool
	known    func(service string) bool
}

// NewHistory returns an empty one. Services that are known have room whatever names
// others think of; known may be nil.
func NewHistory(known func(service string) bool) *History {
	return &History{tenants: map[string]map[string][]Point{}, days: map[string]string{}, overflow: map[string]map[string]bool{}, known: known}
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
	points, there := services[service]
	if !there {
		if !h.room(tenant, service, p.Day) {
			if h.overflow[tenant] == nil {
				h.overflow[tenant] = map[string]bool{}
			}
			if len(h.overflow[tenant]) < maxServices {
				h.overflow[tenant][service] = true
			}
			return
		}
		h.services++
	}
	day, ok := h.days[p.Day]
	if !ok {
		if len(h.days) > 4*maxDays {
			clear(h.days) // points keep theirs
		}
		day = p.Day
		h.days[day] = day
	}
	p.Day = day
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

// room says whether a service that is not there may have a place, and makes it by
// forgetting the one of the tenant that has had no score for longest.
func (h *History) room(tenant, service, today string) bool {
	services := h.tenants[tenant]
	if h.known != nil && h.known(service) || len(services) < maxServices && h.services < maxKept {
		return true
	}
	oldest, last := "", today
	for name, points := range services {
		day := points[len(points)-1].Day
		if day < last || day == last && name < oldest {
			oldest, last = name, day
		}
	}
	now, err := time.Parse(dayForm, today)
	if err != nil || oldest == "" || last >= now.AddDate(0, 0, -idleDays).Format(dayForm) {
		return false
	}
	delete(services, oldest)
	h.services--
	return true
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
