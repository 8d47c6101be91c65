package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"

	"github.com/clew-dev/clew/examples/shop/internal/drive"
	"github.com/clew-dev/clew/examples/shop/internal/fleet"
	"github.com/clew-dev/clew/examples/shop/internal/launch"
	"github.com/clew-dev/clew/examples/shop/internal/overhead"
)

func flags(name string) *flag.FlagSet {
	return flag.NewFlagSet("shop "+name, flag.ContinueOnError)
}

func basePortFlag(set *flag.FlagSet) *int {
	return set.Int("base-port", defaultBasePort, "control `port` of the launcher; the members' ports follow it")
}

func parse(set *flag.FlagSet, arguments []string) error {
	if err := set.Parse(arguments); err != nil {
		return err
	}
	if set.NArg() > 0 {
		return fmt.Errorf("%w: %s does not know %q", errUsage, set.Name(), set.Arg(0))
	}
	return nil
}

func up(ctx context.Context, arguments []string, out io.Writer) error {
	set := flags("up")
	basePort := basePortFlag(set)
	data := set.String("data", "shop-data", "`folder` of the fleet's state and logs")
	database := set.String("database", "", "`postgres://…` address; empty means one SQLite file per service")
	binaries := set.String("binaries", "", "`folder` with shop and the Rust services (default: where shop is)")
	telemetry := set.String("telemetry", "", "instrument every service with `kit, stock or off`; empty means Clew's kit, and stock OpenTelemetry in catalog and search")
	rate := set.Float64("rate", 0, "also drive this many `journeys` a second")
	seed := set.Uint64("seed", 1, "seed of the driven journeys")
	if err := parse(set, arguments); err != nil {
		return err
	}
	var stack fleet.Stack
	if *telemetry != "" {
		var err error
		if stack, err = fleet.ParseStack(*telemetry); err != nil {
			return fmt.Errorf("%w: %w", errUsage, err)
		}
	}
	folder, err := folderOf(*binaries)
	if err != nil {
		return err
	}
	return launch.Up(ctx, launch.Options{
		BasePort: *basePort, Data: *data, Database: *database, Binaries: folder, Stack: stack,
		Rate: *rate, Seed: *seed, Out: out,
	})
}

// folderOf gives the folder of the programs: the one that was named, or where shop is.
func folderOf(binaries string) (string, error) {
	if binaries != "" {
		return binaries, nil
	}
	self, err := os.Executable()
	if err != nil {
		return "", fmt.Errorf("find the folder of shop: %w; name it with --binaries", err)
	}
	return filepath.Dir(self), nil
}

func measure(ctx context.Context, arguments []string, out io.Writer) error {
	set := flags("overhead")
	basePort := basePortFlag(set)
	runs := set.Int("runs", 7, "how often the shops are opened and measured")
	journeys := set.Int("journeys", 4000, "`journeys` of a run, through each of the shops")
	rate := set.Float64("rate", 200, "`journeys` a second")
	seed := set.Uint64("seed", 1, "seed of the journeys, the same for every stack")
	asJSON := set.Bool("json", false, "print every run as JSON instead of the table")
	check := set.Bool("check", false, "fail when the kit costs more than its share of stock's")
	binaries := set.String("binaries", "", "`folder` with shop and the Rust services (default: where shop is)")
	if err := parse(set, arguments); err != nil {
		return err
	}
	folder, err := folderOf(*binaries)
	if err != nil {
		return err
	}
	if err := sameWork(ctx); err != nil {
		return err
	}
	data, err := os.MkdirTemp("", "shop-overhead-")
	if err != nil {
		return fmt.Errorf("make a folder for the shops: %w", err)
	}
	defer os.RemoveAll(data)
	report, err := overhead.Run(ctx, overhead.Options{BasePort: *basePort, Data: data, Binaries: folder,
		Runs: *runs, Journeys: *journeys, Rate: *rate, Seed: *seed, Progress: os.Stderr})
	if err != nil {
		return err
	}
	write := report.Write
	if *asJSON {
		write = report.WriteJSON
	}
	if err := write(out); err != nil {
		return err
	}
	if *check {
		return report.Check()
	}
	return nil
}

