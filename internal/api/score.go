package api

import (
	"context"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/clew-dev/clew/internal/auth"
	"github.com/clew-dev/clew/internal/score"
	"github.com/clew-dev/clew/internal/telemetry"
)

// Scores is what a tenant's stored traces say of its services.
type Scores struct {
	Results       []score.Result // by service
	Spans, Traces int64          // that were judged
	LeftOut       int64          // spans of services that had no room
	History       func(service string) []score.Point
	From, To      time.Time
	More          bool  // older traces of the window were not looked at
	TooLong       int64 // traces that were passed over
	NoRoomHistory int
}

const (
	defaultWindow = 30 * 24 * time.Hour
	maxWindow     = 400 * 24 * time.Hour
)

// windowOf reads window: a duration such as 36h, or days such as 30d.
func windowOf(v string) (time.Duration, error) {
	if v == "" {
		return defaultWindow, nil
	}
	var d time.Duration
	var err error
	if days, ok := strings.CutSuffix(v, "d"); ok {
		var n int
		if n, err = strconv.Atoi(days); n > 400 {
			n = 401
		}
		d = time.Duration(n) * 24 * time.Hour
	} else {
		d, err = time.ParseDuration(v)
	}
	if err != nil || d < time.Hour || d > maxWindow {
		return 0, telemetry.Errorf(telemetry.KindInvalid, "window: %q is not a window; write 1h to 400d, such as 24h or 30d", telemetry.Clip(v))
	}
	return d, nil
}

type scoreExampleJSON struct {
	Trace string `json:"trace"`
	Span  string `json:"span"`
}

type scoreRuleJSON struct {
	ID        string             `json:"id"`
	Name      string             `json:"name"`
	Impact    string             `json:"impact"`
	Weight    int                `json:"weight"`
	Passed    bool               `json:"passed"`
	Checked   int64              `json:"checked"`
	Failed    int64              `json:"failed"`
	Criterion string             `json:"criterion"`
	Mend      string             `json:"mend"`
	Examples  []scoreExampleJSON `json:"examples"`
}

type scoreServiceJSON struct {
	Service string          `json:"service"`
	Team    *teamJSON       `json:"team,omitempty"`
	Score   float64         `json:"score"`
	Band    string          `json:"band"`
	Rules   []scoreRuleJSON `json:"rules"`
	History []score.Point   `json:"history"`
}

type lackJSON struct {
	ID     string `json:"id"`
	Reason string `json:"reason"`
}

// score answers with the Instrumentation Score of each service.
func (s *Server) score(w http.ResponseWriter, r *http.Request) error {
	window, err := windowOf(r.FormValue("window"))
	if err != nil {
		return err
	}
	in, err := s.o.Score(r.Context(), auth.FromContext(r.Context()).Tenant, window)
	if err != nil {
		return err
	}
	type specification struct {
		Name       string `json:"name"`
		Version    string `json:"version"`
		Commit     string `json:"commit"`
		CommitDate string `json:"commitDate"`
	}
	type looked struct {
		Spans   int64  `json:"spans"`
		Traces  int64  `json:"traces"`
		TooLong int64  `json:"tooLong"`
		More    bool   `json:"more"`
		From    string `json:"from"`
		To      string `json:"to"`
	}
	out := struct {
		Specification   specification      `json:"specification"`
		RulesDecided    int                `json:"rulesDecided"`
		RulesTotal      int                `json:"rulesTotal"`
		Missing         []lackJSON         `json:"missing"`
		LookedAt        looked             `json:"lookedAt"`
		LeftOut         int64              `json:"leftOut"`
		HistoryOverflow int                `json:"historyOverflow"`
		Services        []scoreServiceJSON `json:"services"`
	}{specification{score.SpecName, score.SpecVersion, score.SpecCommit, score.SpecDate}, len(score.Rules), score.RulesTotal, nil,
		looked{in.Spans, in.Traces, in.TooLong, in.More, instant(in.From), instant(in.To)},
		in.LeftOut, in.NoRoomHistory, []scoreServiceJSON{}}
	for _, m := range score.Missing {
		out.Missing = append(out.Missing, lackJSON(m))
	}
	c, only := s.o.Governance.Charter(), r.FormValue("service")
	for _, of := range in.Results {
		if only != "" && of.Service != only {
			continue
		}
		j := scoreServiceJSON{Service: of.Service, Score: of.Score, Band: of.Band, History: append([]score.Point{}, in.History(of.Service)...)}
		if owner, owned := c.OwnerOf(of.Service); owned {
			t := teamJSON(owner)
			j.Team = &t
		}
		for i, rule := range score.Rules {
			t := of.Rules[i]
			one := scoreRuleJSON{rule.ID, rule.Name, rule.Impact, rule.Weight, t.Failed == 0, t.Checked, t.Failed, rule.Criterion, rule.Mend, []scoreExampleJSON{}}
			for _, e := range t.Examples {
				one.Examples = append(one.Examples, scoreExampleJSON{e.Trace.String(), e.Span.String()})
			}
			j.Rules = append(j.Rules, one)
		}
		out.Services = append(out.Services, j)
	}
	return writeJSON(w, out)
}

// ScoreFunc evaluates the traces of a tenant that began within a window until now.
type ScoreFunc func(ctx context.Context, tenant string, window time.Duration) (*Scores, error)
