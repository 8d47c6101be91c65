package testkit

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/clew-dev/clew/internal/wal"
)

// FS is a file system in memory: see the package comment for what it models. Its
// methods MAY be called concurrently. Paths are absolute and cleaned; "/" exists.
type FS struct {
	mu       sync.Mutex
	now      map[string]*node // what processes see, by path
	disk     map[string]*node // the names that survive a crash
	pending  []entryChange    // not yet durable, in order
	capacity int64            // of all content; 0 is no limit
	used     int64
	faults   []*Fault
	counts   map[Op]int // calls so far
	total    int        // calls so far, of every operation
	powerOff int        // the call that the power goes at; 0 is none
	short    int        // bytes of that call that are done when it is a write

	process   int // how many have ended: see EndProcess
	recording bool
	changes   []Change
}

var _ wal.FS = (*FS)(nil)

// node is a file or folder. Files have three contents: what processes read, what
// was read at the last Sync, and what is on the disk.
type node struct {
	dir     bool
	mode    os.FileMode
	content []byte
	base    []byte // content at the last Sync, where writes start from
	disk    []byte
	writes  []write // since the last Sync
}

// write is a change of a file's content since the last Sync.
type write struct {
	off      int64
	data     []byte
	truncate bool // to size off
}

// entryChange is a change of one or two names of one folder.
type entryChange struct {
	set    map[string]*node // path to node; nil removes
	moved  [2]string        // from and to of a folder, with all that is in it
	folder []string         // whose SyncDir makes it durable: any of them
	buried []*grave         // what was in a folder that is removed
}

// grave is a name in a removed folder and a file that had it, durable or not. A
// later folder of that name is another one, and so are its files.
type grave struct {
	path string
	node *node
}

// NewFS gives an empty file system.
func NewFS() *FS {
	root := &node{dir: true, mode: os.ModeDir | 0o755}
	return &FS{
		now:    map[string]*node{"/": root},
		disk:   map[string]*node{"/": root},
		counts: map[Op]int{},
	}
}

// SetCapacity bounds the bytes of all contents together. A write beyond it is
// done as far as there is space and ends with ENOSPC. Zero is no bound.
func (f *FS) SetCapacity(bytes int64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.capacity = bytes
}

// Used tells the bytes of all contents.
func (f *FS) Used() int64 {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.used
}

// OpenFile opens or creates a file: see os.OpenFile.
func (f *FS) OpenFile(name string, flag int, perm os.FileMode) (wal.File, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	name = filepath.Clean(name)
	if _, err := f.check(OpOpen, name); err != nil {
		return nil, pathError("open", name, err)
	}
	n := f.now[name]
	switch {
	case n == nil && flag&os.O_CREATE == 0:
		return nil, pathError("open", name, fs.ErrNotExist)
	case n != nil && flag&(os.O_CREATE|os.O_EXCL) == os.O_CREATE|os.O_EXCL:
		return nil, pathError("open", name, fs.ErrExist)
	case n != nil && n.dir:
		return nil, pathError("open", name, syscall.EISDIR)
	case n == nil:
		if err := f.parent(name); err != nil {
			return nil, pathError("open", name, err)
		}
		n = &node{mode: perm}
		f.now[name] = n
		f.pending = append(f.pending, entryChange{set: map[string]*node{name: n}, folder: []string{filepath.Dir(name)}})
	}
	if flag&os.O_TRUNC != 0 && len(n.content) > 0 {
		f.resize(n, 0)
	}
	return &file{fs: f, node: n, name: name, flag: flag, process: f.process}, nil
}

// Rename moves a file over whatever has the new name, or a folder to a name that
// nothing has: see os.Rename.
func (f *FS) Rename(from, to string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	from, to = filepath.Clean(from), filepath.Clean(to)
	if _, err := f.check(OpRename, from); err != nil {
		return pathError("rename", from, err)
	}
	n := f.now[from]
	if n == nil {
		return pathError("rename", from, fs.ErrNotExist)
	}
	if err := f.parent(to); err != nil {
		return pathError("rename", to, err)
	}
	if n.dir {
		return f.renameFolder(from, to)
	}
	if old := f.now[to]; old != nil {
		if old == n {
			return nil
		}
		f.used -= int64(len(old.content))
	}
	delete(f.now, from)
	f.now[to] = n
	f.pending = append(f.pending, entryChange{
		set:    map[string]*node{from: nil, to: n},
		folder: []string{filepath.Dir(from), filepath.Dir(to)},
	})
	return nil
}

