// Package inventory is the service that counts what lies in the warehouse. It
// speaks gRPC; a reservation is one transaction over two tables.
package inventory

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/clew-dev/clew/examples/shop/internal/db"
	"github.com/clew-dev/clew/examples/shop/internal/fleet"
	"github.com/clew-dev/clew/examples/shop/internal/goods"
	"github.com/clew-dev/clew/examples/shop/internal/shoppb"
)

const (
	stockTable = `CREATE TABLE IF NOT EXISTS stock (sku TEXT PRIMARY KEY, units BIGINT NOT NULL)`
	orderTable = `CREATE TABLE IF NOT EXISTS reservations (
		order_id TEXT NOT NULL, sku TEXT NOT NULL, units BIGINT NOT NULL, shipped BIGINT NOT NULL,
		PRIMARY KEY (order_id, sku))`
)

// delivery is how many units a supplier brings when an article runs out, so
// that a fleet can be left running.
const delivery = 500

type service struct {
	shoppb.UnimplementedInventoryServer
	tables *sql.DB
}

// Serve runs the service until ctx ends.
func Serve(ctx context.Context) error {
	tables, err := db.Open(ctx, "inventory", stockTable, orderTable)
	if err != nil {
		return err
	}
	defer tables.Close()
	for _, item := range goods.All() {
		_, err := tables.ExecContext(ctx,
			"INSERT INTO stock (sku, units) VALUES ($1, $2) ON CONFLICT (sku) DO NOTHING", item.SKU, delivery)
		if err != nil {
			return fmt.Errorf("fill the warehouse with %s: %w", item.SKU, err)
		}
	}
	return fleet.ServeGRPC(ctx, "inventory", func(server grpc.ServiceRegistrar) {
		shoppb.RegisterInventoryServer(server, &service{tables: tables})
	})
}

// Stock implements shoppb.InventoryServer.
func (s *service) Stock(ctx context.Context, request *shoppb.StockRequest) (*shoppb.StockReply, error) {
	var reply shoppb.StockReply
	err := s.tables.QueryRowContext(ctx, "SELECT units FROM stock WHERE sku = $1", request.GetSku()).Scan(&reply.Units)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, status.Errorf(codes.NotFound, "no stock of %q", request.GetSku())
	}
	if err != nil {
		return nil, fmt.Errorf("read the stock of %s: %w", request.GetSku(), err)
	}
	return &reply, nil
}

var errWarehouse = errors.New("the warehouse's book is locked by another count")

// Reserve implements shoppb.InventoryServer.
func (s *service) Reserve(ctx context.Context, request *shoppb.ReserveRequest) (*shoppb.ReserveReply, error) {
	if fleet.FaultOn(fleet.FailingInventory) {
		return nil, fmt.Errorf("reserve for order %s: %w", request.GetOrderId(), errWarehouse)
	}
	transaction, err := s.tables.BeginTx(ctx, nil)
	if err != nil {
		return nil, fmt.Errorf("reserve for order %s: %w", request.GetOrderId(), err)
	}
	// After a commit this does nothing.
	defer transaction.Rollback()
	for _, line := range request.GetLines() {
		if err := reserve(ctx, transaction, request.GetOrderId(), line); err != nil {
			return nil, fmt.Errorf("reserve %s for order %s: %w", line.GetSku(), request.GetOrderId(), err)
		}
	}
	if err := transaction.Commit(); err != nil {
		return nil, fmt.Errorf("reserve for order %s: %w", request.GetOrderId(), err)
	}
	return &shoppb.ReserveReply{}, nil
}

func reserve(ctx context.Context, transaction *sql.Tx, order string, line *shoppb.Line) error {
	made, err := transaction.ExecContext(ctx,
		"INSERT INTO reservations (order_id, sku, units, shipped) VALUES ($1, $2, $3, 0) ON CONFLICT DO NOTHING",
		order, line.GetSku(), line.GetUnits())
	if err != nil {
		return err
	}
	if rows, err := made.RowsAffected(); err != nil || rows == 0 {
		return err
	}
	_, err = transaction.ExecContext(ctx,
		"UPDATE stock SET units = CASE WHEN units < $1 THEN units + $2 ELSE units END - $1 WHERE sku = $3",
		line.GetUnits(), delivery, line.GetSku())
	return err
}

// Ship implements shoppb.InventoryServer.
func (s *service) Ship(ctx context.Context, request *shoppb.ShipRequest) (*shoppb.ShipReply, error) {
	_, err := s.tables.ExecContext(ctx, "UPDATE reservations SET shipped = 1 WHERE order_id = $1", request.GetOrderId())
	if err != nil {
		return nil, fmt.Errorf("ship order %s: %w", request.GetOrderId(), err)
	}
	var units sql.NullInt64
	err = s.tables.QueryRowContext(ctx, "SELECT SUM(units) FROM reservations WHERE order_id = $1", request.GetOrderId()).Scan(&units)
	if err != nil {
		return nil, fmt.Errorf("count order %s: %w", request.GetOrderId(), err)
	}
	if !units.Valid {
		return nil, status.Errorf(codes.NotFound, "nothing is reserved for order %q", request.GetOrderId())
	}
	return &shoppb.ShipReply{Units: uint32(units.Int64)}, nil
}
