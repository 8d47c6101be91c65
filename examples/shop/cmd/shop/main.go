// Command shop is the Go half of the example fleet: the launcher, the traffic
// driver, the fault switch, and each Go service as a subcommand of its own.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/clew-dev/clew/examples/shop/internal/bus"
	"github.com/clew-dev/clew/examples/shop/internal/cart"
	"github.com/clew-dev/clew/examples/shop/internal/catalog"
	"github.com/clew-dev/clew/examples/shop/internal/checkout"
	"github.com/clew-dev/clew/examples/shop/internal/fleet"
	"github.com/clew-dev/clew/examples/shop/internal/fulfilment"
	"github.com/clew-dev/clew/examples/shop/internal/inventory"
	"github.com/clew-dev/clew/examples/shop/internal/storefront"
)

// defaultBasePort is the launcher's control port.
const defaultBasePort = 17800

// errUsage means that the words of the command line were wrong.
var errUsage = errors.New("usage")

type command struct {
	name, summary string
	run           func(ctx context.Context, arguments []string, out io.Writer) error
}

func commands() []command {
	list := []command{
		{"up", "start the fleet and keep it running until ^C", up},
		{"drive", "send shoppers through an open shop", runDriver},
		{"fault", "list faults, switch one on or off", fault},
		{"overhead", "measure what the fleet's instrumentation costs: none, stock, kit", measure},
		{"status", "show the members of an open shop", status},
	}
	services := []struct {
		name  string
		serve func(context.Context) error
	}{
		{"bus", func(ctx context.Context) error { return bus.Serve(ctx, fleet.Ready) }}, {"inventory", inventory.Serve}, {"cart", cart.Serve}, {"catalog", catalog.Serve},
		{"checkout", checkout.Serve}, {"storefront", storefront.Serve}, {"fulfilment", fulfilment.Serve},
	}
	for _, service := range services {
		list = append(list, command{service.name, "run this one service (the launcher does)",
			func(ctx context.Context, arguments []string, _ io.Writer) error {
				if len(arguments) > 0 {
					return fmt.Errorf("%w: %s takes no arguments", errUsage, service.name)
				}
				return fleet.Run(ctx, service.name, service.serve)
			}})
	}
	return list
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	err := run(ctx, os.Args[1:], os.Stdout)
	switch {
	case err == nil, errors.Is(err, flag.ErrHelp):
	case errors.Is(err, errUsage):
		fmt.Fprintf(os.Stderr, "shop: %s\n\n%s", err, help())
		os.Exit(2)
	default:
		fmt.Fprintln(os.Stderr, "shop:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, arguments []string, out io.Writer) error {
	if len(arguments) == 0 {
		return fmt.Errorf("%w: name a command", errUsage)
	}
	switch arguments[0] {
	case "-h", "--help", "help":
		fmt.Fprint(out, help())
		return nil
	}
	for _, c := range commands() {
		if c.name == arguments[0] {
			return c.run(ctx, arguments[1:], out)
		}
	}
	return fmt.Errorf("%w: no command %q", errUsage, arguments[0])
}

func help() string {
	var text strings.Builder
	text.WriteString("Usage: shop COMMAND [flags]\n\n")
	for _, c := range commands() {
		fmt.Fprintf(&text, "  %-12s %s\n", c.name, c.summary)
	}
	text.WriteString("\nFlags of a command: shop COMMAND -h\n")
	return text.String()
}
