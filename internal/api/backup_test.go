package api_test

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/clew-dev/clew/internal/api"
	"github.com/clew-dev/clew/internal/api/apitest"
	"github.com/clew-dev/clew/internal/auth"
)

// One backup runs at a time; a second is told to come back. Stop ends one that runs.
func TestBackupsRunOneAtATime(t *testing.T) {
	o := options(t, apitest.Seed())
	entered := make(chan struct{})
	o.Backup = func(ctx context.Context, w io.Writer, _ bool) error {
		entered <- struct{}{}
		<-ctx.Done()
		return ctx.Err()
	}
	h := api.New(o)
	done := make(chan *httptest.ResponseRecorder)
	go func() { done <- get(h, apitest.Request("POST", "/api/backup")) }()
	<-entered
	if w := get(h, apitest.Request("POST", "/api/backup")); w.Code != http.StatusTooManyRequests || w.Header().Get("Retry-After") == "" || !strings.Contains(w.Body.String(), "one at a time") {
		t.Errorf("the second: %d %s", w.Code, w.Body)
	}
	h.Stop()
	if w := <-done; w.Code == http.StatusOK {
		t.Errorf("a backup that the stop ended answers %d %s", w.Code, w.Body)
	}
	o.Backup = nil
	if w := get(api.New(o), apitest.Request("POST", "/api/backup")); w.Code != http.StatusServiceUnavailable {
		t.Errorf("without one: %d %s", w.Code, w.Body)
	}
}

// The stream is the backup's own bytes, for administrators alone, and its one
// parameter is read strictly.
func TestBackupAnswers(t *testing.T) {
	h := api.New(options(t, apitest.Seed()))
	for target, want := range map[string]string{
		"/api/backup":                "a backup, damaged files allowed: false\n",
		"/api/backup?damaged=refuse": "a backup, damaged files allowed: false\n",
		"/api/backup?damaged=allow":  "a backup, damaged files allowed: true\n",
	} {
		r := apitest.Request("POST", target)
		r.Header.Set("Accept-Encoding", "gzip")
		w := get(h, r)
		if w.Code != 200 || w.Body.String() != want || w.Header().Get("Content-Type") != "application/x-tar" || w.Header().Get("Clew-Bytes") == "" {
			t.Errorf("%s: %d %v %q", target, w.Code, w.Header(), w.Body)
		}
	}
	if w := get(h, apitest.Request("POST", "/api/backup?damaged=perhaps")); w.Code != 400 || !strings.Contains(w.Body.String(), "write refuse or allow") {
		t.Errorf("damaged=perhaps: %d %s", w.Code, w.Body)
	}
	state := openAuth(t)
	_, reader, err := state.Create(context.Background(), auth.NewToken{Tenant: "default", Name: "reader", Roles: []auth.Role{auth.RoleRead, auth.RoleWrite}})
	if err != nil {
		t.Fatal(err)
	}
	o := options(t, apitest.Seed())
	o.Auth = state
	r := apitest.Request("POST", "/api/backup")
	r.Header.Set("Authorization", "Bearer "+reader)
	if w := get(api.New(o), r); w.Code != 403 {
		t.Errorf("a token without the role admin: %d %s", w.Code, w.Body)
	}
}
