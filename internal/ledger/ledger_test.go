package ledger_test

import (
	"context"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/clew-dev/clew/internal/ledger"
	"github.com/clew-dev/clew/internal/otlp"
	"github.com/clew-dev/clew/internal/telemetry"
)

// backend keeps traces in memory, takes OTLP over gRPC and HTTP, answers in three
// dialects, and does wrong to chosen spans.
type backend struct {
	t      *testing.T
	mu     sync.Mutex
	traces map[string]*telemetry.Builder
	got    int                  // requests
	wrong  func(n int64) string // "lose", "double", "name", "late" or nothing
	late   map[string]int       // how often a trace was asked for
	reject bool

	answers func(request int) *answer // nil, or what to do in place of an acknowledgement
	took    func(body []byte) error   // called with each request before it is acknowledged
}

func emptyBackend(t *testing.T) *backend {
	return &backend{t: t, traces: map[string]*telemetry.Builder{}, wrong: func(int64) string { return "" }, late: map[string]int{}}
}

func newBackend(t *testing.T) (*backend, *httptest.Server) {
	b := emptyBackend(t)
	return b, serve(t, b)
}

func (b *backend) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if r.Header.Get("Authorization") != "Bearer secret" {
		http.Error(w, "who are you", http.StatusUnauthorized)
		return
	}
	switch {
	case r.URL.Path == "/v1/traces":
		b.take(w, r, false)
	case strings.HasSuffix(r.URL.Path, "TraceService/Export"):
		b.take(w, r, true)
	default:
		b.answer(w, r)
	}
}

func (b *backend) take(w http.ResponseWriter, r *http.Request, grpc bool) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	if grpc {
		body = body[5:]
	}
	b.got++
	var instead *answer
	if b.answers != nil {
		instead = b.answers(b.got)
	}
	if instead == nil || instead.stores {
		b.decode(body)
	}
	if instead != nil {
		instead.write(w, grpc)
		return
	}
	if b.took != nil {
		if err := b.took(body); err != nil {
			panic(err)
		}
	}
	answer := []byte{}
	if b.reject {
		answer = otlp.Response{RejectedSpans: 1, Message: "no"}.Append(nil)
	}
	if grpc {
		w.Header().Set("Trailer", "Grpc-Status")
		w.Header().Set("Content-Type", "application/grpc")
		frame := binary.BigEndian.AppendUint32([]byte{0}, uint32(len(answer)))
		w.Write(append(frame, answer...))
		w.Header().Set("Grpc-Status", "0")
		return
	}
	w.Write(answer)
}

// decode stores the spans of a request.
func (b *backend) decode(body []byte) {
	var d otlp.Decoder
	got := telemetry.NewBuilder()
	got.Reset("")
	if _, err := d.DecodeTraces(got, body, time.Now().UnixNano(), otlp.Limits{}); err != nil {
		panic(err)
	}
	b.keep(&got.Batch)
}

// keep stores each span alone, as often and as wrong as wanted.
func (b *backend) keep(batch *telemetry.Batch) {
	numbers := batch.Spans.Find(telemetry.ScopeSpan, "ledger.number", telemetry.TypeInt)
	for row := range batch.Spans.N {
		id := batch.Spans.TraceID[row].String()
		if b.traces[id] == nil {
			b.traces[id] = telemetry.NewBuilder()
			b.traces[id].Reset("")
		}
		one := make([]bool, batch.Spans.N)
		one[row] = true
		times := 1
		switch b.wrong(int64(numbers.Nums[row])) {
		case "lose":
			times = 0
		case "double":
			times = 2
		}
		for range times {
			b.traces[id].AppendRows(batch, one)
		}
		if b.wrong(int64(numbers.Nums[row])) == "duration" {
			s := &b.traces[id].Batch.Spans
			s.Duration[s.N-1] += 5000
		}
	}
}

