package telemetry

// Scope says whose a column is. The letters appear in files and column names.
type Scope byte

// The scopes of TraceQL, and the fields of a record that are rare enough to be
// kept as sparse columns ("intrinsic").
const (
	ScopeSpan            Scope = 's'
	ScopeResource        Scope = 'r'
	ScopeInstrumentation Scope = 'c'
	ScopeEvent           Scope = 'e'
	ScopeLink            Scope = 'l'
	ScopeIntrinsic       Scope = 'i'
)

// Type is the type of a column's values.
type Type byte

// The types of OpenTelemetry attribute values. TypeValue is an array, a
// key-value list or an empty value in the canonical text of AppendValue.
const (
	TypeString Type = 's'
	TypeInt    Type = 'i'
	TypeDouble Type = 'd'
	TypeBool   Type = 'b'
	TypeBytes  Type = 'x'
	TypeValue  Type = 'v'
)

// IsText reports whether values live in the column's dictionary rather than in Nums.
func (t Type) IsText() bool { return t == TypeString || t == TypeBytes || t == TypeValue }

// Keys of intrinsic columns (ScopeIntrinsic). Counts are TypeInt, the rest TypeString.
const (
	KeyStatusMessage     = "status.message"
	KeyTraceState        = "trace_state"
	KeyDroppedAttributes = "dropped_attributes_count"
	KeyDroppedEvents     = "dropped_events_count"
	KeyDroppedLinks      = "dropped_links_count"
	KeySchemaURL         = "schema_url"
	KeyScopeName         = "name"
	KeyScopeVersion      = "version"
)

// KeyServiceName is the resource attribute that every part groups by.
const KeyServiceName = "service.name"

// Status codes of a span, numbered as in OTLP.
const (
	StatusUnset = 0
	StatusOK    = 1
	StatusError = 2
)

// Kinds of a span, numbered as in OTLP.
const (
	KindUnspecified = 0
	KindInternalOp  = 1
	KindServer      = 2
	KindClient      = 3
	KindProducer    = 4
	KindConsumer    = 5
)

// Marks are what Clew has to say of a span, one bit each.
const (
	MarkIDCollision   = 1 << 0 // another record has the same trace and span id
	MarkTruncated     = 1 << 1 // a value was deeper or longer than the limits and was cut
	MarkClockOff      = 1 << 2 // start is further from the time of receipt than the limit
	MarkTextMended    = 1 << 3 // invalid UTF-8 was replaced
	MarkAttrsOverflow = 1 << 4 // attributes beyond the limit were dropped
)

// Column is one sparse column. Rows are ascending row numbers of its table, at
// most one value a row. Exactly one of Nums and Codes has a value per entry of Rows.
type Column struct {
	Scope Scope
	Type  Type
	Key   string

	Rows  []uint32
	Nums  []uint64 // TypeInt: two's complement; TypeDouble: IEEE 754 bits; TypeBool: 0 or 1
	Codes []uint32 // text types: entries of Dict
	Dict  Dict
}

// Table is a number of rows and its sparse columns, in order of first use. A
// batch on its way from a sender into a segment may have the values of seldom
// keys in Rest instead.
type Table struct {
	N    int
	Cols []*Column
	Rest Rest
}

// Find gives the column of that name, or nil. What Rest has of it is put
// together on every call.
func (t *Table) Find(s Scope, key string, typ Type) *Column {
	for _, c := range t.Cols {
		if c.Key == key && c.Scope == s && c.Type == typ {
			return t.Rest.join(s, key, typ, c)
		}
	}
	return t.Rest.join(s, key, typ, nil)
}

// Spans is the main table. All slices but Table's have N entries.
type Spans struct {
	Table
	TraceID  []TraceID
	SpanID   []SpanID
	Parent   []SpanID // zero: none
	Start    []int64  // Unix nanoseconds
	Duration []int64  // nanoseconds, end − start; negative when the sender's end is before its start
	Kind     []uint8
	Status   []uint8
	Flags    []uint32 // W3C trace flags and OTLP's "is remote" bits
	Marks    []uint8
	Resource []uint32 // row of Batch.Resources
	Scope    []uint32 // row of Batch.Scopes
	Name     []uint32 // entry of Names
	Names    Dict
	Seq      []int64 // place in the log: the instant of receipt in Unix nanoseconds, made strictly increasing per request
}

// Events is the table of span events, grouped by ascending span row.
type Events struct {
	Table
	Span  []uint32
	Time  []int64 // Unix nanoseconds
	Name  []uint32
	Names Dict
}

// Links is the table of span links, grouped by ascending span row.
type Links struct {
	Table
	Span    []uint32
	TraceID []TraceID
	SpanID  []SpanID
	Flags   []uint32
}

// Batch is a set of spans of one tenant with everything OTLP says of them.
type Batch struct {
	Tenant    string
	Spans     Spans
	Events    Events
	Links     Links
	Resources Table // attributes (ScopeResource) and intrinsics
	Scopes    Table // instrumentation scopes: attributes (ScopeInstrumentation) and intrinsics
}

// Tables lists the five tables in the order in which files and records keep them.
func (b *Batch) Tables() [5]*Table {
	return [5]*Table{&b.Spans.Table, &b.Events.Table, &b.Links.Table, &b.Resources, &b.Scopes}
}

// Bytes estimates the memory that the batch holds, in bytes, by the lengths of its slices.
func (b *Batch) Bytes() int64 {
	n := int64(b.Spans.N)*(16+8+8+8+8+1+1+4+1+4+4+4+8) + b.Spans.Names.Bytes()
	n += int64(b.Events.N)*(4+8+4) + b.Events.Names.Bytes()
	n += int64(b.Links.N) * (4 + 16 + 8 + 4)
	for _, t := range b.Tables() {
		for _, c := range t.Cols {
			n += int64(len(c.Rows))*4 + int64(len(c.Nums))*8 + int64(len(c.Codes))*4 + c.Dict.Bytes()
		}
		n += t.Rest.Bytes()
	}
	return n
}

// Sink takes batches. Write MUST NOT keep b or anything of it after it returns,
// and may change it. It returns nil only when the batch is safe: for the end of
// the chain that means on disk, after an fsync.
type Sink interface {
	Write(b *Batch) error
}
