package testkit

import (
	"errors"
	"path/filepath"
	"slices"
)

// Op is an operation on the file system that a Fault can hit.
type Op string

// The operations.
const (
	OpOpen     Op = "open"
	OpRead     Op = "read"
	OpWrite    Op = "write"
	OpSync     Op = "sync"
	OpTruncate Op = "truncate"
	OpClose    Op = "close"
	OpRename   Op = "rename"
	OpRemove   Op = "remove"
	OpReadDir  Op = "readdir"
	OpMkdir    Op = "mkdir"
	OpStat     Op = "stat"
	OpSyncDir  Op = "syncdir"
)

// ErrPowerOff is what every call gets after the power went.
var ErrPowerOff = errors.New("power is off")

// Fault makes calls of an operation fail, wait, or both.
type Fault struct {
	Op    Op
	Path  string // a filepath.Match pattern for the base name; "" is every name
	Nth   int    // the first matching call that fails, from 1; 0 is 1
	Times int    // how many fail from there on; 0 is 1, -1 is all
	Err   error  // what they return; nil lets them pass
	Wait  func() // runs first, while other calls go on; nil does not wait
	Short int    // a write that fails still writes so many bytes first

	seen int
}

// Inject adds a fault. Several faults are tried in the order they were added.
func (f *FS) Inject(fault Fault) {
	f.mu.Lock()
	defer f.mu.Unlock()
	fault.Nth = max(fault.Nth, 1)
	if fault.Times == 0 {
		fault.Times = 1
	}
	f.faults = append(f.faults, &fault)
}

// Heal removes all faults.
func (f *FS) Heal() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.faults = nil
}

// CutPower lets calls more calls happen; then every call fails with ErrPowerOff
// and changes nothing. Crash gives the disk that a new start finds.
func (f *FS) CutPower(calls int) { f.CutPowerIn(calls, 0) }

// CutPowerIn is CutPower in the middle of a call: when the first call that fails
// is a write, short bytes of it are done all the same.
func (f *FS) CutPowerIn(calls, short int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.powerOff, f.short = f.total+calls+1, short
}

// Off tells whether the power has gone.
func (f *FS) Off() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.powerOff > 0 && f.total >= f.powerOff
}

// Change is a call that changes files or names, or makes changes durable.
type Change struct {
	Before int // calls of any operation before it, as CutPower counts them from a new FS
	Op     Op
	Path   string
}

// Record keeps every Change from now on, for Changes.
func (f *FS) Record() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.recording = true
}

// Changes lists what came since Record, refused calls included. Opening a file
// that is made by it is not listed: what the disk then holds is what it holds
// before the next change.
func (f *FS) Changes() []Change {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.changes)
}

func (op Op) changes() bool {
	switch op {
	case OpWrite, OpSync, OpTruncate, OpRename, OpRemove, OpMkdir, OpSyncDir:
		return true
	}
	return false
}

// Calls tells how often op was called, or with "" how often any was.
func (f *FS) Calls(op Op) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	if op == "" {
		return f.total
	}
	return f.counts[op]
}

// check counts a call and gives the fault that hits it. The caller holds mu,
// which is let go while a fault waits: callers look at the file after it.
func (f *FS) check(op Op, path string) (*Fault, error) {
	if f.recording && op.changes() {
		f.changes = append(f.changes, Change{f.total, op, path})
	}
	f.total++
	f.counts[op]++
	if f.powerOff > 0 && f.total >= f.powerOff {
		if f.total == f.powerOff && op == OpWrite {
			return &Fault{Short: f.short}, ErrPowerOff
		}
		return nil, ErrPowerOff
	}
	for _, fault := range f.faults {
		if fault.Op != op {
			continue
		}
		if ok, err := filepath.Match(fault.Path, filepath.Base(path)); fault.Path != "" && (err != nil || !ok) {
			continue
		}
		fault.seen++
		if fault.seen >= fault.Nth && (fault.Times < 0 || fault.seen < fault.Nth+fault.Times) {
			if fault.Wait != nil {
				f.mu.Unlock()
				fault.Wait()
				f.mu.Lock()
			}
			return fault, fault.Err
		}
	}
	return nil, nil
}
