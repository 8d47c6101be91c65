package auth_test

import (
	"context"
	"database/sql"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/clew-dev/clew/internal/auth"
	"github.com/clew-dev/clew/internal/telemetry"
)

var (
	local  = &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 5000}
	local6 = &net.TCPAddr{IP: net.IPv6loopback, Port: 5000}
	far    = &net.TCPAddr{IP: net.IPv4(192, 0, 2, 7), Port: 5000}
)

// clock is a time that a test moves.
type clock struct {
	mu sync.Mutex
	t  time.Time
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.t
}

func (c *clock) add(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.t = c.t.Add(d)
}

func open(t *testing.T, path string, c *clock) *auth.State {
	t.Helper()
	s, err := auth.Open(context.Background(), path, auth.Options{Now: c.now})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func create(t *testing.T, s *auth.State, n auth.NewToken) string {
	t.Helper()
	_, secret, err := s.Create(context.Background(), n)
	if err != nil {
		t.Fatal(err)
	}
	return secret
}

func newClock() *clock { return &clock{t: time.Unix(1_800_000_000, 0)} }

// TestMatrix asks every combination of what is configured, presented and asked for.
func TestMatrix(t *testing.T) {
	c := newClock()
	empty := open(t, filepath.Join(t.TempDir(), "state.db"), c)
	s := open(t, filepath.Join(t.TempDir(), "state.db"), c)
	good := create(t, s, auth.NewToken{Tenant: "a", Name: "one"})
	admin := create(t, s, auth.NewToken{Tenant: "b", Name: "two", Roles: []auth.Role{auth.RoleAdmin}})
	gone := create(t, s, auth.NewToken{Tenant: "a", Name: "gone"})
	if err := s.Revoke(context.Background(), "gone"); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name   string
		s      *auth.State
		token  string
		org    string
		remote net.Addr
		want   string
	}{
		{"open, loopback", empty, "", "", local, "default loopback [read write admin] open"},
		{"open, loopback v6", empty, "", "", local6, "default loopback [read write admin] open"},
		{"open, unix socket", empty, "", "", &net.UnixAddr{Name: "@"}, "default loopback [read write admin] open"},
		{"open, loopback, tenant", empty, "", "team_A-1", local, "team_A-1 loopback [read write admin] open"},
		{"open, loopback, bad tenant", empty, "", "../a", local, "invalid"},
		{"open, loopback, tenant of 64", empty, "", strings.Repeat("x", 64), local, strings.Repeat("x", 64) + " loopback [read write admin] open"},
		{"open, loopback, tenant of 65", empty, "", strings.Repeat("x", 65), local, "invalid"},
		{"open, far", empty, "", "", far, "unauthenticated"},
		{"open, far, tenant", empty, "", "default", far, "unauthenticated"},
		{"open, nobody", empty, "", "", nil, "unauthenticated"},
		{"open, some token", empty, good, "", local, "unauthenticated"},
		{"tokens, none sent, loopback", s, "", "", local, "unauthenticated"},
		{"tokens, none sent, loopback, tenant", s, "", "a", local, "unauthenticated"},
		{"tokens, none sent, far", s, "", "", far, "unauthenticated"},
		{"tokens, good, loopback", s, good, "", local, "a one [read write]"},
		{"tokens, good, far", s, good, "", far, "a one [read write]"},
		{"tokens, good, same tenant", s, good, "a", far, "a one [read write]"},
		{"tokens, good, other tenant", s, good, "b", far, "forbidden"},
		{"tokens, good, bad tenant", s, good, "a b", far, "invalid"},
		{"tokens, admin", s, admin, "", far, "b two [admin]"},
		{"tokens, admin, other tenant", s, admin, "a", far, "forbidden"},
		{"tokens, revoked", s, gone, "", local, "unauthenticated"},
		{"tokens, one letter off", s, good[:len(good)-1], "", local, "unauthenticated"},
		{"tokens, huge", s, strings.Repeat("x", 1<<20), "", local, "unauthenticated"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p, err := tt.s.Authenticate(tt.token, tt.org, tt.remote)
			got := fmt.Sprint(p.Tenant, " ", p.Name, " ", p.Roles)
			if p.Open {
				got += " open"
			}
			if err != nil {
				got = telemetry.KindOf(err).String()
				if tt.token != "" && strings.Contains(err.Error(), tt.token) {
					t.Errorf("the message shows the token: %v", err)
				}
			}
			if got != tt.want {
				t.Errorf("got %s (%v), want %s", got, err, tt.want)
			}
		})
	}
}

