// Package fulfilment is the service that sends goods out. It only speaks
// messages: an order placed becomes a shipment created, and the customers'
// notifications close shipments, many at a time.
//
//	orders.placed ──► ship (gRPC to inventory) ──► shipments.created
//	notifications.sent (in batches) ──► shipment closed
package fulfilment

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/clew-dev/clew/examples/shop/internal/bus"
	"github.com/clew-dev/clew/examples/shop/internal/charter"
	"github.com/clew-dev/clew/examples/shop/internal/db"
	"github.com/clew-dev/clew/examples/shop/internal/fleet"
	"github.com/clew-dev/clew/examples/shop/internal/shoppb"
)

const schema = `CREATE TABLE IF NOT EXISTS shipments (
	order_id TEXT PRIMARY KEY, units BIGINT NOT NULL, created_ns BIGINT NOT NULL, closed BIGINT NOT NULL)`

// closeAtOnce is how many shipments one batch closes at most.
const closeAtOnce = 10

type service struct {
	tables    *sql.DB
	inventory shoppb.InventoryClient
	bus       *bus.Bus
}

// Serve runs the service until ctx ends.
func Serve(ctx context.Context) error {
	tables, err := db.Open(ctx, "fulfilment", schema)
	if err != nil {
		return err
	}
	defer tables.Close()
	inventory, err := fleet.Dial("inventory")
	if err != nil {
		return err
	}
	defer inventory.Close()
	messages, err := bus.Open("fulfilment")
	if err != nil {
		return err
	}
	defer messages.Close()
	s := &service{tables: tables, inventory: shoppb.NewInventoryClient(inventory), bus: messages}

	// A consumer that cannot go on ends the other, and with it the process.
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var consumers sync.WaitGroup
	var shipping, closing error
	consumers.Go(func() {
		defer cancel()
		shipping = messages.Consume(ctx, "fulfilment", bus.OrderPlaced, s.ship)
	})
	consumers.Go(func() {
		defer cancel()
		closing = messages.ConsumeBatch(ctx, "fulfilment-closing", bus.NotificationSent, closeAtOnce, s.close)
	})
	fleet.Ready()
	consumers.Wait()
	return errors.Join(shipping, closing)
}

// ship may run twice for one order: each step does nothing the second time.
func (s *service) ship(ctx context.Context, order bus.Order) error {
	charter.FulfilmentShipOf(ctx).End(charter.ShopOrderID(order.ID)) // the bus ends the span itself
	shipped, err := s.inventory.Ship(ctx, &shoppb.ShipRequest{OrderId: order.ID})
	if err != nil {
		return fmt.Errorf("ship order %s: %w", order.ID, err)
	}
	_, err = s.tables.ExecContext(ctx,
		"INSERT INTO shipments (order_id, units, created_ns, closed) VALUES ($1, $2, $3, 0) ON CONFLICT (order_id) DO NOTHING",
		order.ID, int64(shipped.GetUnits()), time.Now().UnixNano())
	if err != nil {
		return fmt.Errorf("write the shipment of %s: %w", order.ID, err)
	}
	return s.bus.Send(ctx, bus.ShipmentCreated, order)
}

func (s *service) close(ctx context.Context, orders []bus.Order) error {
	for _, order := range orders {
		if _, err := s.tables.ExecContext(ctx, "UPDATE shipments SET closed = 1 WHERE order_id = $1", order.ID); err != nil {
			return fmt.Errorf("close the shipment of %s: %w", order.ID, err)
		}
	}
	return nil
}
