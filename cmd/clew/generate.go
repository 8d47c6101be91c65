package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	"github.com/clew-dev/clew/internal/generate"
)

func charterGenerateCommand() *command {
	return &command{
		name: "charter generate", args: "[LANGUAGE]", maxArgs: 1,
		short: "write code, pages or a registry from a charter",
		long: `Writes a Go package or a Rust module with a type for every attribute and a
builder for every contract of a span, or pages with a glossary and a reference.
What a compiler refuses then nobody has to find in production: a misspelled
name, another type, a required attribute that is missing.

registry writes what others can import: a published registry as OpenTelemetry
Weaver has it, resolved, with owners and privacy as annotations. policies writes
Telemetry Policies of OpenTelemetry for other collectors, of what may fail open.
Rules of privacy may not and are never among them; what is left out is printed.

Only files that differ are written, and a file that does not say in its first
lines that it is generated is never replaced. The same charter gives the same
bytes. A folder of templates NAME.tmpl (text/template of Go) replaces single
files, adds others, or makes a language of its own.`,
		flags: []flagDef{
			{name: "language", value: "LANGUAGE", help: "What to write: " + strings.Join(generate.Languages(), ", ") + ", or another of which --templates has the files. The same as LANGUAGE; one of the two is needed."},
			{name: "out", value: "FOLDER", help: "Where to write; it is made when it is not there. Needed."},
			{name: "charter", value: "PATH", help: "The charter: a file or a folder. Without it charter.yaml or the folder charter of the folder that the command runs in."},
			{name: "package", value: "NAME", def: "charter", help: "The name of the Go package."},
			{name: "schema-url", value: "URL", help: "The address of the registry, ending in its version: https://HOST/PATH/1.2.0. Without it one that leads nowhere, with a version that follows from the content."},
			{name: "templates", value: "FOLDER", help: "Templates that replace the built-in ones or stand beside them."},
			{name: "all", kind: toggle, help: "The whole vocabulary, not only what the charter defines and its contracts require."},
			{name: "check", kind: toggle, help: "Write nothing; name the files that are not current, and fail if there are any."},
		},
		examples: []example{
			{"clew charter generate --language go --out internal/charter", "a package of typed attributes and spans"},
			{"clew charter generate --language rust --out src/charter", "the same for Rust: mod charter;"},
			{"clew charter generate --language docs --out docs/telemetry --check", "in CI: fail when the pages are not current"},
			{"clew charter generate registry --out build/registry --schema-url https://shop.example/schemas/shop/1.2.0", "for Weaver and for other charters to import"},
			{"clew charter generate policies --out build/policies", "for collectors that apply OpenTelemetry's policies"},
		},
		run: runCharterGenerate,
	}
}

func runCharterGenerate(_ context.Context, in *invocation) error {
	language := in.str("language")
	if len(in.args) > 0 {
		if in.given["language"] && language != in.args[0] {
			return in.usage("LANGUAGE is %s and --language %s; write one of them", in.args[0], language)
		}
		language, in.args = in.args[0], nil
	}
	if language == "" {
		return in.usage("LANGUAGE is missing")
	}
	if in.str("out") == "" {
		return in.usage("--out is missing")
	}
	if in.given["schema-url"] {
		if u, err := url.Parse(in.str("schema-url")); err != nil || u.Host == "" || strings.Count(strings.Trim(u.Path, "/"), "/") < 1 {
			return in.usage("--schema-url %q is no address of a registry; write https://HOST/PATH/VERSION", in.str("schema-url"))
		}
	}
	if in.given["charter"] {
		in.args = []string{in.str("charter")} // where the other commands on charters have it
	}
	c, err := loadCharter(in, 0)
	if err != nil {
		return err
	}
	o := generate.Options{Language: language, Package: in.str("package"), All: in.on("all"), SchemaURL: in.str("schema-url")}
	if in.given["templates"] {
		o.Templates = os.DirFS(in.str("templates"))
	}
	files, err := generate.Run(c, o)
	if err != nil {
		return err
	}
	for _, one := range generate.LeftOut(c, o) {
		fmt.Fprintf(in.std.err, "left out: %s\n", clean(one))
	}
	changed, err := changedFiles(in.str("out"), files)
	if err != nil {
		return err
	}
	if in.on("check") {
		for _, f := range changed {
			fmt.Fprintf(in.std.out, "%s is not current\n", filepath.Join(in.str("out"), f.Name))
		}
		if len(changed) > 0 {
			return errQuiet
		}
		return nil
	}
	return writeFiles(in, changed)
}

// changedFiles gives those that differ from what is in the folder. A file that
// somebody else wrote is an error, before any is touched.
func changedFiles(folder string, files []generate.File) ([]generate.File, error) {
	var changed []generate.File
	for _, f := range files {
		name := filepath.Join(folder, f.Name)
		now, err := os.ReadFile(name)
		switch {
		case errors.Is(err, fs.ErrNotExist) && f.Content == nil:
		case errors.Is(err, fs.ErrNotExist):
			changed = append(changed, f)
		case err != nil:
			return nil, fmt.Errorf("read what was generated: %w", err)
		case f.Content == nil && !generate.Generated(now), bytes.Equal(now, f.Content):
		case !generate.Generated(now):
			return nil, fmt.Errorf("%s: it was not generated, for it does not say so in its first lines; name another folder, or remove it", name)
		default:
			changed = append(changed, f)
		}
	}
	return changed, nil
}

// writeFiles puts each file in its place at once, so that no compiler ever reads
// half of one.
func writeFiles(in *invocation, files []generate.File) error {
	folder := in.str("out")
	for _, f := range files {
		name := filepath.Join(folder, f.Name)
		if f.Content == nil {
			if err := os.Remove(name); err != nil {
				return fmt.Errorf("remove what is not generated any more: %w", err)
			}
			fmt.Fprintf(in.std.out, "removed %s\n", name)
			continue
		}
		if err := os.MkdirAll(folder, 0o755); err != nil {
			return fmt.Errorf("make the folder: %w", err)
		}
		if err := replaceFile(name, f.Content); err != nil {
			return fmt.Errorf("write %s: %w", name, err)
		}
		fmt.Fprintf(in.std.out, "wrote %s\n", name)
	}
	return nil
}

func replaceFile(name string, content []byte) error {
	temporary := name + ".new"
	err := os.WriteFile(temporary, content, 0o644)
	if err == nil {
		err = os.Rename(temporary, name)
	}
	if err != nil {
		return errors.Join(err, removeIfThere(temporary))
	}
	return nil
}

func removeIfThere(name string) error {
	if err := os.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}