// sameWork has both stacks make the same signals equally often: traces and metrics, and
// log lines on standard error alone, because no stock service here sends them; all by
// HTTP, because the stacks' own defaults differ. What the environment says already holds
// for both. Without an endpoint all goes to a sink.
func sameWork(ctx context.Context) error {
	set := map[string]string{}
	for name, value := range map[string]string{"OTEL_METRICS_EXPORTER": "otlp", "OTEL_LOGS_EXPORTER": "none", "OTEL_METRIC_EXPORT_INTERVAL": "15000",
		"OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf"} {
		if os.Getenv(name) == "" {
			set[name] = value
		}
	}
	if os.Getenv("OTEL_EXPORTER_OTLP_ENDPOINT") == "" {
		sink, err := overhead.Sink(ctx)
		if err != nil {
			return err
		}
		set["OTEL_EXPORTER_OTLP_ENDPOINT"] = sink
	}
	for name, value := range set {
		if err := os.Setenv(name, value); err != nil {
			return err
		}
	}
	return nil
}

func runDriver(ctx context.Context, arguments []string, _ io.Writer) error {
	set := flags("drive")
	gateway := set.String("gateway", fmt.Sprintf("http://127.0.0.1:%d", defaultBasePort+1), "`address` of the gateway")
	rate := set.Float64("rate", 5, "`journeys` a second")
	seed := set.Uint64("seed", 1, "seed of the shoppers' choices")
	count := set.Int("count", 0, "stop after this many `journeys`; 0 means at ^C")
	journey := set.String("journey", "", "only this `journey`: browse, search, product, cart, checkout or account")
	if err := parse(set, arguments); err != nil {
		return err
	}
	plan, err := drive.NewPlan(*seed, *journey)
	if err != nil {
		return fmt.Errorf("%w: %w", errUsage, err)
	}
	return fleet.Run(ctx, "shopper", func(ctx context.Context) error {
		fleet.Ready()
		tally, err := drive.Run(ctx, plan, drive.Options{Gateway: *gateway, Rate: *rate, Count: *count})
		if err != nil {
			return err
		}
		slog.Info("traffic stops", "done", tally.Done, "declined", tally.Declined,
			"failed", tally.Failed, "turned_away", tally.TurnedAway)
		return nil
	})
}

func fault(ctx context.Context, arguments []string, out io.Writer) error {
	set := flags("fault")
	set.Usage = func() {
		fmt.Fprintln(set.Output(), "Usage: shop fault [--base-port N] list | NAME on | NAME off")
		set.PrintDefaults()
	}
	basePort := basePortFlag(set)
	if err := set.Parse(arguments); err != nil {
		return err
	}
	control := launch.Control{BasePort: *basePort}
	words := set.Args()
	switch {
	case len(words) == 1 && words[0] == "list":
		states, err := control.Faults(ctx)
		if err != nil {
			return err
		}
		for _, state := range states {
			fmt.Fprintf(out, "%-18s %-3s  %s\n", state.Name, onOff(state.On), state.Effect)
		}
		return nil
	case len(words) == 2 && (words[1] == "on" || words[1] == "off"):
		return control.Switch(ctx, words[0], words[1] == "on")
	default:
		return fmt.Errorf("%w: shop fault list | NAME on | NAME off", errUsage)
	}
}

func onOff(on bool) string {
	if on {
		return "on"
	}
	return "off"
}

func status(ctx context.Context, arguments []string, out io.Writer) error {
	set := flags("status")
	basePort := basePortFlag(set)
	if err := parse(set, arguments); err != nil {
		return err
	}
	members, err := launch.Control{BasePort: *basePort}.Members(ctx)
	if err != nil {
		return err
	}
	for _, member := range members {
		fmt.Fprintf(out, "%-13s %-5s %-16s %-9s pid %-7d %d restarts\n",
			member.Name, member.Language, member.Address, member.State, member.PID, member.Restarts)
	}
	return nil
}
