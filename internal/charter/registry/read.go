package registry

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"runtime"
	"slices"
	"strings"
	"sync"

	"github.com/clew-dev/clew/internal/charter"
	"github.com/clew-dev/clew/internal/telemetry"
	"gopkg.in/yaml.v3"
)

// Bounds of what is read, over a registry and all that it depends on.
const (
	MaxFiles      = 5_000
	MaxBytes      = 64 << 20
	MaxAttributes = 100_000 // definitions
	MaxUses       = 500_000 // attributes of all signals together, with those they take over
	MaxDepth      = 32      // of references from group to group, and of dependencies
)

// manifests are the names that the description of a registry may have.
var manifests = []string{"manifest.yaml", "manifest.yml", "registry_manifest.yaml", "registry_manifest.yml"}

// Read reads the registry in the root of a tree. Its dependencies must be folders
// of the same tree; see [ReadAt]. The error is a charter.Errors with all that is
// wrong, or that of the file system.
func Read(fsys fs.FS) (*Registry, error) { return ReadAt(fsys, ".") }

// ReadAt reads the registry in a folder of a tree, so that dependencies may stand
// beside it. Hidden files, schema-next.yaml and folders with a manifest of their
// own are no part of it.
func ReadAt(fsys fs.FS, folder string) (*Registry, error) {
	l := &loader{fsys: fsys, loaded: map[string]*Registry{}}
	if !fs.ValidPath(folder) {
		return nil, charter.Errors{place{file: folder}.error("", "not a folder of the tree; write a path without .. and without / in front")}
	}
	r, err := l.load(folder, place{file: folder})
	if err != nil {
		return nil, err
	}
	if len(l.errs) > 0 {
		return nil, sorted(l.errs)
	}
	return r, nil
}

// ReadFile is Read for a registry that is one file, of any of the forms.
func ReadFile(fsys fs.FS, name string) (*Registry, error) {
	l := &loader{fsys: fsys, only: name, loaded: map[string]*Registry{}}
	r, err := l.load(name, place{file: name})
	if err != nil {
		return nil, err
	}
	if len(l.errs) > 0 {
		return nil, sorted(l.errs)
	}
	return r, nil
}

// loader reads a registry and its dependencies, each folder once.
type loader struct {
	fsys    fs.FS
	only    string // the one file that the registry is; empty: a folder
	loaded  map[string]*Registry
	loading []string // the way to the folder that is being read

	files, attributes, uses int
	bytes                   int64
	errs                    charter.Errors
}

func (l *loader) fail(at place, path, format string, args ...any) {
	l.errs = append(l.errs, at.error(path, format, args...))
}

// dependency is a registry that a manifest names.
type dependency struct {
	folder string
	at     place
}

// load gives nil without an error when something was reported.
func (l *loader) load(folder string, from place) (*Registry, error) {
	if r := l.loaded[folder]; r != nil {
		return r, nil
	}
	if slices.Contains(l.loading, folder) {
		l.fail(from, "dependencies", "the registries depend on each other in a circle: %s; remove one", strings.Join(append(l.loading, folder), " → "))
		return nil, nil
	}
	if len(l.loading) >= MaxDepth {
		l.fail(from, "dependencies", "over %d registries depend on each other in a row; import what is needed in one of them", MaxDepth)
		return nil, nil
	}
	l.loading = append(l.loading, folder)
	defer func() { l.loading = l.loading[:len(l.loading)-1] }()

	paths, err := l.walk(folder, from)
	if err != nil {
		return nil, err
	}
	texts, err := l.texts(paths)
	if err != nil {
		return nil, err
	}
	r := &Registry{}
	var needed []dependency
	if isManifest(paths) {
		needed = l.manifest(r, folder, paths, texts[0])
		paths, texts = paths[1:], texts[1:]
	}
	if len(paths) == 0 && len(needed) == 0 && len(l.errs) == 0 {
		l.fail(from, "", "the folder has no YAML file; write one with groups:, or name another folder")
	}
	contents := l.contents(paths, texts)
	var dependencies []*Registry
	for _, d := range needed {
		one, err := l.load(d.folder, d.at)
		if err != nil {
			return nil, err
		}
		if one != nil {
			dependencies = append(dependencies, one)
		}
	}
	if len(l.errs) > 0 {
		return nil, nil // what is missing may stand where something is wrong
	}
	r.source = "registry " + cmp.Or(r.Name, folder)
	resolve(l, r, contents, dependencies)
	l.loaded[folder] = r
	return r, nil
}

