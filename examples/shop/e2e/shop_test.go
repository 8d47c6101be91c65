// Package e2e_test starts the whole fleet, walks its journeys, switches its
// faults, and judges the spans that arrive over OTLP.
package e2e_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/clew-dev/clew/examples/shop/internal/fleet"
	"github.com/clew-dev/clew/examples/shop/internal/launch"
)

// shop is an open shop under test.
type shop struct {
	*receiver
	binary   string
	basePort int
	endpoint string
	control  launch.Control
	command  *exec.Cmd
	exited   chan error

	mu    sync.Mutex
	lines []string
	more  chan struct{}
}

// open builds the fleet if need be, starts it, and waits until it is ready.
func open(t *testing.T, arguments ...string) *shop {
	t.Helper()
	binaries := build(t)
	received, endpoint := listen(t)
	base := freePorts(t)
	s := &shop{
		receiver: received, binary: filepath.Join(binaries, "shop"), basePort: base, endpoint: endpoint,
		control: launch.Control{BasePort: base}, exited: make(chan error, 1), more: make(chan struct{}),
	}
	arguments = append([]string{"up", "--base-port", strconv.Itoa(base), "--data", t.TempDir()}, arguments...)
	s.command = exec.Command(s.binary, arguments...)
	s.command.Env = s.environment()
	s.command.Stderr = os.Stderr
	out, err := s.command.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := s.command.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		s.listenTo(out)
		s.exited <- s.command.Wait()
	}()
	t.Cleanup(func() {
		if s.command.ProcessState == nil {
			s.close(t)
		}
	})
	s.line(t, 0, `^the shop is open`)
	return s
}

func (s *shop) environment() []string {
	return append(os.Environ(), "OTEL_EXPORTER_OTLP_ENDPOINT="+s.endpoint, "OTEL_EXPORTER_OTLP_PROTOCOL=http/protobuf", "OTEL_BSP_SCHEDULE_DELAY=100")
}

// build returns a folder with every program of the fleet.
func build(t *testing.T) string {
	t.Helper()
	root, err := filepath.Abs("..")
	if err != nil {
		t.Fatal(err)
	}
	folder := t.TempDir()
	for _, step := range []*exec.Cmd{
		exec.Command("go", "build", "-o", filepath.Join(folder, "shop"), "./cmd/shop"),
		exec.Command("cargo", "build", "--locked", "--quiet", "-j", "2"),
	} {
		step.Dir = root
		if out, err := step.CombinedOutput(); err != nil {
			t.Fatalf("%s: %v\n%s", step, err, out)
		}
	}
	for _, member := range fleet.Members() {
		if member.Language == fleet.Rust {
			if err := os.Symlink(filepath.Join(root, "target", "debug", member.Name), filepath.Join(folder, member.Name)); err != nil {
				t.Fatal(err)
			}
		}
	}
	return folder
}

// freePorts returns the first of enough ports in a row that nobody listens on.
func freePorts(t *testing.T) int {
	t.Helper()
	for base := 21000 + os.Getpid()%500*20; base < 32000; base += fleet.Ports {
		if err := listenToAll(base); err == nil {
			return base
		}
	}
	t.Fatal("no free ports from 21000 to 32000")
	return 0
}

// listenToAll takes every port of a fleet for a moment.
func listenToAll(base int) error {
	for port := base; port < base+fleet.Ports; port++ {
		listener, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
		if err != nil {
			return err
		}
		defer listener.Close()
	}
	return nil
}

// listenTo keeps the launcher's lines.
func (s *shop) listenTo(out io.Reader) {
	scanner := bufio.NewScanner(out)
	for scanner.Scan() {
		s.mu.Lock()
		s.lines = append(s.lines, scanner.Text())
		close(s.more)
		s.more = make(chan struct{})
		s.mu.Unlock()
	}
}

// said returns how many lines the launcher has printed.
func (s *shop) said() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.lines)
}

