package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"time"

	"github.com/clew-dev/clew/internal/node"
)

// drainTime bounds a graceful stop. What is acknowledged is on disk by then
// anyway: the drain only spares the next start a replay of the log.
const drainTime = 30 * time.Second

// nodeFlags are those of a server: only what cannot change while it runs.
func nodeFlags() []flagDef {
	return []flagDef{
		{name: "data", value: "FOLDER", def: "./clew-data", help: "Where everything is kept. Made when it is not there."},
		{name: "listen.http", value: "ADDRESS", def: "127.0.0.1:7700", help: "Address of the page and of all APIs."},
		{name: "listen.otlp-grpc", value: "ADDRESS", def: "127.0.0.1:4317", help: "Address that takes OTLP over gRPC."},
		{name: "listen.otlp-http", value: "ADDRESS", def: "127.0.0.1:4318", help: "Address that takes OTLP over HTTP, protobuf and JSON, and Zipkin's JSON at /api/v2/spans."},
		{name: "listen.zipkin", value: "ADDRESS", help: "Address of Zipkin's own port too, for senders that cannot be told another: 127.0.0.1:9411. Off unless given."},
		{name: "charter", value: "PATH", help: "The charter, a file or a folder: names, owners, checks, privacy, retention and limits. It is read again when it changes; one that does not check changes nothing. Without it the built-in defaults hold."},
		{name: "memory", kind: size, value: "SIZE", def: "450MiB", help: "Memory that the process aims to stay within: log, fresh spans, flush and queries share it."},
		{name: "tls-cert", value: "FILE", help: "Certificate (PEM) for every listener; needs --tls-key. Read again when it changes."},
		{name: "tls-key", value: "FILE", help: "Private key (PEM) of the certificate."},
		{name: "log-level", kind: choice, value: "LEVEL", def: "info", choices: []string{"debug", "info", "warn", "error"}, help: "The least important log line that is written to the standard error."},
		{name: "log-format", kind: choice, value: "FORMAT", def: "text", choices: []string{"text", "json"}, help: "How log lines are written."},
	}
}

func upCommand() *command {
	flags := nodeFlags()
	for i := range flags {
		if flags[i].name == "log-level" {
			flags[i].def = "warn" // the lines that up prints say what info would
		}
	}
	return &command{
		name:  "up",
		short: "start Clew on this machine: receive, store, answer, show",
		long: `Starts everything in one process and prints where it listens. No flag and no
file is needed. It listens on the loopback address unless told otherwise.
Ctrl-C stops it gracefully; a kill loses nothing that was acknowledged.`,
		flags: flags,
		examples: []example{
			{"clew up", "start, then open http://127.0.0.1:7700"},
			{"clew up --data /srv/clew --memory 2GiB --charter charter.yaml", "with a folder, memory and a charter of your own"},
			{"clew up --listen.http 127.0.0.1:0 --listen.otlp-grpc 127.0.0.1:0 --listen.otlp-http 127.0.0.1:0", "on ports that are free"},
		},
		run: func(ctx context.Context, in *invocation) error { return runNode(ctx, in, true) },
	}
}

func serveCommand() *command {
	return &command{
		name:  "serve",
		short: "start Clew as a service, with logs instead of a greeting",
		long: `Does what up does and writes log lines only, for a service manager. The role
names the parts that this process runs.`,
		flags: append([]flagDef{
			{name: "role", kind: choice, value: "ROLE", def: "all", choices: []string{"all"}, help: "The parts to run."},
		}, nodeFlags()...),
		examples: []example{
			{"clew serve --role all --data /var/lib/clew --listen.http 0.0.0.0:7700 --tls-cert cert.pem --tls-key key.pem", "in production"},
		},
		run: func(ctx context.Context, in *invocation) error { return runNode(ctx, in, false) },
	}
}

func runNode(ctx context.Context, in *invocation, greet bool) error {
	if (in.str("tls-cert") == "") != (in.str("tls-key") == "") {
		return in.usage("--tls-cert and --tls-key belong together; give both or none")
	}
	for _, name := range []string{"listen.http", "listen.otlp-grpc", "listen.otlp-http", "listen.zipkin"} {
		if name == "listen.zipkin" && in.str(name) == "" {
			continue
		}
		if _, _, err := net.SplitHostPort(in.str(name)); err != nil {
			return in.usage("--%s: %q is not an address; write for example 127.0.0.1:7700", name, in.str(name))
		}
	}
	n, err := node.Open(ctx, node.Options{
		Data: in.str("data"), ListenHTTP: in.str("listen.http"), ListenGRPC: in.str("listen.otlp-grpc"),
		ListenOTLPHTTP: in.str("listen.otlp-http"), ListenZipkin: in.str("listen.zipkin"), Charter: in.str("charter"), MemoryBytes: in.bytes("memory"),
		TLSCert: in.str("tls-cert"), TLSKey: in.str("tls-key"), Logger: newLogger(in),
	})
	if bad := (*node.CharterError)(nil); errors.As(err, &bad) {
		return &usageError{bad.Error(), "mend the charter; clew charter check " + in.str("charter") + " lists all that is wrong"}
	}
	if err != nil {
		return err
	}
	if greet {
		greeting(in, n)
	}
	fatal := make(chan error, 1)
	go func() { fatal <- n.Wait() }()
	select {
	case err = <-fatal:
	case <-ctx.Done():
		err = nil
	}
	stop, cancel := context.WithTimeout(context.Background(), drainTime)
	defer cancel()
	return errors.Join(err, n.Close(stop))
}

func greeting(in *invocation, n *node.Node) {
	scheme := "http"
	if in.str("tls-cert") != "" {
		scheme = "https"
	}
	zipkin := ""
	if n.ZipkinAddr() != "" {
		zipkin = "  Zipkin     " + n.ZipkinAddr() + "\n"
	}
	fmt.Fprintf(in.std.out, "Clew is ready.\n  page       %s://%s\n  OTLP gRPC  %s\n  OTLP HTTP  %s\n%s  data       %s\nSend traces, then look at the page, or ask: clew search --since 15m\n",
		scheme, n.HTTPAddr(), n.GRPCAddr(), n.OTLPHTTPAddr(), zipkin, in.str("data"))
}

func newLogger(in *invocation) *slog.Logger {
	var level slog.Level
	// The flag's closed list holds exactly the names that a Level reads.
	if err := level.UnmarshalText([]byte(in.str("log-level"))); err != nil {
		level = slog.LevelInfo
	}
	options := &slog.HandlerOptions{Level: level}
	if in.str("log-format") == "json" {
		return slog.New(slog.NewJSONHandler(in.std.err, options))
	}
	return slog.New(slog.NewTextHandler(in.std.err, options))
}
