package lint_test

import (
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/clew-dev/clew/internal/testkit"
)

// cmd/clew/deps.txt names every package in the binary that is not of the standard
// library, so that a change which drags something along shows it in review.
func TestDependenciesAreListed(t *testing.T) {
	cmd := exec.Command("go", "list", "-deps", "-tags", "duckdb_arrow", "-f", "{{if not .Standard}}{{.ImportPath}}{{end}}", "./cmd/clew")
	cmd.Dir = "../.."
	cmd.Env = append(os.Environ(), "GOOS=linux", "GOARCH=amd64", "CGO_ENABLED=1")
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("list the packages of cmd/clew: %v", err)
	}
	lines := slices.Sorted(strings.Lines(string(out)))
	testkit.Golden(t, "../../cmd/clew/deps.txt", []byte(strings.Join(lines, "")))
}
