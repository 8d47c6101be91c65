package registry_test

import (
	"os"
	"slices"
	"testing"

	"github.com/clew-dev/clew/internal/charter"
	"github.com/clew-dev/clew/internal/charter/registry"
)

// A charter gets every word in a type that it knows, and the former names of each.
func TestAttributes(t *testing.T) {
	first, err := registry.ReadAt(os.DirFS("testdata"), "first")
	if err != nil {
		t.Fatal(err)
	}
	for source, r := range map[string]*registry.Registry{"semconv 1.45.0": registry.Builtin(), "registry shop.example/schemas/shop": first} {
		for _, a := range r.Attributes() {
			if !slices.Contains(charter.AttributeTypes(), a.Type) || a.Source != source {
				t.Errorf("%s has the type %q and the source %q", a.Name, a.Type, a.Source)
			}
			if d := a.Deprecated; d != nil && d.Reason != charter.ReasonRenamed && d.Reason != charter.ReasonObsoleted && d.Reason != charter.ReasonUncategorized {
				t.Errorf("%s is deprecated for %q", a.Name, d.Reason)
			}
		}
	}
	all := registry.Builtin().Attributes()
	i := slices.IndexFunc(all, func(a charter.Attribute) bool { return a.Name == "http.request.method" })
	if i < 0 || !slices.Equal(all[i].Formerly, []string{"http.method"}) || len(all[i].Members) < 9 {
		t.Errorf("http.request.method: %+v", all[max(i, 0)])
	}
}
