package store

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/clew-dev/clew/internal/query"
	"github.com/clew-dev/clew/internal/segment"
	"github.com/clew-dev/clew/internal/telemetry"
)

// namesAtOnce is how many columns of a segment one statement looks into.
const namesAtOnce = 64

// nameFilter says which names of attributes are asked for.
type nameFilter struct {
	scope  telemetry.Scope // 0: all
	prefix string
}

// names collects names of attributes by scope.
type names struct {
	nameFilter
	seen map[telemetry.Scope]map[string]bool
}

func newNames(f nameFilter) *names {
	return &names{f, map[telemetry.Scope]map[string]bool{}}
}

// lacks reports whether the name is asked for and not found yet.
func (n *names) lacks(s telemetry.Scope, key string) bool {
	return s != telemetry.ScopeIntrinsic && (n.scope == 0 || s == n.scope) && strings.HasPrefix(key, n.prefix) && !n.seen[s][key]
}

func (n *names) add(s telemetry.Scope, key string) {
	if !n.lacks(s, key) {
		return
	}
	if n.seen[s] == nil {
		n.seen[s] = map[string]bool{}
	}
	n.seen[s][key] = true
}

// list gives the first names of each scope in alphabetical order.
func (n *names) list(limit int) []TagScope {
	var out []TagScope
	for _, s := range []telemetry.Scope{telemetry.ScopeResource, telemetry.ScopeSpan, telemetry.ScopeEvent, telemetry.ScopeLink, telemetry.ScopeInstrumentation} {
		if len(n.seen[s]) > 0 {
			keys := sortedKeys(n.seen[s])
			out = append(out, TagScope{Scope: s, Names: keys[:min(len(keys), limit)]})
		}
	}
	return out
}

// tagNames lists the attribute names that the sources know, by scope. It reads
// catalogues only: a name is listed when a segment or a batch in memory that can
// have spans in the range has it.
func tagNames(src sources, within query.Range, f nameFilter, limit int) []TagScope {
	n := newNames(f)
	for _, seg := range src.within(within).segments {
		for i := range seg.meta.Columns {
			n.add(seg.meta.Columns[i].Scope, seg.meta.Columns[i].Key)
		}
	}
	for _, b := range src.fresh {
		for _, t := range b.Tables() {
			t.EachName(func(s telemetry.Scope, key string, _ telemetry.Type) { n.add(s, key) })
		}
	}
	return n.list(limit)
}

// tagNamesWhere lists the attribute names that spans have for which where holds. A
// name that was found in one source is not looked for in the next.
func (d *duck) tagNamesWhere(ctx context.Context, src sources, within query.Range, f nameFilter, where query.Expr, limit int) ([]TagScope, error) {
	if !lowerable(where) || src.lists(where) {
		return nil, telemetry.Errorf(telemetry.KindInvalid, "names where %s cannot be listed: use a simpler filter", query.ExprString(where))
	}
	n := newNames(f)
	err := d.do(ctx, 0, func(ctx context.Context, c *duckConn) error {
		var fields []query.Field
		query.WalkFields(where, func(f query.Field) { fields = append(fields, f) })
		trace, err := c.traceTable(ctx, src, fields)
		if err != nil {
			return err
		}
		sh := &shape{leaves: []query.Expr{where}, within: within, trace: trace}
		if err := n.fresh(ctx, c, src, sh); err != nil {
			return err
		}
		for _, seg := range src.within(within).segments {
			if err := n.segment(ctx, c, seg, sh, src.maxSeq); err != nil {
				return err
			}
		}
		return nil
	})
	return n.list(limit), err
}

// fresh adds the names of spans in memory.
func (n *names) fresh(ctx context.Context, c *duckConn, src sources, sh *shape) error {
	held, err := c.freshHeld(ctx, src, sh)
	if err != nil {
		return err
	}
	for i, b := range src.fresh {
		if err := src.turns.do(ctx, func() error {
			n.batch(b, held[i])
			return nil
		}); err != nil {
			return err
		}
	}
	return nil
}

