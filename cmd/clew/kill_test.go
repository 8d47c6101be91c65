package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/clew-dev/clew/internal/ledger"
)

var kills = flag.Int("kills", 50, "how often TestKilled kills clew")

// killed is a real clew that the ledger starts, sends to over gRPC and HTTP at once, and
// kills with -9, always on the same folder.
type killed struct {
	t      *testing.T
	dir    string
	http   string // base URL
	client *http.Client
	random *rand.Rand
	start  time.Duration // the slowest until ready
	hit    map[string]int
}

// killPatience is for machines that stand still for minutes under what else they do.
const killPatience = 10 * time.Minute

// The moments at which it is killed, in turn.
const (
	whileSending  = "while senders wait"
	whileStarting = "in a start"
	whileFlushing = "in a flush"
	whileMerging  = "in a merge"
	whileCopying  = "in a backup"
)

var killMoments = []string{whileSending, whileStarting, whileFlushing, whileMerging, whileCopying}

// Clew is killed again and again on one folder, while it takes requests, starts, flushes,
// merges and is backed up. Every span that was acknowledged is found, once, by its trace
// and by a query over all of them; the folder is sound; a backup that a kill cut off is
// never taken for a whole one.
func TestKilled(t *testing.T) {
	cycles := *kills
	if testing.Short() {
		cycles = min(cycles, 10)
	}
	k := &killed{t: t, dir: t.TempDir(), random: rand.New(rand.NewPCG(7, 7)), hit: map[string]int{},
		client: &http.Client{Timeout: killPatience, Transport: &http.Transport{DisableKeepAlives: true}}}
	var at [3]string
	for i := range at {
		at[i] = freePort(t)
	}
	k.http = "http://" + at[0]
	serve := fmt.Sprintf("cd '%s' && exec clew serve --data data --charter charter.yaml --log-level warn --listen.http %s --listen.otlp-grpc %s --listen.otlp-http %s", k.dir, at[0], at[1], at[2])
	if err := os.WriteFile(filepath.Join(k.dir, "charter.yaml"), []byte("charter: 1\nretention: { clock_skew: 240h }\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	r, err := ledger.Run(context.Background(), ledger.Options{
		To: "grpc://" + at[1] + ",http://" + at[2], Ask: "clew", AskURL: k.http, Spans: 1000 * (cycles + 1), Batch: 16, Connections: 6, Cycles: cycles, Wait: killPatience,
		// A day that gets no more spans is merged after every flush.
		Start: time.Now().Add(-4 * 24 * time.Hour), Moment: k.moment,
		Command: fmt.Sprintf("cd '%s' && find data -name '*.tmp' >> halves 2>/dev/null; %s", k.dir, serve),
	})
	if err != nil {
		t.Fatal(err)
	}
	halves, err := os.ReadFile(filepath.Join(k.dir, "halves"))
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%d kills, %v, %d times with a half-written segment or manifest; %d spans acknowledged, %d requests sent again, %d lost, %d doubled, %d damaged; back after %.2f s at most; %.0f s",
		r.Cycles, k.hit, strings.Count(string(halves), "\n"), r.Acknowledged, r.Repeats, r.Lost, r.Doubled, r.Damaged, r.SlowestBack, r.Seconds)
	if !r.Balanced() || r.Doubled > 0 || r.Acknowledged != r.Sent {
		t.Errorf("the ledger does not balance: %+v", r)
	}
	for _, m := range killMoments {
		if k.hit[m] == 0 {
			t.Errorf("no kill came %s", m)
		}
	}
	if len(halves) == 0 {
		t.Error("no kill left a half-written segment behind: none came in the middle of a flush")
	}
	k.count(r, serve)
	k.folder()
}

func freePort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// moment gives when the kill of a cycle comes: see ledger.Options.
func (k *killed) moment(cycle int) func(context.Context) {
	what := killMoments[cycle%len(killMoments)]
	k.hit[what]++
	within := func(most time.Duration) time.Duration { return time.Duration(k.random.Int64N(int64(most))) }
	switch what {
	case whileStarting:
		after := within(max(k.start, time.Millisecond))
		return func(ctx context.Context) { pause(ctx, after) }
	case whileFlushing:
		after := within(20 * time.Millisecond)
		return func(ctx context.Context) {
			if k.ready(ctx) {
				flushed := k.flush(ctx)
				k.until(ctx, flushed, func() bool { return k.half() || k.status(ctx).FlushesActive > 0 })
				pause(ctx, after)
			}
		}
	case whileMerging:
		after := within(20 * time.Millisecond)
		return func(ctx context.Context) {
			if k.ready(ctx) {
				flushed := k.flush(ctx)
				k.until(ctx, flushed, func() bool { return k.status(ctx).MergesRunning > 0 })
				pause(ctx, after)
			}
		}
	case whileCopying:
		share := 1.3 * k.random.Float64()
		return func(ctx context.Context) {
			if k.ready(ctx) {
				k.copyPart(ctx, filepath.Join(k.dir, fmt.Sprintf("copy%d.tar", cycle)), share)
			}
		}
	}
	return nil
}

func pause(ctx context.Context, d time.Duration) {
	select {
	case <-time.After(d):
	case <-ctx.Done():
	}
}

