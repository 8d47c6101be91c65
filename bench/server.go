package main

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"
)

// process is a clew that this program started.
type process struct {
	cmd   *exec.Cmd
	data  string
	http  string // address
	grpc  string
	log   string
	ended chan struct{}
	ready time.Duration // from the start of the process to the first 200 of /ready
	clew
}

// startClew starts the binary on a data folder, with flags beside those of folder and
// addresses, and waits until it is ready.
func startClew(ctx context.Context, binary, data string, flags ...string) (*process, error) {
	p := &process{data: data, log: data + ".log", ended: make(chan struct{})}
	var other string
	for _, address := range []*string{&p.http, &p.grpc, &other} {
		free, err := freeAddress()
		if err != nil {
			return nil, err
		}
		*address = free
	}
	p.clew = newClew("http://" + p.http)
	log, err := os.OpenFile(p.log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return nil, fmt.Errorf("start clew: %w", err)
	}
	defer log.Close()
	path, err := filepath.Abs(binary)
	if err != nil {
		return nil, fmt.Errorf("start clew: %w", err)
	}
	p.cmd = exec.Command(path, append([]string{"up", "--data", data, "--listen.http", p.http, "--listen.otlp-grpc", p.grpc, "--listen.otlp-http", other}, flags...)...)
	p.cmd.Stdout, p.cmd.Stderr = log, log
	began := time.Now()
	if err := p.cmd.Start(); err != nil {
		return nil, fmt.Errorf("start clew: %w", err)
	}
	go func() {
		p.cmd.Wait()
		close(p.ended)
	}()
	for tick := time.NewTicker(2 * time.Millisecond); ; {
		if resp, err := p.client.Get(p.base + "/ready"); err == nil {
			resp.Body.Close()
			if resp.StatusCode == http.StatusOK {
				p.ready = time.Since(began)
				tick.Stop()
				return p, nil
			}
		}
		select {
		case <-p.ended:
			return nil, fmt.Errorf("start clew: it ended at once; its log is %s", tailOf(p.log))
		case <-ctx.Done():
			p.kill()
			return nil, ctx.Err()
		case <-tick.C:
		}
		if time.Since(began) > 2*time.Minute {
			p.kill()
			return nil, fmt.Errorf("start clew: not ready after two minutes; its log is %s", tailOf(p.log))
		}
	}
}

func freeAddress() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", fmt.Errorf("look for a free port: %w", err)
	}
	defer l.Close()
	return l.Addr().String(), nil
}

// tailOf gives the end of a log for an error message.
func tailOf(path string) string {
	b, err := os.ReadFile(path)
	if err != nil {
		return err.Error()
	}
	return string(b[max(0, len(b)-2000):])
}

func (p *process) pid() int { return p.cmd.Process.Pid }

// kill ends the process as a crash would.
func (p *process) kill() {
	p.cmd.Process.Signal(syscall.SIGKILL)
	<-p.ended
}

// stop ends it gracefully, or as a crash would when that takes over a minute.
func (p *process) stop() {
	p.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-p.ended:
	case <-time.After(time.Minute):
		p.kill()
	}
}

// status is as much of /api/status as is needed.
type status struct {
	LagBytes      int64 `json:"lag_bytes"`
	MergesRunning int64 `json:"merges_running"`
	SpansStored   int64 `json:"spans_stored"`
	Segments      int64 `json:"segments"`
	Tenants       []struct {
		Tenant string `json:"tenant"`
		Spans  int64  `json:"spans"`
	} `json:"tenants"`
}

// spansOf gives the spans of a tenant: those of all hold what clew tells of itself.
func (s status) spansOf(tenant string) int64 {
	for _, t := range s.Tenants {
		if t.Tenant == tenant {
			return t.Spans
		}
	}
	return 0
}

// settle flushes and waits until nothing is left to do.
func (p *process) settle(ctx context.Context) (status, error) {
	if _, err := p.ask(ctx, http.MethodPost, "/api/flush", nil, nil, nil); err != nil {
		return status{}, err
	}
	for tick := time.NewTicker(10 * time.Millisecond); ; {
		var s status
		if _, err := p.ask(ctx, http.MethodGet, "/api/status", nil, nil, &s); err != nil {
			tick.Stop()
			return s, err
		}
		if s.LagBytes == 0 && s.MergesRunning == 0 {
			tick.Stop()
			return s, nil
		}
		select {
		case <-ctx.Done():
			return s, ctx.Err()
		case <-tick.C:
		}
	}
}
