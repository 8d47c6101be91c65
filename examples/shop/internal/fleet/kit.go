package fleet

import (
	"context"
	"log/slog"
	"net/http"
	"os"

	"google.golang.org/grpc"

	"github.com/clew-dev/clew/examples/shop/internal/charter"
	clew "github.com/clew-dev/clew/kit/go"
	clewgrpc "github.com/clew-dev/clew/kit/go/grpc"
)

// clewKit is Clew's kit. Endpoint, sampler and the rest come from the standard
// OTEL_ variables; CLEW_ENDPOINT is where the policy is asked for.
type clewKit struct{ k *clew.Kit }

// kit is one for the process: Start makes it the global provider of everything.
var kit = &clewKit{}

func (c *clewKit) start(ctx context.Context, service string) (func(context.Context) error, error) {
	c.k = clew.Start(ctx, clew.Service(service, Version), clew.PropagateTo("*"), clew.Output(os.Stderr), charter.Redact(),
		clew.Resource(clew.String("service.namespace", "shop"), clew.String("deployment.environment.name", "example")))
	slog.SetDefault(c.k.Logger())
	return c.k.Stop, nil
}

func (c *clewKit) serverOptions() []grpc.ServerOption { return []grpc.ServerOption{clewgrpc.Server()} }

func (c *clewKit) dialOptions(target string) []grpc.DialOption {
	return clewgrpc.Client(target)
}

func (c *clewKit) server(h http.Handler) http.Handler { return c.k.HTTP(h) }

func (c *clewKit) route(_ string, h http.Handler) http.Handler { return h }

func (c *clewKit) transport(next http.RoundTripper) http.RoundTripper { return c.k.Transport(next) }

func (c *clewKit) baggage(ctx context.Context, key string) string { return clew.Baggage(ctx, key) }
