package api_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/clew-dev/clew/internal/api"
	"github.com/clew-dev/clew/internal/api/apitest"
	"github.com/clew-dev/clew/internal/policy"
)

// kitServer serves a policy on a real port.
func kitServer(t *testing.T, change func(*api.Options)) (url string, source *policy.Source, s *api.Server) {
	t.Helper()
	source = policy.NewSource(policyOf(t, ""))
	o := options(t, apitest.Seed())
	o.Policy = source
	if change != nil {
		change(&o)
	}
	s = api.New(o)
	server := httptest.NewServer(s)
	t.Cleanup(server.Close)
	return server.URL, source, s
}

func ask(t *testing.T, url, etag, kit string) (int, string, string) {
	t.Helper()
	r, err := http.NewRequest("GET", url, nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("If-None-Match", etag)
	if kit != "" {
		r.Header.Set("Clew-Kit", kit)
	}
	w, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Error(err)
		return 0, "", ""
	}
	defer w.Body.Close()
	body, err := io.ReadAll(w.Body)
	if err != nil {
		t.Error(err)
	}
	return w.StatusCode, w.Header.Get("ETag"), string(body)
}

// TestKitsHearOfAChange: 300 kits, more than requests of people may run at once,
// wait for the policy; people are served meanwhile; a change reaches every kit
// within two seconds, and the page of instances says who has applied what.
func TestKitsHearOfAChange(t *testing.T) {
	url, source, _ := kitServer(t, func(o *api.Options) { o.MaxRequests = 8 })
	status, tag, _ := ask(t, url+"/api/kit/policy?service=orders", "", "")
	if status != 200 || tag == "" {
		t.Fatalf("%d %q", status, tag)
	}
	if status, again, body := ask(t, url+"/api/kit/policy?service=orders&wait=10ms", tag, ""); status != 304 || again != tag || body != "" {
		t.Errorf("nothing changed: %d %q %q", status, again, body)
	}
	// A proxy that compresses makes the tag a weak one, and If-None-Match compares weakly (RFC 9110, 13.1.2).
	if status, _, _ := ask(t, url+"/api/kit/policy?service=orders&wait=10ms", "W/"+tag, ""); status != 304 {
		t.Errorf("nothing changed under a weak tag: %d", status)
	}
	type answer struct {
		status int
		body   string
	}
	answers := make(chan answer, 300)
	for i := range cap(answers) {
		go func() {
			kit := fmt.Sprintf(`{"service":"orders","instance":"%03d","language":"rust","applied":"old","levels":{"sql":"standard"}}`, i)
			status, _, body := ask(t, url+"/api/kit/policy?service=orders&wait=30s", tag, kit)
			answers <- answer{status, body}
		}()
	}
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		status, _, body := ask(t, url+"/api/kit/instances", "", "")
		if status != 200 || time.Now().After(deadline) {
			t.Fatalf("people are not served, or kits not seen: %d %.200s", status, body)
		}
		if strings.Count(body, `"service":"orders"`) == cap(answers) {
			if !strings.Contains(body, `{"service":"orders","instance":"007","language":"rust","version":"","applied":"old","levels":{"sql":"standard"},"dropped":{},"lastSeen":"`) || strings.Contains(body, `"current":true`) {
				t.Errorf("%.400s", body)
			}
			break
		}
	}
	began := time.Now()
	next := policyOf(t, "kits: { components: { sql: off } }")
	source.Set(next)
	for range cap(answers) {
		if a := <-answers; a.status != 200 || a.body != string(next.For("orders").Body) || !strings.Contains(a.body, `"components":{"sql":"off"}`) {
			t.Fatalf("%+v", a)
		}
	}
	if took := time.Since(began); took > 2*time.Second {
		t.Errorf("the change took %s", took)
	}
}

func TestKitLimitsBothSides(t *testing.T) {
	url, _, s := kitServer(t, func(o *api.Options) { o.MaxKits = 1 })
	for query, want := range map[string]int{
		"wait=0s": 200, "wait=1m": 200, "": 200, "wait=61s": 400, "wait=-1s": 400, "wait=soon": 400,
		"service=" + strings.Repeat("s", 256): 200, "service=" + strings.Repeat("s", 257): 400,
	} {
		if status, _, body := ask(t, url+"/api/kit/policy?"+query, "", ""); status != want {
			t.Errorf("%.40s: %d %s", query, status, body)
		}
	}
	_, tag, _ := ask(t, url+"/api/kit/policy", "", "")
	waiting := make(chan int)
	go func() {
		status, _, _ := ask(t, url+"/api/kit/policy?wait=1m", tag, "")
		waiting <- status
	}()
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(time.Millisecond) {
		if status, _, _ := ask(t, url+"/api/kit/policy", "", ""); status == http.StatusTooManyRequests {
			break
		} else if time.Now().After(deadline) {
			t.Fatal("a second kit waits beside the one that may")
		}
	}
	s.Stop() // ends the wait at once
	if status := <-waiting; status != 304 {
		t.Errorf("a stop answered %d", status)
	}
}
