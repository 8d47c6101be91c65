package store

import (
	"context"
	"fmt"
	"math"
	"strings"

	"github.com/clew-dev/clew/internal/segment"
	"github.com/clew-dev/clew/internal/telemetry"
)

// smallTables reads the resources and scopes of a segment once. Conditions on them
// are evaluated in Go for each of their few rows, and only row numbers go into SQL.
func (c *duckConn) smallTables(ctx context.Context, seg *segmentSource) error {
	seg.mu.Lock()
	defer seg.mu.Unlock()
	if seg.resources != nil {
		return nil
	}
	resources, err := c.smallTable(ctx, seg, segment.TableResources, "resources.parquet")
	if err != nil {
		return err
	}
	if seg.scopes, err = c.smallTable(ctx, seg, segment.TableScopes, "scopes.parquet"); err != nil {
		return err
	}
	seg.resources = resources
	return nil
}

func (c *duckConn) smallTable(ctx context.Context, seg *segmentSource, table byte, file string) (*telemetry.Table, error) {
	info := seg.meta.File(file)
	if info == nil || info.Rows == 0 {
		return nil, telemetry.Errorf(telemetry.KindInternal, "segment %s: %s is missing from its description", seg.dir, file)
	}
	s := newScan(seg, table)
	cols := []string{s.rowNumber()}
	var infos []*segment.ColumnInfo
	for i := range seg.meta.Columns {
		if ci := &seg.meta.Columns[i]; ci.Table == table {
			cols = append(cols, s.column(i))
			infos = append(infos, ci)
		}
	}
	s.use(table, "row")
	if err := s.verify(); err != nil {
		return nil, err
	}
	b := telemetry.NewBuilder()
	for range info.Rows {
		b.Resources.AddRow()
	}
	statement := "SELECT " + strings.Join(cols, ", ") + " FROM " + s.from(file) + " ORDER BY 1"
	err := c.rows(ctx, statement, func(v []any) error {
		row, ok := v[0].(int64)
		if !ok || row < 0 || row >= int64(info.Rows) {
			return fmt.Errorf("%s: row %v of %d", file, v[0], info.Rows)
		}
		for i, ci := range infos {
			if v[i+1] != nil {
				if err := putCell(b, ci, uint32(row), v[i+1]); err != nil {
					return err
				}
			}
		}
		return nil
	})
	return &b.Batch.Resources, err
}

// putCell adds a value to the table that is being read.
func putCell(b *telemetry.Builder, ci *segment.ColumnInfo, row uint32, v any) error {
	col := b.Resources.Col(ci.Scope, []byte(ci.Key), ci.Type)
	switch v := v.(type) {
	case string:
		col.AddText(row, []byte(v))
	case []byte:
		col.AddText(row, v)
	case int64:
		col.AddNum(row, uint64(v))
	case float64:
		col.AddNum(row, math.Float64bits(v))
	case bool:
		n := uint64(0)
		if v {
			n = 1
		}
		col.AddNum(row, n)
	default:
		return fmt.Errorf("column %s holds %T", ci.Name, v)
	}
	return nil
}
