package query_test

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/clew-dev/clew/internal/query"
	"github.com/clew-dev/clew/internal/query/querytest"
)

var update = flag.Bool("update", false, "write what the package answers into testdata")

// TestCorpus compiles every query of testdata and compares the plan or the error.
func TestCorpus(t *testing.T) {
	paths, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(paths) == 0 {
		t.Fatalf("no corpus: %v", err)
	}
	for _, path := range paths {
		t.Run(filepath.Base(path), func(t *testing.T) {
			cases := querytest.Cases(t, path)
			var out strings.Builder
			for i, c := range cases {
				got := answer(c.Query)
				if i > 0 {
					out.WriteString("\n")
				}
				out.WriteString(c.Comment + c.Query + "\n----\n" + got)
				if *update {
					continue
				}
				if diff := cmp.Diff(c.Want, got); diff != "" {
					t.Errorf("%s (-want +got):\n%s", c.Query, diff)
				}
			}
			if *update {
				if err := os.WriteFile(path, []byte(out.String()), 0o644); err != nil {
					t.Fatal(err)
				}
			}
		})
	}
}

func answer(text string) string {
	plan, err := query.Compile(text)
	if err != nil {
		return err.Error() + "\n"
	}
	return plan.String()
}

func FuzzParse(f *testing.F) {
	paths, _ := filepath.Glob("testdata/*.txt")
	for _, path := range append(paths, "testdata/eval/queries.txt") {
		for _, c := range querytest.Cases(f, path) {
			f.Add(c.Query)
		}
	}
	f.Add("{ span.\"a\\\"b\".c = `x` && -.y ^ -2 ^ 3 >= 1h2m3s } // end")
	f.Add("((((((({ !(!(!.a)) })))))))")
	f.Add("((({ .a } | count() > 1) >> ({ } | by(.b) | max(.c) != min(event.d))) | ({ } && { })) | rate() by(.e) <= minInt | topk(2) > 1 with (exemplars = 3)")
	f.Add("{ } | compare({ }, 100, 1, 2)")
	f.Add("{ span.\"\". }")
	f.Add("-2.5 * (({ .a } | rate() by(.b) > 1 | topk(3)) / (({ } | rate()) + 1ms) >= 2 | bottomk(1)) - 9223372036854775807 > 1 with (exemplars = true)")
	f.Add("{ parent.\"span.a\" = parent.span.a || parent:id != nil && nestedSetParent ^ 2 > nestedSetLeft } | by(parent:name, nestedSetParent)")
	f.Fuzz(func(t *testing.T, text string) {
		q, err := query.Parse(text)
		if err != nil {
			return
		}
		canonical := q.String()
		again, err := query.Parse(canonical)
		if err != nil {
			if len(canonical) > query.MaxBytes {
				return // quotes and brackets may make a text at the limit longer
			}
			t.Fatalf("%q was read and written as %q, which is not read: %v", text, canonical, err)
		}
		if got := again.String(); got != canonical {
			t.Fatalf("%q is written as %q, then as %q", text, canonical, got)
		}
		p1, err1 := q.Plan()
		p2, err2 := again.Plan()
		if (err1 == nil) != (err2 == nil) {
			t.Fatalf("%q plans with %v, %q with %v", text, err1, canonical, err2)
		}
		if err1 == nil && p1.String() != p2.String() {
			t.Fatalf("%q and %q have different plans", text, canonical)
		}
	})
}
