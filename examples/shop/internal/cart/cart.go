// Package cart is the service that keeps what a session has chosen. It speaks
// gRPC and has one table.
package cart

import (
	"context"
	"database/sql"
	"fmt"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/clew-dev/clew/examples/shop/internal/db"
	"github.com/clew-dev/clew/examples/shop/internal/fleet"
	"github.com/clew-dev/clew/examples/shop/internal/shoppb"
)

const schema = `CREATE TABLE IF NOT EXISTS cart_lines (
	session TEXT NOT NULL, sku TEXT NOT NULL, units BIGINT NOT NULL, price_cents BIGINT NOT NULL,
	PRIMARY KEY (session, sku))`

// maxUnits of one article in one cart.
const maxUnits = 20

type service struct {
	shoppb.UnimplementedCartServer
	tables *sql.DB
}

// Serve runs the service until ctx ends.
func Serve(ctx context.Context) error {
	tables, err := db.Open(ctx, "cart", schema)
	if err != nil {
		return err
	}
	defer tables.Close()
	return fleet.ServeGRPC(ctx, "cart", func(server grpc.ServiceRegistrar) {
		shoppb.RegisterCartServer(server, &service{tables: tables})
	})
}

// Add implements shoppb.CartServer.
func (s *service) Add(ctx context.Context, request *shoppb.AddRequest) (*shoppb.CartContents, error) {
	line := request.GetLine()
	if line.GetUnits() == 0 || line.GetUnits() > maxUnits {
		return nil, status.Errorf(codes.InvalidArgument, "%d units of %s; a cart takes 1 to %d", line.GetUnits(), line.GetSku(), maxUnits)
	}
	_, err := s.tables.ExecContext(ctx,
		`INSERT INTO cart_lines (session, sku, units, price_cents) VALUES ($1, $2, $3, $4)
		ON CONFLICT (session, sku) DO UPDATE SET units = excluded.units, price_cents = excluded.price_cents`,
		request.GetSession(), line.GetSku(), line.GetUnits(), line.GetPriceCents())
	if err != nil {
		return nil, fmt.Errorf("put %s into the cart: %w", line.GetSku(), err)
	}
	return s.contents(ctx, request.GetSession())
}

// Read implements shoppb.CartServer.
func (s *service) Read(ctx context.Context, request *shoppb.CartRequest) (*shoppb.CartContents, error) {
	return s.contents(ctx, request.GetSession())
}

// Clear implements shoppb.CartServer.
func (s *service) Clear(ctx context.Context, request *shoppb.CartRequest) (*shoppb.CartContents, error) {
	if _, err := s.tables.ExecContext(ctx, "DELETE FROM cart_lines WHERE session = $1", request.GetSession()); err != nil {
		return nil, fmt.Errorf("clear the cart: %w", err)
	}
	return &shoppb.CartContents{}, nil
}

func (s *service) contents(ctx context.Context, session string) (*shoppb.CartContents, error) {
	rows, err := s.tables.QueryContext(ctx,
		"SELECT sku, units, price_cents FROM cart_lines WHERE session = $1 ORDER BY sku", session)
	if err != nil {
		return nil, fmt.Errorf("read the cart: %w", err)
	}
	defer rows.Close()
	contents := &shoppb.CartContents{}
	for rows.Next() {
		var line shoppb.Line
		if err := rows.Scan(&line.Sku, &line.Units, &line.PriceCents); err != nil {
			return nil, fmt.Errorf("read a line of the cart: %w", err)
		}
		contents.Lines = append(contents.Lines, &line)
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("read the cart: %w", err)
	}
	return contents, nil
}