// batch adds the names of the spans of a batch for which held is true.
func (n *names) batch(b *telemetry.Batch, held []bool) {
	resources, scopes := make([]bool, b.Resources.N), make([]bool, b.Scopes.N)
	for row, ok := range held {
		if ok {
			resources[b.Spans.Resource[row]], scopes[b.Spans.Scope[row]] = true, true
		}
	}
	n.table(&b.Spans.Table, func(row uint32) bool { return held[row] })
	n.table(&b.Events.Table, func(row uint32) bool { return held[b.Events.Span[row]] })
	n.table(&b.Links.Table, func(row uint32) bool { return held[b.Links.Span[row]] })
	n.table(&b.Resources, func(row uint32) bool { return resources[row] })
	n.table(&b.Scopes, func(row uint32) bool { return scopes[row] })
}

// table adds the names that a row has for which held is true.
func (n *names) table(t *telemetry.Table, held func(row uint32) bool) {
	for _, c := range t.Cols {
		if n.lacks(c.Scope, c.Key) && slices.ContainsFunc(c.Rows, held) {
			n.add(c.Scope, c.Key)
		}
	}
	for i, row := range t.Rest.Rows {
		if held(row) {
			n.add(t.Rest.Scope, t.Rest.Keys.Str(uint32(i)))
		}
	}
}

// freshHeld gives for each batch in memory which of its spans are wanted.
func (c *duckConn) freshHeld(ctx context.Context, src sources, sh *shape) ([][]bool, error) {
	held := make([][]bool, len(src.fresh))
	if !readsTrace(sh.leaves[0]) {
		for i, b := range src.fresh {
			if err := src.turns.do(ctx, func() error {
				held[i] = query.Match(sh.leaves[0], query.NewReader(b))
				return nil
			}); err != nil {
				return nil, err
			}
			for row := range held[i] {
				held[i][row] = held[i][row] && sh.within.Contains(b.Spans.Start[row]) && (src.maxSeq == 0 || b.Spans.Seq[row] <= src.maxSeq)
			}
		}
		return held, nil
	}
	// The numbers of the spans go through SQL, which knows the whole traces.
	first := make([]int, len(src.fresh)+1)
	for i, b := range src.fresh {
		held[i], first[i+1] = make([]bool, b.Spans.N), first[i]+b.Spans.N
	}
	br, err := c.freshFlat(ctx, src, sh, func(batch int, _ *query.Reader, row int) []query.Value {
		return []query.Value{{Type: query.TypeInt, Int: int64(first[batch] + row)}}
	})
	if err != nil || br == nil {
		return held, err
	}
	err = c.numbers(ctx, "SELECT "+br.cols[labelColumn(0, "n")]+" FROM "+br.from+" WHERE "+br.where, func(n int) {
		batch, exact := slices.BinarySearch(first, n)
		for exact && batch+1 < len(first) && first[batch+1] == n {
			batch++ // the batches before have no spans
		}
		if !exact {
			batch--
		}
		held[batch][n-first[batch]] = true
	})
	return held, err
}

// numbers reads the first column of an answer, which is never NULL.
func (c *duckConn) numbers(ctx context.Context, statement string, f func(n int)) error {
	return c.rows(ctx, statement, func(row []any) error {
		n, ok := row[0].(int64)
		if !ok {
			return fmt.Errorf("number %v has type %T", row[0], row[0])
		}
		f(int(n))
		return nil
	})
}

// segment adds the names of a segment's spans.
func (n *names) segment(ctx context.Context, c *duckConn, seg *segmentSource, sh *shape, maxSeq int64) error {
	b, s := segmentBranch(seg, sh, maxSeq)
	if b.where == sqlFalse {
		return nil
	}
	x := &segmentNames{names: n, c: c, seg: seg, from: b.from + " WHERE " + b.where, spans: s}
	for _, small := range []struct {
		column string
		table  *telemetry.Table
	}{{"resource", seg.resources}, {"scope", seg.scopes}} {
		if err := x.small(ctx, small.column, small.table); err != nil {
			return err
		}
	}
	for _, t := range []byte{segment.TableSpans, segment.TableEvents, segment.TableLinks} {
		if err := x.columns(ctx, t); err != nil {
			return err
		}
	}
	return nil
}

