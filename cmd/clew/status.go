package main

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"time"
)

func statusCommand() *command {
	return &command{
		name:  "status",
		short: "show the state of the server",
		long: `Shows whether the server is ready, how far the store is behind the log, what
is stored, and every loss by its reason.`,
		flags: append(outputFlags(), clientFlags()...),
		examples: []example{
			{"clew status", "how it goes"},
			{"clew status --json | jq .lag_bytes", "one figure for a script"},
		},
		run: runStatus,
	}
}

// statusAnswer is GET /api/status, whose keys are fixed.
type statusAnswer struct {
	Version       string  `json:"version"`
	Uptime        float64 `json:"uptime_seconds"`
	Ready         bool    `json:"ready"`
	ReadyReason   string  `json:"ready_reason"`
	ReadOnly      string  `json:"read_only"`
	LagBytes      int64   `json:"lag_bytes"`
	LogBytes      int64   `json:"log_bytes"`
	FreshRows     int64   `json:"fresh_rows"`
	FreshBytes    int64   `json:"fresh_bytes"`
	MergesRunning int64   `json:"merges_running"`
	SpansStored   int64   `json:"spans_stored"`
	Segments      int64   `json:"segments"`
	DiskBytes     int64   `json:"disk_bytes"`
	Quarantined   int64   `json:"quarantined"`
	// Counters grow with the parts that count.
	Counters map[string]int64 `json:"counters"`
}

func runStatus(ctx context.Context, in *invocation) error {
	c, err := newClient(in)
	if err != nil {
		return err
	}
	var a statusAnswer
	body, err := c.get(ctx, "/api/status", nil, &a)
	if err != nil {
		return err
	}
	if in.on("json") {
		return printJSON(in.std.out, body)
	}
	s := newScreen(in)
	state := "ready"
	switch {
	case a.ReadOnly != "":
		state = s.paint(styleError, "READ ONLY: "+clean(a.ReadOnly))
	case !a.Ready:
		state = s.paint(styleError, "not ready: "+clean(a.ReadyReason))
	}
	field := func(name, value string) {
		fmt.Fprintf(s.w, "%s%s\n", s.paint(styleDim, fmt.Sprintf("%-16s", name)), value)
	}
	field("state", state)
	field("version", cmpOr(clean(a.Version), "unknown"))
	field("uptime", time.Duration(a.Uptime*float64(time.Second)).Round(time.Second).String())
	field("spans", strconv.FormatInt(a.SpansStored, 10))
	field("segments", number(a.Segments, "file", "files")+", "+strconv.FormatInt(a.MergesRunning, 10)+" merging")
	field("disk", formatBytes(a.DiskBytes)+perSpan(a))
	field("log", formatBytes(a.LogBytes)+", "+formatBytes(a.LagBytes)+" not yet visible")
	field("fresh", number(a.FreshRows, "row", "rows")+", "+formatBytes(a.FreshBytes))
	if a.Quarantined > 0 {
		field("quarantined", s.paint(styleError, number(a.Quarantined, "file", "files")+": answers may be partial"))
	}
	for _, name := range slices.Sorted(maps.Keys(a.Counters)) {
		if n := a.Counters[name]; n != 0 {
			field("counter", clean(name)+" "+strconv.FormatInt(n, 10))
		}
	}
	return nil
}

func perSpan(a statusAnswer) string {
	if a.SpansStored == 0 {
		return ""
	}
	return fmt.Sprintf(", %.1f bytes a span", float64(a.DiskBytes)/float64(a.SpansStored))
}

func flushCommand() *command {
	return &command{
		name:  "flush",
		short: "write everything fresh into segments",
		long: `Returns when everything acknowledged is in segment files, due merges are done
and the log is cut. Nothing is lost without it: it makes figures measurable and
a copy of the data folder small.`,
		flags:    append([]flagDef{{name: "json", kind: toggle, help: "Print the server's answer as JSON instead of text."}}, clientFlags()...),
		examples: []example{{"clew flush", "settle the local server"}},
		run: func(ctx context.Context, in *invocation) error {
			c, err := newClient(in)
			if err != nil {
				return err
			}
			body, err := c.call(ctx, "POST", "/api/flush", nil, new(any))
			if err != nil {
				return err
			}
			if in.on("json") {
				return printJSON(in.std.out, body)
			}
			_, err = fmt.Fprintln(in.std.out, "flushed: everything acknowledged is in segments")
			return err
		},
	}
}
