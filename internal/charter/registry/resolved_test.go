package registry_test

import (
	"os"
	"testing"
	"testing/fstest"

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

// What Weaver resolved and published says the same as what it was made of: the
// files of TestRead are read themselves, and compared with what Weaver says.
func TestReadResolved(t *testing.T) {
	for _, name := range []string{"first", "second", "depends"} {
		t.Run(name, func(t *testing.T) {
			text, err := os.ReadFile("testdata/" + name + ".resolved.json")
			if err != nil {
				t.Fatal(err)
			}
			r, err := registry.Read(fstest.MapFS{
				"manifest.yaml": {Data: []byte("file_format: manifest/2.0\nschema_url: https://shop.example/schemas/shop/1.0.0\nresolved_registry_uri: resolved.yaml\n")},
				"resolved.yaml": {Data: text}, // JSON is YAML
			})
			if err != nil {
				t.Fatal(err)
			}
			compare(t, r, text)
		})
	}
}