// renameFolder moves names only; what is in the files and which names in the
// folder are durable does not change. The caller holds mu.
func (f *FS) renameFolder(from, to string) error {
	if f.now[to] != nil {
		return pathError("rename", to, fs.ErrExist)
	}
	c := entryChange{moved: [2]string{from, to}, folder: []string{filepath.Dir(from), filepath.Dir(to)}}
	c.apply(f.now)
	// Changes within the folder that are not durable yet follow it.
	for i, p := range f.pending {
		set := make(map[string]*node, len(p.set))
		for path, n := range p.set {
			set[moved(path, from, to)] = n
		}
		folders := make([]string, len(p.folder))
		for j, path := range p.folder {
			if folders[j] = path; path == from || strings.HasPrefix(path, from+"/") {
				folders[j] = moved(path, from, to)
			}
		}
		if _, own := p.set[from]; !own { // that the folder exists stays under its old name
			f.pending[i].set, f.pending[i].folder = set, folders
		}
	}
	f.pending = append(f.pending, c)
	return nil
}

// moved gives the path after from became to.
func moved(path, from, to string) string {
	if path == from {
		return to
	}
	if rest, ok := strings.CutPrefix(path, from+"/"); ok {
		return to + "/" + rest
	}
	return path
}

// Remove removes a file or an empty folder; open files keep their content.
func (f *FS) Remove(name string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	name = filepath.Clean(name)
	if _, err := f.check(OpRemove, name); err != nil {
		return pathError("remove", name, err)
	}
	n := f.now[name]
	if n == nil {
		return pathError("remove", name, fs.ErrNotExist)
	}
	if n.dir && len(f.children(name)) > 0 {
		return pathError("remove", name, syscall.ENOTEMPTY)
	}
	f.used -= int64(len(n.content))
	delete(f.now, name)
	gone := entryChange{set: map[string]*node{name: nil}, folder: []string{filepath.Dir(name)}}
	if n.dir {
		gone.buried = f.bury(name)
	}
	f.pending = append(f.pending, gone)
	return nil
}

// bury takes the changes within a removed folder that are not durable yet and
// gives what the change that removes it makes an end of. The caller holds mu.
func (f *FS) bury(folder string) (graves []*grave) {
	f.pending = slices.DeleteFunc(f.pending, func(c entryChange) bool {
		if len(c.folder) != 1 || c.folder[0] != folder {
			return false
		}
		graves = append(graves, c.buried...)
		for path, n := range c.set {
			graves = append(graves, &grave{path, n}, &grave{path, f.disk[path]})
		}
		return true
	})
	return graves
}

// ReadDir lists a folder by name.
func (f *FS) ReadDir(name string) ([]os.DirEntry, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	name = filepath.Clean(name)
	if _, err := f.check(OpReadDir, name); err != nil {
		return nil, pathError("readdir", name, err)
	}
	if n := f.now[name]; n == nil || !n.dir {
		return nil, pathError("readdir", name, fs.ErrNotExist)
	}
	var entries []os.DirEntry
	for _, path := range f.children(name) {
		entries = append(entries, fs.FileInfoToDirEntry(f.info(path, f.now[path])))
	}
	return entries, nil
}

// MkdirAll creates a folder and its parents.
func (f *FS) MkdirAll(name string, perm os.FileMode) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	name = filepath.Clean(name)
	if _, err := f.check(OpMkdir, name); err != nil {
		return pathError("mkdir", name, err)
	}
	path := ""
	for _, part := range strings.Split(strings.Trim(name, "/"), "/") {
		parent := path
		path += "/" + part
		n := f.now[path]
		if n == nil {
			n = &node{dir: true, mode: os.ModeDir | perm}
			f.now[path] = n
			f.pending = append(f.pending, entryChange{set: map[string]*node{path: n}, folder: []string{filepath.Clean("/" + parent)}})
		}
		if !n.dir {
			return pathError("mkdir", path, syscall.ENOTDIR)
		}
	}
	return nil
}

// Stat describes a file or folder.
func (f *FS) Stat(name string) (os.FileInfo, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	name = filepath.Clean(name)
	if _, err := f.check(OpStat, name); err != nil {
		return nil, pathError("stat", name, err)
	}
	n := f.now[name]
	if n == nil {
		return nil, pathError("stat", name, fs.ErrNotExist)
	}
	return f.info(name, n), nil
}

