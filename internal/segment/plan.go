package segment

import (
	"bytes"
	"cmp"
	"slices"
	"strconv"

	"github.com/clew-dev/clew/internal/telemetry"
)

// Letters of the tables, in ColumnInfo.Table and rest.parquet.
const (
	TableSpans     = 's'
	TableEvents    = 'e'
	TableLinks     = 'l'
	TableResources = 'r'
	TableScopes    = 'c'
	TableRest      = 'x' // the file of rare values itself
)

const (
	maxColumns = 256 // of a table; the rest are rare
	rareRows   = 64
	rareShare  = 1000 // a column with a value in fewer than one row of so many is rare
)

// ColumnInfo is one column of the catalogue of a segment.
type ColumnInfo struct {
	Table byte   // TableSpans …
	Name  string // of the Parquet column; of a rare one, what it would be
	Scope telemetry.Scope
	Key   string
	Type  telemetry.Type
	Rows  int  // rows with a value
	Rare  bool // in rest.parquet, under its number in the list
	// Min and Max bound the values of a TypeInt column with Rows > 0.
	Min, Max int64
}

// plan is the catalogue being made.
type plan struct {
	cols  []ColumnInfo
	index keyIndex
	file  []int  // by column: its place in the table's file, after the fixed ones
	rare  []bool // by column, beside cols, whose entries are far apart
}

// keyIndex finds columns by table, scope, type and key, and counts the values of
// each before any duplicate is found. There may be as many keys as values: they
// are told apart without a string or a map entry for each.
type keyIndex struct {
	in     telemetry.Interner
	keys   telemetry.Dict               // table, scope and type, a byte each, and the key
	rows   []int                        // by entry: values
	column []uint32                     // by entry: number in the catalogue, once that is planned
	rest   map[*telemetry.Rest][]uint32 // what count has found, so that nobody looks again
	buf    []byte
}

func (x *keyIndex) entry(table byte, s telemetry.Scope, t telemetry.Type) uint32 {
	x.buf[0], x.buf[1], x.buf[2] = table, byte(s), byte(t)
	n := x.in.Intern(&x.keys, x.buf)
	if int(n) == len(x.rows) {
		x.rows = append(x.rows, 0)
	}
	return n
}

func (x *keyIndex) find(table byte, s telemetry.Scope, t telemetry.Type, key string) uint32 {
	x.buf = append(append(x.buf[:0], 0, 0, 0), key...)
	return x.entry(table, s, t)
}

// ofRest gives the entry of each value of a table's Rest.
func (x *keyIndex) ofRest(table byte, r *telemetry.Rest) []uint32 {
	if known := x.rest[r]; known != nil {
		return known
	}
	entries := make([]uint32, r.Len())
	for i := range entries {
		x.buf = append(append(x.buf[:0], 0, 0, 0), r.Keys.At(uint32(i))...)
		entries[i] = x.entry(table, r.Scope, r.Types[i])
	}
	return entries
}

func (x *keyIndex) add(entry uint32, values int) { x.rows[entry] += values }

// count adds the values of a source.
func (x *keyIndex) count(table byte, t *telemetry.Table) {
	for _, c := range t.Cols {
		if len(c.Rows) > 0 {
			x.add(x.find(table, c.Scope, c.Type, c.Key), len(c.Rows))
		}
	}
	if t.Rest.Len() == 0 {
		return
	}
	entries := x.ofRest(table, &t.Rest)
	for _, n := range entries {
		x.rows[n]++
	}
	if x.rest == nil {
		x.rest = map[*telemetry.Rest][]uint32{}
	}
	x.rest[&t.Rest] = entries
}

// table enters the columns of a table, all of which are counted. least is the
// number of values under which a column is rare.
func (p *plan) table(table byte, least int) {
	x := &p.index
	var order []uint32
	for n := range x.rows {
		if x.keys.At(uint32(n))[0] == table {
			order = append(order, uint32(n))
		}
	}
	byName := func(a, b uint32) int { return compareNames(x.keys.At(a), x.keys.At(b)) }
	frequent := 0
	for i, entry := range order {
		if x.rows[entry] >= least {
			order[i], order[frequent] = order[frequent], entry
			frequent++
		}
	}
	slices.SortFunc(order[:frequent], byName)
	if frequent > maxColumns {
		slices.SortStableFunc(order[:frequent], func(a, b uint32) int { return cmp.Compare(x.rows[b], x.rows[a]) })
		frequent = maxColumns
		slices.SortFunc(order[:frequent], byName)
	}
	slices.SortFunc(order[frequent:], byName)
	x.column = slices.Grow(x.column, len(x.rows)-len(x.column))[:len(x.rows)]
	p.cols = slices.Grow(p.cols, len(order))
	p.file, p.rare = slices.Grow(p.file, len(order)), slices.Grow(p.rare, len(order))
	for i, entry := range order {
		k := x.keys.At(entry)
		n := len(p.cols)
		x.column[entry] = uint32(n)
		scope, typ := telemetry.Scope(k[1]), telemetry.Type(k[2])
		p.cols = append(p.cols, ColumnInfo{Table: k[0], Name: columnName(n, scope, typ),
			Scope: scope, Key: string(k[3:]), Type: typ, Rare: i >= frequent})
		p.file = append(p.file, i)
		p.rare = append(p.rare, i >= frequent)
	}
}