// line waits for a line of the launcher, the from-th or later, that matches.
func (s *shop) line(t *testing.T, from int, pattern string) {
	t.Helper()
	wanted := regexp.MustCompile(pattern)
	late := time.After(60 * time.Second)
	for {
		s.mu.Lock()
		lines, more := s.lines[from:], s.more
		s.mu.Unlock()
		for _, line := range lines {
			if wanted.MatchString(line) {
				return
			}
		}
		select {
		case <-more:
		case err := <-s.exited:
			s.exited <- err
			t.Fatalf("the launcher ended: %v; it said %q", err, lines)
		case <-late:
			t.Fatalf("no line matches %s; the launcher said %q", pattern, lines)
		}
	}
}

// close stops the fleet as ^C does.
func (s *shop) close(t *testing.T) {
	t.Helper()
	if err := s.command.Process.Signal(syscall.SIGTERM); err != nil && !errors.Is(err, os.ErrProcessDone) {
		t.Fatal(err)
	}
	select {
	case err := <-s.exited:
		if err != nil {
			t.Errorf("the launcher ended: %v", err)
		}
	case <-time.After(30 * time.Second):
		_ = s.command.Process.Kill()
		t.Fatal("the launcher did not stop in 30 s")
	}
}

// tally is what the driver says at its end.
type tally struct {
	Done, Declined, Failed int
}

// walk sends count shoppers on one journey and returns what became of them and
// the ids of their traces.
func (s *shop) walk(t *testing.T, journey string, seed, count int) (tally, []string) {
	t.Helper()
	before, _ := s.all()
	known := make(map[string]bool)
	for _, root := range roots(before) {
		known[root.trace] = true
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	command := exec.CommandContext(ctx, s.binary, "drive", "--journey", journey, "--rate", "4",
		"--seed", strconv.Itoa(seed), "--count", strconv.Itoa(count),
		"--gateway", fmt.Sprintf("http://127.0.0.1:%d", s.basePort+1))
	command.Env = s.environment()
	var log bytes.Buffer
	command.Stderr = &log
	if err := command.Run(); err != nil {
		t.Fatalf("drive %s: %v\n%s", journey, err, log.Bytes())
	}
	var said struct{ Attributes tally }
	if err := json.Unmarshal(log.Bytes(), &said); err != nil {
		t.Fatalf("read what the driver said, %q: %v", log.Bytes(), err)
	}
	var traces []string
	s.await(t, func(spans []span) error {
		traces = nil
		for _, root := range named(roots(spans), "shopper", "journey "+journey) {
			if !known[root.trace] {
				traces = append(traces, root.trace)
			}
		}
		if len(traces) != count {
			return fmt.Errorf("%d traces of %d journeys", len(traces), count)
		}
		return nil
	})
	return said.Attributes, traces
}

// walkOne sends one shopper who must reach the end, and returns the whole trace.
func (s *shop) walkOne(t *testing.T, journey string, seed int, wanted ...string) []span {
	t.Helper()
	result, traces := s.walk(t, journey, seed, 1)
	if result.Done != 1 {
		t.Fatalf("%s: %+v; want it done", journey, result)
	}
	return s.whole(t, traces[0], wanted...)
}

// whole waits until a trace has no orphan and exactly the wanted services.
func (s *shop) whole(t *testing.T, id string, wanted ...string) []span {
	t.Helper()
	var got []span
	s.await(t, func(spans []span) error {
		got = ofTrace(spans, id)
		if lost := orphans(got); len(lost) > 0 {
			return fmt.Errorf("orphans:%s", describe(lost))
		}
		if have := services(got); fmt.Sprint(have) != fmt.Sprint(wanted) {
			return fmt.Errorf("services %v; want %v", have, wanted)
		}
		return nil
	})
	return got
}

// fault switches a fault on for the rest of the test.
func (s *shop) fault(t *testing.T, name string) {
	t.Helper()
	if err := s.control.Switch(t.Context(), name, true); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.control.Switch(context.Background(), name, false); err != nil {
			t.Error(err)
		}
	})
}
