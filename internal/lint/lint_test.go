package lint_test

import (
	"io/fs"
	"os"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/clew-dev/clew/internal/lint"
)

var rules = []struct {
	name  string
	check func(fs.FS) ([]lint.Finding, error)
}{
	{"arrows", lint.Arrows},
	{"interface arrows", lint.InterfaceArrows},
	{"packages", lint.Packages},
	{"budgets", lint.Budgets},
	{"words", lint.Words},
	{"documents", lint.Documents},
}

// This repository keeps the rules.
func TestRepository(t *testing.T) {
	for _, r := range rules {
		t.Run(r.name, func(t *testing.T) {
			found, err := r.check(os.DirFS("../.."))
			if err != nil {
				t.Fatal(err)
			}
			for _, f := range found {
				t.Error(f)
			}
		})
	}
}

func imports(pkg string, paths ...string) string {
	s := "package " + pkg + "\n\nimport (\n"
	for _, p := range paths {
		s += "\t_ \"" + p + "\"\n"
	}
	return s + ")\n"
}

const module = lint.Module + "/"

// Each case is a tree that breaks one rule once; with the same file put right
// nothing is found.
func TestRulesFindBreaches(t *testing.T) {
	lines := func(n int) string { return strings.Repeat("x\n", n) }
	cases := []struct {
		name, rule string
		file       string
		bad, good  string
		want       string
	}{
		{"from above", "arrows", "internal/wal/a.go", imports("wal", module+"internal/store"), imports("wal", module+"internal/telemetry"), "from above; declare the interface here"},
		{"from beside", "arrows", "internal/query/a.go", imports("query", module+"internal/segment"), imports("query", module+"internal/telemetry"), "from beside"},
		{"named neighbour", "arrows", "internal/wal/a.go", imports("wal", module+"internal/segment"), imports("wal", "os"), "from beside"},
		{"words import nothing", "arrows", "internal/telemetry/a.go", imports("telemetry", module+"internal/wal"), imports("telemetry", "errors"), "standard library only"},
		{"no layer", "arrows", "internal/util/a.go", imports("util"), "", "has no layer"},
		{"import without a layer", "arrows", "internal/api/a.go", imports("api", module+"internal/util"), imports("api"), "which has no layer"},
		{"test package", "arrows", "internal/wal/a.go", imports("wal", module+"internal/testkit"), imports("wal"), "which is for tests"},
		{"wire types", "arrows", "internal/store/a.go", imports("store", "go.opentelemetry.io/proto/otlp/trace/v1"), imports("store", module+"internal/query"), "use internal/otlp"},
		{"yaml", "arrows", "internal/node/a.go", imports("node", "gopkg.in/yaml.v3"), imports("node", module+"internal/charter"), "use internal/charter"},
		{"duckdb", "arrows", "internal/api/a.go", imports("api", "github.com/duckdb/duckdb-go/v2"), imports("api", module+"internal/store"), "use store.Store"},
		{"sqlite", "arrows", "internal/store/a.go", imports("store", "modernc.org/sqlite"), imports("store"), "use internal/auth"},
		{"grpc", "arrows", "internal/api/a.go", imports("api", "google.golang.org/grpc/status"), imports("api"), "use internal/rpc"},
		{"prometheus", "arrows", "internal/store/a.go", imports("store", "github.com/prometheus/prometheus/promql"), imports("store"), "use internal/metrics"},
		{"syntax", "arrows", "internal/store/a.go", "package", imports("store"), "cannot be parsed"},
		{"page from above", "interface arrows", "ui/src/model/a.ts", `import { x } from "../app/x";`, `import { x } from "../base/x";`, "from above"},
		{"page feature to feature", "interface arrows", "ui/src/features/trace/a.tsx", `import { x } from "../search/x";`, `import { x } from "./x";`, "another feature"},
		{"page export again", "interface arrows", "ui/src/base/a.ts", "export {\n  x,\n} from '../model/x';", "", "from above"},
		{"page loads later", "interface arrows", "ui/src/model/a.ts", `const x = () => import("../features/x");`, "", "from above"},
		{"model with React", "interface arrows", "ui/src/model/a.ts", `import { useState } from "react";`, "", "without React"},
		{"no comment", "packages", "internal/x/a.go", "package x\n", "// Package x does. It may.\npackage x\n", "has no comment"},
		{"thin comment", "packages", "internal/x/a.go", "// Package x does.\npackage x\n", "// Package x does. It may.\npackage x\n", "a single sentence"},
		{"too long", "budgets", "internal/x/a.go", lines(801), lines(200), "over 800"},
		{"median", "budgets", "internal/x/a.go", lines(201), lines(200), "the median file"},
		{"nine in ten", "budgets", "internal/x/a.rs", lines(501), lines(100), "one file in ten"},
		{"mark", "words", "a.go", "// TO" + "DO: later", "// TO" + "DO(#12): later", "without an issue"},
		{"rust branch", "words", "a.rs", "un" + "implemented!()", "panic()", "an unfinished branch"},
		{"skip", "words", "a_test.go", "t.Skip" + "()", `t.Skip` + `("needs a disk of its own")`, "without a reason"},
		{"ignored", "words", "a.rs", "#[ign" + "ore]", `#[ign` + `ore = "slow"]`, "without a reason"},
		{"alone", "words", "a.test.ts", "it.on" + "ly('x', f)", "it('x', f)", "runs alone"},
		{"workplace", "words", "README.md", "see /ho" + "me/ann/clew", "see /srv/clew", "path of one workplace"},
		{"temporary", "words", "Makefile", "cat /t" + "mp/log", "cat $$(mktemp)", "temporary folder"},
		{"registry", "words", "ui/package-lock.json", `"resolved": "https://registry.npmjs.org/x"`, `"version": "1"`, "host of a registry"},
		{"long readme", "documents", "README.md", lines(151), lines(150), "over 150"},
		{"adr name", "documents", "docs/adr/parquet.md", "x", "", "NNN-slug.md"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			check := rules[0].check
			for _, r := range rules {
				if r.name == c.rule {
					check = r.check
				}
			}
			found, err := check(fstest.MapFS{c.file: {Data: []byte(c.bad)}})
			if err != nil {
				t.Fatal(err)
			}
			hits := 0
			for _, f := range found {
				if strings.Contains(f.What, c.want) && strings.HasPrefix(f.Path, strings.TrimSuffix(c.file, "/a.go")) || strings.Contains(f.What, c.want) && f.Path == "." {
					hits++
				}
			}
			if hits != 1 {
				t.Errorf("got %v; want one finding with %q", found, c.want)
			}
			if c.good == "" {
				return
			}
			if found, _ := check(fstest.MapFS{c.file: {Data: []byte(c.good)}}); len(found) > 0 {
				t.Errorf("put right, it still gives %v", found)
			}
		})
	}
}

// What a program wrote and what another module holds are not ours to judge.
func TestRulesPassOver(t *testing.T) {
	tree := fstest.MapFS{
		"internal/query/gen.go":    {Data: []byte("// Code generated by x. DO NOT EDIT.\npackage query\n" + strings.Repeat("// x\n", 2000))},
		"bench/go.mod":             {Data: []byte("module bench\n")},
		"bench/main.go":            {Data: []byte(imports("main", "google.golang.org/grpc"))},
		"ui/node_modules/a/a.ts":   {Data: []byte(strings.Repeat("x\n", 2000))},
		"internal/wal/wal_test.go": {Data: []byte(imports("wal_test", module+"internal/testkit", module+"internal/store"))},
	}
	for _, r := range rules {
		if r.name == "packages" {
			continue
		}
		found, err := r.check(tree)
		if err != nil || len(found) > 0 {
			t.Errorf("%s: %v, %v; want nothing", r.name, found, err)
		}
	}
}
