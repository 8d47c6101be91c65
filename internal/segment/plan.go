package segment

import (
	"cmp"
	"fmt"
	"slices"

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

type columnKey struct {
	table byte
	scope telemetry.Scope
	typ   telemetry.Type
	key   string
}

// plan is the catalogue being made.
type plan struct {
	cols  []ColumnInfo
	index map[columnKey]int
	file  []int // by column: its place in the table's file, after the fixed ones
}

// counts tells how many values each column of a table has, before any duplicate is found.
type counts map[columnKey]int

func (c counts) add(table byte, t *telemetry.Table) {
	for _, col := range t.Cols {
		if len(col.Rows) > 0 {
			c[columnKey{table, col.Scope, col.Type, col.Key}] += len(col.Rows)
		}
	}
}

// table enters the columns of a table of rows rows. least is the number of
// values under which a column is rare.
func (p *plan) table(c counts, least int) {
	keys := make([]columnKey, 0, len(c))
	for k := range c {
		keys = append(keys, k)
	}
	slices.SortFunc(keys, func(a, b columnKey) int {
		return cmp.Or(cmp.Compare(c[b], c[a]), compareKeys(a, b))
	})
	frequent := 0
	for frequent < len(keys) && frequent < maxColumns && c[keys[frequent]] >= least {
		frequent++
	}
	slices.SortFunc(keys[:frequent], compareKeys)
	slices.SortFunc(keys[frequent:], compareKeys)
	if p.index == nil {
		p.index = map[columnKey]int{}
	}
	for i, k := range keys {
		n := len(p.cols)
		p.index[k] = n
		p.cols = append(p.cols, ColumnInfo{Table: k.table, Name: columnName(n, k.scope, k.typ),
			Scope: k.scope, Key: k.key, Type: k.typ, Rare: i >= frequent})
		p.file = append(p.file, i)
	}
}

func columnName(n int, s telemetry.Scope, t telemetry.Type) string {
	return fmt.Sprintf("%c%d_%c", s, n, t)
}

func compareKeys(a, b columnKey) int {
	return cmp.Or(cmp.Compare(a.scope, b.scope), cmp.Compare(a.key, b.key), cmp.Compare(a.typ, b.typ))
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
