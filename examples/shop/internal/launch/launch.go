// Package launch starts the fleet, keeps it running and stops it.
//
// Every member is a process of its own. The launcher starts them in the order
// of fleet.Members, waits until each has said "ready", starts one again that
// ends by itself (after a pause that doubles from 250 ms to 8 s while it keeps
// ending), and stops all when its context ends. A member's log
// goes to logs/<name>.log in the data folder; the launcher prints one line per
// change of a member's state.
//
// Up is called once; its control address (control.go) is served meanwhile.
package launch

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/clew-dev/clew/examples/shop/internal/fleet"
)

// Options of a fleet.
type Options struct {
	// BasePort is the control port; the members' ports follow it.
	BasePort int
	// Data is the folder of the fleet's state; it is made when missing.
	Data string
	// Database is postgres://…, or empty for SQLite.
	Database string
	// Binaries is the folder with shop and the Rust members.
	Binaries string
	// Stack instruments every member; empty leaves each its own.
	Stack fleet.Stack
	// Rate is the journeys a second that are driven besides; 0 drives none.
	Rate float64
	// Seed of the driven journeys.
	Seed uint64
	// Out gets the lines for people.
	Out io.Writer
}

// shopper is the traffic driver, which joins the fleet on demand.
const shopper = "shopper"

type launcher struct {
	options   Options
	processes []*process

	outMu sync.Mutex
}

// Up runs a fleet until ctx ends. It returns an error when the fleet cannot be
// started whole; then everything that was started is stopped again.
func Up(ctx context.Context, options Options) error {
	l, err := prepare(options)
	if err != nil {
		return err
	}
	control, err := l.listenControl()
	if err != nil {
		return err
	}
	defer control.Close()

	err = l.start(ctx)
	if err == nil {
		l.say("the shop is open at http://%s; faults: shop fault list; stop: ^C", l.address("gateway"))
		<-ctx.Done()
	}
	l.stop()
	if errors.Is(err, context.Canceled) {
		return nil
	}
	return err
}

func prepare(options Options) (*launcher, error) {
	if options.BasePort < 1 || options.BasePort+fleet.Ports > 65536 {
		return nil, fmt.Errorf("base port %d: use one from 1 to %d", options.BasePort, 65536-fleet.Ports)
	}
	data, err := filepath.Abs(options.Data)
	if err != nil {
		return nil, fmt.Errorf("find the data folder: %w", err)
	}
	options.Data = data
	// A fault lives as long as the launcher that was told of it.
	if err := os.RemoveAll(filepath.Join(data, "faults")); err != nil {
		return nil, fmt.Errorf("forget old faults: %w", err)
	}
	for _, folder := range []string{"faults", "logs"} {
		if err := os.MkdirAll(filepath.Join(data, folder), 0o755); err != nil {
			return nil, fmt.Errorf("make the data folder: %w", err)
		}
	}
	l := &launcher{options: options}
	environment := l.environment()
	for _, member := range fleet.Members() {
		l.processes = append(l.processes, l.process(member, environment))
	}
	if options.Rate > 0 {
		driver := fleet.Member{Name: shopper, Language: fleet.Go, Wire: "http"}
		l.processes = append(l.processes, l.process(driver, environment,
			"drive", "--rate", strconv.FormatFloat(options.Rate, 'g', -1, 64),
			"--seed", strconv.FormatUint(options.Seed, 10), "--gateway", "http://"+l.address("gateway")))
	}
	for _, p := range l.processes {
		if _, err := os.Stat(p.path); err != nil {
			return nil, fmt.Errorf("find the program of %s: %w; build it with `make build`", p.member.Name, err)
		}
	}
	return l, nil
}

// process describes one member; arguments default to its own name for Go.
func (l *launcher) process(member fleet.Member, environment []string, arguments ...string) *process {
	stack := cmp.Or(l.options.Stack, member.Stack, fleet.Kit)
	p := &process{member: member, environment: append(slices.Clone(environment), fleet.StackVariable+"="+string(stack)), launcher: l}
	switch member.Language {
	case fleet.Rust:
		p.path = filepath.Join(l.options.Binaries, member.Name)
	default:
		p.path = filepath.Join(l.options.Binaries, "shop")
		p.arguments = arguments
		if arguments == nil {
			p.arguments = []string{member.Name}
		}
	}
	return p
}

func (l *launcher) address(member string) string {
	for _, candidate := range fleet.Members() {
		if candidate.Name == member {
			return net.JoinHostPort("127.0.0.1", strconv.Itoa(l.options.BasePort+candidate.Port))
		}
	}
	panic("no member " + member)
}

// environment is what every member is told. A service's name is its own affair:
// an OTEL_SERVICE_NAME meant for one program would name them all alike.
func (l *launcher) environment() []string {
	var environment []string
	for _, variable := range os.Environ() {
		name, _, _ := strings.Cut(variable, "=")
		if name != "OTEL_SERVICE_NAME" {
			environment = append(environment, variable)
		}
	}
	if os.Getenv("OTEL_BSP_SCHEDULE_DELAY") == "" {
		// Half a second instead of five: people want to see their click.
		environment = append(environment, "OTEL_BSP_SCHEDULE_DELAY=500")
	}
	if os.Getenv("OTEL_EXPORTER_OTLP_PROTOCOL") == "" {
		// The stacks of the fleet have different defaults; this one all of them speak.
		environment = append(environment, "OTEL_EXPORTER_OTLP_PROTOCOL=http/protobuf")
		if os.Getenv("OTEL_EXPORTER_OTLP_ENDPOINT") == "" {
			environment = append(environment, "OTEL_EXPORTER_OTLP_ENDPOINT=http://127.0.0.1:4318")
		}
	}
	environment = append(environment,
		"SHOP_LAUNCHED=1",
		"SHOP_DATA="+l.options.Data,
		"SHOP_DATABASE="+l.options.Database,
	)
	for _, member := range fleet.Members() {
		if member.Port != 0 {
			environment = append(environment, fleet.AddressVariable(member.Name)+"="+l.address(member.Name))
		}
	}
	return environment
}

func (l *launcher) start(ctx context.Context) error {
	for _, p := range l.processes {
		if err := p.start(ctx); err != nil {
			return fmt.Errorf("start %s: %w", p.member.Name, err)
		}
	}
	return nil
}

// stop ends the fleet from the outside in: first who asks, then the door, so
// that requests in flight are answered, then the consumers, then the rest. The
// members of one wave stop at once: each may wait for its last spans.
func (l *launcher) stop() {
	for wave := range 4 {
		var stopping sync.WaitGroup
		for _, p := range l.processes {
			if stopWave(p.member) == wave {
				stopping.Go(p.stop)
			}
		}
		stopping.Wait()
	}
	l.say("the shop is closed")
}

func stopWave(member fleet.Member) int {
	switch {
	case member.Name == shopper:
		return 0
	case member.Name == "gateway":
		return 1
	case member.Port == 0:
		return 2
	default:
		return 3
	}
}

func (l *launcher) say(format string, arguments ...any) {
	l.outMu.Lock()
	defer l.outMu.Unlock()
	fmt.Fprintf(l.options.Out, format+"\n", arguments...)
}
