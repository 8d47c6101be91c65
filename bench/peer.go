package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// peer is another backend that is measured with the same load and questions. It
// runs already, and should be empty; what it is and how it is set up is up to whoever
// gives its address.
type peer struct {
	name    string
	otlp    string // as it was given, for messages
	to      dial
	query   web
	asker   // known after connect
	header  http.Header
	pid     int    // 0: its CPU and memory are not known
	data    string // its folder; empty: the bytes it stores are not known
	failure error  // why it could not be measured
}

const peerForm = "write NAME=OTLP,QUERY[,pid=N][,data=FOLDER][,header=NAME:VALUE], such as tempo=127.0.0.1:4317,http://127.0.0.1:3200"

var peerName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_.-]{0,31}$`)

// parsePeer reads the flag --peer.
func parsePeer(s string) (*peer, error) {
	name, rest, ok := strings.Cut(s, "=")
	fields := strings.Split(rest, ",")
	if !ok || !peerName.MatchString(name) || len(fields) < 2 {
		return nil, fmt.Errorf("%q: %s", s, peerForm)
	}
	p := &peer{name: name, otlp: fields[0]}
	var err error
	if p.to, err = parseOTLP(fields[0]); err != nil {
		return nil, fmt.Errorf("peer %s: %w", name, err)
	}
	if p.query, err = parseQueryAddress(fields[1]); err != nil {
		return nil, fmt.Errorf("peer %s: %w", name, err)
	}
	for _, f := range fields[2:] {
		key, value, _ := strings.Cut(f, "=")
		switch {
		case key == "pid":
			if p.pid, err = strconv.Atoi(value); err != nil || p.pid < 1 {
				return nil, fmt.Errorf("peer %s: pid %q is no id of a process", name, value)
			}
		case key == "data" && value != "":
			p.data = value
		case key == "header":
			if err := p.addHeader(value); err != nil {
				return nil, err
			}
		default:
			return nil, fmt.Errorf("peer %s: %q: %s", name, f, peerForm)
		}
	}
	p.useHeader()
	return p, nil
}

// parseOTLP takes host:port or grpc://host:port for gRPC, and a URL for HTTP.
func parseOTLP(s string) (dial, error) {
	if strings.HasPrefix(s, "http://") || strings.HasPrefix(s, "https://") {
		u, err := url.Parse(s)
		if err != nil || u.Host == "" {
			return nil, fmt.Errorf("OTLP at %q: this is no URL", s)
		}
		if u.Path == "" || u.Path == "/" {
			u.Path = "/v1/traces"
		}
		return overHTTP(u.String()), nil
	}
	address := strings.TrimPrefix(s, "grpc://")
	if _, port, err := net.SplitHostPort(address); err != nil || port == "" {
		return nil, fmt.Errorf("OTLP at %q: write HOST:PORT for gRPC, or a URL that begins with http:// or https://", s)
	}
	return overGRPC(address), nil
}

func parseQueryAddress(s string) (web, error) {
	if !strings.Contains(s, "://") {
		s = "http://" + s
	}
	u, err := url.Parse(s)
	if err != nil || u.Host == "" || (u.Scheme != "http" && u.Scheme != "https") || u.RawQuery != "" {
		return web{}, fmt.Errorf("questions to %q: write a URL such as http://127.0.0.1:3200", s)
	}
	return newWeb(strings.TrimSuffix(s, "/")), nil
}

// connect asks a peer whether it takes OTLP and in which dialect it answers, so that
// what is wrong with an address is said before anything is measured. A peer may
// take greeting to show that it is there.
func (p *peer) connect(ctx context.Context, greeting time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, greeting)
	defer cancel()
	e, err := p.to()
	if err != nil {
		return fmt.Errorf("peer %s: %w", p.name, err)
	}
	defer e.close()
	// A request without spans is one of OTLP, and stores nothing.
	if err := e.send(ctx, nil); err != nil {
		if ctx.Err() != nil {
			err = fmt.Errorf("no answer in %s", greeting)
		}
		return fmt.Errorf("peer %s: OTLP at %s: %w; start it, mend the address, or leave out --peer %[1]s", p.name, p.otlp, err)
	}
	if p.asker, err = p.dialect(ctx); err != nil {
		if ctx.Err() != nil {
			err = fmt.Errorf("no answer in %s", greeting)
		}
		return fmt.Errorf("peer %s: questions to %s: %w", p.name, p.query.base, err)
	}
	return nil
}

// dialect finds out in which words a peer can be asked.
func (p *peer) dialect(ctx context.Context) (asker, error) {
	echo, errTempo := p.query.ask(ctx, "GET", "/api/echo", nil, nil, nil)
	if errTempo == nil && strings.TrimSpace(string(echo)) == "echo" {
		return tempo{p.query}, nil
	}
	var services struct {
		Data *[]string `json:"data"`
	}
	errJaeger := p.query.get(ctx, "/api/services", nil, &services)
	if errJaeger == nil && services.Data != nil {
		return jaeger{p.query}, nil
	}
	return nil, fmt.Errorf("this speaks neither Tempo's dialect (GET /api/echo: %s) nor Jaeger's (GET /api/services: %s); give the URL before /api",
		orElse(errTempo, "another answer"), orElse(errJaeger, "another answer"))
}

func orElse(err error, otherwise string) string {
	if err == nil {
		return otherwise
	}
	return err.Error()
}

// whole waits until all sampled traces are found whole, because some backends
// answer from what they have not taken in yet.
func (p *peer) whole(ctx context.Context, f *facts, limit time.Duration) error {
	began := time.Now()
	for id, want := range f.sample {
		for {
			within, cancel := context.WithTimeout(ctx, limit)
			spans, err := p.trace(within, id)
			cancel()
			if err == nil && len(spans) == want {
				break
			}
			if time.Since(began) > limit {
				return fmt.Errorf("trace %x is not whole %s after the load was acknowledged: %d of %d spans, %w", id, limit, len(spans), want, orNil(err))
			}
			select {
			case <-ctx.Done():
				return ctx.Err()
			case <-time.After(100 * time.Millisecond):
			}
		}
	}
	return nil
}

func orNil(err error) error {
	if err == nil {
		return errors.New("no error")
	}
	return err
}
