package api

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io/fs"
	"net/http"
	"path"
	"strings"
	"time"
)

// page serves the built web page. Files under assets/ have a hash in their name
// and never change; everything else is asked for again each time. A path that no
// file has, and that looks like none, is one of the page's own: it gets index.html.
type page struct {
	files fs.FS
	tags  map[string]string // entity tag by file, compressed ones apart
}

// contentTypes does not ask the system's tables, which differ from machine to
// machine and may call a script text.
var contentTypes = map[string]string{
	".html": "text/html; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".css": "text/css; charset=utf-8",
	".json": "application/json", ".map": "application/json", ".svg": "image/svg+xml", ".png": "image/png", ".ico": "image/x-icon",
	".woff2": "font/woff2", ".txt": "text/plain; charset=utf-8", ".webmanifest": "application/manifest+json", ".wasm": "application/wasm",
}

// newPage reads every file once to know its tag. Files that cannot be read are
// not served.
func newPage(files fs.FS) *page {
	p := &page{files: files, tags: map[string]string{}}
	_ = fs.WalkDir(files, ".", func(name string, d fs.DirEntry, err error) error { // the function below never fails
		if err != nil || d.IsDir() {
			return nil
		}
		b, err := fs.ReadFile(files, name)
		if err != nil {
			return nil
		}
		sum := sha256.Sum256(b)
		p.tags[name] = `"` + hex.EncodeToString(sum[:12]) + `"`
		return nil
	})
	return p
}

func (p *page) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		w.Header().Set("Allow", "GET, HEAD")
		http.Error(w, "method not allowed", http.StatusMethodNotAllowed)
		return
	}
	name := strings.TrimPrefix(path.Clean("/"+r.URL.Path), "/")
	typ, known := contentTypes[path.Ext(name)]
	if _, ok := p.tags[name]; !ok || !known || name == "index.html" {
		if known && name != "index.html" || strings.HasPrefix(name, "assets/") {
			http.NotFound(w, r)
			return
		}
		name, typ = "index.html", contentTypes[".html"]
	}
	h := w.Header()
	file := name
	for _, c := range [...]struct{ coding, suffix string }{{"br", ".br"}, {"gzip", ".gz"}} {
		if _, ok := p.tags[name+c.suffix]; ok && acceptsEncoding(r, c.coding) {
			file = name + c.suffix
			h.Set("Content-Encoding", c.coding)
			break
		}
	}
	b, err := fs.ReadFile(p.files, file)
	if err != nil {
		h.Del("Content-Encoding")
		if errors.Is(err, fs.ErrNotExist) {
			http.NotFound(w, r)
			return
		}
		http.Error(w, "the page cannot be read", http.StatusInternalServerError)
		return
	}
	h.Set("Content-Type", typ)
	h.Set("ETag", p.tags[file])
	if strings.HasPrefix(name, "assets/") {
		h.Set("Cache-Control", "public, max-age=31536000, immutable")
	} else {
		h.Set("Cache-Control", "no-cache")
	}
	http.ServeContent(w, r, name, time.Time{}, bytes.NewReader(b))
}
