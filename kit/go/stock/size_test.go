package stock_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

const plainServer = `package main

import "net/http"

func main() {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, r *http.Request) { _, _ = w.Write([]byte("hello")) })
	_ = http.ListenAndServe(":8080", mux)
}
`

const kitServer = `package main

import (
	"context"
	"log/slog"
	"net/http"

	clew "github.com/clew-dev/clew/kit/go"
)

func main() {
	k := clew.Start(context.Background(), clew.Service("hello", "1.0.0"))
	defer k.Stop(context.Background())
	slog.SetDefault(k.Logger())
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, r *http.Request) { _, _ = w.Write([]byte("hello")) })
	_ = http.ListenAndServe(":8080", k.HTTP(mux))
}
`

// TestWeight holds the promise about what the kit adds to a program: at most 3 MB and, with the kit itself, the modules of the
// OpenTelemetry API.
func TestWeight(t *testing.T) {
	if testing.Short() {
		t.Skip("it builds two programs")
	}
	kit, err := filepath.Abs("..")
	if err != nil {
		t.Fatal(err)
	}
	plain, _ := build(t, plainServer, kit)
	with, modules := build(t, kitServer, kit)
	t.Logf("plain %d bytes, with the kit %d more, modules %v", plain, with-plain, modules)
	if grown := with - plain; grown > 3<<20 {
		t.Errorf("the kit adds %d bytes, more than 3 MB", grown)
	}
	if len(modules) > 7 { // the kit itself and six others
		t.Errorf("%d modules are linked: %v", len(modules), modules)
	}
}

// build builds a program in a module of its own, stripped, and returns its size and the modules in it.
func build(t *testing.T, source, kit string) (int64, []string) {
	t.Helper()
	dir := t.TempDir()
	sum, err := os.ReadFile(filepath.Join(kit, "go.sum"))
	if err != nil {
		t.Fatal(err)
	}
	mod, err := os.ReadFile(filepath.Join(kit, "go.mod"))
	if err != nil {
		t.Fatal(err)
	}
	text := strings.Replace(string(mod), "module github.com/clew-dev/clew/kit/go", "module hello", 1)
	text += "\nrequire github.com/clew-dev/clew/kit/go v0.0.0\nreplace github.com/clew-dev/clew/kit/go => " + kit + "\n"
	for name, content := range map[string]string{"main.go": source, "go.mod": text, "go.sum": string(sum)} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	run := func(args ...string) string {
		c := exec.Command("go", args...)
		c.Dir = dir
		c.Env = append(os.Environ(), "GOFLAGS=-mod=mod", "GOPROXY=off")
		out, err := c.CombinedOutput()
		if err != nil {
			t.Fatalf("go %s: %v\n%s", strings.Join(args, " "), err, out)
		}
		return string(out)
	}
	run("build", "-trimpath", "-ldflags=-s -w", "-o", "hello", ".")
	info, err := os.Stat(filepath.Join(dir, "hello"))
	if err != nil {
		t.Fatal(err)
	}
	var modules []string
	for line := range strings.Lines(run("version", "-m", "hello")) {
		if f := strings.Fields(line); len(f) > 1 && f[0] == "dep" {
			modules = append(modules, f[1])
		}
	}
	return info.Size(), modules
}
