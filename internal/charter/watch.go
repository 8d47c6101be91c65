package charter

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"
)

// Load reads and compiles a charter file. Messages name the file without its folder.
func Load(path string) (*Charter, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("read charter: %w", err)
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, MaxBytes+1))
	if err != nil {
		return nil, fmt.Errorf("read charter: %w", err)
	}
	return Parse(filepath.Base(path), text)
}

// Watcher holds the charter in force and follows its file. A file that does not
// check changes nothing: the charter before stays in force and the reason is
// logged and kept for LastError.
type Watcher struct {
	path   string
	log    *slog.Logger
	every  time.Duration
	now    atomic.Pointer[Charter]
	mu     sync.Mutex // one reload at a time; guards the fields below
	seen   stamp
	err    error
	change []func(*Charter)
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
	Every  time.Duration // how often the file's time is looked at; default 2 s
}

// Watch loads the file and returns a Watcher for it. With an empty path the
// charter is Default and never changes. The first load must check.
func Watch(path string, o WatchOptions) (*Watcher, error) {
	w := &Watcher{path: path, log: o.Logger, every: o.Every}
	if w.log == nil {
		w.log = slog.New(slog.DiscardHandler)
	}
	if w.every == 0 {
		w.every = 2 * time.Second
	}
	if path == "" {
		w.now.Store(Default())
		return w, nil
	}
	w.seen = stampOf(path)
	c, err := Load(path)
	if err != nil {
		return nil, err
	}
	w.now.Store(c)
	return w, nil
}

// Current gives the charter in force.
func (w *Watcher) Current() *Charter { return w.now.Load() }

// LastError says why the file as it stands is not in force, or nil.
func (w *Watcher) LastError() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.err
}

// OnChange registers a function that is called, one at a time, with every new
// charter after it came into force.
func (w *Watcher) OnChange(fn func(*Charter)) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.change = append(w.change, fn)
}

// Reload reads the file now, whatever its time says.
func (w *Watcher) Reload() error {
	if w.path == "" {
		return nil
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.reload()
}

func (w *Watcher) reload() error {
	w.seen = stampOf(w.path)
	c, err := Load(w.path)
	w.err = err
	if err != nil {
		w.log.Warn("charter not changed: the file does not check", "file", w.path, "err", err)
		return err
	}
	if c.Effective() == w.now.Load().Effective() {
		return nil
	}
	w.now.Store(c)
	w.log.Info("charter changed", "file", w.path)
	for _, fn := range w.change {
		fn(c)
	}
	return nil
}

// Run follows the file until ctx ends. A value from hup (SIGHUP in a server)
// reads the file at once.
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
			if stampOf(w.path) != w.seen {
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
