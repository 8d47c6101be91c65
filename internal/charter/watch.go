package charter

import (
	"context"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"
)

// Watcher holds the charter in force and follows its files, those of the imports
// included. Files that do not check change nothing: the charter before stays in
// force and the reason is logged and kept for LastError.
type Watcher struct {
	path    string
	resolve Resolve
	log     *slog.Logger
	every   time.Duration
	now     atomic.Pointer[Charter]
	mu      sync.Mutex // one reload at a time; guards the fields below
	seen    map[string]stamp
	kept    string // the version that keepPath holds
	err     error
	apply   func(*Charter) error

	// keepPath is where the last charter that checked is kept, and replace puts a text there.
	keepPath string
	replace  func(path string, text []byte) error
}

// stamp tells one state of a file from another without reading it.
type stamp struct {
	mtime time.Time
	size  int64
	gone  bool
}

// WatchOptions configure a Watcher.
type WatchOptions struct {
	Logger *slog.Logger
	Every  time.Duration // how often the files' times are looked at; default 2 s
	// Resolve reads imports. Without it they stay names, and what depends on them is
	// not judged.
	Resolve Resolve
	// Keep is the path of a file for the last charter that checked: a zip archive of
	// its files. A start beside a charter that does not check goes on with it. Replace
	// puts a text in the place of a file, whole or not at all, and durably.
	Keep    string
	Replace func(path string, text []byte) error
}

// Watch loads a file or a folder and returns a Watcher for it. With an empty path
// the charter is Default, with its imports, and never changes. The first load must
// check, unless an earlier one of the same path was kept: then that is in force and
// LastError says what is wrong with the one that is there.
func Watch(path string, o WatchOptions) (*Watcher, error) {
	w := &Watcher{path: path, resolve: o.Resolve, log: o.Logger, every: o.Every, keepPath: o.Keep, replace: o.Replace}
	if w.log == nil {
		w.log = slog.New(slog.DiscardHandler)
	}
	if w.every == 0 {
		w.every = 2 * time.Second
	}
	if path == "" {
		c := Default()
		if w.resolve != nil {
			var err error
			if c, err = c.resolve(nil, w.resolve); err != nil {
				return nil, err
			}
		}
		w.now.Store(c)
		return w, nil
	}
	c, err := w.load()
	if err == nil {
		w.keep(c.Version())
	} else if c = w.lastGood(); c == nil {
		return nil, err
	} else {
		w.err = err
		w.log.Warn("the charter does not check: the last one that did is in force", "path", w.path, "in_force", c.Version(), "err", err)
	}
	w.now.Store(c)
	return w, nil
}

// Current gives the charter in force.
func (w *Watcher) Current() *Charter { return w.now.Load() }

// LastError says why the files as they stand are not in force, or nil.
func (w *Watcher) LastError() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.err
}

// OnChange sets the function that is called with every new charter before it comes
// into force, one at a time. Its error keeps the one before in force, as one of the files does.
func (w *Watcher) OnChange(apply func(*Charter) error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.apply = apply
}

// Reload reads the files now, whatever their times say.
func (w *Watcher) Reload() error {
	if w.path == "" {
		return nil
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.reload()
}

func (w *Watcher) reload() error {
	c, err := w.load()
	changed := err == nil && c.Version() != w.now.Load().Version()
	if changed && w.apply != nil {
		err = w.apply(c)
	}
	w.err = err
	if err != nil {
		w.log.Warn("charter not changed: it does not check", "path", w.path, "in_force", w.now.Load().Version(), "err", err)
		return err
	}
	w.keep(c.Version())
	if changed {
		w.now.Store(c)
		w.log.Info("charter changed", "path", w.path, "version", c.Version())
	}
	return nil
}

// load reads the charter and notes what was read. Each file's state is noted before
// it is opened, so that a change in between is seen as one.
func (w *Watcher) load() (*Charter, error) {
	folder, file, err := locate(w.path)
	if err != nil {
		w.seen = map[string]stamp{w.path: {gone: true}}
		return nil, err
	}
	r := &recorder{fs: os.DirFS(folder), folder: folder, seen: map[string]stamp{}}
	c, err := LoadFS(r, file, w.resolve)
	w.seen = r.seen
	return c, err
}

// changed reports whether a file or folder that was read is another now.
func (w *Watcher) changed() bool {
	for name, was := range w.seen {
		if stampOf(name) != was {
			return true
		}
	}
	return false
}

// recorder notes the state of everything that is opened through it.
type recorder struct {
	fs     fs.FS
	folder string
	seen   map[string]stamp // by path
}

func (r *recorder) Open(name string) (fs.File, error) {
	full := filepath.Join(r.folder, filepath.FromSlash(name))
	if _, known := r.seen[full]; !known {
		r.seen[full] = stampOf(full)
	}
	return r.fs.Open(name)
}

// Run follows the files until ctx ends. A value from hup (SIGHUP in a server)
// reads them at once.
func (w *Watcher) Run(ctx context.Context, hup <-chan os.Signal) {
	if w.path == "" {
		return
	}
	t := time.NewTicker(w.every)
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-hup:
			_ = w.Reload() // logged and kept for LastError
		case <-t.C:
			w.mu.Lock()
			if w.changed() {
				_ = w.reload() // logged and kept for LastError
			}
			w.mu.Unlock()
		}
	}
}

func stampOf(path string) stamp {
	i, err := os.Stat(path)
	if err != nil {
		return stamp{gone: true}
	}
	return stamp{mtime: i.ModTime(), size: i.Size()}
}
