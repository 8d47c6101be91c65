package resource_test

import (
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/clew-dev/clew/kit/go/internal/resource"
)

func FuzzRead(f *testing.F) {
	for _, seed := range []string{"a=1,b=%C3%A9", "a", "=", "%", ",", "k=" + strings.Repeat("é", 3000), strings.Repeat("a=1,", 200)} {
		f.Add(seed, "0::/docker/"+strings.Repeat("a", 64))
	}
	f.Fuzz(func(t *testing.T, variable, file string) {
		attrs, problem := resource.Read(resource.Inputs{
			Env:  func(name string) string { return variable },
			File: func(string) string { return file },
			Name: variable, Host: file,
		})
		if !slices.IsSortedFunc(attrs, func(a, b resource.Attr) int { return strings.Compare(a.Key, b.Key) }) || len(attrs) > 200 {
			t.Errorf("%d attributes, not sorted or too many", len(attrs))
		}
		if problem != "" && !strings.Contains(problem, "the variable counts as absent") {
			t.Errorf("problem %q", problem)
		}
		for _, a := range attrs {
			if len(a.Text) > 4096 || !utf8.ValidString(a.Text) {
				t.Errorf("%s has %d bytes", a.Key, len(a.Text))
			}
		}
	})
}
