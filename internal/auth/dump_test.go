package auth_test

import (
	"context"
	"os"
	"path/filepath"
	"testing"

	"github.com/clew-dev/clew/internal/auth"
)

// A dump holds tokens that are in the write-ahead log only, and lets in who the
// source lets in.
func TestDump(t *testing.T) {
	ctx := context.Background()
	dir := t.TempDir()
	s, err := auth.Open(ctx, filepath.Join(dir, "state.db"), auth.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	_, secret, err := s.Create(ctx, auth.NewToken{Tenant: "blue", Name: "one"})
	if err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(filepath.Join(dir, "state.db-wal")); err != nil || info.Size() == 0 {
		t.Fatalf("the token is not in the write-ahead log: %v", err)
	}
	p, err := s.Dump(ctx)
	if err != nil {
		t.Fatal(err)
	}
	copied := filepath.Join(t.TempDir(), "state.db")
	if err := os.WriteFile(copied, p, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := auth.Check(ctx, copied); err != nil {
		t.Error(err)
	}
	if entries, _ := os.ReadDir(filepath.Dir(copied)); len(entries) != 1 {
		t.Errorf("a check made files: %v", entries)
	}
	back, err := auth.Open(ctx, copied, auth.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer back.Close()
	if who, err := back.Authenticate(secret, "", nil); err != nil || who.Tenant != "blue" {
		t.Errorf("%+v, %v", who, err)
	}
	if err := auth.Check(ctx, filepath.Join(dir, "state.db")); err != nil {
		t.Errorf("a file that is open and being written: %v", err)
	}
}

func TestCheckFindsDamage(t *testing.T) {
	ctx := context.Background()
	path := filepath.Join(t.TempDir(), "state.db")
	s, err := auth.Open(ctx, path, auth.Options{})
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"a", "b", "c"} {
		if _, _, err := s.Create(ctx, auth.NewToken{Tenant: "blue", Name: name}); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	sound, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string]func([]byte) []byte{
		"cut":          func(b []byte) []byte { return b[:len(b)/2] },
		"a page zero":  func(b []byte) []byte { clear(b[4096:8192]); return b },
		"another file": func([]byte) []byte { return []byte("not a database, and long enough to be looked at as one") },
	} {
		if err := os.WriteFile(path, change(append([]byte(nil), sound...)), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := auth.Check(ctx, path); err == nil {
			t.Errorf("%s: not found", name)
		}
	}
}