// SyncDir makes the changes of names in the folder durable.
func (f *FS) SyncDir(name string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	name = filepath.Clean(name)
	if _, err := f.check(OpSyncDir, name); err != nil {
		return pathError("fsync", name, err)
	}
	if n := f.now[name]; n == nil || !n.dir {
		return pathError("fsync", name, fs.ErrNotExist)
	}
	var rest []entryChange
	for _, c := range f.pending {
		if !slices.Contains(c.folder, name) {
			rest = append(rest, c)
			continue
		}
		c.apply(f.disk)
	}
	f.pending = rest
	return nil
}

func (c entryChange) apply(names map[string]*node) {
	for _, g := range c.buried {
		if g.node != nil && names[g.path] == g.node {
			delete(names, g.path)
		}
	}
	if from, to := c.moved[0], c.moved[1]; from != "" {
		if names[from] == nil { // that it was made is not durable
			return
		}
		renamed := map[string]*node{}
		for path, n := range names {
			if to := moved(path, from, to); to != path {
				renamed[to] = n
				delete(names, path)
			}
		}
		for path, n := range renamed {
			names[path] = n
		}
	}
	for path, n := range c.set {
		if n == nil {
			delete(names, path)
		} else {
			names[path] = n
		}
	}
}

// parent checks that the folder of name is there. The caller holds mu.
func (f *FS) parent(name string) error {
	if n := f.now[filepath.Dir(name)]; n == nil {
		return fs.ErrNotExist
	} else if !n.dir {
		return syscall.ENOTDIR
	}
	return nil
}

// children gives the sorted paths in a folder. The caller holds mu.
func (f *FS) children(name string) []string {
	var paths []string
	for path := range f.now {
		if path != "/" && filepath.Dir(path) == name {
			paths = append(paths, path)
		}
	}
	slices.Sort(paths)
	return paths
}

func (f *FS) info(path string, n *node) os.FileInfo {
	return fileInfo{name: filepath.Base(path), size: int64(len(n.content)), mode: n.mode}
}

// resize changes the size of a file, with zeros when it grows. The caller holds mu.
func (f *FS) resize(n *node, size int64) {
	n.writes = append(n.writes, write{off: size, truncate: true})
	f.used += size - int64(len(n.content))
	n.content = resized(n.content, size)
}

// resized gives b with the size. What a copy of b shows does not change.
func resized(b []byte, size int64) []byte {
	if size <= int64(len(b)) {
		return b[:size:size]
	}
	return append(b, make([]byte, size-int64(len(b)))...)
}

func pathError(op, path string, err error) error {
	return &fs.PathError{Op: op, Path: path, Err: err}
}

// fileInfo describes a file; the model keeps no times.
type fileInfo struct {
	name string
	size int64
	mode os.FileMode
}

func (i fileInfo) Name() string       { return i.name }
func (i fileInfo) Size() int64        { return i.size }
func (i fileInfo) Mode() os.FileMode  { return i.mode }
func (i fileInfo) ModTime() time.Time { return time.Time{} }
func (i fileInfo) IsDir() bool        { return i.mode.IsDir() }
func (i fileInfo) Sys() any           { return nil }

// Files gives the size of every file by path.
func (f *FS) Files() map[string]int64 {
	f.mu.Lock()
	defer f.mu.Unlock()
	files := map[string]int64{}
	for path, n := range f.now {
		if !n.dir {
			files[path] = int64(len(n.content))
		}
	}
	return files
}

// Folders lists every folder but the root, in order.
func (f *FS) Folders() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	var folders []string
	for path, n := range f.now {
		if n.dir && path != "/" {
			folders = append(folders, path)
		}
	}
	slices.Sort(folders)
	return folders
}

// Flip changes the bits of mask in one byte of a file, in memory and on the disk,
// as a disk does that decays. It panics when there is no such byte.
func (f *FS) Flip(name string, off int64, mask byte) {
	f.mu.Lock()
	defer f.mu.Unlock()
	n := f.now[filepath.Clean(name)]
	n.content[off] ^= mask
	n.disk, n.base, n.writes = slices.Clone(n.content), slices.Clone(n.content), nil
}

// Dump lists every file with its size, for messages of failing tests.
func (f *FS) Dump() string {
	f.mu.Lock()
	defer f.mu.Unlock()
	var lines []string
	for path, n := range f.now {
		if !n.dir {
			lines = append(lines, fmt.Sprintf("%8d %s", len(n.content), path))
		}
	}
	slices.Sort(lines)
	return strings.Join(lines, "\n")
}
