package store

import (
	"context"
	"fmt"
	"strings"
)

// rankedSQL gives the values that are a quantile of their group: the group, v, and a
// list with the number of each quantile that v is, NULL for those that it is not. rows
// has the columns of the group and v, a number that is not NULL.
//
// The rows are counted by group and range of values, which takes little memory, and
// only values of the ranges that hold a rank are then counted one by one. DuckDB's
// quantile_disc, whose rule for the rank this is, holds all values, outside of
// memory_limit, and keeps them for ever when the query is interrupted (1.5.6). The
// ranges are a table of their own because the planner knows the size of a table: it
// built the join on the millions of values instead. counts is the table of all ranges
// of all groups, with what more says of each, an aggregate of the columns of rows.
func (c *duckConn) rankedSQL(ctx context.Context, rows string, group []string, quantiles []float64, more string) (statement, counts string, err error) {
	hits, hit := make([]string, len(quantiles)), make([]string, len(quantiles))
	for i, q := range quantiles {
		rank := fmt.Sprintf("greatest(1, total - CAST(floor(total::DOUBLE - %s::DOUBLE * total::DOUBLE) AS BIGINT))", double(q))
		hit[i] = fmt.Sprintf("(upto - cnt < %[1]s AND %[1]s <= upto)", rank)
		hits[i] = fmt.Sprintf("CASE WHEN %s THEN %d::BIGINT END", hit[i], i)
	}
	on := []string{"vals.part = parts.part"}
	of := make([]string, len(group))
	for i, g := range group {
		on = append(on, fmt.Sprintf("vals.%[1]s IS NOT DISTINCT FROM parts.%[1]s", g))
		of[i] = "vals." + g + " AS " + g
	}
	by := strings.Join(group, ", ")
	counts, err = c.table(ctx, "SELECT "+by+", "+partSQL+" AS part, count(*) AS cnt"+more+" FROM "+rows+" GROUP BY ALL")
	if err != nil {
		return "", "", err
	}
	fill := strings.NewReplacer("{vals}", "(SELECT "+by+", v, "+partSQL+" AS part FROM "+rows+")", "{counts}", counts,
		"{group}", by, "{of}", strings.Join(of, ", "), "{on}", strings.Join(on, " AND "),
		"{hit}", strings.Join(hit, " OR "), "{hits}", strings.Join(hits, ", "))
	parts, err := c.table(ctx, fill.Replace(`WITH summed AS (SELECT {group}, part, cnt, CAST(sum(cnt) OVER (PARTITION BY {group} ORDER BY part) AS BIGINT) AS upto,
CAST(sum(cnt) OVER (PARTITION BY {group}) AS BIGINT) AS total FROM {counts})
SELECT {group}, part, upto - cnt AS below, total FROM summed WHERE {hit}`))
	if err != nil {
		return "", "", err
	}
	return fill.Replace(`WITH near AS (SELECT {of}, vals.v AS v, below, total, count(*) AS cnt FROM {vals} vals JOIN ` + parts + ` parts ON {on} GROUP BY ALL),
ranked AS (SELECT *, below + CAST(sum(cnt) OVER (PARTITION BY {group}, below ORDER BY v) AS BIGINT) AS upto FROM near)
SELECT {group}, v, [{hits}] AS hits FROM ranked WHERE {hit}`), counts, nil
}

// partSQL numbers ranges of values, 32 to a doubling, in the order of the values: of
// v as a double, which orders whole numbers as they are, with NaN last as in ORDER BY.
const partSQL = `CASE WHEN isnan(v::DOUBLE) THEN 100000 WHEN v::DOUBLE > 1e300 THEN 99999 WHEN v::DOUBLE < -1e300 THEN -99999
WHEN v > 0 THEN 40000 + CAST(floor(32 * log2(v::DOUBLE)) AS INTEGER) WHEN v < 0 THEN -40000 - CAST(floor(32 * log2(-(v::DOUBLE))) AS INTEGER) ELSE 0 END`