func columnName(n int, s telemetry.Scope, t telemetry.Type) string {
	name := strconv.AppendInt([]byte{byte(s)}, int64(n), 10)
	return string(append(name, '_', byte(t)))
}

// compareNames orders keys of a keyIndex: by scope, key, type.
func compareNames(a, b []byte) int {
	return cmp.Or(cmp.Compare(a[1], b[1]), bytes.Compare(a[3:], b[3:]), cmp.Compare(a[2], b[2]))
}

func rareBelow(rows int) int { return max(rareRows, rows/rareShare) }

// tableSpecs gives the Parquet columns of a table: the fixed ones and the frequent ones.
func tableSpecs(cols []ColumnInfo, table byte) []colSpec {
	specs := slices.Clone(fixedColumns[table])
	for i := range cols {
		if c := &cols[i]; c.Table == table && !c.Rare {
			specs = append(specs, attrSpec(c.Name, c.Type))
		}
	}
	return specs
}

func attrSpec(name string, t telemetry.Type) colSpec {
	spec := colSpec{name: name, optional: true}
	switch t {
	case telemetry.TypeInt:
		spec.phys = physInt64
	case telemetry.TypeDouble:
		spec.phys = physDouble
	case telemetry.TypeBool:
		spec.phys = physBool
	case telemetry.TypeBytes:
		spec.phys = physBytes
	default:
		spec.phys, spec.logical = physBytes, logText
	}
	return spec
}

// Places of the fixed columns in their files.
const (
	colTrace = iota
	colSpan
	colParentDist
	colParentID
	colTraceStart
	colStartOff
	colDuration
	colKind
	colStatus
	colFlags
	colMarks
	colResource
	colScope
	colService
	colName
	colSeq
)

const (
	colEventSpan = iota
	colEventTime
	colEventName
)

const (
	colLinkSpan = iota
	colLinkTrace
	colLinkID
	colLinkFlags
)

const (
	colRestTable = iota
	colRestRow
	colRestCol
	colRestNum
	colRestDbl
	colRestTxt
)

var fixedColumns = map[byte][]colSpec{
	TableSpans: {
		{name: "trace_id", phys: physFixed, logical: logUUID},
		{name: "span_id", phys: physInt64, logical: logUint64, plain: true},
		{name: "parent_dist", phys: physInt32, optional: true},
		{name: "parent_id", phys: physInt64, logical: logUint64, optional: true, plain: true},
		{name: "trace_start_ns", phys: physInt64, runs: true},
		{name: "start_off_ns", phys: physInt64},
		{name: "duration_ns", phys: physInt64},
		{name: "kind", phys: physInt32, logical: logUint8},
		{name: "status", phys: physInt32, logical: logUint8},
		{name: "flags", phys: physInt32, logical: logUint32},
		{name: "marks", phys: physInt32, logical: logUint8},
		{name: "resource", phys: physInt32, logical: logUint32},
		{name: "scope", phys: physInt32, logical: logUint32},
		{name: "service", phys: physBytes, logical: logText},
		{name: "name", phys: physBytes, logical: logText},
		{name: "seq", phys: physInt64},
	},
	TableEvents: {
		{name: "span", phys: physInt32, logical: logUint32},
		{name: "time_ns", phys: physInt64},
		{name: "name", phys: physBytes, logical: logText},
	},
	TableLinks: {
		{name: "span", phys: physInt32, logical: logUint32},
		{name: "trace_id", phys: physFixed, logical: logUUID, plain: true},
		{name: "span_id", phys: physInt64, logical: logUint64, plain: true},
		{name: "flags", phys: physInt32, logical: logUint32},
	},
	TableResources: {{name: "row", phys: physInt32, logical: logUint32}},
	TableScopes:    {{name: "row", phys: physInt32, logical: logUint32}},
	TableRest: {
		{name: "tbl", phys: physBytes, logical: logText},
		{name: "row", phys: physInt32, logical: logUint32},
		{name: "col", phys: physInt32, logical: logUint32},
		{name: "num", phys: physInt64, optional: true},
		{name: "dbl", phys: physDouble, optional: true},
		{name: "txt", phys: physBytes, optional: true},
	},
}

// fileNames by table.
var fileNames = map[byte]string{
	TableSpans: "spans.parquet", TableEvents: "events.parquet", TableLinks: "links.parquet",
	TableResources: "resources.parquet", TableScopes: "scopes.parquet", TableRest: "rest.parquet",
}

const filterName = "traces.filter"
