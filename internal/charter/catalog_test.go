package charter_test

import (
	"context"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/clew-dev/clew/internal/charter"
	"github.com/google/go-cmp/cmp"
)

const shopCatalog = `apiVersion: backstage.io/v1alpha1
kind: Group
metadata:
  name: payments
  annotations: { pagerduty.com/service-id: PAY1, pagerduty.com/integration-key: s3cr3t }
  links:
    - { url: https://chat.example/payments, title: Slack }
    - { url: https://wiki.example/payments, title: "Runbook: payments" }
spec: { type: team, profile: { email: payments@shop.example }, children: [] }
---
# a comment alone
---
apiVersion: backstage.io/v1alpha1
kind: Group
metadata: { name: web, namespace: front }
spec: { profile: { email: web@shop.example } }
---
apiVersion: backstage.io/v1alpha1
kind: Component
metadata: { name: checkout, tags: [golang, critical] }
spec: { type: service, lifecycle: production, owner: "group:default/Payments", system: shop, dependsOn: ["component:payment", "resource:db"], consumesApis: [stock] }
---
apiVersion: backstage.io/v1alpha1
kind: Component
metadata: { name: payment, tags: [rust] }
spec: { type: service, owner: payments, dependsOn: [component:default/payment] }
---
apiVersion: backstage.io/v1alpha1
kind: Component
metadata: { name: inventory }
spec: { type: service, system: shop, providesApis: [stock] }
---
apiVersion: backstage.io/v1alpha1
kind: Component
metadata: { name: gateway, namespace: front }
spec: { type: website, owner: web }
---
apiVersion: backstage.io/v1alpha1
kind: Component
metadata: { name: helpers }
spec: { type: library, owner: payments }
---
apiVersion: backstage.io/v1alpha1
kind: System
metadata: { name: shop }
spec: { owner: user:jane }
---
apiVersion: backstage.io/v1alpha1
kind: API
metadata: { name: stock }
spec: { type: grpc, owner: payments, definition: { $text: ./stock.proto } }
---
apiVersion: scaffolder.backstage.io/v1beta3
kind: Template
metadata: { name: { not: read } }
`

func TestCatalog(t *testing.T) {
	c, err := charter.ReadCatalog(fstest.MapFS{"catalog-info.yaml": {Data: []byte(shopCatalog)}}, "catalog-info.yaml")
	if err != nil {
		t.Fatal(err)
	}
	want := `charter: 1
teams:
  "front/web": { contact: "web@shop.example" }
  "jane": {}
  "payments": { contact: "https://chat.example/payments", escalation: "pagerduty:PAY1", runbook: "https://wiki.example/payments" }
services:
  "checkout": { team: "payments", language: go } # service; production; system shop; may_call of its contracts, by the catalogue: inventory, payment
  "gateway": { team: "front/web" } # website
  "inventory": { team: "jane" } # service; system shop
  "payment": { team: "payments", language: rust } # service
`
	if d := cmp.Diff(want, c.String()); d != "" {
		t.Errorf("(-want +got)\n%s", d)
	}
	if _, err := charter.Parse("charter.yaml", []byte(c.String())); err != nil {
		t.Errorf("what is written is no charter: %v", err)
	}
}

func TestCatalogLeavesOut(t *testing.T) {
	c, err := charter.ReadCatalog(fstest.MapFS{"catalog-info.yaml": {Data: []byte(
		"apiVersion: backstage.io/v1alpha1\nkind: Component\nmetadata:\n  name: ${{ values.name }}\nspec: { owner: a }\n---\n" +
			"apiVersion: backstage.io/v1alpha1\nkind: Location\nspec: { targets: [https://shop.example/x.yaml, /etc/x.yaml, ../x.yaml] }\n")}}, ".")
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		"catalog-info.yaml:4:9: ${{ values.name }} is the name of a template, from which services are made",
		`catalog-info.yaml:9:19: the location "https://shop.example/x.yaml" is outside; nothing is downloaded`,
		`catalog-info.yaml:9:48: the location "/etc/x.yaml" is outside; nothing is downloaded`,
		`catalog-info.yaml:9:61: the location "../x.yaml" is outside; nothing is downloaded`,
	}
	if d := cmp.Diff(want, c.Skipped); d != "" || len(c.Services) > 0 {
		t.Errorf("(-want +got)\n%s", d)
	}
}

