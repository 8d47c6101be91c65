package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"strconv"
	"strings"
)

func searchCommand() *command {
	return &command{
		name: "search", args: "[QUERY]", maxArgs: 1,
		short: "find traces with a TraceQL query",
		long: `Lists the traces that have spans matching QUERY, one a line. Without QUERY
every trace matches. The answer is complete and ordered: "slowest" gives the
longest matching spans of the whole range, not of what was looked at first,
"spans" the traces with the most spans.
More is fetched with --cursor from the line that ends a page, or with --all.`,
		flags: append(append(append([]flagDef{
			{name: "order", kind: choice, value: "ORDER", def: "newest", choices: []string{"newest", "slowest", "spans"}, help: "What comes first."},
			{name: "limit", kind: count, value: "N", def: "20", help: "Traces a page, 1 to 1000."},
			{name: "spans", kind: count, value: "N", def: "0", help: "Matching spans to list beneath each trace, at most 100."},
			{name: "cursor", value: "CURSOR", help: "Continue the search that printed this cursor."},
			{name: "all", kind: toggle, help: "Fetch page after page to the end and write each as it comes; with --json one answer a line."},
		}, rangeFlags()...), outputFlags()...), clientFlags()...),
		examples: []example{
			{`clew search '{ resource.service.name = "checkout" && status = error }'`, "what failed in the last hour"},
			{`clew search '{ span.http.route = "/checkout" && duration > 1s }' --order slowest --since 1d --spans 3`, "the slowest, with the spans that matched"},
			{`clew search '{ name = "Charge" }' --json | jq -r '.traces[].traceId'`, "trace ids for another program"},
		},
		run: runSearch,
	}
}

// searchAnswer is GET /api/search.
type searchAnswer struct {
	Traces []struct {
		TraceID     string      `json:"traceId"`
		RootService string      `json:"rootService"`
		RootName    string      `json:"rootName"`
		RootMissing bool        `json:"rootMissing"`
		Start       string      `json:"start"`
		Duration    int64       `json:"duration"`
		Spans       int64       `json:"spans"`
		Errors      int64       `json:"errors"`
		Matched     int64       `json:"matched"`
		Found       []foundSpan `json:"found"`
	} `json:"traces"`
	Cursor  string `json:"cursor"`
	Partial string `json:"partial"`
}

// foundSpan is a span that matched, in the answers of search and tail.
type foundSpan struct {
	TraceID    string      `json:"traceId"`
	SpanID     string      `json:"spanId"`
	Service    string      `json:"service"`
	Name       string      `json:"name"`
	Kind       string      `json:"kind"`
	Status     string      `json:"status"`
	Start      string      `json:"start"`
	Duration   int64       `json:"duration"`
	Attributes []foundAttr `json:"attributes"`
}

type foundAttr struct {
	Key   string          `json:"key"`
	Value json.RawMessage `json:"value"`
}

// text gives the span's selected attributes as key=value.
func (s *foundSpan) text() string {
	var b strings.Builder
	for _, a := range s.Attributes {
		b.WriteString(" " + clean(a.Key) + "=")
		var text string
		if json.Unmarshal(a.Value, &text) != nil {
			text = string(a.Value)
		}
		b.WriteString(clean(text))
	}
	return b.String()
}

func runSearch(ctx context.Context, in *invocation) error {
	if n := in.count("limit"); n < 1 || n > 1000 {
		return in.usage("--limit: %d is not between 1 and 1000", n)
	}
	if n := in.count("spans"); n > 100 {
		return in.usage("--spans: %d is over 100", n)
	}
	c, err := newClient(in)
	if err != nil {
		return err
	}
	q := url.Values{}
	if len(in.args) > 0 {
		q.Set("q", in.args[0])
	}
	addRange(in, q)
	q.Set("order", in.str("order"))
	q.Set("limit", in.str("limit"))
	q.Set("spans", in.str("spans"))
	if cursor := in.str("cursor"); cursor != "" {
		q.Set("cursor", cursor)
	}
	s := newScreen(in)
	for first := true; ; first = false {
		var a searchAnswer
		body, err := c.get(ctx, "/api/search", q, &a)
		if err != nil {
			return err
		}
		warnPartial(in, a.Partial)
		switch {
		case in.on("json"):
			err = printJSON(in.std.out, body)
		case first && len(a.Traces) == 0:
			fmt.Fprintln(in.std.err, "No trace matches in this range; widen it with --since, or look what there is with `clew services`.")
		default:
			err = writeTraces(s, &a, first)
		}
		if err != nil {
			return err
		}
		if a.Cursor == "" {
			return nil
		}
		if !in.on("all") {
			if !in.on("json") {
				fmt.Fprintf(in.std.err, "There are more: --all, or --cursor %s\n", clean(a.Cursor))
			}
			return nil
		}
		if a.Cursor == q.Get("cursor") {
			return fmt.Errorf("the server answered twice with the same cursor; the listing is not complete")
		}
		q.Set("cursor", a.Cursor)
	}
}

func writeTraces(s *screen, a *searchAnswer, head bool) error {
	t := newTable("TRACE", "START", "> DURATION", ">SPANS", ">ERRORS", ">MATCHED", "ROOT")
	t.headless = !head
	for i := range a.Traces {
		tr := &a.Traces[i]
		start, err := strconv.ParseInt(tr.Start, 10, 64)
		if err != nil {
			return fmt.Errorf("read the answer: start %q is not a number of nanoseconds", clean(tr.Start))
		}
		root := clean(tr.RootService) + ": " + clean(tr.RootName)
		if tr.RootMissing {
			root += " (root missing)"
		}
		row := t.add(clean(tr.TraceID), formatTime(start), s.span(tr.Duration),
			strconv.FormatInt(tr.Spans, 10), strconv.FormatInt(tr.Errors, 10), strconv.FormatInt(tr.Matched, 10), root)
		if tr.Errors > 0 {
			row.style[4] = styleError
		}
		for j := range tr.Found {
			f := &tr.Found[j]
			note := "span " + clean(f.SpanID) + "  " + padLeft(s.span(f.Duration), durationWidth) + "  " +
				clean(f.Service) + ": " + clean(f.Name)
			if f.Status == "error" {
				note += " " + s.paint(styleError, "ERR")
			}
			t.note(note + f.text())
		}
	}
	return t.write(s)
}
