package api

import (
	"math"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/clew-dev/clew/internal/query"
	"github.com/clew-dev/clew/internal/store"
	"github.com/clew-dev/clew/internal/telemetry"
)

// defaultRange is asked for when a request gives no times.
const defaultRange = time.Hour

// rangeOf reads from and to; what is missing is now, and an hour before to.
func (s *Server) rangeOf(r *http.Request) (store.Range, error) {
	now := s.o.Now()
	end := now.UnixNano()
	var err error
	if v := r.FormValue("to"); v != "" {
		if end, err = parseTime("to", v, now); err != nil {
			return store.Range{}, err
		}
	}
	start := query.SaturatingSub(end, int64(defaultRange))
	if v := r.FormValue("from"); v != "" {
		if start, err = parseTime("from", v, now); err != nil {
			return store.Range{}, err
		}
	}
	if start >= end {
		return store.Range{}, telemetry.Errorf(telemetry.KindInvalid, "from is not before to: %s, %s", iso(start), iso(end))
	}
	return store.Range{Start: start, End: end}, nil
}

func iso(ns int64) string { return time.Unix(0, ns).UTC().Format(time.RFC3339Nano) }

// parseTime reads RFC 3339, Unix seconds (a fraction is allowed), milliseconds,
// microseconds or nanoseconds, told apart by their size, and now, now-1h, now+5m.
func parseTime(name, v string, now time.Time) (int64, error) {
	if rest, ok := strings.CutPrefix(v, "now"); ok {
		d, ok := parseRelative(rest)
		if !ok {
			return 0, telemetry.Errorf(telemetry.KindInvalid, "%s: %q is not a time; write now-15m, now-1h or now-7d", name, telemetry.Clip(v))
		}
		return query.SaturatingAdd(now.UnixNano(), d), nil
	}
	if n, err := strconv.ParseInt(v, 10, 64); err == nil && n >= 0 {
		switch { // 1e11 s is the year 5138, 1e11 ms is 1973
		case n < 1e11:
			return seconds(name, float64(n), n)
		case n < 1e14:
			return n * 1e6, nil
		case n < 1e17:
			return n * 1e3, nil
		}
		return n, nil
	}
	if f, err := strconv.ParseFloat(v, 64); err == nil && f >= 0 && f < 1e11 {
		whole, part := math.Modf(f)
		ns, err := seconds(name, whole, int64(whole))
		return query.SaturatingAdd(ns, int64(part*1e9)), err
	}
	t, err := time.Parse(time.RFC3339Nano, v)
	if err != nil {
		return 0, telemetry.Errorf(telemetry.KindInvalid, "%s: %q is not a time; write RFC 3339 such as 2026-01-31T09:00:00Z, Unix seconds, milliseconds or nanoseconds, or now-1h", name, telemetry.Clip(v))
	}
	if t.Before(time.Unix(0, 0)) || t.Unix() > maxUnixSeconds {
		return 0, outside(name)
	}
	return t.UnixNano(), nil
}

const maxUnixSeconds = math.MaxInt64/int64(time.Second) - 1

func seconds(name string, f float64, n int64) (int64, error) {
	if f > float64(maxUnixSeconds) {
		return 0, outside(name)
	}
	return n * int64(time.Second), nil
}

func outside(name string) error {
	return telemetry.Errorf(telemetry.KindInvalid, "%s is outside the years 1970 to 2262, which nanoseconds in 64 bits can hold", name)
}

var relativeUnits = map[string]time.Duration{"s": time.Second, "m": time.Minute, "h": time.Hour, "d": 24 * time.Hour, "w": 168 * time.Hour}

// parseRelative reads what follows now: nothing, or a sign, a number and a unit.
func parseRelative(v string) (int64, bool) {
	if v == "" {
		return 0, true
	}
	if len(v) < 3 {
		return 0, false
	}
	n, err := strconv.ParseInt(v[1:len(v)-1], 10, 32)
	unit, ok := relativeUnits[v[len(v)-1:]]
	if err != nil || !ok || n < 0 || v[1] == '+' {
		return 0, false
	}
	switch v[0] {
	case '-':
		return -n * int64(unit), true
	case '+':
		return n * int64(unit), true
	}
	return 0, false
}

// number reads a whole number within bounds.
func number(r *http.Request, name string, preset, least, most int) (int, error) {
	v := r.FormValue(name)
	if v == "" {
		return preset, nil
	}
	n, err := strconv.Atoi(v)
	if err != nil || n < least || n > most {
		return 0, telemetry.Errorf(telemetry.KindInvalid, "%s: %q is not a whole number from %d to %d", name, telemetry.Clip(v), least, most)
	}
	return n, nil
}

// plan compiles q; an empty one asks for everything. An attribute that the charter
// has renamed is found under any of its names.
func (s *Server) plan(r *http.Request) (*query.Plan, error) {
	q := r.FormValue("q")
	if strings.TrimSpace(q) == "" {
		q = "{}"
	}
	return query.CompileNamed(q, s.o.Governance.Charter().AllNames)
}

// searchPlan compiles q and refuses one that gives series instead of spans.
func (s *Server) searchPlan(r *http.Request) (*query.Plan, error) {
	p, err := s.plan(r)
	if err != nil {
		return nil, err
	}
	if p.Metrics != nil {
		return nil, telemetry.Errorf(telemetry.KindInvalid, "the query ends in %s, which gives series: ask GET /api/metrics or Grafana, or leave that stage out to see the traces", p.Metrics.Title())
	}
	return p, nil
}

// niceSteps are the steps that a time axis reads well in.
var niceSteps = []time.Duration{
	time.Millisecond, 2 * time.Millisecond, 5 * time.Millisecond, 10 * time.Millisecond, 20 * time.Millisecond, 50 * time.Millisecond,
	100 * time.Millisecond, 200 * time.Millisecond, 500 * time.Millisecond,
	time.Second, 2 * time.Second, 5 * time.Second, 10 * time.Second, 15 * time.Second, 30 * time.Second,
	time.Minute, 2 * time.Minute, 5 * time.Minute, 10 * time.Minute, 15 * time.Minute, 30 * time.Minute,
	time.Hour, 2 * time.Hour, 3 * time.Hour, 6 * time.Hour, 12 * time.Hour, 24 * time.Hour, 7 * 24 * time.Hour,
}

// maxDefaultSteps is how many steps an axis has at most when the request names no step.
const maxDefaultSteps = 120

// stepOf reads step, a duration such as 30s or a number of seconds. Without one
// it is the smallest nice step that gives at most 120 points.
func stepOf(r *http.Request, within store.Range) (time.Duration, error) {
	v := r.FormValue("step")
	if v == "" {
		least := time.Duration((within.End-within.Start-1)/maxDefaultSteps + 1)
		for _, d := range niceSteps {
			if d >= least {
				return d, nil
			}
		}
		return least, nil
	}
	if f, err := strconv.ParseFloat(v, 64); err == nil && f > 0 && f < 1e9 {
		return time.Duration(f * float64(time.Second)), nil
	}
	d, err := time.ParseDuration(v)
	if err != nil || d <= 0 {
		return 0, telemetry.Errorf(telemetry.KindInvalid, "step: %q is not a step; write 30s, 5m or a number of seconds", telemetry.Clip(v))
	}
	return d, nil
}
