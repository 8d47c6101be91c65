package launch_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/clew-dev/clew/examples/shop/internal/fleet"
	"github.com/clew-dev/clew/examples/shop/internal/launch"
)

// TestMain lets the test program play the members: under the launcher it is
// started by their names.
func TestMain(m *testing.M) {
	if os.Getenv("SHOP_LAUNCHED") == "" {
		os.Exit(m.Run())
	}
	name := filepath.Base(os.Args[0])
	if len(os.Args) > 1 {
		name = os.Args[1]
	}
	os.Exit(play(name))
}

// play is a member that says what TEST_PLAY tells it to: "NAME refuses" ends
// before it is ready, "NAME dies twice" ends by itself at its first two starts.
func play(name string) int {
	if os.Getenv("TEST_PLAY") == name+" refuses" {
		fmt.Fprintln(os.Stderr, "no table to sit at")
		return 3
	}
	fmt.Println("ready")
	if os.Getenv("TEST_PLAY") == name+" dies twice" {
		starts := filepath.Join(os.Getenv("SHOP_DATA"), "starts")
		before, err := os.ReadFile(starts)
		if err != nil && !os.IsNotExist(err) {
			return 4
		}
		if err := os.WriteFile(starts, append(before, 'x'), 0o644); err != nil {
			return 4
		}
		if len(before) < 2 {
			return 5
		}
	}
	_, _ = io.Copy(io.Discard, os.Stdin)
	return 0
}

// up starts a fleet of played members; the returned function waits for a line
// that begins and ends as told, and cancel stops the fleet.
func up(t *testing.T) (line func(begin, end string), cancel context.CancelFunc, ended <-chan error, basePort int) {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	binaries := t.TempDir()
	for _, member := range append(fleet.Members(), fleet.Member{Name: "shop"}) {
		if err := os.Symlink(self, filepath.Join(binaries, member.Name)); err != nil {
			t.Fatal(err)
		}
	}
	basePort = freePort(t)
	read, write := io.Pipe()
	ctx, cancel := context.WithCancel(t.Context())
	outcome := make(chan error, 1)
	go func() {
		outcome <- launch.Up(ctx, launch.Options{BasePort: basePort, Data: t.TempDir(), Binaries: binaries, Out: write})
		write.Close()
	}()
	// The launcher must not wait for the test to listen.
	lines := make(chan string, 1000)
	go func() {
		defer close(lines)
		for scanner := bufio.NewScanner(read); scanner.Scan(); {
			lines <- scanner.Text()
		}
	}()
	t.Cleanup(func() {
		cancel()
		for range lines {
			// Until the launcher has ended.
		}
	})
	return func(begin, end string) {
		t.Helper()
		var heard []string
		for text := range lines {
			if strings.HasPrefix(text, begin) && strings.HasSuffix(text, end) {
				return
			}
			heard = append(heard, text)
		}
		t.Fatalf("no line %q … %q in %q", begin, end, heard)
	}, cancel, outcome, basePort
}

// freePort returns a port for control; the played members open none.
func freePort(t *testing.T) int {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	return listener.Addr().(*net.TCPAddr).Port
}

func TestFleetStartsAndStops(t *testing.T) {
	line, cancel, ended, basePort := up(t)
	line("the shop is open", "^C")
	members, err := launch.Control{BasePort: basePort}.Members(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if len(members) != len(fleet.Members()) {
		t.Errorf("%d members; want %d", len(members), len(fleet.Members()))
	}
	for _, member := range members {
		if member.State != "ready" || member.PID == 0 {
			t.Errorf("%+v; want it ready", member)
		}
	}
	cancel()
	line("the shop is closed", "")
	if err := <-ended; err != nil {
		t.Errorf("Up ended with %v", err)
	}
}

func TestFaultsAreSwitched(t *testing.T) {
	line, _, _, basePort := up(t)
	line("the shop is open", "^C")
	control := launch.Control{BasePort: basePort}
	for _, on := range []bool{true, false, false} {
		if err := control.Switch(t.Context(), fleet.RetryStorm, on); err != nil {
			t.Fatal(err)
		}
		states, err := control.Faults(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, state := range states {
			if want := on && state.Name == fleet.RetryStorm; state.On != want {
				t.Errorf("%s is on: %t; want %t", state.Name, state.On, want)
			}
		}
		line("fault retry-storm is", "")
	}
}

func TestMemberThatEndsIsStartedAgainAfterGrowingPauses(t *testing.T) {
	t.Setenv("TEST_PLAY", "catalog dies twice")
	line, cancel, ended, _ := up(t)
	line("catalog ", "start 2 follows in 250ms")
	line("catalog ", "start 3 follows in 500ms")
	line("catalog ", "")
	cancel()
	if err := <-ended; err != nil {
		t.Errorf("Up ended with %v", err)
	}
}

func TestMemberThatCannotStartClosesTheShopAndSaysWhy(t *testing.T) {
	t.Setenv("TEST_PLAY", "catalog refuses")
	line, _, ended, _ := up(t)
	line("the shop is closed", "")
	err := <-ended
	if err == nil || !strings.HasPrefix(err.Error(), "start catalog: exit status 3; the end of ") ||
		!strings.HasSuffix(err.Error(), "catalog.log:\nno table to sit at\n") {
		t.Errorf("got %v", err)
	}
}

func TestWrongOptions(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	port := taken.Addr().(*net.TCPAddr).Port
	for name, test := range map[string]struct {
		options launch.Options
		want    string
	}{
		"no port":     {launch.Options{BasePort: 0}, "base port 0: use one from 1 to "},
		"no room":     {launch.Options{BasePort: 65530}, "base port 65530: use one from 1 to "},
		"no programs": {launch.Options{BasePort: port, Data: t.TempDir(), Binaries: t.TempDir()}, "find the program of bus: "},
	} {
		t.Run(name, func(t *testing.T) {
			test.options.Out = io.Discard
			err := launch.Up(t.Context(), test.options)
			if err == nil || !strings.HasPrefix(err.Error(), test.want) {
				t.Errorf("got %v; want %s…", err, test.want)
			}
		})
	}
	_, err = launch.Control{BasePort: port}.Faults(expired(t))
	if want := "ask the launcher at http://127.0.0.1:" + strconv.Itoa(port); err == nil || !strings.HasPrefix(err.Error(), want) {
		t.Errorf("got %v; want %s…", err, want)
	}
}

func expired(t *testing.T) context.Context {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	return ctx
}
