package main

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// api is a server whose answers a test gives by path, and what it was asked.
type api struct {
	url   string
	asked []*http.Request
}

func newAPI(t *testing.T, handle func(w http.ResponseWriter, r *http.Request)) *api {
	t.Helper()
	a := &api{}
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		a.asked = append(a.asked, r)
		handle(w, r)
	}))
	t.Cleanup(srv.Close)
	a.url = srv.URL
	return a
}

const pageOne = `{"traces":[
{"traceId":"0af7651916cd43dd8448eb211c80319c","rootService":"edge","rootName":"GET /\u001b[2J","start":"1793398263123456789","duration":412300000,"spans":37,"errors":2,"matched":1,
 "found":[{"spanId":"b7ad6b7169203331","service":"payment","name":"Charge","status":"error","start":"1793398263123456789","duration":85000000,"attributes":[{"key":"span.psp","value":"acme","type":"string"},{"key":"span.try","value":2,"type":"int"}]}]}],
"cursor":"c2","partial":""}`

const pageTwo = `{"traces":[
{"traceId":"4bf92f3577b34da6a3ce929d0e0e4736","rootService":"worker","rootName":"sweep","rootMissing":true,"start":"1793398200000000000","duration":900,"spans":1,"errors":0,"matched":1,"found":[]}],
"cursor":"","partial":"segment 17 is quarantined"}`

func searchPages(w http.ResponseWriter, r *http.Request) {
	if r.FormValue("cursor") == "c2" {
		fmt.Fprint(w, pageTwo)
		return
	}
	fmt.Fprint(w, pageOne)
}

func TestSearchPages(t *testing.T) {
	a := newAPI(t, searchPages)
	env := map[string]string{"CLEW_SERVER": a.url}
	one := runClew(t, env, "search", `{ status = error }`, "--order=slowest", "-spans", "3", "--since", "1d")
	if one.code != 0 {
		t.Fatalf("exit code %d: %s", one.code, one.err)
	}
	golden(t, "testdata/search-page.txt", one.out)
	if !strings.Contains(one.err, "--cursor c2") {
		t.Errorf("the end of a page does not give the cursor: %q", one.err)
	}
	q := a.asked[0].URL.Query()
	if q.Get("q") != `{ status = error }` || q.Get("order") != "slowest" || q.Get("from") != "now-86400s" || q.Get("to") != "now" || q.Get("spans") != "3" {
		t.Errorf("asked for %v", q)
	}
	all := runClew(t, env, "search", "--all")
	if all.code != 0 {
		t.Fatalf("exit code %d: %s", all.code, all.err)
	}
	golden(t, "testdata/search-all.txt", all.out)
	if !strings.Contains(all.err, "partial: segment 17 is quarantined") {
		t.Errorf("a partial page is not announced: %q", all.err)
	}
	lines := runClew(t, env, "search", "--all", "--json")
	if strings.Count(lines.out, `"traces"`) != 2 {
		t.Errorf("--all --json does not give both answers: %s", lines.out)
	}
}

func TestSearchStopsWhenACursorDoesNotMove(t *testing.T) {
	a := newAPI(t, func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, pageOne) })
	r := runClew(t, map[string]string{"CLEW_SERVER": a.url}, "search", "--all")
	if r.code != 1 || !strings.Contains(r.err, "same cursor") || len(a.asked) != 2 {
		t.Errorf("exit code %d after %d requests: %s", r.code, len(a.asked), r.err)
	}
}

func TestTail(t *testing.T) {
	a := newAPI(t, func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprint(w, ": hello\n\n")
		fmt.Fprint(w, `data: [{"traceId":"0af7651916cd43dd8448eb211c80319c","spanId":"01","service":"pay","name":"Charge","status":"error","start":"1793398263123456789","duration":85000000,"attributes":[]},`+"\n")
		fmt.Fprint(w, `data: {"traceId":"0af7651916cd43dd8448eb211c80319c","spanId":"02","service":"pay","name":"x\ny","status":"ok","start":"1793398263123456789","duration":85,"attributes":[]}]`+"\n\n")
		fmt.Fprint(w, "event: missed\ndata: 12\n\n")
		fmt.Fprint(w, `data: [{"traceId":"0af7651916cd43dd8448eb211c80319c","spanId":"03","service":"pay","name":"three","status":"ok","start":"1793398263123456789","duration":85,"attributes":[]}]`+"\n\n")
	})
	env := map[string]string{"CLEW_SERVER": a.url}
	r := runClew(t, env, "tail", `{ status = error }`)
	golden(t, "testdata/tail.txt", r.out)
	if r.code != 1 || !strings.Contains(r.err, "12 spans left out") || !strings.Contains(r.err, "the server ended the stream") {
		t.Errorf("exit code %d, %q: want the loss, and that the stream ended", r.code, r.err)
	}
	counted := runClew(t, env, "tail", "--count", "2", "--json")
	if counted.code != 0 || strings.Count(counted.out, "\n") != 2 || strings.Contains(counted.out, "three") {
		t.Errorf("--count 2 gave exit code %d and %q", counted.code, counted.out)
	}
}

