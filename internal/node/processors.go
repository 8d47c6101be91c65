package node

import (
	"os"
	"path"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
)

// processors is how many there are for Go, before anything widens it.
var processors = sync.OnceValue(func() int { return runtime.GOMAXPROCS(0) })

var widened atomic.Bool

// widen lets twice as many threads run Go code as there are processors, or as many
// again. Threads that work for questions have a low priority, and to Go's scheduler one
// that the kernel does not run looks busy: what takes spans would wait for it. Where
// nobody asks, more threads than processors cost a tenth of the work of taking spans:
// they look for work and wake each other. Where GOMAXPROCS is set, or a control group
// has a quota of less than all processors, nothing changes: more threads would use the
// quota up before its period ends, and then none runs.
func widen(wide bool) {
	switch {
	case !wide && widened.Swap(false):
		runtime.SetDefaultGOMAXPROCS() // follows quotas and affinities again
	case wide && os.Getenv("GOMAXPROCS") == "" && !quota("/", runtime.NumCPU()) && !widened.Swap(true):
		runtime.GOMAXPROCS(2 * runtime.GOMAXPROCS(0))
	}
}

// quota reports whether a control group of this process, of version 1 or 2, allows it
// less than n processors. root is where /proc and /sys lie.
func quota(root string, n int) bool {
	text, err := os.ReadFile(filepath.Join(root, "proc/self/cgroup"))
	if err != nil {
		return false
	}
	for line := range strings.Lines(string(text)) {
		part := strings.SplitN(strings.TrimSpace(line), ":", 3) // number, controllers, folder
		if len(part) < 3 {
			continue
		}
		mount, read := "sys/fs/cgroup", allowed
		if part[1] != "" {
			if !strings.Contains(","+part[1]+",", ",cpu,") {
				continue
			}
			mount, read = "sys/fs/cgroup/cpu", allowedV1
		}
		// In a container the folder may be that of the host, which is not there: the mount itself is always looked at.
		for folder := path.Clean("/" + part[2]); ; folder = path.Dir(folder) {
			if used, ok := read(filepath.Join(root, mount, folder)); ok && used < float64(n) {
				return true
			}
			if folder == "/" {
				break
			}
		}
	}
	return false
}

// allowed reads how many processors a group of version 2 may use; not ok: all.
func allowed(folder string) (float64, bool) {
	f := strings.Fields(content(folder, "cpu.max"))
	if len(f) != 2 {
		return 0, false
	}
	return share(f[0], f[1])
}

func allowedV1(folder string) (float64, bool) {
	return share(content(folder, "cpu.cfs_quota_us"), content(folder, "cpu.cfs_period_us"))
}

func content(folder, name string) string {
	text, _ := os.ReadFile(filepath.Join(folder, name)) // none says nothing
	return strings.TrimSpace(string(text))
}

func share(quota, period string) (float64, bool) {
	q, err := strconv.ParseFloat(quota, 64) // "max" and -1 are no quota
	p, err2 := strconv.ParseFloat(period, 64)
	if err != nil || err2 != nil || q <= 0 || p <= 0 {
		return 0, false
	}
	return q / p, true
}