func (b *backend) answer(w http.ResponseWriter, r *http.Request) {
	id := strings.TrimSuffix(strings.TrimPrefix(r.URL.Path, "/api/traces/"), "/otlp")
	t := b.traces[id]
	if b.late[id]++; t == nil || t.Batch.Spans.N == 0 || b.wrong(-1) == "late" && b.late[id] == 1 {
		http.NotFound(w, r)
		return
	}
	switch {
	case strings.HasSuffix(r.URL.Path, "/otlp"):
		w.Write(otlp.AppendTracesJSON(nil, &t.Batch))
	case r.Header.Get("Accept") == "application/protobuf":
		w.Write(otlp.AppendTraces(nil, &t.Batch))
	default:
		b.jaeger(w, &t.Batch)
	}
}

func (b *backend) jaeger(w http.ResponseWriter, batch *telemetry.Batch) {
	numbers := batch.Spans.Find(telemetry.ScopeSpan, "ledger.number", telemetry.TypeInt)
	texts := batch.Spans.Find(telemetry.ScopeSpan, "ledger.text", telemetry.TypeString)
	var spans []any
	for i, id := range batch.Spans.SpanID {
		spans = append(spans, map[string]any{
			"spanID": hex.EncodeToString(id[:]), "operationName": batch.Spans.Names.Str(batch.Spans.Name[i]),
			"startTime": batch.Spans.Start[i] / 1000, "duration": batch.Spans.Duration[i] / 1000,
			"tags": []any{map[string]any{"key": "ledger.number", "value": numbers.Nums[i]}, map[string]any{"key": "ledger.text", "value": texts.Dict.Str(texts.Codes[i])}},
		})
	}
	json.NewEncoder(w).Encode(map[string]any{"data": []any{map[string]any{"traceID": batch.Spans.TraceID[0].String(), "spans": spans}}})
}

func options(s *httptest.Server) ledger.Options {
	return ledger.Options{To: "grpc://" + s.Listener.Addr().String(), Ask: "tempo", AskURL: s.URL, Spans: 1000, Batch: 16, Settle: time.Second,
		Wait: 20 * time.Second, Access: secret}
}

// Every dialect and both ways of sending see exactly what a backend did wrong.
func TestWhatIsWrongIsCounted(t *testing.T) {
	for _, dialect := range ledger.Dialects() {
		for _, scheme := range []string{"grpc", "http"} {
			t.Run(dialect+" "+scheme, func(t *testing.T) {
				b, s := newBackend(t)
				b.wrong = func(n int64) string {
					return map[int64]string{7: "lose", 500: "lose", 8: "double", 9: "duration", 999: "duration"}[n]
				}
				o := options(s)
				o.To, o.Ask = scheme+"://"+s.Listener.Addr().String(), dialect
				r, err := ledger.Run(context.Background(), o)
				if err != nil {
					t.Fatal(err)
				}
				if r.Sent != 1024 || r.Acknowledged != 1024 || r.Found != 1022 || r.Lost != 2 || r.Doubled != 1 || r.Damaged != 2 || r.Balanced() {
					t.Errorf("%+v", r)
				}
				if len(r.Examples) != 5 || r.Examples[0].TraceID == "" {
					t.Errorf("examples: %+v", r.Examples)
				}
			})
		}
	}
}

// A backend that finds late is waited for; one that refuses is sent to again; a
// span that was refused is not taken for acknowledged.
func TestPatience(t *testing.T) {
	b, s := newBackend(t)
	b.wrong = func(n int64) string {
		if n < 0 {
			return "late"
		}
		return ""
	}
	b.answers = every3(tooMany)
	r, err := ledger.Run(context.Background(), options(s))
	if err != nil || !r.Balanced() || r.Found != 1024 || r.Repeats == 0 || r.SlowestFound == 0 {
		t.Errorf("%+v, %v", r, err)
	}
}

// The proxy cuts connections in the middle; what was in flight is sent again, and
// what a backend without a sense of repeats then has twice is counted.
func TestCut(t *testing.T) {
	_, s := newBackend(t)
	o := options(s)
	o.Cut, o.Cycles, o.Down, o.Spans = true, 5, time.Millisecond, 4000
	r, err := ledger.Run(context.Background(), o)
	if err != nil || !r.Balanced() || r.Acknowledged != 4096 || r.Cycles != 5 || r.SlowestBack <= 0 || r.LongestGap < r.SlowestBack {
		t.Errorf("%+v, %v", r, err)
	}
}

