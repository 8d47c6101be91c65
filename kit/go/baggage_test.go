package clew_test

import (
	"context"
	"sync"
	"testing"

	"go.opentelemetry.io/otel/baggage"

	clew "github.com/clew-dev/clew/kit/go"
)

// What the program sets by way of the API counts, also when nobody has read the baggage before.
func TestTheAPIsBaggageTakesThePlaceOfTheCallers(t *testing.T) {
	start(t, "CLEW_PROPAGATE_TO=*")
	for name, c := range map[string]struct {
		change func(context.Context) context.Context
		want   string
	}{
		"another": {func(ctx context.Context) context.Context {
			m, _ := baggage.NewMemberRaw("own", "1")
			b, _ := baggage.New(m)
			return baggage.ContextWithBaggage(ctx, b)
		}, "own=1"},
		"none":      {baggage.ContextWithoutBaggage, ""},
		"untouched": {func(ctx context.Context) context.Context { return ctx }, "b=2,a=1;p=q"},
		"read": {func(ctx context.Context) context.Context {
			if b := baggage.FromContext(ctx); b.Len() != 2 || b.Member("a").Properties()[0].Key() != "p" {
				t.Errorf("the API's baggage is %v", b)
			}
			return ctx
		}, "b=2,a=1;p=q"},
		"cancelled": {func(ctx context.Context) context.Context {
			inner, cancel := context.WithCancel(ctx)
			cancel()
			return inner
		}, "b=2,a=1;p=q"},
		"elsewhere": {func(ctx context.Context) context.Context {
			baggage.ContextWithoutBaggage(ctx) // nobody goes on with it
			return ctx
		}, "b=2,a=1;p=q"},
	} {
		t.Run(name, func(t *testing.T) {
			ctx := c.change(clew.Extract(context.Background(), carrier{"baggage": "b=2,a=1;p=q"}))
			out := carrier{}
			clew.Inject(ctx, "", out)
			if out["baggage"] != c.want {
				t.Errorf("baggage goes on as %q, not %q", out["baggage"], c.want)
			}
			if a := clew.Baggage(ctx, "a"); (a == "1") != (len(c.want) > 5) {
				t.Errorf("a is %q", a)
			}
		})
	}
}

// Goroutines of one request read and hand on its baggage at the same time.
func TestBaggageIsReadByMany(t *testing.T) {
	start(t, "CLEW_PROPAGATE_TO=*")
	for range 100 {
		ctx := clew.Extract(context.Background(), carrier{"baggage": "a=1,b=2"})
		var all sync.WaitGroup
		for i := range 4 {
			all.Add(1)
			go func() {
				defer all.Done()
				if i%2 == 0 {
					if got := baggage.FromContext(ctx).Member("a").Value(); got != "1" {
						t.Errorf("a is %q", got)
					}
					return
				}
				out := carrier{}
				clew.Inject(ctx, "", out)
				if out["baggage"] != "a=1,b=2" {
					t.Errorf("baggage goes on as %q", out["baggage"])
				}
			}()
		}
		all.Wait()
	}
}

// Handing baggage on must not make the API's form of it, which costs several times as much.
func TestHandingBaggageOnIsCheap(t *testing.T) {
	start(t, "CLEW_PROPAGATE_TO=*")
	in, out := clew.HeaderCarrier{"Baggage": {"session=4711,tier=gold"}}, clew.HeaderCarrier{}
	ctx := context.Background()
	const budget = 5 // the members, the context; the header's text and its line
	if n := testing.AllocsPerRun(100, func() { clew.Inject(clew.Extract(ctx, in), "shop.example", out) }); n > budget {
		t.Errorf("%v allocations, budget %d", n, budget)
	}
}