func TestRevocationBetweenProcesses(t *testing.T) {
	c := newClock()
	path := filepath.Join(t.TempDir(), "state.db")
	server, cli := open(t, path, c), open(t, path, c)
	if _, err := server.Authenticate("", "", local); err != nil {
		t.Fatalf("open before the first token: %v", err)
	}
	secret := create(t, cli, auth.NewToken{Tenant: "a", Name: "one"})
	c.add(auth.Freshness)
	if _, err := server.Authenticate("", "", local); err == nil {
		t.Error("still open after a token was made")
	}
	if _, err := server.Authenticate(secret, "", far); err != nil {
		t.Errorf("new token: %v", err)
	}
	if err := cli.Revoke(context.Background(), "one"); err != nil {
		t.Fatal(err)
	}
	if _, err := server.Authenticate(secret, "", far); err != nil {
		t.Errorf("the file was read more often than promised: %v", err)
	}
	c.add(auth.Freshness)
	if _, err := server.Authenticate(secret, "", far); telemetry.KindOf(err) != telemetry.KindUnauthenticated {
		t.Errorf("revoked token: %v", err)
	}
	if _, err := server.Authenticate("", "", local); telemetry.KindOf(err) != telemetry.KindUnauthenticated {
		t.Errorf("revoking the last token opened the server: %v", err)
	}
}

func TestTheSecretIsNotInTheFiles(t *testing.T) {
	dir := t.TempDir()
	s := open(t, filepath.Join(dir, "state.db"), newClock())
	secret := create(t, s, auth.NewToken{Tenant: "a", Name: "one"})
	files, _ := filepath.Glob(filepath.Join(dir, "*"))
	if len(files) < 2 {
		t.Fatalf("files: %v", files)
	}
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(string(b), secret) || strings.Contains(string(b), secret[5:20]) {
			t.Errorf("%s holds the secret", f)
		}
		if i, err := os.Stat(f); err != nil || i.Mode().Perm() != 0o600 {
			t.Errorf("%s has mode %v (%v)", f, i.Mode(), err)
		}
	}
}

