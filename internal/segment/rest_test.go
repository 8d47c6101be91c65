package segment_test

import (
	"bytes"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/clew-dev/clew/internal/telemetry"
	"github.com/clew-dev/clew/internal/testkit"
)

// What sources have outside of columns is written as if it were in columns: the
// files are the same, byte for byte.
func TestRestIsWrittenLikeColumns(t *testing.T) {
	for _, name := range []string{"one row", "small", "wide", "all distinct", "one trace"} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			batches := randomBatches(shapes[name], 3)
			r := rand.New(rand.NewPCG(shapes[name].seed, 5))
			loose := make([]*telemetry.Batch, len(batches))
			for i, b := range batches {
				loose[i] = testkit.Loose(b, r)
			}
			want, wantStats := write(t, filepath.Join(dir, "columns"), batches)
			got, stats := write(t, filepath.Join(dir, "rest"), loose)
			if diff := cmp.Diff(wantStats, stats); diff != "" {
				t.Errorf("stats (-columns +rest):\n%s", diff)
			}
			if diff := cmp.Diff(want.Meta(), got.Meta()); diff != "" {
				t.Fatalf("description (-columns +rest):\n%s", diff)
			}
			for _, f := range want.Meta().Files {
				a, err := os.ReadFile(filepath.Join(dir, "columns", f.Name))
				if err != nil {
					t.Fatal(err)
				}
				b, err := os.ReadFile(filepath.Join(dir, "rest", f.Name))
				if err != nil {
					t.Fatal(err)
				}
				if !bytes.Equal(a, b) {
					t.Errorf("%s differs", f.Name)
				}
			}
		})
	}
}
