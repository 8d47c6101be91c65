// Package checkout is the service that turns a cart into an order: it speaks
// HTTP, calls cart, inventory and payment over gRPC, writes the order down and
// tells the rest of the fleet by a message.
//
//	POST /orders             {"session","customer","card"} → 201 {"id","cents"}
//	GET  /orders?customer=C  → 200 [{"id","cents"}], the newest first
package checkout

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"net/http"
	"time"

	"github.com/google/uuid"

	"github.com/clew-dev/clew/examples/shop/internal/bus"
	"github.com/clew-dev/clew/examples/shop/internal/charter"
	"github.com/clew-dev/clew/examples/shop/internal/db"
	"github.com/clew-dev/clew/examples/shop/internal/fleet"
	"github.com/clew-dev/clew/examples/shop/internal/shoppb"
)

const schema = `CREATE TABLE IF NOT EXISTS orders (
	id TEXT PRIMARY KEY, customer TEXT NOT NULL, cents BIGINT NOT NULL, placed_ns BIGINT NOT NULL)`

// chargeWithin is longer than any slow payment: slowness must be seen, not cut.
const chargeWithin = 10 * time.Second

type service struct {
	tables    *sql.DB
	cart      shoppb.CartClient
	inventory shoppb.InventoryClient
	payment   shoppb.PaymentClient
	bus       *bus.Bus
}

// Request is the body of POST /orders.
type Request struct {
	Session  string `json:"session"`
	Customer string `json:"customer"`
	Card     string `json:"card"`
}

// Order is what has been bought.
type Order struct {
	ID    string `json:"id"`
	Cents int64  `json:"cents"`
}

// Serve runs the service until ctx ends.
func Serve(ctx context.Context) error {
	tables, err := db.Open(ctx, "checkout", schema,
		"CREATE INDEX IF NOT EXISTS orders_by_customer ON orders (customer, placed_ns)")
	if err != nil {
		return err
	}
	defer tables.Close()
	cart, err := fleet.Dial("cart")
	if err != nil {
		return err
	}
	defer cart.Close()
	inventory, err := fleet.Dial("inventory")
	if err != nil {
		return err
	}
	defer inventory.Close()
	payment, err := fleet.Dial("payment")
	if err != nil {
		return err
	}
	defer payment.Close()
	messages, err := bus.Open("checkout")
	if err != nil {
		return err
	}
	defer messages.Close()
	s := &service{
		tables: tables, cart: shoppb.NewCartClient(cart), inventory: shoppb.NewInventoryClient(inventory),
		payment: shoppb.NewPaymentClient(payment), bus: messages,
	}
	mux := http.NewServeMux()
	fleet.Handle(mux, "POST /orders", s.place)
	fleet.Handle(mux, "GET /orders", s.list)
	return fleet.ServeHTTP(ctx, "checkout", mux)
}

func (s *service) place(w http.ResponseWriter, r *http.Request) error {
	var request Request
	if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, 1<<16)).Decode(&request); err != nil {
		return &fleet.Problem{Status: http.StatusBadRequest, Text: "the body is not an order: " + err.Error()}
	}
	ctx := r.Context()
	order := Order{ID: uuid.NewString()}
	place := charter.CheckoutPlaceOf(ctx, charter.ShopOrderID(order.ID))
	contents, err := s.cart.Read(ctx, &shoppb.CartRequest{Session: request.Session})
	if err != nil {
		return fmt.Errorf("read the cart: %w", err)
	}
	if len(contents.GetLines()) == 0 {
		place.Fail(charter.CheckoutPlaceCartEmpty)
		return &fleet.Problem{Status: http.StatusConflict, Text: "the cart is empty; put something in first"}
	}
	for _, line := range contents.GetLines() {
		order.Cents += line.GetPriceCents() * int64(line.GetUnits())
	}
	place.End(charter.ShopOrderCents(order.Cents)) // all that the contract asks for; the middleware ends the span
	_, err = s.inventory.Reserve(ctx, &shoppb.ReserveRequest{OrderId: order.ID, Lines: contents.GetLines()})
	if err != nil {
		return fmt.Errorf("reserve the goods: %w", err)
	}
	charge, cancel := context.WithTimeout(ctx, chargeWithin)
	defer cancel()
	_, err = s.payment.Charge(charge, &shoppb.ChargeRequest{OrderId: order.ID, AmountCents: order.Cents, Card: request.Card})
	if err != nil {
		return fmt.Errorf("charge the card: %w", err)
	}
	_, err = s.tables.ExecContext(ctx, "INSERT INTO orders (id, customer, cents, placed_ns) VALUES ($1, $2, $3, $4)",
		order.ID, request.Customer, order.Cents, time.Now().UnixNano())
	if err != nil {
		return fmt.Errorf("write order %s: %w", order.ID, err)
	}
	err = s.bus.Send(ctx, bus.OrderPlaced, bus.Order{
		ID: order.ID, Customer: request.Customer, Session: request.Session, Cents: order.Cents,
	})
	if err != nil {
		return fmt.Errorf("tell of order %s: %w", order.ID, err)
	}
	if _, err := s.cart.Clear(ctx, &shoppb.CartRequest{Session: request.Session}); err != nil {
		return fmt.Errorf("clear the cart: %w", err)
	}
	fleet.Answer(w, http.StatusCreated, order)
	return nil
}

func (s *service) list(w http.ResponseWriter, r *http.Request) error {
	rows, err := s.tables.QueryContext(r.Context(),
		"SELECT id, cents FROM orders WHERE customer = $1 ORDER BY placed_ns DESC LIMIT 10", r.URL.Query().Get("customer"))
	if err != nil {
		return fmt.Errorf("read orders: %w", err)
	}
	defer rows.Close()
	orders := []Order{}
	for rows.Next() {
		var order Order
		if err := rows.Scan(&order.ID, &order.Cents); err != nil {
			return fmt.Errorf("read an order: %w", err)
		}
		orders = append(orders, order)
	}
	if err := rows.Err(); err != nil {
		return fmt.Errorf("read orders: %w", err)
	}
	fleet.Answer(w, http.StatusOK, orders)
	return nil
}
