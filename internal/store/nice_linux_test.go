package store

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

// The threads that the query engine makes give way to those that take spans; Go's
// own do not.
func TestQueryEngineIsNice(t *testing.T) {
	own := stat(t, "/proc/self/stat")
	if own+niceness > 19 {
		t.Skip("the process has a low priority itself")
	}
	before := niceThreads(t, own+niceness)
	d, err := openDuck(duckOptions{Dir: t.TempDir(), MemoryBytes: 64 << 20, Threads: 3})
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	if n := niceThreads(t, own+niceness) - before; n < 2 {
		t.Errorf("%d threads have a low priority, want those of the engine, 2 beside the caller's", n)
	}
	if n := stat(t, "/proc/self/stat"); n != own {
		t.Errorf("the process has the niceness %d, and had %d", n, own)
	}
}

// niceThreads counts the threads of this process that have a niceness.
func niceThreads(t *testing.T, niceness int) (n int) {
	t.Helper()
	threads, err := filepath.Glob("/proc/self/task/*/stat")
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range threads {
		if stat(t, path) == niceness {
			n++
		}
	}
	return n
}

// stat reads the niceness of a thread: the 17th field behind the name (proc(5)). One
// that has ended meanwhile has none.
func stat(t *testing.T, path string) int {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		return 0
	}
	fields := strings.Fields(string(text[strings.LastIndexByte(string(text), ')')+1:]))
	n, err := strconv.Atoi(fields[16])
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// niceOfThread is the niceness of the thread that it is called on.
func niceOfThread() int {
	n, err := syscall.Getpriority(syscall.PRIO_PROCESS, syscall.Gettid())
	if err != nil {
		return -1
	}
	return 20 - n
}

func TestNiceOnAThreadOfItsOwn(t *testing.T) {
	usual, inside := niceOfThread(), 0
	withNice(func() { inside = niceOfThread() })
	if inside != usual+niceness {
		t.Errorf("niceness %d inside and %d outside", inside, usual)
	}
	if n := niceOfThread(); n != usual {
		t.Errorf("niceness %d after it, %d before", n, usual)
	}
	defer func() {
		if p, _ := recover().(string); !strings.HasPrefix(p, "inside\n") {
			t.Errorf("a panic comes back as %q", p)
		}
	}()
	withNice(func() { panic("inside") })
}