// What somebody else does to the backend shows as the longest time without an
// acknowledgement; from a break of its own nothing came back.
func TestLongestGap(t *testing.T) {
	b, s := newBackend(t)
	b.answers = func(request int) *answer {
		if request > 10 && request <= 15 {
			return &tooMany
		}
		return nil
	}
	o := options(s)
	o.Connections = 1
	r, err := ledger.Run(context.Background(), o)
	// The only sender pauses for 20 ms after each of five refusals.
	if err != nil || r.Repeats != 5 || r.LongestGap < 0.1 || r.LongestGap > r.Seconds || r.SlowestBack != 0 || r.Cycles != 0 {
		t.Errorf("%+v, %v", r, err)
	}
}

func TestRunsThatCannotBeMade(t *testing.T) {
	b, s := newBackend(t)
	for name, c := range map[string]struct {
		change func(*ledger.Options)
		want   string
	}{
		"two ways":       {func(o *ledger.Options) { o.Cut, o.Process = true, "1" }, "choose one"},
		"scheme":         {func(o *ledger.Options) { o.To = "ftp://x" }, "begins with none of grpc"},
		"no host":        {func(o *ledger.Options) { o.To = "localhost" }, "is no address: write grpc://host:4317"},
		"dialect":        {func(o *ledger.Options) { o.Ask = "zipkin" }, "is no dialect: write one of clew, tempo, jaeger"},
		"address":        {func(o *ledger.Options) { o.AskURL = "x" }, "is no address to ask"},
		"batch":          {func(o *ledger.Options) { o.Batch = ledger.MaxBatch + 1 }, "batch is 8193: write 1 to 8192"},
		"connections":    {func(o *ledger.Options) { o.Connections = -1 }, "connections is -1"},
		"spans":          {func(o *ledger.Options) { o.Spans = ledger.MaxSpans + 1 }, "write 1 to 100000000"},
		"cycles":         {func(o *ledger.Options) { o.Cut, o.Cycles = true, 64 }, "1000 spans are 64 requests of 16, too few to break 64 times: send at least 1040 spans"},
		"addresses":      {func(o *ledger.Options) { o.To, o.Connections = o.To+","+o.To, 1 }, "2 addresses to send to, and 1 connections"},
		"nobody there":   {func(o *ledger.Options) { o.To, o.Wait = "grpc://127.0.0.1:1", 50*time.Millisecond }, "nothing was acknowledged for 50ms"},
		"no permission":  {func(o *ledger.Options) { o.Access, o.Wait = ledger.Access{}, 50*time.Millisecond }, "who are you"},
		"rejected":       {func(*ledger.Options) { b.reject = true }, "rejected spans of a sound request"},
		"command ends":   {func(o *ledger.Options) { o.Command, o.To = "echo over and out; exit 3", "grpc://127.0.0.1:1" }, "ended by itself (exit status 3); the end of what it wrote:\nover and out"},
		"no process":     {func(o *ledger.Options) { o.Process = "none.pid" }, "write its number, or a file that holds it"},
		"our own":        {func(o *ledger.Options) { o.Process = fmt.Sprint(os.Getpid()) }, "is not one to kill"},
		"everybody":      {func(o *ledger.Options) { o.Process = "-1" }, "is not one to kill"},
		"nobody answers": {func(o *ledger.Options) { o.AskURL, o.Wait = "http://127.0.0.1:1", 50*time.Millisecond }, "ask for a trace"},
	} {
		t.Run(name, func(t *testing.T) {
			b.mu.Lock()
			b.reject = false
			b.mu.Unlock()
			o := options(s)
			c.change(&o)
			if r, err := ledger.Run(context.Background(), o); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%+v, %v; want %q", r, err, c.want)
			}
		})
	}
}

// A pid file that holds something else is refused.
func TestPidFile(t *testing.T) {
	_, s := newBackend(t)
	o := options(s)
	o.Process = filepath.Join(t.TempDir(), "pid")
	if err := os.WriteFile(o.Process, []byte("soon\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := ledger.Run(context.Background(), o); err == nil || !strings.Contains(err.Error(), "holds no number") {
		t.Error(err)
	}
}
