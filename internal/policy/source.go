package policy

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"time"
)

// look is how often the file's time is looked at: a change is to reach every kit
// within two seconds.
const look = 250 * time.Millisecond

// Source holds the policy in force and follows its file. A file that is not there
// is an empty policy, under which each kit keeps its own configuration; a file that
// does not check changes nothing.
type Source struct {
	path string
	log  *slog.Logger

	mu      sync.Mutex
	file    *File
	changed chan struct{} // closed when file is replaced
	seen    stamp
	err     error
}

type stamp struct {
	mtime time.Time
	size  int64
}

// Watch reads the file at path and returns a Source for it. Without a first file
// that checks it fails, unless there is none at all.
func Watch(path string, log *slog.Logger) (*Source, error) {
	s := &Source{path: path, log: log, file: noFile(), changed: make(chan struct{})}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	s.seen = stampOf(path)
	f, err := load(path)
	if err != nil {
		return nil, err
	}
	s.file = f
	return s, nil
}

func load(path string) (*File, error) {
	r, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return noFile(), nil
	}
	if err != nil {
		return nil, fmt.Errorf("read kit policy: %w", err)
	}
	defer r.Close()
	text, err := io.ReadAll(io.LimitReader(r, MaxBytes+1))
	if err != nil {
		return nil, fmt.Errorf("read kit policy: %w", err)
	}
	return Parse(filepath.Base(path), text)
}

func stampOf(path string) stamp {
	i, err := os.Stat(path)
	if err != nil {
		return stamp{}
	}
	return stamp{i.ModTime(), i.Size()}
}

// Run follows the file until ctx ends.
func (s *Source) Run(ctx context.Context) {
	t := time.NewTicker(look)
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-t.C:
			if stampOf(s.path) != s.seen {
				s.Reload()
			}
		}
	}
}

// Reload reads the file now, whatever its time says. It is called by one goroutine.
func (s *Source) Reload() {
	s.seen = stampOf(s.path)
	f, err := load(s.path)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.err = err
	if err != nil {
		s.log.Warn("kit policy not changed: the file does not check", "file", s.path, "err", err)
		return
	}
	s.file = f
	close(s.changed)
	s.changed = make(chan struct{})
	s.log.Info("kit policy changed", "file", s.path)
}

// State says where the policy is from and why the file as it stands is not in force, if so.
func (s *Source) State() (path string, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.path, s.err
}

// Current names the document that a service is told now.
func (s *Source) Current(service string) Tag {
	f, _ := s.now()
	return f.tagOf(service)
}

func (s *Source) now() (*File, <-chan struct{}) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.file, s.changed
}

// Wait gives the document of a service as soon as its tag is another than etag.
// When ctx ends before, changed is false and the document has its tag only.
func (s *Source) Wait(ctx context.Context, service, etag string) (d Document, changed bool) {
	for {
		f, replaced := s.now()
		if tag := f.tagOf(service); tag.ETag == etag {
			d.Tag = tag
		} else {
			return f.For(service), true
		}
		select {
		case <-ctx.Done():
			return d, false
		case <-replaced:
		}
	}
}
