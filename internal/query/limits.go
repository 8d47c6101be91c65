package query

// Limits of one query. They bound the work of parsing, the size of the SQL and
// the depth of every recursion in this package and in the stores.
const (
	MaxBytes       = 16 << 10 // length of the text
	MaxDepth       = 64       // nesting of parentheses, signs and arithmetic
	MaxFilters     = 64       // spanset filters { … }, pipeline filters included
	MaxComparisons = 256      // comparisons in all filters together
	MaxStages      = 16       // pipeline stages
	MaxBy          = 8        // fields of one by(…)
	MaxSelect      = 64       // fields of all select(…) together
	MaxQuantiles   = 16       // quantiles of one quantile_over_time
	MaxRegex       = 4 << 10  // length of one regular expression

	MaxExemplars    = 100 // spans shown with one series
	MaxCompared     = 100 // values of an attribute that compare(…) tells apart
	DefaultCompared = 10
)
