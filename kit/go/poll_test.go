package clew_test

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	clew "github.com/clew-dev/clew/kit/go"
)

func TestAPolicyOfTheServerTakesEffect(t *testing.T) {
	asked := make(chan *http.Request, 16)
	documents := make(chan string, 1)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked <- r
		select {
		case d := <-documents:
			w.Header().Set("ETag", `"7"`)
			_, _ = w.Write([]byte(d))
		case <-r.Context().Done():
		}
	}))
	defer s.Close()
	k := start(t, "CLEW_POLICY_HEADERS=Authorization=Bearer%20x", clew.PolicyURL(s.URL+"/"))
	first := <-asked
	if first.URL.String() != "/api/kit/policy?service=test&wait=30s" || first.Header.Get("Authorization") != "Bearer x" {
		t.Errorf("asked for %s with %v", first.URL, first.Header)
	}
	documents <- `{"version":"7","components":{"app":"off"}}`
	second := <-asked
	if clew.On(clew.ComponentApp, clew.Edges) || second.Header.Get("If-None-Match") != `"7"` {
		t.Error("the policy is not in force when the next question comes")
	}
	var report struct {
		Language, Service, Applied string
		Levels                     map[string]string
	}
	if err := json.Unmarshal([]byte(second.Header.Get("Clew-Kit")), &report); err != nil {
		t.Fatal(err)
	}
	if report.Language != "go" || report.Service != "test" || report.Applied != "7" || report.Levels["app"] != "off" {
		t.Errorf("the kit says %+v", report)
	}
	begun := time.Now()
	if err := k.Stop(context.Background()); err != nil || time.Since(begun) > 2*time.Second {
		t.Errorf("Stop says %v after %v", err, time.Since(begun))
	}
}

func TestABadAddressOfPoliciesIsOneLine(t *testing.T) {
	for address, want := range map[string]string{"ftp://clew:3000": "no policy is asked for", "127.0.0.1:1": "http:// is taken"} {
		k := start(t, "CLEW_ENDPOINT="+address)
		if p := k.Status().Problems; len(p) != 1 || !strings.Contains(p[0].Text, want) {
			t.Errorf("%s: %v", address, p)
		}
	}
}

// Programs wrap http.DefaultTransport, in this kit's Transport among others.
func TestPoliciesDoNotNeedTheDefaultTransport(t *testing.T) {
	before := http.DefaultTransport
	defer func() { http.DefaultTransport = before }()
	http.DefaultTransport = kit.Transport(before)
	start(t, "CLEW_POLICY_URL=http://127.0.0.1:1")
}

// The version that is shown is the one in force: none after the last document has expired.
func TestAnExpiredPolicyIsNotShown(t *testing.T) {
	k := start(t, "")
	shown := func() bool { return strings.Contains(page(t, k.Kit), `clew_kit_policy_info{version="7"}`) }
	if err := k.ApplyPolicy([]byte(`{"version":"7","ttl_seconds":1}`)); err != nil {
		t.Fatal(err)
	}
	if !shown() {
		t.Errorf("the version in force is not shown:\n%s", page(t, k.Kit))
	}
	k.Expire(time.Now().Add(time.Minute))
	if shown() {
		t.Error("the version of an expired policy is shown")
	}
}
