package testkit_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/clew-dev/clew/internal/testkit"
)

// verdict is a test that only notes whether it was failed.
type verdict struct {
	testing.TB
	failed bool
}

func (v *verdict) Helper()               {}
func (v *verdict) Errorf(string, ...any) { v.failed = true }
func (v *verdict) Fatalf(string, ...any) { v.failed = true }

func TestGoldenFailsOnADifference(t *testing.T) {
	path := filepath.Join(t.TempDir(), "golden")
	if err := os.WriteFile(path, []byte("same\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for got, want := range map[string]bool{"same\n": false, "other\n": true} {
		v := &verdict{TB: t}
		testkit.Golden(v, path, []byte(got))
		if v.failed != want {
			t.Errorf("%q: failed %v, want %v", got, v.failed, want)
		}
	}
}

func TestDiffFailsOnADifference(t *testing.T) {
	for got, want := range map[int]bool{1: false, 2: true} {
		v := &verdict{TB: t}
		if equal := testkit.Diff(v, "number", got, 1); equal == want || v.failed != want {
			t.Errorf("%d: equal %v, failed %v", got, equal, v.failed)
		}
	}
}