func TestCharterWithCatalog(t *testing.T) {
	folder := fstest.MapFS{
		"charter.yaml": {Data: []byte(`charter: 1
import: [{ backstage: ./catalog }]
teams: { payments: { contact: "#payments" } }
services: { checkout: { tier: critical }, payment: { team: own, language: go } }
attributes: { a: { type: string, owner: front/web } }
spans: { s: { service: gateway, match: { name: s }, may_call: [inventory] } }
`)},
		"more.yaml":                      {Data: []byte("teams: { own: {} }\n")},
		"catalog/catalog-info.yaml":      {Data: []byte("apiVersion: backstage.io/v1alpha1\nkind: Location\nmetadata: { name: all }\nspec: { targets: [../entities/*.yaml, https://shop.example/x.yaml] }\n")},
		"catalog/readme.yaml":            {Data: []byte("not: read\n")},
		"entities/all.yaml":              {Data: []byte(shopCatalog)},
		"catalog/node_modules/x/y/z.yml": {Data: []byte("not: read\n")},
	}
	c, err := charter.LoadFS(folder, ".", nil)
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]string{}
	for _, name := range c.Services() {
		s, _ := c.Service(name)
		o, _ := c.OwnerOf(name)
		got[name] = strings.Join([]string{s.Language, s.Tier, o.Name, o.Contact, o.Escalation}, " ")
	}
	want := map[string]string{
		"checkout":  "go critical payments #payments pagerduty:PAY1",
		"gateway":   "other medium front/web web@shop.example ",
		"inventory": "other medium jane  ",
		"payment":   "go medium own  ",
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("(-want +got)\n%s", d)
	}
	again, err := charter.Parse("effective.yaml", []byte(c.Effective()))
	if err != nil || again.Version() != c.Version() {
		t.Errorf("the effective charter is another: %v", err)
	}
	folder["entities/all.yaml"] = &fstest.MapFile{Data: []byte(strings.Replace(shopCatalog, "name: payments\n", "name: money\n", 1))}
	if changed, err := charter.LoadFS(folder, ".", nil); err != nil || changed.Version() == c.Version() {
		t.Errorf("a change of the catalogue is none of the charter: %v", err)
	}
}

func TestCatalogErrors(t *testing.T) {
	const head = "apiVersion: backstage.io/v1alpha1\n"
	component := func(name string) string {
		return head + "kind: Component\nmetadata: { name: " + name + " }\nspec: { type: service, owner: a }\n"
	}
	for name, c := range map[string]struct {
		files map[string]string
		want  string
	}{
		"none":   {nil, "charter.yaml:2:23: import: backstage x: there is no such file or folder in the charter's own; put the catalogue there"},
		"empty":  {map[string]string{"x/y.txt": ""}, "charter.yaml:2:23: import: backstage x: read the catalogue: x has no catalog-info.yaml and no other .yaml; name the file or folder that has"},
		"syntax": {map[string]string{"x": "a: [\n"}, "x:1:1: this is not YAML: did not find expected node content"},
		"shapes": {map[string]string{"x": "- a\n---\nkind: Group\n---\napiVersion: backstage.io/v1\n---\n" + head + "kind: Group\nmetadata: []\n---\n" + head + "kind: Component\nmetadata: { name: [x] }\nspec: { dependsOn: a, tags: 1 }\n"},
			`x:1:1: a list stands where an entity is expected; write apiVersion, kind, metadata and spec
x:3:1: apiVersion is missing; write apiVersion: backstage.io/v1alpha1
x:5:1: kind is missing; write kind: Component, Group or another
x:7:1: metadata: name is missing; write metadata: { name: … }
x:11:1: metadata: name is missing; write metadata: { name: … }
x:13:19: metadata.name: a list stands where one value is expected`},
		"twice": {map[string]string{"x/a.yaml": component("s"), "x/b.yaml": component("t") + "---\n" + component("S")},
			"x/b.yaml:8:19: metadata.name: the component S stands at x/a.yaml:3:19 already; remove one"},
		"namespaces": {map[string]string{"x": component("s") + "---\n" + component("s, namespace: other")},
			"x:8:19: metadata.name: a service s stands at x:3:19 already, in another namespace; both would have one service.name: rename one"},
		"two catalogues": {map[string]string{"x": component("s"), "y": component("s"), "charter.yaml": "charter: 1\nimport: [{ backstage: x }, { backstage: y }]\n"},
			"y:3:19: services.s: the name stands at x:3:19 already, in another catalogue; remove one"},
		"spelling": {map[string]string{"x": component(`"a b"`)}, `x:3:19: services: "a b" is not a name; write 1 to 100 of A-Z a-z 0-9 . _ / -, the first a letter or digit`},
		"outside":  {map[string]string{"charter.yaml": "charter: 1\nimport: [{ backstage: ../x }]\n"}, `charter.yaml:2:23: import.backstage: "../x" is not a path within the charter's folder; write one relative to it, without .. and with /`},
		"target":   {map[string]string{"x": head + "kind: Location\nspec: { target: ./y.yaml }\n"}, `x:3:17: spec.targets: "./y.yaml" leads to no file; mend the path, or remove it`},
	} {
		t.Run(name, func(t *testing.T) {
			folder := fstest.MapFS{"charter.yaml": {Data: []byte("charter: 1\nimport: [{ backstage: x }]\n")}}
			for file, text := range c.files {
				folder[file] = &fstest.MapFile{Data: []byte(text)}
			}
			_, err := charter.LoadFS(folder, "charter.yaml", nil)
			if err == nil || !strings.HasPrefix(err.Error(), c.want) {
				t.Errorf("got\n%v\nwant\n%s", err, c.want)
			}
		})
	}
}

