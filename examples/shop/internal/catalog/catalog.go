// Package catalog is the service that knows what is for sale. It speaks gRPC,
// reads its own tables, and asks pricing for the price of each product that it
// returns.
package catalog

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
	"github.com/clew-dev/clew/examples/shop/internal/shoppb"
)

const pageSize = 12

const schema = `CREATE TABLE IF NOT EXISTS products (
	sku TEXT PRIMARY KEY, name TEXT NOT NULL, category TEXT NOT NULL, base_cents BIGINT NOT NULL)`

type service struct {
	shoppb.UnimplementedCatalogServer
	tables  *sql.DB
	pricing shoppb.PricingClient
}

// Serve runs the service until ctx ends.
func Serve(ctx context.Context) error {
	tables, err := db.Open(ctx, "catalog", schema)
	if err != nil {
		return err
	}
	defer tables.Close()
	if err := fill(ctx, tables); err != nil {
		return err
	}
	pricing, err := fleet.Dial("pricing")
	if err != nil {
		return err
	}
	defer pricing.Close()
	return fleet.ServeGRPC(ctx, "catalog", func(server grpc.ServiceRegistrar) {
		shoppb.RegisterCatalogServer(server, &service{tables: tables, pricing: shoppb.NewPricingClient(pricing)})
	})
}

// List implements shoppb.CatalogServer.
func (s *service) List(ctx context.Context, request *shoppb.ListRequest) (*shoppb.Products, error) {
	offset := int64(request.GetPage()) * pageSize
	if fleet.FaultOn(fleet.NPlusOne) {
		return s.listOneByOne(ctx, offset)
	}
	products, err := s.read(ctx,
		"SELECT sku, name, category, base_cents FROM products ORDER BY sku LIMIT $1 OFFSET $2", pageSize, offset)
	if err != nil {
		return nil, err
	}
	return s.priced(ctx, products)
}

// listOneByOne is the classic mistake: one statement for the keys and one more
// for each of them.
func (s *service) listOneByOne(ctx context.Context, offset int64) (*shoppb.Products, error) {
	rows, err := s.tables.QueryContext(ctx, "SELECT sku FROM products ORDER BY sku LIMIT $1 OFFSET $2", pageSize, offset)
	if err != nil {
		return nil, fmt.Errorf("read the keys of a page: %w", err)
	}
	defer rows.Close()
	var keys []string
	for rows.Next() {
		var key string
		if err := rows.Scan(&key); err != nil {
			return nil, fmt.Errorf("read a key: %w", err)
		}
		keys = append(keys, key)
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("read the keys of a page: %w", err)
	}
	var products []*shoppb.Product
	for _, key := range keys {
		product, err := s.one(ctx, key)
		if err != nil {
			return nil, err
		}
		products = append(products, product)
	}
	return s.priced(ctx, products)
}

// Get implements shoppb.CatalogServer.
func (s *service) Get(ctx context.Context, request *shoppb.GetRequest) (*shoppb.Product, error) {
	product, err := s.one(ctx, request.GetSku())
	if err != nil {
		return nil, err
	}
	if _, err := s.priced(ctx, []*shoppb.Product{product}); err != nil {
		return nil, err
	}
	return product, nil
}

// maxTerms bounds the statements of one search.
const maxTerms = 8

// Find implements shoppb.CatalogServer.
func (s *service) Find(ctx context.Context, request *shoppb.FindRequest) (*shoppb.Products, error) {
	terms := request.GetTerms()
	if len(terms) == 0 || len(terms) > maxTerms {
		return nil, status.Errorf(codes.InvalidArgument, "%d terms; give 1 to %d", len(terms), maxTerms)
	}
	seen := make(map[string]bool)
	var found []*shoppb.Product
	for _, term := range terms {
		products, err := s.read(ctx,
			"SELECT sku, name, category, base_cents FROM products WHERE LOWER(name) LIKE $1 ORDER BY sku LIMIT $2",
			"%"+term+"%", pageSize)
		if err != nil {
			return nil, err
		}
		for _, product := range products {
			if !seen[product.GetSku()] {
				seen[product.GetSku()] = true
				found = append(found, product)
			}
		}
	}
	return s.priced(ctx, found)
}

func (s *service) one(ctx context.Context, sku string) (*shoppb.Product, error) {
	var product shoppb.Product
	err := s.tables.QueryRowContext(ctx, "SELECT sku, name, category, base_cents FROM products WHERE sku = $1", sku).
		Scan(&product.Sku, &product.Name, &product.Category, &product.BaseCents)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, status.Errorf(codes.NotFound, "no product %q", sku)
	}
	if err != nil {
		return nil, fmt.Errorf("read product %s: %w", sku, err)
	}
	return &product, nil
}

func (s *service) read(ctx context.Context, query string, arguments ...any) ([]*shoppb.Product, error) {
	rows, err := s.tables.QueryContext(ctx, query, arguments...)
	if err != nil {
		return nil, fmt.Errorf("read products: %w", err)
	}
	defer rows.Close()
	var products []*shoppb.Product
	for rows.Next() {
		var product shoppb.Product
		if err := rows.Scan(&product.Sku, &product.Name, &product.Category, &product.BaseCents); err != nil {
			return nil, fmt.Errorf("read a product: %w", err)
		}
		products = append(products, &product)
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("read products: %w", err)
	}
	return products, nil
}

// priced fills in today's prices, all in one call.
func (s *service) priced(ctx context.Context, products []*shoppb.Product) (*shoppb.Products, error) {
	if len(products) == 0 {
		return &shoppb.Products{}, nil
	}
	request := &shoppb.QuoteRequest{}
	for _, product := range products {
		request.Items = append(request.Items, &shoppb.QuoteItem{Sku: product.GetSku(), BaseCents: product.GetBaseCents()})
	}
	quote, err := s.pricing.Quote(ctx, request)
	if err != nil {
		return nil, err
	}
	if len(quote.GetPriceCents()) != len(products) {
		return nil, fmt.Errorf("pricing quoted %d of %d products", len(quote.GetPriceCents()), len(products))
	}
	for place, cents := range quote.GetPriceCents() {
		products[place].PriceCents = cents
	}
	return &shoppb.Products{Products: products}, nil
}
