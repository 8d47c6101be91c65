package registry_test

import (
	"fmt"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/clew-dev/clew/internal/charter/registry"
)

// bounded reads a tree that is at a bound and one that is beyond it.
func bounded(t *testing.T, build func(beyond int) fstest.MapFS, want string) {
	t.Helper()
	if _, err := registry.Read(build(0)); err != nil {
		t.Errorf("at the bound: %v", clip(err))
	}
	if _, err := registry.Read(build(1)); err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("beyond the bound: got %v, want %q", clip(err), want)
	}
}

func clip(err error) string {
	s := fmt.Sprint(err)
	return s[:min(len(s), 300)]
}

func one(text string) fstest.MapFS {
	return fstest.MapFS{"a.yaml": &fstest.MapFile{Data: []byte(text)}}
}

func TestMaxFiles(t *testing.T) {
	bounded(t, func(beyond int) fstest.MapFS {
		fsys := fstest.MapFS{}
		for i := range registry.MaxFiles + beyond {
			fsys[fmt.Sprintf("%d.yaml", i)] = &fstest.MapFile{Data: []byte("groups: []")}
		}
		return fsys
	}, "the registry has over 5000 files; name a smaller folder")
}

func TestMaxBytes(t *testing.T) {
	const parts = 64 // a file each: the bound holds for all together
	bounded(t, func(beyond int) fstest.MapFS {
		fsys := fstest.MapFS{}
		for i := range parts {
			size := registry.MaxBytes / parts
			if i == parts-1 {
				size += beyond
			}
			text := "groups: []\n"
			fsys[fmt.Sprintf("%d.yaml", i)] = &fstest.MapFile{Data: []byte(text + strings.Repeat("\n", size-len(text)))}
		}
		return fsys
	}, "the registry has over 67108864 bytes; name a smaller folder")
}

func TestMaxAttributes(t *testing.T) {
	bounded(t, func(beyond int) fstest.MapFS {
		var b strings.Builder
		b.WriteString("file_format: definition/2\nattributes:\n")
		for i := range registry.MaxAttributes + beyond {
			fmt.Fprintf(&b, "- {key: a%d, type: int}\n", i)
		}
		return one(b.String())
	}, "the registry has over 100000 attributes; split it")
}

// A few lines that include each other can ask for more attributes than a machine has room for.
func TestMaxUses(t *testing.T) {
	const wide = 1000
	bounded(t, func(beyond int) fstest.MapFS {
		var b strings.Builder
		b.WriteString("file_format: definition/2\nattributes:\n")
		for i := range wide {
			fmt.Fprintf(&b, "- {key: a%d, type: int}\n", i)
		}
		b.WriteString("attribute_groups:\n- id: all\n  visibility: internal\n  attributes:\n")
		for i := range wide {
			fmt.Fprintf(&b, "  - ref: a%d\n", i)
		}
		// The definitions and the group all count too.
		for i := range registry.MaxUses/wide - 2 + beyond {
			fmt.Fprintf(&b, "- {id: g%d, visibility: internal, attributes: [{ref_group: all}]}\n", i)
		}
		return one(b.String())
	}, "the groups have over 500000 attributes together; let fewer extend each other")
}

func TestMaxDepth(t *testing.T) {
	t.Run("groups", func(t *testing.T) {
		bounded(t, func(beyond int) fstest.MapFS {
			text := "groups:\n"
			for i := range registry.MaxDepth + beyond {
				text += fmt.Sprintf("- {id: g%d, type: attribute_group, brief: b", i)
				if i < registry.MaxDepth+beyond-1 {
					text += fmt.Sprintf(", extends: g%d", i+1)
				}
				text += "}\n"
			}
			return one(text)
		}, "over 32 groups refer to each other in a row; refer to the last directly")
	})
	t.Run("dependencies", func(t *testing.T) {
		bounded(t, func(beyond int) fstest.MapFS {
			fsys, folder := fstest.MapFS{}, ""
			for i := range registry.MaxDepth + beyond {
				text := fmt.Sprintf("schema_url: https://a.example/%d/1\n", i)
				if i < registry.MaxDepth+beyond-1 {
					text += fmt.Sprintf("dependencies: [{schema_url: https://a.example/x/1, registry_path: d}]\n")
				}
				fsys[folder+"manifest.yaml"] = &fstest.MapFile{Data: []byte(text)}
				fsys[folder+"a.yaml"] = &fstest.MapFile{Data: []byte("groups: []")}
				folder += "d/"
			}
			return fsys
		}, "over 32 registries depend on each other in a row; import what is needed in one of them")
	})
}

// BenchmarkRead reads a registry as large as the conventions 1.44.0: 250 files of
// 1.25 MB, 940 attributes, 750 signals.
func BenchmarkRead(b *testing.B) {
	fsys, size := model(), 0
	for _, f := range fsys {
		size += len(f.Data)
	}
	b.SetBytes(int64(size))
	for b.Loop() {
		r, err := registry.Read(fsys)
		if err != nil {
			b.Fatal(err)
		}
		if len(r.Definitions()) != 940 || len(r.Metrics()) != 750 {
			b.Fatalf("%d attributes, %d metrics", len(r.Definitions()), len(r.Metrics()))
		}
	}
}

func model() fstest.MapFS {
	fsys := fstest.MapFS{}
	text := strings.Repeat("A sentence of a note, as long as they are there. ", 13)
	for f := range 94 {
		var b strings.Builder
		b.WriteString("groups:\n- id: registry." + fmt.Sprint(f) + "\n  type: attribute_group\n  brief: Some.\n  attributes:\n")
		for a := range 10 {
			fmt.Fprintf(&b, "    - id: a%d.b%d\n      type: string\n      stability: development\n      brief: >\n        A brief of it.\n      note: |\n        %s\n      examples: [\"x\", \"y\"]\n", f, a, text)
		}
		fsys[fmt.Sprintf("%d/registry.yaml", f)] = &fstest.MapFile{Data: []byte(b.String())}
	}
	for f := range 150 {
		var b strings.Builder
		b.WriteString("groups:\n")
		for m := range 5 {
			fmt.Fprintf(&b, "- id: metric.m%d.n%d\n  type: metric\n  metric_name: m%d.n%d\n  instrument: counter\n  unit: \"1\"\n  stability: development\n  brief: A metric.\n  note: |\n    %s\n  attributes:\n", f, m, f, m, text)
			for a := range 3 {
				fmt.Fprintf(&b, "    - ref: a%d.b%d\n      requirement_level:\n        conditionally_required: when it is known\n", f%94, a)
			}
		}
		fsys[fmt.Sprintf("%d/metrics.yaml", f)] = &fstest.MapFile{Data: []byte(b.String())}
	}
	return fsys
}
