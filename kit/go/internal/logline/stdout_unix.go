//go:build unix

package logline

import (
	"io"
	"os"
	"sync"
	"syscall"
)

// stdout is standard output under a number of its own, one for all kits of the process. The runtime ends a program that writes to a broken pipe under the numbers 1 and 2;
// a reader of lines that goes away is not to end a service.
var stdout = sync.OnceValue(func() io.Writer {
	syscall.ForkLock.RLock()
	defer syscall.ForkLock.RUnlock()
	fd, err := syscall.Dup(1)
	if err != nil {
		return os.Stdout
	}
	syscall.CloseOnExec(fd)
	return os.NewFile(uintptr(fd), "/dev/stdout")
})
