package ledger_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/clew-dev/clew/internal/ledger"
	"github.com/clew-dev/clew/internal/telemetry"
)

// forgetful is what the test binary does in place of tests when it is told an
// address: it is a backend that acknowledges from memory, saves after every
// savedEach-th request and does not know repeats.
const forgetful = "LEDGER_TEST_FORGETFUL"

const savedEach = 7

func TestMain(m *testing.M) {
	if address := os.Getenv(forgetful); address != "" {
		if err := beForgetful(address); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

// beForgetful serves until SIGTERM and then writes into the file "held" how often
// it holds each span.
func beForgetful(address string) error {
	b := emptyBackend(nil)
	saved, err := os.ReadFile("saved")
	if err != nil && !os.IsNotExist(err) {
		return err
	}
	// A kill in the middle of a write leaves part of a line, which is lost.
	whole := saved[:bytes.LastIndexByte(saved, '\n')+1]
	if len(whole) < len(saved) {
		if err := os.Truncate("saved", int64(len(whole))); err != nil {
			return err
		}
	}
	for raw := range bytes.Lines(whole) {
		var body []byte
		if err := json.Unmarshal(raw, &body); err != nil {
			return err
		}
		b.decode(body)
	}
	var unsaved [][]byte
	b.took = func(body []byte) error {
		if unsaved = append(unsaved, body); len(unsaved) < savedEach {
			return nil
		}
		file, err := os.OpenFile("saved", os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
		if err != nil {
			return err
		}
		defer file.Close()
		enc := json.NewEncoder(file)
		for _, body := range unsaved {
			if err := enc.Encode(body); err != nil {
				return err
			}
		}
		unsaved = nil
		return nil
	}
	l, err := net.Listen("tcp", address)
	if err != nil {
		return err
	}
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGTERM)
	server := &http.Server{Handler: b, Protocols: protocols()}
	served := make(chan error, 1)
	go func() { served <- server.Serve(l) }()
	select {
	case err := <-served:
		return err
	case <-stop:
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	text, err := json.Marshal(b.held())
	if err != nil {
		return err
	}
	return os.WriteFile("held", text, 0o600)
}

// held counts each span by its number.
func (b *backend) held() map[int64]int {
	held := map[int64]int{}
	for _, t := range b.traces {
		for _, n := range t.Batch.Spans.Find(telemetry.ScopeSpan, "ledger.number", telemetry.TypeInt).Nums {
			held[int64(n)]++
		}
	}
	return held
}

// judge compares what the ledger says with what a backend holds in the end, when
// all that was sent is acknowledged.
func judge(t *testing.T, r *ledger.Result, err error, held map[int64]int) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	doubled := 0
	for _, n := range held {
		if n > 1 {
			doubled++
		}
	}
	if lost := r.Sent - len(held); r.Lost != lost || r.Found != len(held) || r.Doubled != doubled || r.Damaged != 0 || r.Acknowledged != r.Sent {
		t.Errorf("the backend has lost %d and doubled %d of %d; the ledger says %+v", lost, doubled, r.Sent, r)
	}
	t.Logf("%d lost, %d doubled of %d", r.Lost, r.Doubled, r.Sent)
}

// A process that acknowledges before it saves loses spans at each kill, and the
// ledger counts exactly those.
func TestProcessThatAcknowledgesTooSoon(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := l.Addr().String()
	l.Close()
	dir := t.TempDir()
	r, err := ledger.Run(context.Background(), ledger.Options{
		To: "grpc://" + address + ",http://" + address, Ask: "tempo", AskURL: "http://" + address, Access: secret, Spans: 4000, Batch: 16,
		Cycles: 6, Settle: time.Millisecond, Wait: 30 * time.Second, Command: fmt.Sprintf("cd %q && %s=%s exec %q", dir, forgetful, address, self),
	})
	held := map[int64]int{}
	text, failed := os.ReadFile(filepath.Join(dir, "held"))
	if failed == nil {
		failed = json.Unmarshal(text, &held)
	}
	if failed != nil {
		t.Fatal(failed, err)
	}
	judge(t, r, err, held)
	if r.Lost == 0 || r.Balanced() || r.Cycles != 6 {
		t.Errorf("nothing is lost: %+v", r)
	}
}

// Backends that lose, double, refuse and answer too late, each in its way: the
// ledger says of each what it holds.
func TestWaysToBeWrong(t *testing.T) {
	for name, c := range map[string]struct {
		change        func(*backend)
		cut           bool // connections are cut as well
		lost, doubled bool // this way leads to it
	}{
		"loses every fifth span":              {func(b *backend) { b.wrong = every(5, "lose") }, false, true, false},
		"loses and is cut off":                {func(b *backend) { b.wrong = every(5, "lose") }, true, true, false},
		"stores every fifth span twice":       {func(b *backend) { b.wrong = every(5, "double") }, false, false, true},
		"refuses with 429":                    {func(b *backend) { b.answers = every3(tooMany) }, false, false, false},
		"refuses with 503 what it has stored": {func(b *backend) { b.answers = every3(storedAndRefused) }, false, false, true},
		"refuses with a status of gRPC":       {func(b *backend) { b.answers = every3(unavailable) }, false, false, false},
		"acknowledges when nobody waits":      {func(b *backend) { b.answers = every3(storedAndSilent) }, false, false, true},
		"acknowledges half a message":         {func(b *backend) { b.answers = every3(storedAndGarbled) }, false, false, true},
	} {
		t.Run(name, func(t *testing.T) {
			b, s := newBackend(t)
			c.change(b)
			o := options(s)
			o.To, o.Settle = o.To+",http://"+s.Listener.Addr().String(), time.Millisecond
			if c.cut {
				o.Cut, o.Cycles, o.Down = true, 4, time.Millisecond
			}
			r, err := ledger.Run(context.Background(), o)
			b.mu.Lock()
			defer b.mu.Unlock()
			judge(t, r, err, b.held())
			if (r.Lost > 0) != c.lost || !c.cut && (r.Doubled > 0) != c.doubled || r.Balanced() == c.lost {
				t.Errorf("%+v", r)
			}
			if b.answers != nil && r.Repeats == 0 {
				t.Error("nothing was sent again")
			}
		})
	}
}

func every(n int64, what string) func(int64) string {
	return func(number int64) string {
		if number >= 0 && number%n == 0 {
			return what
		}
		return ""
	}
}

// answer is what a backend does to a request in place of storing and acknowledging
// it. A request that is sent again is another one.
type answer struct {
	stores bool
	write  func(w http.ResponseWriter, grpc bool)
}

func every3(a answer) func(int) *answer {
	return func(request int) *answer {
		if request%3 == 0 {
			return &a
		}
		return nil
	}
}

var (
	tooMany = answer{false, func(w http.ResponseWriter, _ bool) {
		w.Header().Set("Retry-After", "1")
		w.WriteHeader(http.StatusTooManyRequests)
	}}
	storedAndRefused = answer{true, func(w http.ResponseWriter, _ bool) { w.WriteHeader(http.StatusServiceUnavailable) }}
	unavailable      = answer{false, func(w http.ResponseWriter, grpc bool) {
		if !grpc {
			w.WriteHeader(http.StatusBadGateway)
			return
		}
		w.Header().Set("Content-Type", "application/grpc")
		w.Header().Set("Grpc-Status", "14")
		w.Header().Set("Grpc-Message", "not now")
	}}
	storedAndSilent  = answer{true, func(http.ResponseWriter, bool) { panic(http.ErrAbortHandler) }}
	storedAndGarbled = answer{true, func(w http.ResponseWriter, grpc bool) {
		if grpc {
			w.Header().Set("Trailer", "Grpc-Status")
			w.Header().Set("Content-Type", "application/grpc")
			w.Header().Set("Grpc-Status", "0")
		}
		w.Write([]byte{0, 0, 0, 0, 9, 0x0a})
	}}
)

// A cycle that has a moment of its own is broken then, however much or little is
// acknowledged; the others by their acknowledgements.
func TestMoments(t *testing.T) {
	b, s := newBackend(t)
	o := options(s)
	o.Cut, o.Cycles, o.Down = true, 4, time.Millisecond
	var asked []int
	sent := make(chan struct{})
	b.answers = func(request int) *answer {
		if request == 64*4/5 {
			close(sent)
		}
		return nil
	}
	o.Moment = func(cycle int) func(context.Context) {
		asked = append(asked, cycle)
		if cycle%2 == 0 {
			return nil
		}
		return func(ctx context.Context) {
			if cycle == 1 { // before anything can be acknowledged
				return
			}
			select { // it has nothing left to send
			case <-sent:
			case <-ctx.Done():
			}
		}
	}
	r, err := ledger.Run(context.Background(), o)
	b.mu.Lock()
	defer b.mu.Unlock()
	judge(t, r, err, b.held())
	if r.Lost > 0 || r.Cycles != 4 || !slices.Equal(asked, []int{0, 1, 2, 3}) {
		t.Errorf("%+v, asked for the moments of %v", r, asked)
	}
}

// secret is what the backends of tests want to see.
var secret = ledger.Access{Header: http.Header{"Authorization": {"Bearer secret"}}}

func protocols() *http.Protocols {
	p := new(http.Protocols)
	p.SetHTTP1(true)
	p.SetUnencryptedHTTP2(true)
	return p
}

func serve(t *testing.T, b *backend) *httptest.Server {
	s := httptest.NewUnstartedServer(b)
	s.Config.Protocols = protocols()
	s.Start()
	t.Cleanup(s.Close)
	return s
}
