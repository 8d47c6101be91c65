package registry_test

import (
	"os"
	"testing"

	"github.com/clew-dev/clew/internal/charter/registry"
)

// The registries in testdata are read as Weaver 0.25.1 reads them: what it made of
// each stands beside it in NAME.resolved.json, in its form resolved/2.0.
func TestRead(t *testing.T) {
	for name, folder := range map[string]string{"first": "first", "second": "second", "depends": "depends/shop"} {
		t.Run(name, func(t *testing.T) {
			text, err := os.ReadFile("testdata/" + name + ".resolved.json")
			if err != nil {
				t.Fatal(err)
			}
			r, err := registry.ReadAt(os.DirFS("testdata"), folder)
			if err != nil {
				t.Fatal(err)
			}
			compare(t, r, text)
		})
	}
}
