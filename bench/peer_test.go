package main

import (
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"
)

func TestParsePeer(t *testing.T) {
	for _, good := range []struct{ text, name, query, data string }{
		{"tempo=127.0.0.1:4317,http://127.0.0.1:3200", "tempo", "http://127.0.0.1:3200", ""},
		{"v-1.2=http://h:1/insert/opentelemetry/v1/traces,h:2/select/jaeger/", "v-1.2", "http://h:2/select/jaeger", ""},
		{"j=grpc://[::1]:4317,https://h,data=/x=y,pid=12", "j", "https://h", "/x=y"},
	} {
		p, err := parsePeer(good.text)
		if err != nil || p.name != good.name || p.query.base != good.query || p.data != good.data {
			t.Errorf("%s gives %+v, %v", good.text, p, err)
		}
	}
	for text, want := range map[string]string{
		"":                          "write NAME=OTLP,QUERY",
		"tempo":                     "write NAME=OTLP,QUERY",
		"tempo=127.0.0.1:4317":      "write NAME=OTLP,QUERY",
		"a b=h:1,h:2":               "write NAME=OTLP,QUERY",
		"a=h,h:2":                   "write HOST:PORT",
		"a=h:,h:2":                  "write HOST:PORT",
		"a=http://,h:2":             "no URL",
		"a=h:1,ftp://h":             "write a URL such as",
		"a=h:1,http://h/?tenant=1":  "write a URL such as",
		"a=h:1,h:2,pid=x":           "no id of a process",
		"a=h:1,h:2,pid=0":           "no id of a process",
		"a=h:1,h:2,data=":           "write NAME=OTLP,QUERY",
		"a=h:1,h:2,password=secret": "write NAME=OTLP,QUERY",
	} {
		if _, err := parsePeer(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q gives %v; want %s", text, err, want)
		}
	}
}

// backend is a peer over HTTP whose answers the test decides.
type backend struct {
	*httptest.Server
	export http.HandlerFunc
	routes map[string]http.HandlerFunc // by path
}

func newBackend(t *testing.T) *backend {
	b := &backend{export: func(http.ResponseWriter, *http.Request) {}, routes: map[string]http.HandlerFunc{"/api/echo": say("echo")}}
	b.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/v1/traces" {
			b.export(w, r)
			return
		}
		for path, h := range b.routes {
			if r.URL.Path == path || strings.HasSuffix(path, "/") && strings.HasPrefix(r.URL.Path, path) {
				h(w, r)
				return
			}
		}
		http.NotFound(w, r)
	}))
	t.Cleanup(b.Close)
	return b
}

func say(text string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, text) }
}

// never answers until the client gives up. It reads the request first: a server
// learns only then that its client is gone.
func never(_ http.ResponseWriter, r *http.Request) {
	io.Copy(io.Discard, r.Body)
	<-r.Context().Done()
}

func (b *backend) peer(t *testing.T) *peer {
	t.Helper()
	p, err := parsePeer("other=" + b.URL + "," + b.URL)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// What is wrong with a peer is said before anything is measured.
func TestPeerThatCannotBeMeasured(t *testing.T) {
	gone, err := freeAddress()
	if err != nil {
		t.Fatal(err)
	}
	refuse := func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "no token", http.StatusUnauthorized) }
	for name, c := range map[string]struct {
		change func(b *backend)
		otlp   string
		want   string
	}{
		"down":                     {func(*backend) {}, gone, `connection refused"; start it, mend the address`},
		"down, HTTP":               {func(*backend) {}, "http://" + gone, "connection refused; start it, mend the address"},
		"slow to take":             {func(b *backend) { b.export = never }, "", "no answer in 300ms; start it"},
		"refuses":                  {func(b *backend) { b.export = refuse }, "", "401 Unauthorized: no token"},
		"slow to answer":           {func(b *backend) { b.routes["/api/echo"] = never }, "", "no answer in 300ms"},
		"neither dialect":          {func(b *backend) { b.routes = nil }, "", "neither Tempo's dialect (GET /api/echo: /api/echo: not found) nor Jaeger's"},
		"questions are refused":    {func(b *backend) { b.routes["/api/echo"] = refuse }, "", "answered 401 Unauthorized: no token"},
		"a web page for all paths": {func(b *backend) { b.routes = map[string]http.HandlerFunc{"/": say("<html>")} }, "", "neither Tempo's dialect (GET /api/echo: another answer)"},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBackend(t)
			c.change(b)
			otlp := c.otlp
			if otlp == "" {
				otlp = b.URL
			}
			p, err := parsePeer("other=" + otlp + "," + b.URL)
			if err != nil {
				t.Fatal(err)
			}
			if err := p.connect(t.Context(), 300*time.Millisecond); err == nil || !strings.HasPrefix(err.Error(), "peer other: ") || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v; want %s", err, c.want)
			}
		})
	}
}

