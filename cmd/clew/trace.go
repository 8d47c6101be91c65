package main

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"

	"github.com/clew-dev/clew/internal/telemetry"
)

func traceCommand() *command {
	return &command{
		name: "trace", args: "ID", minArgs: 1, maxArgs: 1,
		short: "draw a trace as a tree",
		long: `Draws the spans of a trace as a tree with their durations and a timeline. ID
is a trace id of up to 32 hex digits, or a whole traceparent header, whose span
is then marked with >. Siblings that repeat four times or more are drawn as one
line with their median, longest and total duration. Spans whose parent was never
received hang under a line that names the missing parent. ERR marks spans with
status error; the status message stands beneath.`,
		flags: append(append([]flagDef{
			{name: "service", value: "NAME", help: "Draw only the spans of this service and the spans above them."},
			{name: "max-depth", kind: count, value: "N", help: "Draw only spans with at most N spans above them and count the rest."},
			{name: "all", kind: toggle, help: "Draw every span; fold no repeats."},
			{name: "attrs", kind: toggle, help: "Write the attributes of each span beneath it."},
			{name: "events", kind: toggle, help: "Write the events and links of each span beneath it."},
			{name: "otlp", kind: toggle, help: "Print the whole trace as OTLP JSON, as other tools read it."},
		}, outputFlags()...), clientFlags()...),
		examples: []example{
			{"clew trace 4bf92f3577b34da6a3ce929d0e0e4736", "draw a trace"},
			{"clew trace 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01 --events", "draw the trace of a header, with exceptions"},
			{"clew trace 4bf92f3577b34da6a3ce929d0e0e4736 --service payment", "only the way to one service"},
			{"clew trace 4bf92f3577b34da6a3ce929d0e0e4736 | grep ERR", "the spans that failed"},
		},
		run: runTrace,
	}
}

func runTrace(ctx context.Context, in *invocation) error {
	id, mark, err := parseTraceRef(in.args[0])
	if err != nil {
		return in.usage("%s", err)
	}
	c, err := newClient(in)
	if err != nil {
		return err
	}
	path := "/api/traces/" + url.PathEscape(id.String())
	if in.on("otlp") {
		body, err := c.get(ctx, path+"/otlp", nil, new(any))
		if err != nil {
			return err
		}
		return printJSON(in.std.out, body)
	}
	var t traceAnswer
	body, err := c.get(ctx, path, nil, &t)
	if err != nil {
		return err
	}
	if in.on("json") {
		return printJSON(in.std.out, body)
	}
	warnPartial(in, t.Partial)
	var details map[spanKey]*spanDetails
	if in.on("attrs") || in.on("events") {
		var doc otlpDocument
		if _, err := c.get(ctx, path+"/otlp", nil, &doc); err != nil {
			return err
		}
		details = doc.spans()
	}
	d := &drawing{
		screen: newScreen(in), trace: &t, mark: mark, details: details,
		attrs: in.on("attrs"), events: in.on("events"),
		foldFrom: foldFrom, service: in.str("service"), maxDepth: -1,
	}
	if in.on("all") {
		d.foldFrom = 0
	}
	if in.given["max-depth"] {
		d.maxDepth = in.count("max-depth")
	}
	return d.write()
}

// parseTraceRef reads a trace id, or a traceparent header with the span it names.
func parseTraceRef(s string) (telemetry.TraceID, string, error) {
	s = strings.TrimSpace(s)
	parts := strings.Split(s, "-")
	if len(parts) == 1 {
		id, err := telemetry.ParseTraceID(s)
		return id, "", err
	}
	if len(parts) < 4 || len(parts[0]) != 2 || len(parts[1]) != 32 || len(parts[2]) != 16 {
		return telemetry.TraceID{}, "", errors.New("a traceparent has the form 00-<32 hex digits>-<16 hex digits>-01")
	}
	id, err := telemetry.ParseTraceID(parts[1])
	if err != nil {
		return id, "", err
	}
	span, err := telemetry.ParseSpanID(parts[2])
	if err != nil {
		return id, "", fmt.Errorf("traceparent: %w", err)
	}
	return id, span.String(), nil
}
