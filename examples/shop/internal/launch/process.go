package launch

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/clew-dev/clew/examples/shop/internal/fleet"
)

const (
	readyWithin  = 30 * time.Second
	stopWithin   = 8 * time.Second
	firstPause   = 250 * time.Millisecond
	longestPause = 8 * time.Second
	// steadyAfter is how long a member must run for its pause to start over.
	steadyAfter = 30 * time.Second
	// tailBytes of a member's log are shown when it cannot be started.
	tailBytes = 2000
)

// process is one member and the process that runs it now.
type process struct {
	member      fleet.Member
	path        string
	arguments   []string
	environment []string
	launcher    *launcher

	// mu guards what the control address shows.
	mu       sync.Mutex
	state    string
	pid      int
	restarts int

	cancel context.CancelFunc
	done   chan struct{}
}

// start runs the member and returns once it is ready, or why it is not. From
// then on the member is kept running until stop.
func (p *process) start(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	keep, cancel := context.WithCancel(context.WithoutCancel(ctx))
	p.cancel, p.done = cancel, make(chan struct{})
	ready := make(chan error, 1)
	go p.keep(keep, ready)
	select {
	case err := <-ready:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// stop ends the member and waits for it. A member never started is left alone.
func (p *process) stop() {
	if p.cancel == nil {
		return
	}
	p.cancel()
	<-p.done
}

// keep runs the member again and again until ctx ends. The outcome of the first
// start goes to ready; if that fails, there is no second.
func (p *process) keep(ctx context.Context, ready chan<- error) {
	defer close(p.done)
	pause := firstPause
	for first := true; ; first = false {
		began := time.Now()
		outcome := ready
		if !first {
			outcome = make(chan error, 1)
		}
		ended, wasReady := p.runOnce(ctx, outcome)
		if ctx.Err() != nil || (first && !wasReady) {
			p.set("stopped", 0)
			return
		}
		if time.Since(began) > steadyAfter {
			pause = firstPause
		}
		p.mu.Lock()
		p.restarts++
		restarts := p.restarts
		p.mu.Unlock()
		p.set("waiting", 0)
		p.launcher.say("%-13s ended: %v; start %d follows in %s", p.member.Name, ended, restarts+1, pause)
		select {
		case <-ctx.Done():
			p.set("stopped", 0)
			return
		case <-time.After(pause):
		}
		pause = min(2*pause, longestPause)
	}
}

// runOnce runs the member's process to its end, by itself or because ctx ended.
func (p *process) runOnce(ctx context.Context, ready chan<- error) (ended error, wasReady bool) {
	log, err := os.OpenFile(p.logPath(), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		ready <- err
		return err, false
	}
	defer log.Close()
	command := exec.Command(p.path, p.arguments...)
	command.Env = p.environment
	command.Stderr = log
	// A ^C in a terminal goes to the whole group; the order of the stop is the
	// launcher's.
	command.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	life, err := command.StdinPipe()
	if err != nil {
		ready <- err
		return err, false
	}
	defer life.Close()
	said, err := command.StdoutPipe()
	if err != nil {
		ready <- err
		return err, false
	}
	if err := command.Start(); err != nil {
		ready <- err
		return err, false
	}
	p.set("starting", command.Process.Pid)

	heard := make(chan struct{})
	readToEnd := make(chan struct{})
	go func() {
		defer close(readToEnd)
		if line, err := bufio.NewReader(said).ReadString('\n'); err == nil && strings.TrimSpace(line) == "ready" {
			close(heard)
		}
		_, _ = io.Copy(io.Discard, said)
	}()
	exited := make(chan error, 1)
	go func() {
		<-readToEnd
		exited <- command.Wait()
	}()

	late := time.NewTimer(readyWithin)
	defer late.Stop()
	select {
	case <-heard:
		wasReady = true
		p.set("ready", command.Process.Pid)
		p.announce(command.Process.Pid)
		ready <- nil
	case err := <-exited:
		err = p.explain(orUnexpected(err))
		ready <- err
		return err, false
	case <-late.C:
		err := p.explain(fmt.Errorf("not ready after %s", readyWithin))
		ready <- err
		p.end(command, exited)
		return err, false
	case <-ctx.Done():
		p.end(command, exited)
		return ctx.Err(), false
	}
	select {
	case err := <-exited:
		return orUnexpected(err), true
	case <-ctx.Done():
		p.end(command, exited)
		return ctx.Err(), true
	}
}

func orUnexpected(err error) error {
	if err == nil {
		return errors.New("exit status 0, which nobody asked for")
	}
	return err
}

// end stops a running process, at last by force.
func (p *process) end(command *exec.Cmd, exited <-chan error) {
	// An error means that it has ended already; exited says so.
	_ = command.Process.Signal(syscall.SIGTERM)
	select {
	case err := <-exited:
		if err != nil {
			p.launcher.say("%-13s did not stop cleanly: %v; see %s", p.member.Name, err, p.logPath())
		}
	case <-time.After(stopWithin):
		p.launcher.say("%-13s did not stop in %s and is killed; its last spans are lost", p.member.Name, stopWithin)
		_ = command.Process.Kill()
		<-exited
	}
}

func (p *process) announce(pid int) {
	where := "messages only"
	if p.member.Port != 0 {
		where = p.launcher.address(p.member.Name)
	}
	p.launcher.say("%-13s %-5s %-5s %-16s pid %d", p.member.Name, p.member.Language, p.member.Wire, where, pid)
}

func (p *process) logPath() string {
	return filepath.Join(p.launcher.options.Data, "logs", p.member.Name+".log")
}

// explain adds the end of the member's log to why it did not start.
func (p *process) explain(err error) error {
	log, readErr := os.ReadFile(p.logPath())
	if readErr != nil {
		return errors.Join(err, readErr)
	}
	return fmt.Errorf("%w; the end of %s:\n%s", err, p.logPath(), log[max(0, len(log)-tailBytes):])
}

func (p *process) set(state string, pid int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.state, p.pid = state, pid
}
