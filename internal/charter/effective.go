package charter

import (
	"fmt"
	"strconv"
	"strings"
)

// Effective gives the charter as text with every default written out. Parsing
// it gives an equal charter, and the same charter always gives the same text.
func (c *Charter) Effective() string {
	var b strings.Builder
	r, l := c.retention, c.limits
	fmt.Fprintf(&b, "charter: %d\norganisation: %s\n", Version, strconv.Quote(c.organisation))
	fmt.Fprintf(&b, "retention:\n  default: %s\n  disk: %s\n  clock_skew: %s\n",
		formatDuration(r.Default), formatBytes(r.Disk), formatDuration(r.ClockSkew))
	fmt.Fprintf(&b, "limits:\n  attributes: %d\n  attribute_value_bytes: %s\n  request_bytes: %s\n  inflight_bytes: %s\n",
		l.Attributes, formatBytes(int64(l.AttributeValueBytes)), formatBytes(l.RequestBytes), formatBytes(l.InflightBytes))
	fmt.Fprintf(&b, "  query_timeout: %s\n  query_concurrency: %d\n  trace_spans: %d\n  series: %d\n",
		formatDuration(l.QueryTimeout), l.QueryConcurrency, l.TraceSpans, l.Series)
	if len(c.tenants) == 0 {
		return b.String()
	}
	b.WriteString("tenants:\n")
	for _, name := range c.Tenants() {
		t := c.tenants[name]
		fmt.Fprintf(&b, "  %q:\n    retention: %s\n", name, formatDuration(c.RetentionOf(name).Age))
		if t.Disk > 0 {
			fmt.Fprintf(&b, "    disk: %s\n", formatBytes(t.Disk))
		}
	}
	return b.String()
}
