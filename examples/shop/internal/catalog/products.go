package catalog

import (
	"context"
	"database/sql"
	"fmt"

	"github.com/clew-dev/clew/examples/shop/internal/goods"
)

// fill puts the shop's goods into an empty table.
func fill(ctx context.Context, tables *sql.DB) error {
	for _, item := range goods.All() {
		_, err := tables.ExecContext(ctx,
			"INSERT INTO products (sku, name, category, base_cents) VALUES ($1, $2, $3, $4) ON CONFLICT (sku) DO NOTHING",
			item.SKU, item.Name, item.Category, item.BaseCents)
		if err != nil {
			return fmt.Errorf("fill the catalogue with %s: %w", item.SKU, err)
		}
	}
	return nil
}
