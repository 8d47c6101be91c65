package segment

import (
	"bytes"
	"slices"

	"github.com/clew-dev/clew/internal/telemetry"
)

// rowTable collects the distinct rows of resources or scopes of all sources.
type rowTable struct {
	letter   byte
	b        *telemetry.Builder
	seen     map[string]uint32
	key      []byte
	services telemetry.Dict // resources: the names of services
	codes    map[string]uint32
	service  []uint32 // by row: entry of services
}

func newRowTable(letter byte) *rowTable {
	return &rowTable{letter: letter, b: telemetry.NewBuilder(), seen: map[string]uint32{}, codes: map[string]uint32{}}
}

func (t *rowTable) builder() *telemetry.TableBuilder {
	if t.letter == TableScopes {
		return &t.b.Scopes
	}
	return &t.b.Resources
}

func (t *rowTable) table() *telemetry.Table {
	if t.letter == TableScopes {
		return &t.b.Batch.Scopes
	}
	return &t.b.Batch.Resources
}

// add gives the number of each row of src that is in use, which is one of used.
func (t *rowTable) add(src *telemetry.Table, used []uint32) []uint32 {
	rows := make([]uint32, src.N)
	for i := range rows {
		rows[i] = noRow
	}
	for _, r := range used {
		rows[r] = 0
	}
	index := telemetry.IndexRows(src)
	for r := range rows {
		if rows[r] == noRow {
			continue
		}
		cells := index.Row(r)
		t.key = telemetry.AppendRowKey(t.key[:0], src, cells)
		to, ok := t.seen[string(t.key)]
		if !ok {
			to = t.builder().AddRow()
			t.seen[string(t.key)] = to
			var service []byte
			for _, cell := range cells {
				c := src.Cols[cell.Col]
				dst := t.builder().Col(c.Scope, []byte(c.Key), c.Type)
				if !c.Type.IsText() {
					dst.AddNum(to, c.Nums[cell.Pos])
					continue
				}
				v := c.Dict.At(c.Codes[cell.Pos])
				dst.AddText(to, v)
				if c.Scope == telemetry.ScopeResource && c.Type == telemetry.TypeString && c.Key == telemetry.KeyServiceName {
					service = v
				}
			}
			t.addService(service)
		}
		rows[r] = to
	}
	return rows
}

func (t *rowTable) addService(name []byte) {
	name = bytes.ToValidUTF8(name, []byte("\ufffd"))
	code, ok := t.codes[string(name)]
	if !ok {
		code = t.services.Append(name)
		t.codes[string(name)] = code
	}
	t.service = append(t.service, code)
}

// rowFile writes the file of a row table.
func (w *writer) rowFile(t *rowTable) error {
	table := t.table()
	w.plan.index.count(t.letter, table)
	w.plan.table(t.letter, 1)
	f, err := w.file(t.letter)
	if err != nil || table.N == 0 {
		return err
	}
	place := make([]uint32, table.N)
	rows := make([]uint64, table.N)
	for i := range place {
		place[i], rows[i] = uint32(i), uint64(i)
	}
	w.slab.aim([][]uint32{place}, 0, table.N)
	g := f.addGroups(table.N)
	f.column(g, 0, &values{rows: table.N, nums: rows})
	in := &collected{cols: make([][]sourceColumn, len(w.plan.cols))}
	w.collectTable(in, t.letter, 0, table)
	if err := w.attributes(t.letter, g, in); err != nil {
		return err
	}
	w.rows[t.letter] = table.N
	return nil
}

const (
	maxServices     = 1024 // of Meta.Services
	maxServiceBytes = 64 << 10
)

// finish writes what belongs to the whole segment and makes everything durable.
func (w *writer) finish() (*Meta, error) {
	for _, t := range []*rowTable{w.resources, w.scopes} {
		if err := w.rowFile(t); err != nil {
			return nil, err
		}
	}
	m := &w.meta
	for _, table := range []byte{TableSpans, TableEvents, TableLinks, TableResources, TableScopes, TableRest} {
		f := w.files[table]
		if f == nil {
			continue
		}
		info, err := f.finish()
		if err != nil {
			return nil, err
		}
		m.Files = append(m.Files, info)
	}
	if w.filter == nil {
		w.filter = newFilter(0)
	}
	info, err := w.filter.write(w.fs, w.dir)
	if err != nil {
		return nil, err
	}
	m.Files = append(m.Files, info)
	for _, f := range m.Files {
		m.Bytes += f.Bytes
	}
	m.Columns = w.plan.cols
	w.stats.MendedTexts = w.slab.mended
	total := 0
	for i := range w.resources.services.Len() {
		v := w.resources.services.Str(uint32(i))
		if total += len(v); total > maxServiceBytes || i == maxServices {
			m.MoreServices = true
			break
		}
		m.Services = append(m.Services, v)
	}
	slices.Sort(m.Services)
	if err := w.fs.SyncDir(w.dir); err != nil {
		return nil, err
	}
	return m, nil
}
