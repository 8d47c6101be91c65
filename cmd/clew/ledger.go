package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"time"

	"github.com/clew-dev/clew/internal/ledger"
	"github.com/clew-dev/clew/internal/telemetry"
)

func ledgerCommand() *command {
	return &command{
		name:  "ledger",
		short: "find out whether a backend keeps what it acknowledges",
		long: `Sends numbered spans to a backend of traces, Clew or another one, breaks it in
the middle of its work, again and again, and then asks for every span that was
acknowledged. It tells how many are lost, stored twice or changed.

--command starts the backend, kills it with -9 together with all it started,
every fourth time in the middle of its start, and starts it again. --process
kills one that something else starts again. --cut goes through a proxy of its
own and cuts the connections. Without any of them nothing is broken.
docs/ledger.md has command lines for other backends.

Exit code 0: all is there as it was sent. 1: an acknowledged span is lost or
changed (with --strict also: is there twice), or the run could not be made.
2: the command line was wrong.`,
		flags: append([]flagDef{
			{name: "to", value: "URL", def: "grpc://127.0.0.1:4317", help: "Where to send OTLP: grpc://, grpcs://, http:// or https:// with host and port. Connections take several, with commas between, in turn."},
			{name: "ask", kind: choice, value: "DIALECT", def: "clew", choices: ledger.Dialects(), help: "How --server is asked for a trace."},
			{name: "spans", kind: count, value: "N", def: "100000", help: "How many spans to send, rounded up to whole traces."},
			{name: "batch", kind: count, value: "N", def: "64", help: "Spans of a request."},
			{name: "connections", kind: count, value: "N", def: "4", help: "How many connections send at once."},
			{name: "cycles", kind: count, value: "N", def: "3", help: "How often to break the backend."},
			{name: "command", value: "COMMAND", help: "Start the backend with this line of sh, and kill that. It must not put itself into the background."},
			{name: "process", value: "PID|FILE", help: "Kill this process, or the one whose number the file holds. Something else must start it again."},
			{name: "cut", kind: toggle, help: "Cut the connections."},
			{name: "down", kind: duration, value: "DURATION", def: "200ms", help: "How long a cut lasts."},
			{name: "wait", kind: duration, value: "DURATION", def: "1m", help: "How long the backend may take to come back."},
			{name: "settle", kind: duration, value: "DURATION", def: "30s", help: "How long acknowledged spans may take to be found."},
			{name: "seed", kind: count, value: "N", def: "1", help: "Seed of the moments at which the backend is broken."},
			{name: "strict", kind: toggle, help: "Fail as well when a span is there twice."},
			{name: "json", kind: toggle, help: "Print the result as JSON instead of text."},
			{name: "quiet", kind: toggle, help: "No progress on the standard error."},
		}, clientFlags()...),
		examples: []example{
			{"clew ledger --command 'exec clew serve --data /mnt/ledger' --cycles 20", "kill Clew twenty times; its folder should be one for this alone"},
			{"clew ledger --to grpc://tempo:4317 --server http://tempo:3200 --ask tempo --cut", "cut Tempo off"},
			{"clew ledger --process /run/jaeger.pid --server http://127.0.0.1:16686 --ask jaeger --json", "kill Jaeger, which its service manager starts again"},
		},
		run: runLedger,
	}
}

func runLedger(ctx context.Context, in *invocation) error {
	c, err := newClient(in)
	if err != nil {
		return err
	}
	o := ledger.Options{
		To: in.str("to"), Ask: in.str("ask"), AskURL: c.base, Access: access(c), Spans: in.count("spans"), Batch: in.count("batch"),
		Connections: in.count("connections"), Cycles: in.count("cycles"), Seed: uint64(in.count("seed")),
		Process: in.str("process"), Command: in.str("command"), Cut: in.on("cut"),
		Down: in.duration("down"), Wait: in.duration("wait"), Settle: in.duration("settle"),
	}
	if !in.on("quiet") {
		o.Progress = func(what string) { fmt.Fprintf(in.std.err, "%s\n", what) }
	}
	r, err := ledger.Run(ctx, o)
	if telemetry.KindOf(err) == telemetry.KindInvalid {
		return in.usage("%s", clean(err.Error()))
	}
	if err != nil {
		return err
	}
	if in.on("json") {
		err = json.NewEncoder(in.std.out).Encode(r)
	} else {
		err = printLedger(in, r)
	}
	if err != nil {
		return err
	}
	if !r.Balanced() || in.on("strict") && r.Doubled > 0 {
		return fmt.Errorf("the ledger does not balance: %d of %d acknowledged spans lost, %d damaged, %d doubled", r.Lost, r.Acknowledged, r.Damaged, r.Doubled)
	}
	return nil
}

// access is what the client's flags say of who asks.
func access(c *client) ledger.Access {
	a := ledger.Access{Header: http.Header{}}
	if c.token != "" {
		a.Header.Set("Authorization", "Bearer "+c.token)
	}
	if c.tenant != "" {
		a.Header.Set("X-Scope-OrgID", c.tenant)
	}
	if t, ok := c.http.Transport.(*http.Transport); ok {
		a.TLS = t.TLSClientConfig
	}
	return a
}

func printLedger(in *invocation, r *ledger.Result) error {
	for _, e := range r.Examples {
		fmt.Fprintf(in.std.out, "span %d, trace %s, id %s: %s\n", e.Number, e.TraceID, e.SpanID, clean(e.What))
	}
	seconds := func(s float64) string { return formatDuration(int64(s * float64(time.Second))) }
	// Where nothing was broken there is nothing to come back from: what was done to the
	// backend from outside shows in the gap alone.
	broken, back := "nothing broken", "longest time without one "+seconds(r.LongestGap)
	if r.Cycles > 0 {
		broken, back = r.Broken+" in "+number(int64(r.Cycles), "cycle", "cycles"), "back after "+seconds(r.SlowestBack)+" at most"
	}
	_, err := fmt.Fprintf(in.std.out, "run           %s: %s, %s\n"+
		"acknowledged  %d spans of %d; %d requests sent again; %s\n"+
		"found         %d after %s\nlost          %d\ndoubled       %d\ndamaged       %d\n",
		r.Run, broken, seconds(r.Seconds), r.Acknowledged, r.Sent, r.Repeats, back,
		r.Found, seconds(r.SlowestFound), r.Lost, r.Doubled, r.Damaged)
	return err
}
