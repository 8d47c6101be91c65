package main

import (
	"cmp"
	"context"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

func scoreCommand() *command {
	return &command{
		name:  "score",
		short: "tell how well services are instrumented, and what would better it",
		long: `Computes the Instrumentation Score of the public specification for each service
from its stored traces, the lowest first: 100 when every rule holds, less by the
weight of each that fails. With --service it lists that service's rules, with a
trace that fails each and what mends it. Up to 2,000 traces from all over the
window are judged, a minute after they ended, and a few more of rare services.`,
		flags: append(append([]flagDef{
			{name: "service", value: "NAME", help: "The rules of this service."},
			{name: "window", value: "TIME", help: "How far back: 1h to 400d; 30d unless told."},
		}, outputFlags()...), clientFlags()...),
		examples: []example{
			{"clew score", "every service"},
			{"clew score --service checkout --window 24h", "what one lacks"},
			{"clew score --json | jq -r '.services[] | select(.score < 75) | .service'", "the services that need work"},
		},
		run: runScore,
	}
}

// scoreAnswer is GET /api/score.
type scoreAnswer struct {
	RulesDecided, RulesTotal int
	Missing                  []struct{ ID, Reason string }
	LookedAt                 struct {
		Spans, Traces, TooLong int64
		More                   bool
		From, To               time.Time
	}
	LeftOut  int64
	Services []scoredService
}

type scoredService struct {
	Service, Band string
	Team          *struct{ Name string }
	Score         float64
	Rules         []struct {
		ID, Name, Impact, Criterion, Mend string
		Weight                            int
		Passed                            bool
		Checked, Failed                   int64
		Examples                          []struct{ Trace, Span string }
	}
}

func runScore(ctx context.Context, in *invocation) error {
	c, err := newClient(in)
	if err != nil {
		return err
	}
	q := url.Values{}
	for _, name := range []string{"service", "window"} {
		if v := in.str(name); v != "" {
			q.Set(name, v)
		}
	}
	var a scoreAnswer
	body, err := c.get(ctx, "/api/score", q, &a)
	if err != nil {
		return err
	}
	if in.on("json") {
		return printJSON(in.std.out, body)
	}
	service := in.str("service")
	if len(a.Services) == 0 {
		of := "No service"
		if service != "" {
			of = "Nothing of " + clean(service)
		}
		fmt.Fprintf(in.std.err, "%s is in the traces of the window that ended more than a minute ago; %d were judged.\n", of, a.LookedAt.Traces)
		return nil
	}
	var t *table
	if service != "" {
		t = scoredRules(a.Services[0])
	} else {
		t = scoredServices(a.Services)
	}
	t.note(fmt.Sprintf("Traces: %d; spans: %d. %d of the specification's %d rules are decided; clew score --json names the others.",
		a.LookedAt.Traces, a.LookedAt.Spans, a.RulesDecided, a.RulesTotal))
	if a.LookedAt.More {
		t.note("The window has more traces; these are the newest of each of its 20 parts, and of rare services.")
	}
	if a.LookedAt.TooLong > 0 {
		t.note(fmt.Sprintf("Too long to be judged: %d.", a.LookedAt.TooLong))
	}
	if a.LeftOut > 0 {
		t.note(fmt.Sprintf("Spans of services beyond the bound: %d.", a.LeftOut))
	}
	return t.write(newScreen(in))
}

func scoreText(score float64) string { return strconv.FormatFloat(score, 'f', -1, 64) }

func scoredServices(services []scoredService) *table {
	t := newTable(">SCORE", "BAND", "SERVICE", "TEAM", "FAILS")
	slices.SortStableFunc(services, func(a, b scoredService) int { return cmp.Compare(a.Score, b.Score) })
	for _, s := range services {
		team, fails := "nobody", []string{}
		if s.Team != nil {
			team = s.Team.Name
		}
		for _, r := range s.Rules {
			if !r.Passed {
				fails = append(fails, r.ID+" "+r.Name)
			}
		}
		row := t.add(scoreText(s.Score), strings.ReplaceAll(s.Band, "_", " "), clean(s.Service), clean(team), strings.Join(fails, "; "))
		if s.Band == "poor" {
			row.style[1] = styleError
		}
	}
	return t
}

func scoredRules(s scoredService) *table {
	t := newTable("RULE", "IMPACT", "RESULT", ">CHECKED", ">FAILED", "TRACE", "WHAT AND MEND")
	for _, r := range s.Rules {
		result, trace, text := "passes", "", r.Criterion
		switch {
		case !r.Passed:
			result, text = "fails", r.Criterion+" "+r.Mend
		case r.Checked == 0:
			result = "nothing to check"
		}
		if len(r.Examples) > 0 {
			trace = r.Examples[0].Trace
		}
		row := t.add(r.ID+" "+r.Name, r.Impact, result, strconv.FormatInt(r.Checked, 10), strconv.FormatInt(r.Failed, 10), trace, text)
		if !r.Passed {
			row.style[2] = styleError
		}
	}
	t.note(fmt.Sprintf("%s has %s of 100: %s.", clean(s.Service), scoreText(s.Score), strings.ReplaceAll(s.Band, "_", " ")))
	return t
}
