package testkit

import (
	"errors"
	"path/filepath"
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
func (f *FS) CutPower(calls int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.powerOff = f.total + calls + 1
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
	f.total++
	f.counts[op]++
	if f.powerOff > 0 && f.total >= f.powerOff {
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
