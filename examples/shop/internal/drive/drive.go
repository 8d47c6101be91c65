package drive

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/trace"

	"github.com/clew-dev/clew/examples/shop/internal/charter"
	"github.com/clew-dev/clew/examples/shop/internal/fleet"
)

const (
	// inFlight bounds the shoppers in the shop at once; more are turned away
	// and counted.
	inFlight = 64
	// patience of a shopper with one request.
	patience = 30 * time.Second
)

// Options of the traffic.
type Options struct {
	// Gateway is http://host:port.
	Gateway string
	// Rate is journeys a second.
	Rate float64
	// Count is how many journeys to start; 0 means until ctx ends.
	Count int
	// Took is told how long each journey took, one at a time; nil: nobody is.
	Took func(time.Duration)
}

// Tally is what became of the journeys.
type Tally struct {
	Done, Declined, Failed, TurnedAway int64
}

type driver struct {
	options Options
	http    *http.Client
	tracer  trace.Tracer
}

// Run walks the journeys of a plan and returns what became of them.
func Run(ctx context.Context, plan *Plan, options Options) (Tally, error) {
	if options.Rate <= 0 || options.Rate > 1000 {
		return Tally{}, fmt.Errorf("rate %g: use a number of journeys a second over 0 and up to 1000", options.Rate)
	}
	if _, err := url.Parse(options.Gateway); err != nil {
		return Tally{}, fmt.Errorf("read the gateway's address: %w", err)
	}
	d := &driver{
		options: options,
		http:    &http.Client{Transport: fleet.Transport(), Timeout: patience},
		tracer:  otel.Tracer("shop/drive"),
	}
	var done, declined, failed, turnedAway atomic.Int64
	var shoppers sync.WaitGroup
	var timing sync.Mutex
	places := make(chan struct{}, inFlight)
	tick := time.NewTicker(time.Duration(float64(time.Second) / options.Rate))
	defer tick.Stop()
	for started := 0; options.Count == 0 || started < options.Count; started++ {
		choice := plan.Next()
		select {
		case places <- struct{}{}:
			shoppers.Go(func() {
				defer func() { <-places }()
				began := time.Now()
				if options.Took != nil {
					defer func() {
						timing.Lock()
						defer timing.Unlock()
						options.Took(time.Since(began))
					}()
				}
				// A shopper who is in the shop is not cut off by the stop.
				switch err := d.walk(context.WithoutCancel(ctx), choice); {
				case err == nil:
					done.Add(1)
				case errors.Is(err, errDeclined):
					declined.Add(1)
				default:
					failed.Add(1)
				}
			})
		default:
			turnedAway.Add(1)
		}
		if started+1 == options.Count {
			break
		}
		select {
		case <-ctx.Done():
			options.Count = started + 1
		case <-tick.C:
		}
	}
	shoppers.Wait()
	return Tally{done.Load(), declined.Load(), failed.Load(), turnedAway.Load()}, nil
}

var errDeclined = errors.New("the card was declined")

// walk is one journey: one trace.
func (d *driver) walk(ctx context.Context, choice Choice) error {
	journey, _ := charter.ParseShopJourney(choice.Journey) // the plan draws no other
	ctx, span := d.tracer.Start(ctx, "journey "+choice.Journey, trace.WithNewRoot(), trace.WithAttributes(
		journey.Attr().KeyValue(), charter.ShopCustomerID(choice.Customer).Attr().KeyValue()))
	defer span.End()
	err := d.steps(ctx, choice)
	if err != nil && !errors.Is(err, errDeclined) {
		fleet.Fail(ctx, err)
	}
	return err
}

func (d *driver) steps(ctx context.Context, choice Choice) error {
	choose := map[string]any{"session": choice.Session, "sku": choice.SKU, "units": choice.Units}
	switch choice.Journey {
	case "browse":
		return d.get(ctx, choice, "/products?page="+strconv.Itoa(choice.Page))
	case "search":
		return d.get(ctx, choice, "/search?q="+url.QueryEscape(choice.Query))
	case "product":
		return d.get(ctx, choice, "/products/"+choice.SKU)
	case "cart":
		if err := d.post(ctx, choice, "/cart", choose); err != nil {
			return err
		}
		return d.get(ctx, choice, "/cart?session="+choice.Session)
	case "checkout":
		if err := d.post(ctx, choice, "/cart", choose); err != nil {
			return err
		}
		return d.post(ctx, choice, "/orders", map[string]any{
			"session": choice.Session, "customer": choice.Customer, "card": choice.Card,
		})
	default:
		return d.get(ctx, choice, "/customers/"+choice.Customer)
	}
}

func (d *driver) get(ctx context.Context, choice Choice, path string) error {
	return d.send(ctx, choice, http.MethodGet, path, nil)
}

func (d *driver) post(ctx context.Context, choice Choice, path string, body any) error {
	text, err := json.Marshal(body)
	if err != nil {
		return fmt.Errorf("post %s: %w", path, err)
	}
	return d.send(ctx, choice, http.MethodPost, path, bytes.NewReader(text))
}

func (d *driver) send(ctx context.Context, choice Choice, method, path string, body io.Reader) error {
	request, err := http.NewRequestWithContext(ctx, method, d.options.Gateway+path, body)
	if err != nil {
		return fmt.Errorf("%s %s: %w", method, path, err)
	}
	request.Header.Set("X-Session-Id", choice.Session)
	request.Header.Set("User-Agent", "shopper/"+fleet.Version)
	if body != nil {
		request.Header.Set("Content-Type", "application/json")
	}
	response, err := d.http.Do(request)
	if err != nil {
		return fmt.Errorf("%s %s: %w", method, path, err)
	}
	defer response.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(response.Body, 1<<20))
	if err != nil {
		return fmt.Errorf("%s %s: read the answer: %w", method, path, err)
	}
	switch {
	case response.StatusCode == http.StatusPaymentRequired:
		return errDeclined
	case response.StatusCode >= http.StatusBadRequest:
		return fmt.Errorf("%s %s: %s: %s", method, path, response.Status, bytes.TrimSpace(answer))
	}
	return nil
}
