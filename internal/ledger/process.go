package ledger

import (
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/clew-dev/clew/internal/telemetry"
)

// victim is the backend's process, as far as it is ours to end.
type victim interface {
	// start brings the process up, where that is ours to do.
	start() error
	// kill ends it as a crash would.
	kill() error
	// stop ends it in good order at the end of the run, where we started it.
	stop() error
	// left is closed when it is not running any more; nil where nobody tells us.
	left() <-chan struct{}
	// ended says why it is not running although nobody killed it, or nothing.
	ended() error
}

// foreign is a process that somebody else starts again, such as a service manager.
type foreign struct{ process string } // its number, or a file that holds the number

func (f foreign) start() error { return nil }
func (f foreign) stop() error  { return nil }
func (f foreign) ended() error { return nil }

func (f foreign) left() <-chan struct{} { return nil }

func (f foreign) kill() error {
	pid, err := strconv.Atoi(f.process)
	if err != nil {
		text, err := os.ReadFile(f.process)
		if err != nil {
			return fmt.Errorf("find the process to kill: %w: write its number, or a file that holds it", err)
		}
		if pid, err = strconv.Atoi(strings.TrimSpace(string(text))); err != nil {
			return fmt.Errorf("find the process to kill: %s holds no number", f.process)
		}
	}
	if pid < 2 || pid == os.Getpid() {
		return telemetry.Errorf(telemetry.KindInvalid, "process %d is not one to kill: write the backend's number", pid)
	}
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		return fmt.Errorf("kill process %d: %w", pid, err)
	}
	return nil
}

// stopTime is how long a backend may take to end in good order.
const stopTime = 30 * time.Second

// tailBytes is how much of the last output is kept for a message.
const tailBytes = 4096

// free says that something answers already where a command of ours is to listen: that
// would be sent to, and never killed.
func free(address string) error {
	c, err := net.DialTimeout("tcp", address, time.Second)
	if err != nil {
		return nil
	}
	c.Close()
	return telemetry.Errorf(telemetry.KindConflict, "something answers at %s before --command is started, so that killing the command would prove nothing: stop it, or let the command listen elsewhere and name that place with --to", address)
}

// own is a process that runs a command of ours, with all that it starts.
type own struct {
	command string
	cmd     *exec.Cmd
	out     *tail
	gone    chan struct{}
	err     error // of the process, valid when gone is closed
}

func (o *own) start() error {
	o.out, o.gone = &tail{}, make(chan struct{})
	o.cmd = exec.Command("sh", "-c", o.command)
	o.cmd.Stdout, o.cmd.Stderr = o.out, o.out
	// A group of its own: a kill reaches the shell and what it runs.
	o.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := o.cmd.Start(); err != nil {
		return fmt.Errorf("start %q: %w", o.command, err)
	}
	go func(cmd *exec.Cmd, gone chan struct{}) {
		o.err = cmd.Wait()
		close(gone)
	}(o.cmd, o.gone)
	return nil
}

func (o *own) left() <-chan struct{} { return o.gone }

func (o *own) ended() error {
	select {
	case <-o.gone:
		return fmt.Errorf("%q ended by itself (%v); the end of what it wrote:\n%s", o.command, o.err, o.out)
	default:
		return nil
	}
}

func (o *own) kill() error {
	if err := o.ended(); err != nil {
		return err
	}
	if err := o.signal(syscall.SIGKILL); err != nil {
		return err
	}
	<-o.gone
	return nil
}

func (o *own) signal(s syscall.Signal) error {
	if err := syscall.Kill(-o.cmd.Process.Pid, s); err != nil && !errors.Is(err, syscall.ESRCH) {
		return fmt.Errorf("signal %q: %w", o.command, err)
	}
	return nil
}

func (o *own) stop() error {
	if o.cmd == nil || o.ended() != nil {
		return nil
	}
	if err := o.signal(syscall.SIGTERM); err != nil {
		return err
	}
	select {
	case <-o.gone:
		return nil
	case <-time.After(stopTime):
		return o.kill()
	}
}

// tail keeps the end of what is written to it.
type tail struct {
	mu sync.Mutex
	b  []byte
}

func (t *tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.b = append(t.b, p[max(0, len(p)-tailBytes):]...)
	t.b = t.b[max(0, len(t.b)-tailBytes):]
	return len(p), nil
}

func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return string(t.b)
}
