package compat

import (
	"math"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/clew-dev/clew/internal/auth"
	"github.com/clew-dev/clew/internal/query"
	"github.com/clew-dev/clew/internal/store"
	"github.com/clew-dev/clew/internal/telemetry"
)

// ask is a question, however it came: its parameters by the names of the HTTP
// interface, so that gRPC and HTTP cannot mean different things.
type ask struct {
	tenant string
	form   url.Values
}

func askOf(r *http.Request) (ask, error) {
	form, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return ask{}, telemetry.Errorf(telemetry.KindInvalid, "the parameters cannot be read: %w", err)
	}
	return ask{tenant(r), form}, nil
}

func tenant(r *http.Request) string { return auth.FromContext(r.Context()).Tenant }

func (a ask) get(name string) string { return a.form.Get(name) }

// rangeOf reads start and end: Unix seconds, or RFC 3339, or Unix nanoseconds as
// newer clients send them; or since, a duration up to now. What is missing, or 0,
// as clients without a range write it, means now, and an hour before the end.
func (t *tempo) rangeOf(a ask) (store.Range, error) {
	end, width := t.o.Now().UnixNano(), time.Hour
	if v := a.get("since"); v != "" {
		d, err := time.ParseDuration(v)
		if err != nil || d <= 0 {
			return store.Range{}, telemetry.Errorf(telemetry.KindInvalid, "invalid since: %q is not a duration such as 15m", telemetry.Clip(v))
		}
		width = d
	}
	end, err := instant("end", a.get("end"), end)
	if err != nil {
		return store.Range{}, err
	}
	start, err := instant("start", a.get("start"), query.SaturatingSub(end, int64(width)))
	if err != nil {
		return store.Range{}, err
	}
	if start >= end {
		return store.Range{}, telemetry.Errorf(telemetry.KindInvalid, "invalid start: it is not before end")
	}
	return store.Range{Start: start, End: end}, nil
}

func instant(name, v string, preset int64) (int64, error) {
	if v == "" || v == "0" {
		return preset, nil
	}
	if n, err := strconv.ParseInt(v, 10, 64); err == nil && n >= 0 {
		switch {
		case n < maxSeconds:
			return n * int64(time.Second), nil
		case n >= 1e15:
			return n, nil
		}
	} else if f, err := strconv.ParseFloat(v, 64); err == nil && f >= 0 && f < maxSeconds {
		return int64(f * 1e9), nil
	} else if at, err := time.Parse(time.RFC3339Nano, v); err == nil && at.Unix() >= 0 && at.Unix() < maxSeconds {
		return at.UnixNano(), nil
	}
	return 0, telemetry.Errorf(telemetry.KindInvalid, "invalid %s: %q is not a time in Unix seconds", name, telemetry.Clip(v))
}

// maxSeconds is the last instant that nanoseconds in 64 bits can hold.
const maxSeconds = 9_223_372_036

// number reads a whole number; what is over most is lowered to it, as Tempo does.
func (a ask) number(name string, preset, most int) (int, error) {
	v := a.get(name)
	if v == "" {
		return preset, nil
	}
	n, err := strconv.ParseUint(v, 10, 64)
	if err != nil {
		return 0, telemetry.Errorf(telemetry.KindInvalid, "invalid %s: %q is not a positive number", name, telemetry.Clip(v))
	}
	if n == 0 {
		return preset, nil
	}
	return int(min(n, uint64(most), math.MaxInt)), nil
}
