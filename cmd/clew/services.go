package main

import (
	"context"
	"fmt"
	"net/url"
	"strconv"
)

func servicesCommand() *command {
	return &command{
		name: "services", args: "[NAME]", maxArgs: 1,
		short: "list services, or the operations of one",
		long: `Lists every service with spans in the range: requests it served (spans of kind
server and consumer; where a service has none, all its spans count), how many
of them failed, and exact percentiles of their durations. With NAME the same
for each operation of that service, which is a name and a kind of span: those
of other kinds count all their spans.`,
		flags: append(append(rangeFlags(), outputFlags()...), clientFlags()...),
		examples: []example{
			{"clew services", "what there is, in the last hour"},
			{"clew services checkout --since 1d", "the operations of one service, in a day"},
		},
		run: runServices,
	}
}

// summary is a row of GET /api/services and of …/operations.
type summary struct {
	Name     string  `json:"name"`
	Kind     string  `json:"kind"`
	Spans    int64   `json:"spans"`
	Requests int64   `json:"requests"`
	Errors   int64   `json:"errors"`
	P50      int64   `json:"p50"`
	P95      int64   `json:"p95"`
	P99      int64   `json:"p99"`
	LastSeen decimal `json:"lastSeen"`
}

func runServices(ctx context.Context, in *invocation) error {
	c, err := newClient(in)
	if err != nil {
		return err
	}
	q := url.Values{}
	addRange(in, q)
	path := "/api/services"
	if len(in.args) > 0 {
		path += "/" + url.PathEscape(in.args[0]) + "/operations"
	}
	var a struct {
		Services, Operations []summary
		Partial              string
	}
	body, err := c.get(ctx, path, q, &a)
	if err != nil {
		return err
	}
	if in.on("json") {
		return printJSON(in.std.out, body)
	}
	warnPartial(in, a.Partial)
	head, rows := "SERVICE", a.Services
	if len(in.args) > 0 {
		head, rows = "OPERATION", a.Operations
	}
	if len(rows) == 0 {
		fmt.Fprintln(in.std.err, "No spans in this range; widen it with --since.")
		return nil
	}
	s := newScreen(in)
	t := newTable(head, "KIND", ">REQUESTS", ">ERRORS", ">ERROR%", ">P50", ">P95", ">P99", ">SPANS", "LAST SEEN")
	for _, r := range rows {
		share := "0.00"
		if r.Requests > 0 {
			share = strconv.FormatFloat(float64(r.Errors)/float64(r.Requests)*100, 'f', 2, 64)
		}
		row := t.add(clean(r.Name), cmpOr(clean(r.Kind), "-"), strconv.FormatInt(r.Requests, 10), strconv.FormatInt(r.Errors, 10), share,
			s.span(r.P50), s.span(r.P95), s.span(r.P99), strconv.FormatInt(r.Spans, 10), formatTime(int64(r.LastSeen)))
		if r.Errors > 0 {
			row.style[3], row.style[4] = styleError, styleError
		}
	}
	if len(in.args) == 0 {
		t.drop(1)
	}
	return t.write(s)
}
