package testkit

import (
	"math/rand/v2"
	"slices"
)

// Sector is the unit that a disk writes whole.
const Sector = 512

// Crash gives the file system that a machine finds when it starts again after
// the power went now: all that was durable, and of the rest what the seed says.
// The old file system is not changed; tests that go on using it see a process
// that does not know yet.
func (f *FS) Crash(seed uint64) *FS {
	rnd := rand.New(rand.NewPCG(seed, 0x5eed))
	// A crash forgets everything, keeps everything or, most often, mixes.
	var luck float64
	switch rnd.IntN(6) {
	case 0:
	case 1:
		luck = 1
	default:
		luck = rnd.Float64()
	}
	return f.crash(rnd, luck)
}

// Forget is Crash with the worst luck: nothing is left but what was durable.
func (f *FS) Forget() *FS { return f.crash(rand.New(rand.NewPCG(0, 0)), 0) }

// crash lets each change that is not durable survive with a chance of luck.
func (f *FS) crash(rnd *rand.Rand, luck float64) *FS {
	f.mu.Lock()
	defer f.mu.Unlock()
	names := map[string]*node{}
	for path, n := range f.disk {
		names[path] = n
	}
	for _, c := range f.pending {
		if rnd.Float64() < luck {
			c.apply(names)
		}
	}

	paths := make([]string, 0, len(names))
	for path := range names {
		paths = append(paths, path)
	}
	slices.Sort(paths) // parents first, and the same order for the same seed
	g := NewFS()
	g.capacity = f.capacity
	survivors := map[*node]*node{}
	for _, path := range paths {
		if path == "/" || g.parent(path) != nil { // its folder did not survive
			continue
		}
		n := names[path]
		m := survivors[n]
		if m == nil {
			m = &node{dir: n.dir, mode: n.mode}
			if !n.dir {
				m.content = n.crashed(rnd, luck)
				m.disk, m.base = slices.Clone(m.content), slices.Clone(m.content)
				g.used += int64(len(m.content))
			}
			survivors[n] = m
		}
		g.now[path], g.disk[path] = m, m
	}
	return g
}

// Kill gives the file system that a process finds when it starts after the one
// before was killed on a machine that runs on: all that was written, durable or
// not. For what the old process still does, the power of f is off.
func (f *FS) Kill() *FS {
	f.mu.Lock()
	defer f.mu.Unlock()
	copies := map[*node]*node{nil: nil}
	one := func(n *node) *node {
		if _, done := copies[n]; !done {
			copies[n] = &node{
				dir: n.dir, mode: n.mode,
				content: slices.Clone(n.content), base: slices.Clone(n.base), disk: slices.Clone(n.disk),
				writes: slices.Clone(n.writes),
			}
		}
		return copies[n]
	}
	clone := func(names map[string]*node) map[string]*node {
		out := make(map[string]*node, len(names))
		for path, n := range names {
			out[path] = one(n)
		}
		return out
	}
	g := NewFS()
	g.capacity, g.used = f.capacity, f.used
	g.now, g.disk = clone(f.now), clone(f.disk)
	for _, c := range f.pending {
		var buried []*grave
		for _, b := range c.buried {
			buried = append(buried, &grave{b.path, one(b.node)})
		}
		g.pending = append(g.pending, entryChange{set: clone(c.set), moved: c.moved, folder: c.folder, buried: buried})
	}
	f.powerOff, f.short = f.total+1, 0
	return g
}

// EndProcess is Kill without a second file system: calls on files that are open
// now get ErrPowerOff and change nothing, for their process is gone. It is for
// tests that count calls over several lives.
func (f *FS) EndProcess() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.process++
}

// image is a disk's content of a file while writes are carried over to it.
type image struct {
	cache []byte // what processes read after the writes so far
	disk  []byte // what the disk holds
}

// apply does w in the cache and gives the range of bytes that it changed.
func (m *image) apply(w write) (from, to int64) {
	if w.truncate {
		from, to = min(w.off, int64(len(m.cache))), max(w.off, int64(len(m.cache)))
		m.cache = resized(m.cache, w.off)
		return from, to
	}
	from, to = w.off, w.off+int64(len(w.data))
	from = min(from, int64(len(m.cache))) // the zeros of a gap are new as well
	m.cache = patched(m.cache, w.off, w.data)
	return from, to
}

// carry copies the sector at from out of the cache, as far as both reach.
func (m *image) carry(from int64) {
	if from >= int64(len(m.disk)) || from >= int64(len(m.cache)) {
		return
	}
	copy(m.disk[from:min(from+Sector, int64(len(m.disk)))], m.cache[from:])
}

// synced gives the content on the disk after a Sync that worked: every sector
// written since the last Sync. Sectors of a Sync that failed are not among them,
// unless they were written again.
func (n *node) synced() []byte {
	m := image{cache: slices.Clone(n.base)}
	dirty := map[int64]bool{}
	for _, w := range n.writes {
		from, to := m.apply(w)
		for s := from / Sector * Sector; s < to; s += Sector {
			dirty[s] = true
		}
	}
	m.disk = slices.Clone(resized(n.disk, int64(len(m.cache))))
	for s := range dirty {
		m.carry(s)
	}
	return m.disk
}

// crashed gives the content after a crash: the size is one of those that the
// file had since the last Sync, and each sector holds what the disk held or what
// the cache held after one of the writes to it.
func (n *node) crashed(rnd *rand.Rand, luck float64) []byte {
	sizes := []int64{int64(len(n.disk))}
	m := image{cache: slices.Clone(n.base)}
	for _, w := range n.writes {
		m.apply(w)
		if rnd.Float64() < luck {
			sizes = append(sizes, int64(len(m.cache)))
		}
	}
	size := sizes[len(sizes)-1]
	if luck < 1 {
		size = sizes[rnd.IntN(len(sizes))]
		if grown := size - int64(len(n.disk)); grown > 0 && rnd.IntN(4) == 0 {
			size -= rnd.Int64N(grown) // the file system had not allocated all of it
		}
	}
	m = image{cache: slices.Clone(n.base), disk: slices.Clone(resized(n.disk, size))}
	for _, w := range n.writes {
		from, to := m.apply(w)
		for s := from / Sector * Sector; s < to; s += Sector {
			if rnd.Float64() < luck {
				m.carry(s)
			}
		}
	}
	return m.disk
}