// isManifest reports whether the first of the files describes the registry.
func isManifest(paths []string) bool {
	return len(paths) > 0 && slices.Contains(manifests, path.Base(paths[0]))
}

// walk lists the files of a registry: its manifest, then the others in order.
func (l *loader) walk(folder string, from place) (paths []string, err error) {
	if l.only != "" {
		return []string{l.only}, nil
	}
	found := ""
	err = fs.WalkDir(l.fsys, folder, func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			if name == folder && errors.Is(err, fs.ErrNotExist) {
				l.fail(from, "", "there is no folder %s; name one that exists", folder)
				return fs.SkipAll
			}
			return err
		}
		base := path.Base(name)
		if name != folder && strings.HasPrefix(base, ".") {
			return skip(d)
		}
		if d.IsDir() {
			if name != folder && l.hasManifest(name) {
				return fs.SkipDir
			}
			return nil
		}
		if name == folder {
			l.fail(from, "", "%s is a file; name the folder that it is in", folder)
			return nil
		}
		ext := path.Ext(base)
		if ext != ".yaml" && ext != ".yml" || base == "schema-next.yaml" {
			return nil
		}
		if slices.Contains(manifests, base) {
			if found == "" || slices.Index(manifests, base) < slices.Index(manifests, path.Base(found)) {
				found = name
			}
			return nil
		}
		if info, err := fs.Stat(l.fsys, name); err != nil || !info.Mode().IsRegular() {
			return err
		}
		if l.files++; l.files > MaxFiles {
			l.fail(place{file: name}, "", "the registry has over %d files; name a smaller folder", MaxFiles)
			return fs.SkipAll
		}
		paths = append(paths, name)
		return nil
	})
	if found != "" {
		paths = append([]string{found}, paths...)
	}
	return paths, err
}

func skip(d fs.DirEntry) error {
	if d.IsDir() {
		return fs.SkipDir
	}
	return nil
}

func (l *loader) hasManifest(folder string) bool {
	return slices.ContainsFunc(manifests, func(name string) bool {
		info, err := fs.Stat(l.fsys, path.Join(folder, name))
		return err == nil && info.Mode().IsRegular()
	})
}

// texts reads files up to the bound.
func (l *loader) texts(paths []string) ([][]byte, error) {
	texts := make([][]byte, len(paths))
	for i, name := range paths {
		f, err := l.fsys.Open(name)
		if err != nil {
			return nil, fmt.Errorf("read the registry: %w", err)
		}
		texts[i], err = io.ReadAll(io.LimitReader(f, MaxBytes-l.bytes+1))
		if closed := f.Close(); err == nil {
			err = closed
		}
		if err != nil {
			return nil, fmt.Errorf("read the registry: %s: %w", name, err)
		}
		if l.bytes += int64(len(texts[i])); l.bytes > MaxBytes {
			l.fail(place{file: name}, "", "the registry has over %d bytes; name a smaller folder", MaxBytes)
			return make([][]byte, len(paths)), nil
		}
	}
	return texts, nil
}

// contents parses files, several at once: two thirds of the time of Read go here.
func (l *loader) contents(paths []string, texts [][]byte) []content {
	if len(l.errs) > 0 && l.bytes > MaxBytes {
		return nil
	}
	contents, files := make([]content, len(paths)), make([]file, len(paths))
	next := make(chan int)
	var workers sync.WaitGroup
	for range min(runtime.GOMAXPROCS(0), len(paths)) {
		workers.Go(func() {
			for i := range next {
				files[i].name = paths[i]
				if n := files[i].parse(texts[i]); n != nil {
					contents[i] = files[i].content(n)
				}
			}
		})
	}
	for i := range paths {
		next <- i
	}
	close(next)
	workers.Wait()
	for i := range files {
		l.errs = append(l.errs, files[i].errs...)
	}
	return contents
}

