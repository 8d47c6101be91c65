package api_test

import (
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/clew-dev/clew/internal/api"
	"github.com/clew-dev/clew/internal/api/apitest"
	"github.com/clew-dev/clew/internal/telemetry"
)

func TestTail(t *testing.T) {
	f := apitest.Seed()
	s := api.New(options(t, f))
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := api.NewHTTP(s, slog.New(slog.DiscardHandler))
	go server.Serve(l)
	resp, err := http.Get("http://" + l.Addr().String() + "/api/tail?q=" + url.QueryEscape(`{ name = "Charge" }`))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if typ := resp.Header.Get("Content-Type"); resp.StatusCode != 200 || typ != "text/event-stream" {
		t.Fatalf("%d %s", resp.StatusCode, typ)
	}
	read := lines(resp.Body)
	if got := <-read; got != ": open" {
		t.Errorf("first line %q", got)
	}
	<-read
	// The store may not have begun to follow yet: send until something comes.
	var got string
	for n := byte(1); got == ""; n++ {
		b := telemetry.NewBuilder()
		b.Reset("default")
		b.Resources.AddRow()
		b.Scopes.AddRow()
		b.AddSpan(telemetry.Span{TraceID: telemetry.TraceID{15: n}, SpanID: telemetry.SpanID{7: n}, Start: 5, Duration: 6, Kind: telemetry.KindServer}, []byte("Charge"))
		b.AddSpan(telemetry.Span{TraceID: telemetry.TraceID{15: n}, SpanID: telemetry.SpanID{6: n}}, []byte("other\nline"))
		if err := f.Append(&b.Batch, int64(n), 1, 2); err != nil {
			t.Fatal(err)
		}
		select {
		case got = <-read:
		case <-time.After(20 * time.Millisecond):
		}
	}
	if data := <-read; got != "event: missed" || data != "data: 1" {
		t.Errorf("%q %q", got, data)
	}
	<-read
	data := <-read
	var spans []map[string]any
	if err := json.Unmarshal([]byte(strings.TrimPrefix(data, "data: ")), &spans); err != nil {
		t.Fatalf("%q: %v", data, err)
	}
	if len(spans) != 1 || spans[0]["name"] != "Charge" || spans[0]["start"] != "5" || spans[0]["kind"] != "server" || len(spans[0]["traceId"].(string)) != 32 {
		t.Errorf("got %v", spans)
	}
	s.Stop()
	for range read { // until the stream ends
	}
	if err := server.Shutdown(context.Background()); err != nil {
		t.Error(err)
	}
}

func lines(r io.Reader) <-chan string {
	out := make(chan string)
	go func() {
		defer close(out)
		b, one := make([]byte, 1), []byte{}
		for {
			if _, err := r.Read(b); err != nil {
				return
			}
			if b[0] == '\n' {
				out <- string(one)
				one = one[:0]
				continue
			}
			one = append(one, b[0])
		}
	}()
	return out
}

func TestTailRefusals(t *testing.T) {
	h := api.New(options(t, apitest.Seed()))
	for _, q := range []string{"{} >> {}", "{} | count() > 1", "{} | rate()", "{"} {
		if w := get(h, apitest.Request("GET", "/api/tail?q="+url.QueryEscape(q))); w.Code != 400 {
			t.Errorf("%q: %d %s", q, w.Code, w.Body)
		}
	}
	f := apitest.Seed()
	f.Err = telemetry.Errorf(telemetry.KindUnavailable, "closing")
	w := get(api.New(options(t, f)), apitest.Request("GET", "/api/tail"))
	if !strings.Contains(w.Body.String(), "event: failed\ndata: {\"error\":{\"kind\":\"unavailable\",\"message\":\"closing\"}}\n\n") {
		t.Errorf("an error in a stream: %q", w.Body)
	}
}
