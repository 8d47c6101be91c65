package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/clew-dev/clew/internal/charter"
	"github.com/clew-dev/clew/internal/charter/registry"
	"github.com/clew-dev/clew/internal/generate"
)

// importedHeader stands in the first line of what an import wrote, so that the next
// may write it anew.
const importedHeader = "# Written by clew charter import; to keep changes of your own, remove this line."

// maxImported bounds the paths of one command line.
const maxImported = 1000

func charterImportCommand() *command {
	return &command{
		name: "charter import", args: "backstage|weaver PATH...", minArgs: 2, maxArgs: 1 + maxImported,
		short: "write a part of a charter from what you have already",
		long: `backstage reads catalog-info.yaml files, or folders of them: components become
services with their owners, groups become teams with how they are reached. What
a charter has no word for, such as lifecycle and dependsOn, stands in comments.

weaver reads one registry, a folder or a file, of either generation or resolved:
its attributes become those of the charter, with the owners and the privacy that
clew charter generate registry wrote.

Both only copy. A charter that follows its source imports it instead:
import: [{ backstage: ./catalog-info.yaml }, { registry: ./registry }].`,
		flags: []flagDef{{name: "to", value: "FILE", help: "Write the part there. A file that was not written by an import is never replaced. Without it the part is printed."}},
		examples: []example{
			{"clew charter import backstage catalog-info.yaml services/*/catalog-info.yaml --to charter/teams.yaml", "who owns what, from Backstage"},
			{"clew charter import backstage .", "print what all catalogue files below say"},
			{"clew charter import weaver telemetry/registry --to charter/words.yaml", "the words of a registry, to go on with here"},
		},
		run: runCharterImport,
	}
}

func runCharterImport(_ context.Context, in *invocation) error {
	what, paths := in.args[0], in.args[1:]
	var part string
	var err error
	switch what {
	case "backstage":
		part, err = importBackstage(in, paths)
	case "weaver":
		if len(paths) > 1 {
			return in.usage("weaver takes one PATH; import each registry by itself")
		}
		part, err = importWeaver(in, paths[0])
	default:
		return in.usage("%q cannot be imported; write backstage or weaver", what)
	}
	if errs := charter.Errors(nil); errors.As(err, &errs) {
		for _, one := range errs {
			fmt.Fprintln(in.std.err, clean(one.Error()))
		}
		return errQuiet
	}
	if err != nil {
		return err
	}
	text := importedHeader + "\n" + part
	if !in.given["to"] {
		_, err := io.WriteString(in.std.out, text)
		return err
	}
	to := in.str("to")
	switch now, err := os.ReadFile(to); {
	case err == nil && !strings.HasPrefix(string(now), importedHeader):
		return fmt.Errorf("%s: it was not written by an import, for its first line does not say so; name another file, or remove it", to)
	case err != nil && !errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("read what was imported: %w", err)
	}
	if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
		return fmt.Errorf("make the folder: %w", err)
	}
	if err := replaceFile(to, []byte(text)); err != nil {
		return fmt.Errorf("write %s: %w", to, err)
	}
	_, err = fmt.Fprintf(in.std.out, "wrote %s; then: clew charter check\n", to)
	return err
}

// importBackstage reads all paths as one catalogue.
func importBackstage(in *invocation, paths []string) (string, error) {
	root, names, err := commonRoot(paths)
	if err != nil {
		return "", err
	}
	c, err := charter.ReadCatalog(os.DirFS(root), names...)
	if err != nil {
		return "", err
	}
	for _, one := range c.Skipped {
		fmt.Fprintf(in.std.err, "left out: %s\n", clean(one))
	}
	return checkedPart(c.String())
}

// commonRoot gives a folder in which all paths are: the working folder where that is
// one, so that messages name files as they were written.
func commonRoot(paths []string) (root string, names []string, err error) {
	root = "."
	if slices.ContainsFunc(paths, func(p string) bool { return !filepath.IsLocal(p) }) {
		root = "/"
	}
	for _, p := range paths {
		if root == "/" {
			if p, err = filepath.Abs(p); err != nil {
				return "", nil, err
			}
			if p, err = filepath.Rel(root, p); err != nil {
				return "", nil, err
			}
		}
		names = append(names, path.Clean(filepath.ToSlash(p)))
	}
	return root, names, nil
}

func importWeaver(in *invocation, name string) (string, error) {
	i, err := os.Stat(name)
	if err != nil {
		return "", fmt.Errorf("read the registry: %w", err)
	}
	var r *registry.Registry
	if i.IsDir() {
		// Dependencies stand beside a registry: ../base.
		folder, err := filepath.Abs(name)
		if err != nil {
			return "", err
		}
		if folder == filepath.Dir(folder) {
			r, err = registry.Read(os.DirFS(folder))
		} else {
			r, err = registry.ReadAt(os.DirFS(filepath.Dir(folder)), filepath.Base(folder))
		}
		if err != nil {
			return "", err
		}
	} else if r, err = registry.ReadFile(os.DirFS(filepath.Dir(name)), filepath.Base(name)); err != nil {
		return "", err
	}
	if n := len(r.Spans()) + len(r.Metrics()) + len(r.Events()) + len(r.Entities()); n > 0 {
		fmt.Fprintf(in.std.err, "left out: %d spans, %d metrics, %d events and %d entities; a contract needs a service, which a registry does not name\n",
			len(r.Spans()), len(r.Metrics()), len(r.Events()), len(r.Entities()))
	}
	return checkedPart(generate.Words(r.Attributes()))
}

// checkedPart gives a part that checks by itself; a name that a charter cannot have
// is an error at the part's own line.
func checkedPart(part string) (string, error) {
	return part, charter.Validate("what is imported", []byte(part))
}