func TestCatalogBounds(t *testing.T) {
	location := func(to string) string {
		return "apiVersion: backstage.io/v1alpha1\nkind: Location\nspec: { target: ./" + to + " }\n"
	}
	chain := func(n int) fstest.MapFS {
		folder := fstest.MapFS{}
		for i := range n {
			folder["x"+strings.Repeat("y", i)] = &fstest.MapFile{Data: []byte(location("x" + strings.Repeat("y", i+1)))}
		}
		folder["x"+strings.Repeat("y", n)] = &fstest.MapFile{Data: []byte("---\n")}
		return folder
	}
	circle := fstest.MapFS{"x": {Data: []byte(location("y"))}, "y": {Data: []byte(location("x"))}}
	large := func(n int) fstest.MapFS { return fstest.MapFS{"x": {Data: []byte("#" + strings.Repeat("x", n-1))}} }
	many := func(n int) fstest.MapFS {
		return fstest.MapFS{"x": {Data: []byte(strings.Repeat("--- {apiVersion: x}\n", n))}}
	}
	for name, c := range map[string]struct {
		folder fstest.MapFS
		want   string
	}{
		"circle": {circle, ""},
		"chain":  {chain(charter.MaxDepth), ""}, "long chain": {chain(charter.MaxDepth + 1), "is the end of a chain of 9 locations"},
		"large": {large(charter.MaxBytes), ""}, "too large": {large(charter.MaxBytes + 1), "the file is too large"},
		"many": {many(charter.MaxDocuments + 1), "it has at most 50000 documents in all"},
	} {
		_, err := charter.ReadCatalog(c.folder, "x")
		if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%s: got %.200v, want %q", name, err, c.want)
		}
	}
}

func TestWatcherFollowsCatalogs(t *testing.T) {
	dir := t.TempDir()
	component := func(owner string) string {
		return "apiVersion: backstage.io/v1alpha1\nkind: Component\nmetadata: { name: a }\nspec: { type: service, owner: " + owner + " }\n"
	}
	write(t, filepath.Join(dir, "charter.yaml"), "charter: 1\nimport: [{ backstage: ./catalog-info.yaml }]\n", 0)
	write(t, filepath.Join(dir, "catalog-info.yaml"), component("first"), 0)
	w, err := charter.Watch(dir, charter.WatchOptions{Every: time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	changed := make(chan *charter.Charter, 10)
	w.OnChange(func(c *charter.Charter) error { changed <- c; return nil })
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { w.Run(ctx, nil); close(done) }()
	defer func() { stop(); <-done }()
	write(t, filepath.Join(dir, "catalog-info.yaml"), component("second"), 1)
	for c := range changed { // the file is empty for a moment while it is written
		if o, _ := c.OwnerOf("a"); o.Name == "second" {
			break
		}
	}
}

// Whatever stands in a catalogue, reading it ends, and what is read is a charter or
// an error that says where.
func FuzzCatalog(f *testing.F) {
	f.Add([]byte(shopCatalog))
	for _, seed := range []string{
		"a: &a [*a]\n", "apiVersion: backstage.io/v1\nkind: Group\nmetadata: &m { name: x, links: [*m, &l { url: u, title: *l }] }\n",
		"apiVersion: backstage.io/v1\nkind: Component\nmetadata: { name: \"\\u2028\" }\nspec: { owner: \"a:b/c\" }\n",
		"apiVersion: backstage.io/v1\nkind: Location\nspec: { targets: [\"[\", ./catalog-info.yaml, \"../x\"] }\n", "---\n---\n...\n", "\xff",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		c, err := charter.ReadCatalog(fstest.MapFS{"catalog-info.yaml": {Data: text}}, "catalog-info.yaml")
		if err != nil {
			return
		}
		if written := c.String(); strings.Count(written, "\n") != 1+len(c.Teams)+len(c.Services)+min(1, len(c.Teams))+min(1, len(c.Services)) {
			t.Errorf("a text breaks a line:\n%s", written)
		}
		folder := fstest.MapFS{"charter.yaml": {Data: []byte("charter: 1\nimport: [{ backstage: x.yaml }]\n")}, "x.yaml": {Data: text}}
		if _, err := charter.LoadFS(folder, ".", nil); err != nil {
			if _, ok := err.(charter.Errors); !ok {
				t.Errorf("an error without a place: %v", err)
			}
		}
	})
}
