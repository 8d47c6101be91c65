// Package store keeps spans and answers questions about them.
//
// Store is the contract; Embedded is the engine of one machine:
//
//	log ──► fresh (columns in memory) ──flush──► segments (Parquet) ──merge──► fewer segments ──► expiry
//	              │                                  │
//	              └──────────── one snapshot ────────┘──► DuckDB, or Go for a trace by id
//
// A row is visible to every query from the moment its Append returns, is stored
// once however often it was sent, and leaves only by retention. The log is the
// durability: what is fresh is found again by reading the log after the position
// that the manifest names. Any number of goroutines may call any method.
package store

import (
	"context"
	"time"

	"github.com/clew-dev/clew/internal/query"
	"github.com/clew-dev/clew/internal/telemetry"
	"github.com/clew-dev/clew/internal/wal"
)

// Store is what a backend of spans can do. Every method takes the tenant and sees
// nothing of another. Results are complete and ordered unless Partial says why not.
// Errors carry a telemetry.Kind: invalid (the question), not_found, exhausted (a
// limit of time, memory or size, named), unavailable.
type Store interface {
	// Append makes a logged batch visible. The batch is copied and may be reused.
	// seq is the batch's place in the log, start and end its record's position.
	Append(b *telemetry.Batch, seq int64, start, end wal.Position) error
	// Admit says whether the store can take more of the tenant: nil, or an exhausted
	// error with a delay when it is too far behind or has too many tenants. What is
	// logged after nil can be appended.
	Admit(tenant string) error

	// Trace gives every stored span of a trace in order of start, then span id.
	// It returns a not_found error when there is none, and an exhausted one when long
	// traces that are not yet released leave no memory for it. The caller releases it.
	Trace(ctx context.Context, tenant string, id telemetry.TraceID, o TraceOptions) (*Trace, error)
	// Search gives traces that the plan selects, in the order asked for, ties by trace id.
	Search(ctx context.Context, tenant string, p *query.Plan, o SearchOptions) (*SearchResult, error)
	// Metrics evaluates a plan with a metrics stage; series are ordered by labels.
	Metrics(ctx context.Context, tenant string, p *query.Plan, o MetricsOptions) (*MetricsResult, error)
	// TagNames lists attribute names by scope, in alphabetical order.
	TagNames(ctx context.Context, tenant string, o TagOptions) (*TagNames, error)
	// TagValues lists distinct values of a field, most frequent first, ties by value.
	TagValues(ctx context.Context, tenant string, f query.Field, o TagOptions) (*TagValues, error)
	// Services summarises every service that has spans in the range, by name.
	Services(ctx context.Context, tenant string, r Range) (*Services, error)
	// Operations summarises the span names of one service, by name then kind.
	Operations(ctx context.Context, tenant, service string, r Range) (*Operations, error)
	// Tail calls fn with the spans that arrive and match, in batches of at most 1,000,
	// until ctx ends or fn returns an error. A reader slower than the arrivals is
	// told how many it missed. The plan MUST be a single spanset filter.
	Tail(ctx context.Context, tenant string, p *query.Plan, fn func(b *telemetry.Batch, missed int64) error) error

	// Flush writes everything fresh into segments, finishes due merges and
	// truncates the log before it returns.
	Flush(ctx context.Context) error
	Status() Status
	Close() error
}

// Range is a half-open range of span start times [Start, End) in Unix nanoseconds.
// Zero means open on that side.
type Range struct{ Start, End int64 }

// TraceOptions bound a trace read.
type TraceOptions struct {
	MaxSpans int // 0: the store's default; more is an exhausted error
}

// Trace is one trace as stored.
type Trace struct {
	Batch   *telemetry.Batch // rows in order of start, then span id
	Partial string           // empty, or why spans may be missing (a quarantined segment)

	share *traceShare // nil: of a store that shares nothing
}

// Release gives back the memory that long traces share, for the next of them. It MUST
// be called once, when Batch is not used any more.
func (t *Trace) Release() { t.share.release() }

// Order of search results.
type Order string

// The orders: by the latest start of a matching span, by the longest matching span,
// or by the number of all spans of the trace.
const (
	OrderNewest  Order = "newest"
	OrderSlowest Order = "slowest"
	OrderSpans   Order = "spans"
)

// SearchOptions say which traces to give. Cursor comes from a former result of
// the same query and fixes what it may see: rows received later stay invisible to it.
type SearchOptions struct {
	Range
	Order         Order // empty: newest
	Limit         int   // 1 to 1,000; 0: 20
	SpansPerTrace int   // 0 to 100
	// Cursor is that of the page before, and empty for the first page. It belongs to
	// one query, order, range and tenant, and keeps the range of the first page.
	Cursor string
	// RangeText is the range in the words of who asks, such as "now-1h now", when it
	// moves with the clock: it has to be the same on every page. Empty: Range has to be.
	RangeText string
	Timeout   time.Duration // 0: the store's default
}