func TestTokensSurviveAndAreListed(t *testing.T) {
	c := newClock()
	path := filepath.Join(t.TempDir(), "state.db")
	s, err := auth.Open(context.Background(), path, auth.Options{Now: c.now})
	if err != nil {
		t.Fatal(err)
	}
	one := create(t, s, auth.NewToken{Tenant: "a", Name: "one"})
	c.add(time.Second)
	two := create(t, s, auth.NewToken{Tenant: "b", Name: "two", Roles: []auth.Role{auth.RoleAdmin, auth.RoleRead}})
	if one == two || len(one) != len("clew_")+43 || !strings.HasPrefix(one, "clew_") {
		t.Errorf("secrets %q, %q", one, two)
	}
	c.add(time.Second)
	if err := s.Revoke(context.Background(), "one"); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = open(t, path, c)
	got, err := s.List(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	at := time.Unix(1_800_000_000, 0).UTC()
	want := []auth.Token{
		{ID: got[0].ID, Tenant: "a", Name: "one", Roles: []auth.Role{"read", "write"}, Created: at, Revoked: at.Add(2 * time.Second)},
		{ID: got[1].ID, Tenant: "b", Name: "two", Roles: []auth.Role{"admin", "read"}, Created: at.Add(time.Second)},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if len(got[0].ID) != 12 || got[0].ID == got[1].ID {
		t.Errorf("ids %q, %q", got[0].ID, got[1].ID)
	}
	if err := s.Revoke(context.Background(), got[1].ID); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Authenticate(two, "", far); telemetry.KindOf(err) != telemetry.KindUnauthenticated {
		t.Errorf("revoked by id: %v", err)
	}
}

func TestRefusals(t *testing.T) {
	s := open(t, filepath.Join(t.TempDir(), "state.db"), newClock())
	create(t, s, auth.NewToken{Tenant: "a", Name: "taken"})
	ctx := context.Background()
	for _, tt := range []struct {
		n    auth.NewToken
		want telemetry.Kind
	}{
		{auth.NewToken{Tenant: "", Name: "x"}, telemetry.KindInvalid},
		{auth.NewToken{Tenant: "a/b", Name: "x"}, telemetry.KindInvalid},
		{auth.NewToken{Tenant: "a", Name: ""}, telemetry.KindInvalid},
		{auth.NewToken{Tenant: "a", Name: strings.Repeat("x", 65)}, telemetry.KindInvalid},
		{auth.NewToken{Tenant: "a", Name: "<b>"}, telemetry.KindInvalid},
		{auth.NewToken{Tenant: "a", Name: "x", Roles: []auth.Role{"root"}}, telemetry.KindInvalid},
		{auth.NewToken{Tenant: "a", Name: "taken"}, telemetry.KindConflict},
	} {
		if _, secret, err := s.Create(ctx, tt.n); telemetry.KindOf(err) != tt.want || err == nil || secret != "" {
			t.Errorf("%+v: got %v, want %v", tt.n, err, tt.want)
		}
	}
	if err := s.Revoke(ctx, "nobody' OR 1=1 --"); telemetry.KindOf(err) != telemetry.KindNotFound {
		t.Errorf("got %v", err)
	}
}

func TestTokenLimitBothSides(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state.db")
	s := open(t, path, newClock())
	db, err := sql.Open("sqlite", "file:"+path)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if _, err := db.Exec(`WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n WHERE i < ?)
		INSERT INTO tokens SELECT printf('%012d', i), CAST(printf('%032d', i) AS BLOB), 'a', 'n' || i, 'read', i, 1 FROM n`, auth.MaxTokens-1); err != nil {
		t.Fatal(err)
	}
	create(t, s, auth.NewToken{Tenant: "a", Name: "last"})
	if _, _, err := s.Create(context.Background(), auth.NewToken{Tenant: "a", Name: "beyond"}); telemetry.KindOf(err) != telemetry.KindExhausted || err == nil {
		t.Errorf("got %v", err)
	}
}

func TestNewerAndBrokenFiles(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state.db")
	s, err := auth.Open(context.Background(), path, auth.Options{})
	if err != nil {
		t.Fatal(err)
	}
	s.Close()
	db, err := sql.Open("sqlite", "file:"+path)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := db.Exec("PRAGMA user_version = 7"); err != nil {
		t.Fatal(err)
	}
	db.Close()
	if _, err := auth.Open(context.Background(), path, auth.Options{}); err == nil || !strings.Contains(err.Error(), "version 7, this clew reads up to 1") {
		t.Errorf("newer file: %v", err)
	}
	junk := filepath.Join(t.TempDir(), "state.db")
	if err := os.WriteFile(junk, []byte(strings.Repeat("not a database ", 1000)), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := auth.Open(context.Background(), junk, auth.Options{}); err == nil || !strings.Contains(err.Error(), junk) {
		t.Errorf("junk: %v", err)
	}
}

// TestFailsClosed breaks the file under an open state: nobody is let in.
func TestFailsClosed(t *testing.T) {
	c := newClock()
	path := filepath.Join(t.TempDir(), "state.db")
	s := open(t, path, c)
	secret := create(t, s, auth.NewToken{Tenant: "a", Name: "one"})
	db, err := sql.Open("sqlite", "file:"+path)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if _, err := db.Exec("ALTER TABLE tokens RENAME TO elsewhere"); err != nil {
		t.Fatal(err)
	}
	c.add(auth.Freshness)
	if _, err := s.Authenticate(secret, "", local); telemetry.KindOf(err) != telemetry.KindUnavailable {
		t.Errorf("got %v", err)
	}
}

func TestConcurrentUse(t *testing.T) {
	c := newClock()
	s := open(t, filepath.Join(t.TempDir(), "state.db"), c)
	secret := create(t, s, auth.NewToken{Tenant: "a", Name: "one"})
	var g sync.WaitGroup
	for i := range 4 {
		g.Go(func() {
			for j := range 50 {
				c.add(auth.Freshness / 10)
				if _, err := s.Authenticate(secret, "", far); err != nil {
					t.Error(err)
				}
				if j == 0 {
					if _, _, err := s.Create(context.Background(), auth.NewToken{Tenant: "b", Name: fmt.Sprint("t", i)}); err != nil {
						t.Error(err)
					}
				}
			}
		})
	}
	g.Wait()
}

func BenchmarkAuthenticate(b *testing.B) {
	s, err := auth.Open(context.Background(), filepath.Join(b.TempDir(), "state.db"), auth.Options{})
	if err != nil {
		b.Fatal(err)
	}
	defer s.Close()
	_, secret, err := s.Create(context.Background(), auth.NewToken{Tenant: "a", Name: "one"})
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if _, err := s.Authenticate(secret, "", far); err != nil {
			b.Fatal(err)
		}
	}
}
