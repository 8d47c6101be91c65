package main

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

func findingsCommand() *command {
	return &command{
		name:  "findings",
		short: "list what breaks the charter, with owner and mend",
		long: `Lists what the checks of the ingest path found, the worst first: the rule, the
service and the team that answers for it, what is wrong, how often, when last,
and an example trace. Findings are kept as long as spans are. What the bounds of
the table kept out is said at the end.`,
		flags: append(append([]flagDef{
			{name: "service", value: "NAME", help: "Findings of this service alone."},
			{name: "team", value: "NAME", help: "Findings of this team's services alone; (none) for those that nobody owns."},
			{name: "rule", value: "RULE", help: "Findings of this rule alone, such as misspelled_attribute."},
			{name: "severity", value: "WORD", help: "violation, improvement or information."},
		}, outputFlags()...), clientFlags()...),
		examples: []example{
			{"clew findings --severity violation", "what has to be mended"},
			{"clew findings --team payments", "what one team has to mend"},
			{"clew findings --json | jq -r '.findings[] | [.service, .rule, .go] | @tsv'", "mends as code"},
		},
		run: runFindings,
	}
}

func privacyReportCommand() *command {
	return &command{
		name:  "privacy report",
		short: "say where personal data comes from",
		long: `Lists by team and service in which attributes and names personal data and
secrets arrived, what they were, how often, and what was done. None of it was
written to a disk: values are redacted before they reach one.`,
		flags: append(append([]flagDef{
			{name: "service", value: "NAME", help: "Of this service alone."},
			{name: "team", value: "NAME", help: "Of this team's services alone; (none) for those that nobody owns."},
		}, outputFlags()...), clientFlags()...),
		examples: []example{
			{"clew privacy report", "the whole fleet"},
			{"clew privacy report --team payments --json", "one team, for a script"},
		},
		run: runPrivacyReport,
	}
}

// findingsAnswer is GET /api/findings.
type findingsAnswer struct {
	Findings []struct {
		Rule, Severity, Service, Subject, Detail, Message, Mend, Action, Trace string
		Team                                                                   *struct{ Name, Contact string }
		Count                                                                  uint64
		Last                                                                   time.Time
	}
	Total    int
	Overflow []struct {
		Service, Rule string
		Count         uint64
	}
}

// askFindings asks with the flags that are set; rule is used where there is no flag of it.
func askFindings(ctx context.Context, in *invocation, rule string) (a findingsAnswer, body []byte, err error) {
	c, err := newClient(in)
	if err != nil {
		return a, nil, err
	}
	q := url.Values{"limit": {"5000"}}
	for _, name := range []string{"service", "team", "rule", "severity"} {
		if slices.ContainsFunc(in.cmd.flags, func(f flagDef) bool { return f.name == name }) && in.str(name) != "" {
			q.Set(name, in.str(name))
		}
	}
	if rule != "" {
		q.Set("rule", rule)
	}
	body, err = c.get(ctx, "/api/findings", q, &a)
	return a, body, err
}

func runFindings(ctx context.Context, in *invocation) error {
	a, body, err := askFindings(ctx, in, "")
	if err != nil {
		return err
	}
	if in.on("json") {
		return printJSON(in.std.out, body)
	}
	if len(a.Findings) == 0 {
		fmt.Fprintln(in.std.err, "Nothing that arrived breaks the charter.")
		return nil
	}
	s := newScreen(in)
	t := newTable("SEVERITY", "SERVICE", "TEAM", "RULE", ">COUNT", "LAST SEEN", "TRACE", "WHAT AND MEND")
	for _, f := range a.Findings {
		team := "nobody"
		if f.Team != nil {
			team = f.Team.Name
		}
		row := t.add(f.Severity, clean(f.Service), clean(team), f.Rule, strconv.FormatUint(f.Count, 10), formatTime(f.Last.UnixNano()), f.Trace,
			clean(f.Message)+". "+clean(f.Mend))
		if f.Severity == "violation" {
			row.style[0] = styleError
		}
		if f.Team == nil {
			row.style[2] = styleError
		}
	}
	for _, o := range a.Overflow {
		t.note(fmt.Sprintf("%d more of %s in %s had no room in the table.", o.Count, o.Rule, cmp.Or(clean(o.Service), "further services")))
	}
	return t.write(s)
}

func runPrivacyReport(ctx context.Context, in *invocation) error {
	a, body, err := askFindings(ctx, in, "personal_data")
	if err != nil {
		return err
	}
	if in.on("json") {
		return printJSON(in.std.out, body)
	}
	if len(a.Findings) == 0 {
		fmt.Fprintln(in.std.err, "No personal data arrived.")
		return nil
	}
	type place struct{ team, service, subject string }
	type sum struct {
		count uint64
		last  time.Time
		kinds []string
		bad   bool
		trace string
	}
	sums := map[place]*sum{}
	for _, f := range a.Findings {
		p := place{"nobody", f.Service, f.Subject}
		if f.Team != nil {
			p.team = f.Team.Name
		}
		one := sums[p]
		if one == nil {
			one = &sum{}
			sums[p] = one
		}
		one.count += f.Count
		one.kinds = append(one.kinds, f.Detail)
		one.bad = one.bad || f.Severity == "violation"
		if f.Last.After(one.last) {
			one.last, one.trace = f.Last, f.Trace
		}
	}
	places := slices.SortedFunc(maps.Keys(sums), func(a, b place) int {
		return cmp.Or(cmp.Compare(a.team, b.team), cmp.Compare(a.service, b.service), cmp.Compare(a.subject, b.subject))
	})
	s := newScreen(in)
	t := newTable("TEAM", "SERVICE", "WHERE", "WHAT", "EXPECTED", ">VALUES", "LAST SEEN", "TRACE")
	for _, p := range places {
		one := sums[p]
		slices.Sort(one.kinds)
		expected := "yes"
		if one.bad {
			expected = "no"
		}
		row := t.add(clean(p.team), clean(p.service), clean(p.subject), strings.Join(one.kinds, ", "), expected,
			strconv.FormatUint(one.count, 10), formatTime(one.last.UnixNano()), one.trace)
		if one.bad {
			row.style[4] = styleError
		}
	}
	return t.write(s)
}