// SearchResult is a page of traces. Cursor is empty on the last page.
type SearchResult struct {
	Traces  []FoundTrace
	Cursor  string
	Partial string
	Stats   QueryStats
}

// FoundTrace is one hit. Root fields are those of the stored root span, or of the
// earliest span when the root is missing (then RootMissing is true).
type FoundTrace struct {
	TraceID     telemetry.TraceID
	RootService string
	RootName    string
	RootMissing bool
	Start       int64 // of the earliest span, Unix nanoseconds
	Duration    int64 // from the earliest start to the latest end, nanoseconds
	Spans       int
	Errors      int
	Services    []ServiceCount // by name
	Matched     int            // spans that match
	Found       []FoundSpan    // at most SpansPerTrace of them, in the order asked for
}

// ServiceCount is the number of spans of one service in a trace.
type ServiceCount struct {
	Service string
	Spans   int
	Errors  int
}

// FoundSpan is a matching span with the values that the query selected.
type FoundSpan struct {
	SpanID   telemetry.SpanID
	Service  string
	Name     string
	Kind     uint8
	Status   uint8
	Start    int64
	Duration int64
	Attrs    []Attr // fields that the query names or selects, in order of the query
}

// Attr is a name and a typed value: string, int64, float64, bool or []byte.
type Attr struct {
	Name  string
	Value any
}

// QueryStats say what a query read.
type QueryStats struct {
	Rows     int64 // rows in the sources that were not pruned
	Segments int
	Bytes    int64 // of the columns that were read, as stored
	Fresh    int64 // rows read from memory
	Took     time.Duration
}

// MetricsOptions give the range and resolution; Step 0 means one point over the whole range.
type MetricsOptions struct {
	Range
	Step      time.Duration
	Exemplars int // spans shown with a series, 0 to query.MaxExemplars, when the query has no hint of its own
	Timeout   time.Duration
}

// MetricsResult has one value per step and series; a step without data is NaN, or 0 for counts and rates.
type MetricsResult struct {
	Times   []int64 // start of each step, Unix nanoseconds
	Series  []Series
	Partial string
	Stats   QueryStats
}

// Series is one line of a metrics answer.
type Series struct {
	Labels    []Attr
	Values    []float64
	Exemplars []query.Exemplar // in order of start
}

// TagOptions narrow tag questions. Plan may be nil.
type TagOptions struct {
	Range
	Scope  telemetry.Scope // 0: all
	Prefix string
	Plan   *query.Plan
	Limit  int // 0: 1,000
}

// TagNames are attribute names by scope.
type TagNames struct {
	Scopes  []TagScope
	Partial string
}

// TagScope lists the names of one scope.
type TagScope struct {
	Scope telemetry.Scope
	Names []string
}

// TagValues are values of one field; More says that the limit cut the list.
type TagValues struct {
	Values  []TagValue
	More    bool
	Partial string
}

// TagValue is a value and the number of spans that have it.
type TagValue struct {
	Value any
	Count int64
}

// Services is a summary of services.
type Services struct {
	Services []Summary
	Partial  string
}

// Operations is a summary of a service's span names.
type Operations struct {
	Operations []Summary
	Partial    string
}

// Summary counts spans of kind server and consumer (entry points) of a service or
// an operation; a service without entry points counts all its spans. Durations in nanoseconds, exact.
type Summary struct {
	Name          string
	Kind          uint8 // operations only
	Spans         int64 // every span
	Requests      int64 // entry points
	Errors        int64 // entry points with status error
	P50, P95, P99 int64
	LastSeen      int64 // latest start, Unix nanoseconds
}

// Status is the state of a store as /api/status shows it.
type Status struct {
	Ready         bool
	ReadOnly      string // empty, or why nothing can be stored
	LagBytes      int64  // bytes of the log that are acknowledged and not yet visible
	LogBytes      int64
	FreshRows     int64
	FreshBytes    int64
	FlushesActive int
	MergesRunning int
	SpansStored   int64 // rows in segments and fresh
	Segments      int
	DiskBytes     int64 // segments, manifest, filters and log
	DiskBudget    int64 // 0: none
	Quarantined   int
	Tenants       []TenantStatus
	Counters      map[string]int64 // losses and events by reason, names from a closed list
}

// TenantStatus is a tenant's share.
type TenantStatus struct {
	Tenant   string
	Spans    int64
	Segments int
	Bytes    int64
	Oldest   int64 // earliest receipt still stored, Unix nanoseconds
}
