package health

import (
	"bytes"
	"os"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"strconv"
	"syscall"
	"time"
)

// Build says what program this is.
type Build struct {
	Version  string // of the module, or "devel"
	Revision string // of the repository, with "+dirty" when files were changed; may be empty
	Go       string // of the compiler
}

// ReadBuild reads the build information that the compiler put into the program.
func ReadBuild() Build {
	b := Build{Version: "devel", Go: runtime.Version()}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return b
	}
	if v := info.Main.Version; v != "" && v != "(devel)" {
		b.Version = v
	}
	dirty := ""
	for _, s := range info.Settings {
		switch {
		case s.Key == "vcs.revision":
			b.Revision = s.Value
		case s.Key == "vcs.modified" && s.Value == "true":
			dirty = "+dirty"
		}
	}
	if b.Revision != "" {
		b.Revision += dirty
	}
	return b
}

// RegisterProcess adds clew_build_info and the state of the process and of the
// Go runtime, read when the metrics are written. The figures of /proc are left
// out where there is none.
func RegisterProcess(r *Registry, started time.Time) {
	b := ReadBuild()
	r.Gauge("clew_build_info", "What program this is; the value is always 1.", "version", b.Version, "revision", b.Revision, "goversion", b.Go).Set(1)
	r.Gauge("process_start_time_seconds", "Start of the process in Unix seconds.").Set(float64(started.UnixMilli()) / 1000)
	r.OnCollect(collectRuntime)
	r.OnCollect(collectProcess)
}

func collectRuntime(r *Registry) {
	samples := []metrics.Sample{
		{Name: "/memory/classes/heap/objects:bytes"},
		{Name: "/memory/classes/total:bytes"},
		{Name: "/gc/cycles/total:gc-cycles"},
		{Name: "/gc/gomemlimit:bytes"},
	}
	metrics.Read(samples)
	r.Gauge("go_goroutines", "Goroutines that exist.").Set(float64(runtime.NumGoroutine()))
	r.Gauge("go_memstats_heap_alloc_bytes", "Bytes of heap objects, dead ones not yet swept included.").Set(float64(samples[0].Value.Uint64()))
	r.Gauge("go_memstats_sys_bytes", "Bytes that the Go runtime has from the system.").Set(float64(samples[1].Value.Uint64()))
	r.Mirror("go_gc_cycles_total", "Garbage collections that ended.", float64(samples[2].Value.Uint64()))
	r.Gauge("go_gc_gomemlimit_bytes", "Memory limit of the Go runtime; C memory of the query engine is not in it.").Set(float64(samples[3].Value.Uint64()))
}

func collectProcess(r *Registry) {
	var u syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &u) == nil {
		cpu := time.Duration(u.Utime.Nano() + u.Stime.Nano())
		r.Mirror("process_cpu_seconds_total", "CPU time in user and system mode.", cpu.Seconds())
	}
	if statm, err := os.ReadFile("/proc/self/statm"); err == nil {
		if f := bytes.Fields(statm); len(f) > 1 {
			if pages, err := strconv.ParseInt(string(f[1]), 10, 64); err == nil {
				r.Gauge("process_resident_memory_bytes", "Resident memory.").Set(float64(pages * int64(os.Getpagesize())))
			}
		}
	}
	if fds, err := os.ReadDir("/proc/self/fd"); err == nil {
		r.Gauge("process_open_fds", "Open file descriptors.").Set(float64(len(fds)))
	}
}