// segmentNames looks for the names of one segment's spans.
type segmentNames struct {
	*names
	c     *duckConn
	seg   *segmentSource
	from  string // the wanted spans, behind FROM
	spans *scan
}

// small adds the names of resources or scopes, of which the segment has few rows.
func (x *segmentNames) small(ctx context.Context, column string, t *telemetry.Table) error {
	lacking := false
	t.EachName(func(s telemetry.Scope, key string, _ telemetry.Type) { lacking = lacking || x.lacks(s, key) })
	if !lacking {
		return nil
	}
	statement := "SELECT DISTINCT " + x.spans.fixed(column) + "::BIGINT FROM " + x.from
	if err := x.spans.verify(); err != nil {
		return err
	}
	held := make([]bool, t.N)
	if err := x.c.numbers(ctx, statement, func(n int) { held[n] = true }); err != nil {
		return err
	}
	x.table(t, func(row uint32) bool { return held[row] })
	return nil
}

// columns adds the names of the columns of a table in which a wanted row has a value:
// some columns in each pass, and all rare ones together, which share a file.
func (x *segmentNames) columns(ctx context.Context, table byte) error {
	var plain []int
	rare := false
	for i := range x.seg.meta.Columns {
		switch col := &x.seg.meta.Columns[i]; {
		case col.Table != table || !x.lacks(col.Scope, col.Key):
		case col.Rare:
			rare = true
		default:
			plain = append(plain, i)
		}
	}
	for chunk := range slices.Chunk(plain, namesAtOnce) {
		if err := x.plain(ctx, table, chunk); err != nil {
			return err
		}
	}
	if !rare {
		return nil
	}
	return x.rare(ctx, table)
}

// rows gives a scan of the table and what stands behind FROM for its wanted rows.
func (x *segmentNames) rows(table byte) (s *scan, from string) {
	file := map[byte]string{segment.TableEvents: "events.parquet", segment.TableLinks: "links.parquet"}[table]
	if file == "" {
		return x.spans, x.from
	}
	s = newScan(x.seg, table)
	return s, s.from(file) + " WHERE " + s.fixed("span") + " IN (SELECT " + x.spans.rowNumber() + " FROM " + x.from + ")"
}

func (x *segmentNames) plain(ctx context.Context, table byte, columns []int) error {
	s, from := x.rows(table)
	items := make([]string, len(columns))
	for i, col := range columns {
		items[i] = "coalesce(bool_or(" + s.column(col) + " IS NOT NULL), FALSE)"
	}
	if err := x.verify(s); err != nil {
		return err
	}
	return x.c.rows(ctx, "SELECT "+strings.Join(items, ", ")+" FROM "+from, func(row []any) error {
		for i, col := range columns {
			if there, ok := row[i].(bool); !ok {
				return fmt.Errorf("presence %v has type %T", row[i], row[i])
			} else if there {
				x.add(x.seg.meta.Columns[col].Scope, x.seg.meta.Columns[col].Key)
			}
		}
		return nil
	})
}

func (x *segmentNames) rare(ctx context.Context, table byte) error {
	s, from := x.rows(table)
	for _, n := range []string{"tbl", "row", "col"} {
		s.use(segment.TableRest, n)
	}
	if err := x.verify(s); err != nil {
		return err
	}
	statement := fmt.Sprintf("SELECT DISTINCT col::BIGINT FROM read_parquet(%s) WHERE tbl = %s AND row IN (SELECT %s FROM %s)",
		text(x.seg.dir+"/rest.parquet"), text(string(table)), s.rowNumber(), from)
	return x.c.numbers(ctx, statement, func(n int) {
		x.add(x.seg.meta.Columns[n].Scope, x.seg.meta.Columns[n].Key)
	})
}

// verify checks what both the condition and the scan of a table read.
func (x *segmentNames) verify(s *scan) error {
	if err := x.spans.verify(); err != nil || s == x.spans {
		return err
	}
	return s.verify()
}
