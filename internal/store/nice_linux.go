package store

import (
	"runtime"
	"syscall"
)

// niceness is added to that of the process for threads that work for questions: beside
// a thread that takes spans one of them gets half of what that gets, and alone all of
// it. With 10 it is a tenth, and what takes spans waits for locks and for the garbage
// collector's stops as long as a thread that holds them is not run.
const niceness = 3

// withNice runs f on a thread of its own, which has a low priority and ends with it.
// Threads that f makes in C inherit the priority. Where it cannot be lowered f runs
// all the same. It panics as f does.
func withNice(f func()) {
	x := &turn{f: func() error { f(); return nil }, done: make(chan struct{})}
	go func() {
		runtime.LockOSThread()
		if syscall.Gettid() == syscall.Getpid() {
			// The first thread is shown as the process and never ends; while it is held here, another one is taken.
			inner := make(chan struct{})
			go func() {
				defer close(inner)
				lowered(x)
			}()
			<-inner
			runtime.UnlockOSThread()
			return
		}
		lowered(x)
	}()
	<-x.done
	if x.panicked != nil {
		panic(x.panicked)
	}
}

// lowered runs x on the thread that it is on, which is not unlocked and so not used
// again: a priority can only be lowered.
func lowered(x *turn) {
	runtime.LockOSThread()
	if own, err := syscall.Getpriority(syscall.PRIO_PROCESS, 0); err == nil { // 20 less the niceness, as the kernel has it
		_ = syscall.Setpriority(syscall.PRIO_PROCESS, syscall.Gettid(), 20-own+niceness) // the kernel takes 19 for more
	}
	x.run()
}
