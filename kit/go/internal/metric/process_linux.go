package metric

import (
	"bytes"
	"io"
	"os"
	"strconv"
	"syscall"
)

// maxFiles is the number of entries of /proc/self/fd that are counted on kernels
// before 6.2, which do not say how many there are.
const maxFiles = 65536

func readProcess() process {
	p := noProcess()
	var usage syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &usage) == nil {
		p.user = float64(usage.Utime.Sec) + float64(usage.Utime.Usec)/1e6
		p.system = float64(usage.Stime.Sec) + float64(usage.Stime.Usec)/1e6
		p.voluntary, p.involuntary = int64(usage.Nvcsw), int64(usage.Nivcsw)
		p.major, p.minor = int64(usage.Majflt), int64(usage.Minflt)
	}
	var page [4096]byte
	// statm: size, resident, … in pages.
	if fields := bytes.Fields(readSome("/proc/self/statm", page[:])); len(fields) > 1 {
		size := int64(os.Getpagesize())
		p.virtual, p.memory = pages(fields[0], size), pages(fields[1], size)
	}
	// stat: the name in the second field may hold anything but its last parenthesis; the number of threads is the 18th after it.
	stat := readSome("/proc/self/stat", page[:])
	if fields := bytes.Fields(stat[bytes.LastIndexByte(stat, ')')+1:]); len(fields) > 17 {
		p.threads = pages(fields[17], 1)
	}
	p.files = openFiles()
	return p
}

func readSome(name string, into []byte) []byte {
	f, err := os.Open(name)
	if err != nil {
		return nil
	}
	defer f.Close()
	n, _ := io.ReadFull(f, into)
	return into[:n]
}

func pages(text []byte, size int64) int64 {
	n, err := strconv.ParseInt(string(text), 10, 64)
	if err != nil {
		return -1
	}
	return n * size
}

func openFiles() int64 {
	const dir = "/proc/self/fd"
	if info, err := os.Stat(dir); err == nil && info.Size() > 0 {
		return info.Size()
	}
	f, err := os.Open(dir)
	if err != nil {
		return -1
	}
	defer f.Close()
	total := int64(-1) // the directory itself is open
	for total < maxFiles {
		names, err := f.Readdirnames(1024)
		total += int64(len(names))
		if err != nil {
			break
		}
	}
	return total
}
