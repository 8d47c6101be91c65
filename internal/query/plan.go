package query

import (
	"regexp"
	"slices"
)

// Plan is a checked query in the form that stores lower and EvalTrace evaluates.
type Plan struct {
	Text    string // canonical text; equal for queries that differ in layout only
	Leaves  []Expr // conditions of the filters of all spansets, numbered
	Spans   *SpanExpr
	Stages  []Stage  // what follows the first |, without select and metrics
	Select  []Field  // fields that an answer shows beside the matched spans
	Metrics *Metrics // nil: the query is a search
	Fields  []Field  // everything referenced but Select, each once, in order of first use

	NeedsStructure bool // a relation other than && and ||
	NeedsTrace     bool // a field of the whole trace
	NeedsEvents    bool
	NeedsLinks     bool
}

// SpanExpr is a tree of spansets. With Op "" it is leaf number Leaf. Otherwise Op
// is one of
//
//	&& ||             both sides' spans, when both (either) have any
//	> >> < << ~       the right side's spans that are a child, descendant, parent,
//	                  ancestor or sibling of one of the left
//	!> !>> !< !<< !~  the right side's spans that are not
//	&> &>> &< &<< &~  the related spans of both sides
//	|                 what Stages make of the left side; there is no right one
type SpanExpr struct {
	Op     string
	Leaf   int
	L, R   *SpanExpr
	Stages []Stage
}

// OpPipe is the Op of a pipeline in parentheses.
const OpPipe = "|"

// Stage is one step of a pipeline. Exactly one group of fields is set, by Kind.
type Stage struct {
	Kind   StageKind
	Filter Expr      // StageFilter
	Spans  *SpanExpr // StageRelate
	By     []Field   // StageBy
	Func   Aggregate // StageAggregate: keeps a spanset when Func(Arg) Op Value, or Op Other when that is set
	Arg    Operand   // nil for Count
	Op     Op
	Value  Value
	Other  *Call
}

// Call is an aggregate over a spanset.
type Call struct {
	Func Aggregate
	Arg  Operand // nil for Count
}

// StageKind says what a stage does.
type StageKind uint8

// The stages.
const (
	StageFilter    StageKind = iota // keeps the spans for which Filter holds
	StageBy                         // splits each spanset by the values of By
	StageCoalesce                   // joins the spansets of a trace again
	StageAggregate                  // keeps whole spansets
	StageRelate                     // keeps the spans of each spanset that Spans gives of it
)

// Aggregate is a function of many values.
type Aggregate uint8

// The aggregates. Quantile, Histogram and Compared exist as metrics only.
const (
	Count Aggregate = iota
	Avg
	Min
	Max
	Sum
	Quantile
	Histogram
	Compared
)

// Metrics turns matched spans into series. Spans are counted in steps by their start.
type Metrics struct {
	Name        string // as in the query: rate, count_over_time …
	Func        Aggregate
	Rate        bool    // Count per second
	Arg         Operand // nil for Count
	Quantiles   []float64
	By          []Field
	Seconds     bool         // Arg is a duration: values are given in seconds
	Compare     *Comparison  // Compared
	Calculation *Calculation // instead of a function: the plan has no spans of its own
	Then        []SeriesStage
	Exemplars   int  // at most so many spans are shown with a series
	Hinted      bool // the query says itself how many, none included
}

// Title names what gives the series, in messages.
func (m *Metrics) Title() string {
	if m.Calculation != nil {
		return "a calculation"
	}
	return m.Name + "()"
}

// Comparison says how compare(…) divides spans: those that start in Range and for
// which Selection holds are the selection, all others the baseline.
type Comparison struct {
	Selection Expr
	Top       int // values that are told apart, of each attribute
	Range     Range
}

// SeriesStage works on the values of all series at one step.
type SeriesStage struct {
	Kind  SeriesKind
	N     int // SeriesTop, SeriesBottom: how many values stay
	Op    Op  // SeriesThreshold: values stay for which `value Op Value` holds
	Value float64
}

// SeriesKind says what a stage does with series.
type SeriesKind uint8

// The stages of series.
const (
	SeriesTop SeriesKind = iota
	SeriesBottom
	SeriesThreshold
)

// Expr is a boolean expression over one span: And, Or, Not, Const, Compare or Exists.
type Expr interface{ write(w *writer, tight bool) }

// And holds when all of Xs do.
type And struct{ Xs []Expr }

// Or holds when one of Xs does.
type Or struct{ Xs []Expr }

// Not holds when X does not.
type Not struct{ X Expr }

// Const is true or false.
type Const struct{ Value bool }

// Compare holds when some value of L and some value of R compare so. A side has
// more than one value when an attribute was sent with two types, or when it reads
// events or links: then both sides are of the same event or link.
type Compare struct {
	Op   Op
	L, R Operand
	// Regex is set for OpMatch and OpNotMatch: the pattern of R, anchored at both
	// ends. Pattern is the same in a spelling that RE2 reads without flags.
	Regex   *regexp.Regexp
	Pattern string
}

// Exists holds when the span has a value of the field, of any type.
type Exists struct{ Field Field }

// Operand is one side of a comparison: Lit, Ref or Arith.
type Operand interface{ operand(w *writer, tight bool) }

// Lit is a constant.
type Lit struct{ Value Value }

// Ref reads a field.
type Ref struct{ Field Field }

// Arith calculates in float64; operands that are no numbers give no value. Op is
// one of + - * / % ^.
type Arith struct {
	Op   byte
	L, R Operand
}

// WalkFields calls f for every field that the expression reads.
func WalkFields(e Expr, f func(Field)) {
	switch e := e.(type) {
	case And:
		for _, x := range e.Xs {
			WalkFields(x, f)
		}
	case Or:
		for _, x := range e.Xs {
			WalkFields(x, f)
		}
	case Not:
		WalkFields(e.X, f)
	case Exists:
		f(e.Field)
	case Compare:
		WalkOperand(e.L, f)
		WalkOperand(e.R, f)
	}
}

// WalkOperand calls f for every field that the operand reads.
func WalkOperand(o Operand, f func(Field)) {
	switch o := o.(type) {
	case Ref:
		f(o.Field)
	case Arith:
		WalkOperand(o.L, f)
		WalkOperand(o.R, f)
	}
}

// note records what the plan refers to.
func (p *Plan) note(f Field) {
	if !slices.Contains(p.Fields, f) {
		p.Fields = append(p.Fields, f)
	}
	switch f.Level() {
	case LevelTrace:
		p.NeedsTrace = true
	case LevelEvent:
		p.NeedsEvents = true
	case LevelLink:
		p.NeedsLinks = true
	}
}

// Compile parses and checks a text.
func Compile(text string) (*Plan, error) {
	q, err := Parse(text)
	if err != nil {
		return nil, err
	}
	return q.Plan()
}

// CompileFilter reads the text of one filter and gives its condition; the API of
// tag values takes such a text.
func CompileFilter(text string) (Expr, error) {
	p, err := Compile(text)
	if err != nil {
		return nil, err
	}
	if p.Metrics != nil || p.Spans.Op != "" || len(p.Stages) > 0 {
		return nil, fail(text, 0, "a single filter { … } is due here, without relations and stages")
	}
	return p.Leaves[0], nil
}