func TestTailSaysWhyItFailed(t *testing.T) {
	a := newAPI(t, func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprint(w, "event: failed\ndata: {\"error\":{\"kind\":\"unavailable\",\"message\":\"the server stops\"}}\n\n")
	})
	r := runClew(t, map[string]string{"CLEW_SERVER": a.url}, "tail")
	if r.code != 1 || r.err != "clew: tail: the server stops\n" {
		t.Errorf("exit code %d, %q", r.code, r.err)
	}
}

func TestTailEndsQuietlyOnCtrlC(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	a := newAPI(t, func(w http.ResponseWriter, r *http.Request) {
		w.(http.Flusher).Flush()
		cancel()
		<-r.Context().Done()
	})
	var out, errOut bytes.Buffer
	env := func(k string) string { return map[string]string{"CLEW_SERVER": a.url}[k] }
	if err := run(ctx, []string{"tail"}, env, stdio{out: &out, err: &errOut}); err != nil {
		t.Errorf("tail ended with %v; want no error after Ctrl-C", err)
	}
}

func TestServicesAndStatus(t *testing.T) {
	a := newAPI(t, func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.EscapedPath() {
		case "/api/services":
			fmt.Fprint(w, `{"services":[{"name":"checkout","spans":1200,"requests":400,"errors":3,"p50":2100000,"p95":85000000,"p99":412300000,"lastSeen":"1793398263123456789"},{"name":"cron","spans":4,"requests":0,"errors":0,"p50":900,"p95":900,"p99":900,"lastSeen":"1793398263123456789"}],"partial":""}`)
		case "/api/services/a%2Fb%20c/operations":
			fmt.Fprint(w, `{"operations":[{"name":"POST /checkout","kind":"server","spans":400,"requests":400,"errors":3,"p50":2100000,"p95":85000000,"p99":412300000,"lastSeen":"1793398263123456789"}],"partial":""}`)
		case "/api/status":
			fmt.Fprint(w, `{"version":"v0.1.0","uptime_seconds":93.4,"ready":true,"read_only":"the disk is full","lag_bytes":0,"log_bytes":1048576,"fresh_rows":1,"fresh_bytes":328,"merges_running":0,"spans_stored":1000,"segments":3,"disk_bytes":38000,"quarantined":1,"tenants":[],"counters":{"dropped_late":7,"dropped_never":0}}`)
		default:
			t.Errorf("asked for %s", r.URL.EscapedPath())
			http.NotFound(w, r)
		}
	})
	env := map[string]string{"CLEW_SERVER": a.url}
	golden(t, "testdata/services.txt", runClew(t, env, "services").out)
	golden(t, "testdata/operations.txt", runClew(t, env, "services", "a/b c").out)
	golden(t, "testdata/status.txt", runClew(t, env, "status").out)
}

func TestClientSendsTokenAndTenant(t *testing.T) {
	a := newAPI(t, func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, `{}`) })
	file := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(file, []byte("clew_secret\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	r := runClew(t, map[string]string{"CLEW_TOKEN": "other"}, "flush", "--server", a.url+"/", "--token-file", file, "--tenant=blue")
	if r.code != 0 {
		t.Fatal(r.err)
	}
	got := a.asked[0]
	if got.Method != "POST" || got.URL.Path != "/api/flush" || got.Header.Get("Authorization") != "Bearer clew_secret" || got.Header.Get("X-Scope-OrgID") != "blue" {
		t.Errorf("asked %s %s with %v", got.Method, got.URL.Path, got.Header)
	}
}

func TestClientErrorsSayWhatToDo(t *testing.T) {
	answer := func(code int, body string) func(http.ResponseWriter, *http.Request) {
		return func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(code); fmt.Fprint(w, body) }
	}
	cases := []struct {
		name   string
		handle func(http.ResponseWriter, *http.Request)
		want   string
	}{
		{"of the query", answer(400, `{"error":{"kind":"invalid","message":"query:1:17: unknown \u001b field","position":17}}`), `clew: status: query:1:17: unknown \x1b field`},
		{"internal", answer(500, `{"error":{"kind":"internal","message":"something broke","id":"7f3a"}}`), "clew: status: something broke (id 7f3a)"},
		{"no token", answer(401, `{"error":{"kind":"unauthenticated","message":"a token is needed"}}`), "give a token with --token-file or CLEW_TOKEN"},
		{"plain", answer(503, "not ready"), "clew: status: not ready"},
		{"empty", answer(502, ""), "clew: status: the server answered 502 Bad Gateway"},
		{"another program", answer(200, "<html>"), "is --server another program?"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			r := runClew(t, map[string]string{"CLEW_SERVER": newAPI(t, c.handle).url}, "status")
			if r.code != 1 || !strings.Contains(r.err, c.want) {
				t.Errorf("exit code %d, %q; want %q in it", r.code, r.err, c.want)
			}
		})
	}
	t.Run("nobody there", func(t *testing.T) {
		srv := httptest.NewServer(nil)
		srv.Close()
		r := runClew(t, map[string]string{"CLEW_SERVER": srv.URL}, "status")
		if r.code != 1 || !strings.Contains(r.err, "nothing listens at "+srv.URL) {
			t.Errorf("exit code %d, %q", r.code, r.err)
		}
	})
}