// memory is a backend that keeps spans and speaks Jaeger's dialect as far as the bench asks.
type memory struct {
	sync.Mutex
	spans map[traceID][]*tracepb.Span
	fast  map[traceID]bool // traces that hold the three predicates
}

func (m *memory) export(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	var d tracepb.TracesData
	if proto.Unmarshal(body, &d) != nil {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	m.Lock()
	defer m.Unlock()
	for _, rs := range d.ResourceSpans {
		for _, s := range rs.ScopeSpans[0].Spans {
			id := traceID(s.TraceId)
			m.spans[id] = append(m.spans[id], s)
			if rs.Resource.Attributes[0].Value.GetStringValue() == "payment" && s.Kind == client && s.EndTimeUnixNano-s.StartTimeUnixNano > 40e6 {
				m.fast[id] = true
			}
		}
	}
}

func (m *memory) answer(w http.ResponseWriter, r *http.Request) {
	m.Lock()
	defer m.Unlock()
	var ids []traceID
	if id, err := parseTraceID(strings.TrimPrefix(r.URL.Path, "/api/traces/")); err == nil {
		ids = append(ids, id)
	} else if r.FormValue("service") == "payment" && r.FormValue("tags") == `{"span.kind":"client"}` && r.FormValue("minDuration") == "40ms" && r.FormValue("limit") == "20" {
		for id := range m.fast {
			ids = append(ids, id)
		}
		ids = ids[:min(len(ids), 20)]
	}
	data := []any{}
	for _, id := range ids {
		spans := []any{}
		for _, s := range m.spans[id] {
			spans = append(spans, map[string]string{"spanID": hex.EncodeToString(s.SpanId)})
		}
		data = append(data, map[string]any{"traceID": strings.TrimLeft(hex.EncodeToString(id[:]), "0"), "spans": spans})
	}
	json.NewEncoder(w).Encode(map[string]any{"data": data})
}

// measured measures a peer with a small load and gives its cells by row.
func measured(t *testing.T, b *backend, patience time.Duration) (map[string]cell, error) {
	t.Helper()
	p := b.peer(t)
	if err := p.connect(t.Context(), 5*time.Second); err != nil {
		t.Fatal(err)
	}
	run := &bench{runOptions: runOptions{conns: 2, seed: 1, patience: patience, peers: []*peer{p}}, folder: t.TempDir(), progress: io.Discard}
	for _, id := range peerRows() {
		run.add(row{id: id})
	}
	if err := run.beside(t.Context(), 0, load1(t, "shop", 5000, 1), 1); err != nil {
		t.Fatal(err)
	}
	cells := map[string]cell{}
	for _, r := range run.rows {
		if len(r.peers) != 1 {
			t.Fatalf("row %s has %d cells of one peer", r.id, len(r.peers))
		}
		cells[r.id] = r.peers[0]
	}
	return cells, run.peerFailures()
}

func jaegerBackend(t *testing.T) (*backend, *memory) {
	m := &memory{spans: map[traceID][]*tracepb.Span{}, fast: map[traceID]bool{}}
	b := newBackend(t)
	b.export = m.export
	b.routes = map[string]http.HandlerFunc{"/api/services": say(`{"data":["payment"]}`), "/api/traces": m.answer, "/api/traces/": m.answer}
	return b, m
}

// A peer of Jaeger's dialect answers what that has words for; the rest says so.
func TestJaegerPeer(t *testing.T) {
	b, _ := jaegerBackend(t)
	cells, err := measured(t, b, 10*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	for _, id := range []string{"ingest.rate", "trace.median", "trace.p99", "query.any20", "visible"} {
		if c := cells[id]; c.why != "" || c.value <= 0 {
			t.Errorf("%s: %+v", id, c)
		}
	}
	for _, id := range []string{"query.slowest20", "query.p99_over_time", "query.structural", "query.substring"} {
		if c := cells[id]; !strings.HasPrefix(c.why, "cannot be asked: ") {
			t.Errorf("%s: %+v", id, c)
		}
	}
	if !strings.Contains(cells["ingest.share"].why, "pid=") || !strings.Contains(cells["bytes_per_span"].why, "data=") {
		t.Errorf("%+v, %+v", cells["ingest.share"], cells["bytes_per_span"])
	}
}

// A peer that fails, forgets or lies while it is measured is a finding about the peer.
func TestPeerThatFails(t *testing.T) {
	t.Run("refuses spans", func(t *testing.T) {
		b, m := jaegerBackend(t)
		b.export = func(w http.ResponseWriter, r *http.Request) {
			if r.ContentLength > 0 {
				http.Error(w, "full", http.StatusServiceUnavailable)
				return
			}
			m.export(w, r)
		}
		cells, err := measured(t, b, 300*time.Millisecond)
		if err == nil || !strings.Contains(err.Error(), "peer other: send the load: not acknowledged in 300ms") || !strings.Contains(err.Error(), "503 Service Unavailable: full") {
			t.Errorf("got %v", err)
		}
		for id, c := range cells {
			if !strings.Contains(c.why, "not acknowledged in 300ms") {
				t.Errorf("%s: %+v", id, c)
			}
		}
	})
	t.Run("refuses spans for good", func(t *testing.T) {
		b, m := jaegerBackend(t)
		b.export = func(w http.ResponseWriter, r *http.Request) {
			if r.ContentLength > 0 {
				http.Error(w, "quota", http.StatusForbidden)
				return
			}
			m.export(w, r)
		}
		if _, err := measured(t, b, time.Hour); err == nil || !strings.Contains(err.Error(), "403 Forbidden: quota") {
			t.Errorf("got %v", err)
		}
	})
	t.Run("forgets a trace", func(t *testing.T) {
		b, _ := jaegerBackend(t)
		b.export = func(http.ResponseWriter, *http.Request) {}
		cells, err := measured(t, b, 500*time.Millisecond)
		if err != nil || !strings.Contains(cells["trace.median"].why, "is not whole 2s after the load was acknowledged: 0 of") || cells["ingest.rate"].value <= 0 {
			t.Errorf("%v, %+v", err, cells)
		}
	})
	t.Run("does not answer a search", func(t *testing.T) {
		b, _ := jaegerBackend(t)
		b.routes["/api/traces"] = never
		cells, err := measured(t, b, 2*time.Second)
		if err != nil || cells["query.any20"].why != "any 20 traces of three predicates: no answer in 2s" {
			t.Errorf("%v, %+v", err, cells["query.any20"])
		}
	})
	t.Run("answers a search wrongly", func(t *testing.T) {
		b, _ := jaegerBackend(t)
		b.routes["/api/traces"] = say(`{"data":[{"traceID":"1"}]}`)
		cells, err := measured(t, b, 10*time.Second)
		if err != nil || !strings.Contains(cells["query.any20"].why, "1 traces, want ") {
			t.Errorf("%v, %+v", err, cells["query.any20"])
		}
	})
}

// The bench through real sockets: every part, with a second clew as the peer, asked
// in Tempo's dialect, and with the Collector where make has built it.
func TestQuickRunWithPeer(t *testing.T) {
	binary := "../bin/clew"
	if _, err := os.Stat(binary); err != nil {
		t.Skip("bin/clew is not built; make test builds it first")
	}
	collector := "../bin/bench-collector"
	if _, err := os.Stat(collector); err != nil {
		t.Log("bin/bench-collector is not built; make test builds it first")
		collector = ""
	}
	other, err := startClew(t.Context(), binary, filepath.Join(t.TempDir(), "other"))
	if err != nil {
		t.Fatal(err)
	}
	defer other.stop()
	path := filepath.Join(t.TempDir(), "out.json")
	var out, progress strings.Builder
	err = run(t.Context(), []string{"run", "--quick", "--clew", binary, "--collector", collector, "--json", path,
		"--peer", fmt.Sprintf("other=%s,%s,pid=%d,data=%s", other.grpc, other.tempo.base, other.pid(), other.data)}, &out, &progress)
	if err != nil {
		t.Fatalf("%v\n%s", err, progress.String())
	}
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var r results
	if err := json.Unmarshal(text, &r); err != nil {
		t.Fatal(err)
	}
	rows := map[string]rowJSON{}
	for _, row := range r.Rows {
		rows[row.ID] = row
		if !strings.Contains(out.String(), row.What) {
			t.Errorf("the table lacks %q", row.What)
		}
	}
	if len(rows) != len(r.Rows) {
		t.Errorf("%d rows have %d ids", len(r.Rows), len(rows))
	}
	for _, id := range peerRows() {
		cells := rows[id].Peers
		switch {
		case len(cells) != 1:
			t.Errorf("%s has %d cells of one peer", id, len(cells))
		case id == "query.slowest20":
			if !strings.Contains(cells[0].Why, "no order by duration") {
				t.Errorf("%s: %+v", id, cells[0])
			}
		case cells[0].Value == nil || *cells[0].Value <= 0:
			t.Errorf("%s: %+v", id, cells[0])
		}
	}
	for _, id := range []string{"start.empty", "start.full", "memory.idle", "ack.disk", "ack.half_rate_with_questions", "ledger.lost", "wide.share", "machine.others"} {
		if rows[id].ID == "" {
			t.Errorf("there is no row %s", id)
		}
	}
	if collector != "" && (rows["wide.against_queue"].Value <= 0 || rows["high-cardinality.against_queue"].Value <= 0) {
		t.Errorf("against the queue: %+v, %+v", rows["wide.against_queue"], rows["high-cardinality.against_queue"])
	}
}

// A receiver that stalls delays those behind, and their waiting counts: as many
// frames are late as were due while it stalled, not only those that it held.
func TestPacedCountsWaiting(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	open := make(chan struct{})
	server := grpc.NewServer(grpc.ForceServerCodecV2(asIs{}), grpc.UnknownServiceHandler(func(_ any, stream grpc.ServerStream) error {
		var frame []byte
		if err := stream.RecvMsg(&frame); err != nil {
			return err
		}
		<-open
		return stream.SendMsg(&[]byte{})
	}))
	go server.Serve(listener)
	defer server.Stop()
	l, err := makeLoad(filepath.Join(t.TempDir(), "load"), "shop", 3000, 10, 1)
	if err != nil {
		t.Fatal(err)
	}
	const stall = 400 * time.Millisecond
	time.AfterFunc(stall, func() { close(open) })
	took, err := paced(t.Context(), l, listener.Addr().String(), 2, float64(l.facts.spans)/0.2) // all are due in the first 0.2 s
	if err != nil {
		t.Fatal(err)
	}
	if len(took) != l.frames || l.frames < 2*inFlight {
		t.Fatalf("%d of %d frames were acknowledged", len(took), l.frames)
	}
	if least := slices.Min(took); least < stall/4 {
		t.Errorf("a frame that was due while nothing was acknowledged took %s", least)
	}
}

func TestRunFlags(t *testing.T) {
	for text, want := range map[string]string{
		"--spans 0":                     "--spans 0: write 1 or more",
		"--runs 0":                      "--runs 0: write 1 or more",
		"--conns 65":                    "--conns 65: write 64 at most",
		"--patience 0s":                 "--patience 0s: write more than nothing",
		"--parts shop,kits":             `"kits" is no part; write some of start,shop,charter,ledger,shapes`,
		"now":                           `"now" is no flag`,
		"--peer a":                      "write NAME=OTLP,QUERY",
		"--peer a=h:1,h --peer a=h:1,h": "peer a is there twice",
		"--clew ./none":                 "make build builds it",
	} {
		if err := run(t.Context(), append([]string{"run"}, strings.Fields(text)...), io.Discard, io.Discard); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s gives %v; want %s", text, err, want)
		}
	}
}

// The words of a search reach a server of Tempo's dialect as its documentation has them.
func TestTempoQuestions(t *testing.T) {
	asked := map[string]url.Values{}
	b := newBackend(t)
	for _, path := range []string{"/api/search", "/api/metrics/query_range"} {
		b.routes[path] = func(w http.ResponseWriter, r *http.Request) {
			asked[path] = r.URL.Query()
			io.WriteString(w, `{"traces":[{"traceID":"abc"}],"series":[{}]}`)
		}
	}
	f := &facts{from: 1_500_000_000, to: 61_500_000_001, matching: map[traceID]bool{{14: 0xa, 15: 0xbc}: true}, names: map[string]bool{"x": true}}
	q := tempo{newWeb(b.URL)}
	if err := q.some(t.Context(), f); err != nil {
		t.Error(err)
	}
	if err := q.percentiles(t.Context(), f); err != nil {
		t.Error(err)
	}
	if v := asked["/api/search"]; v.Get("start") != "1" || v.Get("end") != "62" || v.Get("limit") != "20" || v.Get("q") != predicates {
		t.Errorf("asked %v", v)
	}
	if v := asked["/api/metrics/query_range"]; v.Get("step") != "1s" || v.Get("q") != percentilesQuery {
		t.Errorf("asked %v", v)
	}
}