var manifestKeys = []string{"file_format", "name", "schema_url", "description", "stability", "dependencies", "semconv_version", "schema_base_url",
	"resolved_registry_uri", "resolved_schema_uri"}

// publishedFormat is that of the manifest of a registry that was published.
const publishedFormat = "manifest/2.0"

// manifest reads the description of a registry.
func (l *loader) manifest(r *Registry, folder string, paths []string, text []byte) (needed []dependency) {
	f := &file{name: paths[0]}
	defer func() { l.errs = append(l.errs, f.errs...) }()
	n := f.parse(text)
	if n == nil {
		return nil
	}
	base, version := "", ""
	f.fields(n, "", manifestKeys, func(key string, v *yaml.Node, at string) {
		switch key {
		case "schema_url":
			r.SchemaURL = f.text(v, at)
		case "schema_base_url": // this and the next: the form before schema_url
			base = strings.TrimSuffix(f.text(v, at), "/")
		case "semconv_version":
			version = f.text(v, at)
		case "file_format":
			if s := f.text(v, at); s != publishedFormat {
				f.fail(v, at, "%q is not a form this clew reads; write %s, or leave it out for a registry with definitions", telemetry.Clip(s), publishedFormat)
			}
		case "resolved_registry_uri", "resolved_schema_uri": // of a registry that was published
			if to, ok := localFolder(folder, f.text(v, at)); !ok {
				f.fail(v, at, "%q is not a file of the tree that is read, and nothing is downloaded here; download it and name the file", telemetry.Clip(v.Value))
			} else if !slices.Contains(paths, to) {
				f.fail(v, at, "there is no file %s here that ends in .yaml or .yml; put the resolved registry there", to)
			}
		case "dependencies":
			if valueOf(n, "resolved_registry_uri") != nil {
				return // what it needs of them is in it
			}
			f.list(v, at, func(v *yaml.Node, at string) {
				if d, ok := l.dependency(f, folder, v, at); ok {
					needed = append(needed, d)
				}
			})
		default:
			f.text(v, at)
		}
	})
	if r.SchemaURL == "" && base != "" && version != "" {
		r.SchemaURL = base + "/" + version
	}
	if r.SchemaURL == "" && len(f.errs) == 0 {
		f.fail(n, "", "schema_url is missing; write schema_url: https://HOST/PATH/VERSION")
	}
	r.Name, _ = splitSchemaURL(r.SchemaURL)
	return needed
}

func (l *loader) dependency(f *file, folder string, n *yaml.Node, path string) (dependency, bool) {
	registry := n
	f.fields(n, path, []string{"name", "schema_url", "registry_path"}, func(key string, v *yaml.Node, at string) {
		if s := f.text(v, at); key == "registry_path" && s != "" {
			registry = v
		}
	})
	if registry == n {
		if n.Kind == yaml.MappingNode {
			f.fail(n, path, "registry_path is missing and nothing is downloaded here; download the registry and name its folder: registry_path: ../NAME")
		}
		return dependency{}, false
	}
	to, ok := localFolder(folder, registry.Value)
	if !ok {
		f.fail(registry, path+".registry_path", "%q is not a folder of the tree that is read, and nothing is downloaded here; download the registry and name its folder: registry_path: ../NAME",
			telemetry.Clip(registry.Value))
	}
	return dependency{to, f.at(registry)}, ok
}

// localFolder resolves the path of a dependency against the folder of its manifest.
func localFolder(folder, to string) (string, bool) {
	for _, archive := range []string{".zip", ".tar.gz", ".git", "]"} {
		if strings.HasSuffix(to, archive) {
			return "", false
		}
	}
	joined := path.Join(folder, to)
	return joined, !strings.Contains(to, "://") && !strings.HasPrefix(to, "/") && !strings.HasPrefix(to, "git@") && fs.ValidPath(joined)
}
