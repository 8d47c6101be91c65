package node

import (
	"runtime"
	"sync"
)

// takeProcessors lets twice as many threads run Go code as there are processors, and
// gives the number of these. Threads that work for questions have a low priority, and
// to Go's scheduler one that the kernel does not run looks busy: what takes spans
// would wait for it. Where fewer processors are allowed than there are, by GOMAXPROCS
// or by a control group's quota, nothing changes: more threads would use the quota up
// in half of its period, and then none runs.
var takeProcessors = sync.OnceValue(func() int {
	n := runtime.GOMAXPROCS(0)
	if n == runtime.NumCPU() {
		runtime.GOMAXPROCS(2 * n)
	}
	return n
})