// until asks every millisecond whether a state has come, and gives up when done is closed.
func (k *killed) until(ctx context.Context, done <-chan struct{}, state func() bool) {
	for ctx.Err() == nil && !state() {
		select {
		case <-done:
			return
		case <-time.After(time.Millisecond):
		case <-ctx.Done():
		}
	}
}

// ready waits until clew has replayed its log.
func (k *killed) ready(ctx context.Context) bool {
	began := time.Now()
	k.until(ctx, nil, func() bool {
		body, err := k.call(ctx, http.MethodGet, "/ready", nil)
		if err == nil {
			body.Close()
		}
		return err == nil
	})
	k.start = max(k.start, time.Since(began))
	return ctx.Err() == nil
}

// flush begins a flush and what is to be merged after it, and closes done when they are over.
func (k *killed) flush(ctx context.Context) (done chan struct{}) {
	done = make(chan struct{})
	go func() {
		defer close(done)
		if body, err := k.call(ctx, http.MethodPost, "/api/flush", nil); err == nil {
			body.Close()
		}
	}()
	return done
}

// half says whether a segment is being written.
func (k *killed) half() bool {
	found, err := filepath.Glob(filepath.Join(k.dir, "data", "segments", "*", "*", "*.tmp"))
	return err == nil && len(found) > 0
}

func (k *killed) status(ctx context.Context) (s struct {
	FlushesActive int   `json:"flushes_active"`
	MergesRunning int   `json:"merges_running"`
	SpansStored   int64 `json:"spans_stored"`
}) {
	body, err := k.call(ctx, http.MethodGet, "/api/status", nil)
	if err != nil {
		return s
	}
	defer body.Close()
	if err := json.NewDecoder(body).Decode(&s); err != nil {
		s.MergesRunning = 0
	}
	return s
}

// copyPart takes a share of a backup into a file.
func (k *killed) copyPart(ctx context.Context, to string, share float64) {
	body, err := k.call(ctx, http.MethodPost, "/api/backup", nil)
	if err != nil {
		k.t.Errorf("backup: %v", err)
		return
	}
	defer body.Close()
	file, err := os.Create(to)
	if err != nil {
		k.t.Error(err)
		return
	}
	defer file.Close()
	total := float64(k.status(ctx).SpansStored)*90 + 60_000 // somewhat more than the stream has
	if _, err := io.CopyN(file, body, int64(total*share)); err != nil && err != io.EOF {
		k.t.Errorf("backup: %v", err)
	}
}

func (k *killed) call(ctx context.Context, method, path string, q url.Values) (io.ReadCloser, error) {
	req, err := http.NewRequestWithContext(ctx, method, k.http+path+"?"+q.Encode(), nil)
	if err != nil {
		return nil, err
	}
	resp, err := k.client.Do(req)
	if err != nil {
		return nil, err
	}
	if resp.StatusCode != http.StatusOK {
		resp.Body.Close()
		return nil, fmt.Errorf("%s", resp.Status)
	}
	return resp.Body, nil
}

// count starts clew once more and counts the spans of the run by a query.
func (k *killed) count(r *ledger.Result, serve string) {
	ctx, cancel := context.WithTimeout(context.Background(), killPatience)
	defer cancel()
	cmd := exec.CommandContext(ctx, "sh", "-c", serve)
	if err := cmd.Start(); err != nil {
		k.t.Fatal(err)
	}
	defer cmd.Wait()
	defer cmd.Process.Kill()
	if !k.ready(ctx) {
		k.t.Fatal("clew does not start after the last kill")
	}
	body, err := k.call(ctx, http.MethodGet, "/api/metrics", url.Values{
		"q": {fmt.Sprintf(`{ span.ledger.run = %q } | count_over_time()`, r.Run)}, "from": {"now-5d"}, "to": {"now"}, "step": {"1h"}})
	if err != nil {
		k.t.Fatal(err)
	}
	defer body.Close()
	var answer struct {
		Partial string
		Series  []struct{ Values []float64 }
	}
	if err := json.NewDecoder(body).Decode(&answer); err != nil {
		k.t.Fatal(err)
	}
	sum := 0.0
	for _, s := range answer.Series {
		for _, v := range s.Values {
			sum += v
		}
	}
	if int(sum) != r.Sent || answer.Partial != "" {
		k.t.Errorf("a query counts %v spans, partial %q; %d were sent", sum, answer.Partial, r.Sent)
	}
}

// folder looks at what the kills have left.
func (k *killed) folder() {
	t := k.t
	if got := runClew(t, nil, "verify", filepath.Join(k.dir, "data")); got.code != 0 || !strings.HasSuffix(got.out, ": sound\n") {
		t.Errorf("the folder after all kills: %+v", got)
	}
	copies, err := filepath.Glob(filepath.Join(k.dir, "copy*.tar"))
	if err != nil || len(copies) == 0 {
		t.Fatalf("no backup was begun: %v", err)
	}
	whole := 0
	for _, name := range copies {
		got := runClew(t, nil, "verify", name)
		switch {
		case got.code == 0:
			whole++
		case !strings.Contains(got.out+got.err, "it ends before") && !strings.Contains(got.out+got.err, "unexpected EOF"):
			t.Errorf("%s, cut off: %+v", name, got)
		}
	}
	t.Logf("%d backups begun, %d of them whole", len(copies), whole)
}
