package store

import (
	"runtime"
	"syscall"
)

// niceness is added to that of the process for threads of the query engine: beside a
// thread that takes spans one of them gets a tenth of a processor, and alone all of it.
const niceness = 10

// withNice runs f on a thread of its own, which has a low priority and ends with it.
// Threads that f makes in C inherit the priority. Where it cannot be lowered f runs
// all the same.
func withNice(f func()) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		runtime.LockOSThread()
		if syscall.Gettid() == syscall.Getpid() {
			// The first thread is shown as the process and never ends; while it is held here, another one is taken.
			withNice(f)
			runtime.UnlockOSThread()
			return
		}
		// The thread is not unlocked and so not used again: a priority can only be lowered.
		if own, err := syscall.Getpriority(syscall.PRIO_PROCESS, 0); err == nil { // 20 less the niceness, as the kernel has it
			_ = syscall.Setpriority(syscall.PRIO_PROCESS, syscall.Gettid(), 20-own+niceness) // the kernel takes 19 for more
		}
		f()
	}()
	<-done
}
