package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/url"
	"strconv"
	"strings"
)

func tailCommand() *command {
	return &command{
		name: "tail", args: "[QUERY]", maxArgs: 1,
		short: "print spans as they arrive",
		long: `Prints one line for each span that arrives and matches QUERY, which must be a
single pair of braces; without it every span matches. When spans arrive faster
than they can be read the server leaves some out and says how many.
Ends with Ctrl-C, or after --count spans.`,
		flags: append(append([]flagDef{
			{name: "count", kind: count, value: "N", def: "0", help: "End after this many spans; 0 means never."},
		}, outputFlags()...), clientFlags()...),
		examples: []example{
			{`clew tail '{ status = error }'`, "failures, live"},
			{`clew tail '{ resource.service.name = "payment" && duration > 500ms }' --json`, "slow payments, one JSON object a line"},
		},
		run: runTail,
	}
}

func runTail(ctx context.Context, in *invocation) error {
	c, err := newClient(in)
	if err != nil {
		return err
	}
	q := url.Values{}
	if len(in.args) > 0 {
		q.Set("q", in.args[0])
	}
	resp, err := c.do(ctx, "GET", "/api/tail", q)
	if ctx.Err() != nil { // Ctrl-C is how a tail ends
		return nil
	}
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	left := in.count("count")
	s := newScreen(in)
	err = readEvents(resp.Body, func(e event) error {
		switch e.name {
		case "missed":
			fmt.Fprintf(in.std.err, "clew: tail: %s spans left out: this reader is too slow\n", clean(e.data))
			return nil
		case "failed":
			return apiError([]byte(e.data))
		}
		var spans []json.RawMessage
		if err := json.Unmarshal([]byte(e.data), &spans); err != nil {
			return fmt.Errorf("read an event: %w", err)
		}
		for _, raw := range spans {
			if err := writeTailed(in, s, raw); err != nil {
				return err
			}
			if left--; left == 0 {
				return io.EOF
			}
		}
		return nil
	})
	switch {
	case errors.Is(err, io.EOF):
		return nil
	case ctx.Err() != nil:
		return nil
	case err == nil:
		return errors.New("the server ended the stream")
	}
	return err
}

func writeTailed(in *invocation, s *screen, raw json.RawMessage) error {
	if in.on("json") {
		return printJSON(in.std.out, raw)
	}
	var f foundSpan
	if err := json.Unmarshal(raw, &f); err != nil {
		return fmt.Errorf("read a span: %w", err)
	}
	start, err := strconv.ParseInt(f.Start, 10, 64)
	if err != nil {
		return fmt.Errorf("read a span: start %q is not a number of nanoseconds", clean(f.Start))
	}
	status := "   "
	if f.Status == "error" {
		status = s.paint(styleError, "ERR")
	}
	_, err = fmt.Fprintf(s.w, "%s  %s  %s  %s %s: %s%s\n", formatTime(start), clean(f.TraceID),
		padLeft(s.span(f.Duration), durationWidth), status, s.paint(serviceStyle(f.Service), clean(f.Service)), clean(f.Name), f.text())
	return err
}

// event is one event of a text/event-stream.
type event struct{ name, data string }

// maxEventBytes bounds one event: the server sends at most 1,000 spans in one.
const maxEventBytes = 32 << 20

// readEvents calls fn for each event until the stream or fn ends. Comments, which
// keep the connection alive, are passed over. An error of fn comes back as it is.
func readEvents(r io.Reader, fn func(event) error) error {
	sc := bufio.NewScanner(r)
	sc.Buffer(make([]byte, 64<<10), maxEventBytes)
	var e event
	for sc.Scan() {
		field, value, _ := strings.Cut(strings.TrimSuffix(sc.Text(), "\r"), ":")
		value = strings.TrimPrefix(value, " ")
		switch field {
		case "event":
			e.name = value
		case "data":
			if e.data != "" {
				e.data += "\n"
			}
			e.data += value
			if len(e.data) > maxEventBytes {
				return errors.New("an event of the stream is too large")
			}
		case "":
			if value == "" && e.data != "" {
				if err := fn(e); err != nil {
					return err
				}
			}
			if value == "" {
				e = event{}
			}
		}
	}
	return sc.Err()
}
