package fleet

import (
	"context"
	"fmt"
	"net/http"
	"os"

	"google.golang.org/grpc"
)

// Stack names the instrumentation that a process runs with. The fleet runs Clew's
// kit; a member in each language runs the stock OpenTelemetry SDK, to show that
// the two share traces. Off is the yardstick of `shop overhead`.
type Stack string

// The stacks.
const (
	Kit   Stack = "kit"
	Stock Stack = "stock"
	Off   Stack = "off"
)

// StackVariable names the environment variable that says which one a process runs.
const StackVariable = "SHOP_TELEMETRY"

// ParseStack reads a stack's name; empty is Kit.
func ParseStack(name string) (Stack, error) {
	switch s := Stack(name); s {
	case "":
		return Kit, nil
	case Kit, Stock, Off:
		return s, nil
	}
	return "", fmt.Errorf("telemetry %q: use kit, stock or off", name)
}

// instrumentation is what a stack puts around the wires of a process.
type instrumentation interface {
	// start begins telemetry; the function that it returns flushes what is left.
	start(ctx context.Context, service string) (stop func(context.Context) error, err error)
	serverOptions() []grpc.ServerOption
	dialOptions(target string) []grpc.DialOption
	// server wraps the handler of a whole process, route that of one pattern.
	server(h http.Handler) http.Handler
	route(pattern string, h http.Handler) http.Handler
	transport(next http.RoundTripper) http.RoundTripper
	// baggage returns the value of a member, empty when there is none.
	baggage(ctx context.Context, key string) string
}

// Running is the stack of this process. Run refuses a name that is none; until
// then such a process makes no telemetry.
func Running() Stack {
	s, err := ParseStack(os.Getenv(StackVariable))
	if err != nil {
		return Off
	}
	return s
}

func running() instrumentation {
	switch Running() {
	case Kit:
		return kit
	case Stock:
		return stock{}
	}
	return bare{}
}

// bare is no instrumentation at all.
type bare struct{}

func (bare) start(context.Context, string) (func(context.Context) error, error) {
	return func(context.Context) error { return nil }, nil
}
func (bare) serverOptions() []grpc.ServerOption   { return nil }
func (bare) dialOptions(string) []grpc.DialOption { return nil }
func (bare) server(h http.Handler) http.Handler   { return h }
func (bare) route(_ string, h http.Handler) http.Handler {
	return h
}
func (bare) transport(next http.RoundTripper) http.RoundTripper { return next }
func (bare) baggage(context.Context, string) string             { return "" }
