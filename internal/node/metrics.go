package node

import (
	"context"
	"strconv"
	"strings"

	"github.com/clew-dev/clew/internal/api"
	"github.com/clew-dev/clew/internal/health"
)

// latencyBuckets are seconds.
var latencyBuckets = []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30}

// observe counts a request to the APIs.
func (n *Node) observe(o api.Observation) {
	n.registry.Counter("clew_api_requests_total", "Requests to the page's port.", "route", o.Route, "code", strconv.Itoa(o.Status)).Add(1)
	n.registry.Histogram("clew_api_request_duration_seconds", "Time from the request's head to the answer's end.", latencyBuckets, "route", o.Route).Observe(o.Took.Seconds())
	n.registry.Counter("clew_api_response_bytes_total", "Bytes of answers' bodies as sent.", "route", o.Route).Add(float64(o.Bytes))
}

// traceRequest begins the span of a request to an API. Files of the page and
// questions of machines about the state are not worth a trace.
func (n *Node) traceRequest(ctx context.Context, method, route, traceparent string) (context.Context, func(int, error)) {
	if !strings.Contains(route, "/api/") || strings.HasSuffix(route, "/api/status") {
		return ctx, func(int, error) {}
	}
	return n.tracer.Request(ctx, method, route, traceparent)
}

// collectStore mirrors the state of the store into metrics when they are read.
func (n *Node) collectStore(r *health.Registry) {
	s := n.store.Status()
	gauge := func(name, help string, v float64) { r.Gauge(name, help).Set(v) }
	gauge("clew_store_lag_bytes", "Acknowledged bytes of the log that are not yet visible.", float64(s.LagBytes))
	gauge("clew_store_log_bytes", "Bytes of the log on disk.", float64(s.LogBytes))
	gauge("clew_store_fresh_rows", "Rows in memory that no segment has yet.", float64(s.FreshRows))
	gauge("clew_store_fresh_bytes", "Memory of those rows.", float64(s.FreshBytes))
	gauge("clew_store_segments", "Segments on disk.", float64(s.Segments))
	gauge("clew_store_spans", "Spans stored, fresh ones included.", float64(s.SpansStored))
	gauge("clew_store_disk_bytes", "Bytes on disk: log, segments and manifest.", float64(s.DiskBytes))
	gauge("clew_store_disk_budget_bytes", "Bytes that the store may take, 0 for no bound.", float64(s.DiskBudget))
	gauge("clew_store_merges_running", "Merges that run now.", float64(s.MergesRunning))
	gauge("clew_store_quarantined_segments", "Segments that cannot be read.", float64(s.Quarantined))
	readOnly := 0.0
	if s.ReadOnly != "" {
		readOnly = 1
	}
	gauge("clew_store_read_only", "1 while nothing can be stored.", readOnly)
	for reason, count := range s.Counters {
		r.Mirror("clew_store_events_total", "Losses and events of the store by reason.", float64(count), "reason", reason)
	}
	l := n.store.Log().Stats()
	r.Mirror("clew_wal_records_total", "Records made durable.", float64(l.Records))
	r.Mirror("clew_wal_bytes_total", "Bytes of those records.", float64(l.Bytes))
	r.Mirror("clew_wal_syncs_total", "Calls of fsync that made records durable.", float64(l.Syncs))
}

// collectGovernance mirrors the charter in force and what had no place in its tables.
func (n *Node) collectGovernance(r *health.Registry) {
	_, _, broken := n.governance.CharterState()
	notInForce := 0.0
	if broken != nil {
		notInForce = 1
	}
	r.Gauge("clew_charter_not_in_force", "1 while the charter's files do not check and an earlier state of them is in force.").Set(notInForce)
	r.Mirror("clew_findings_lost_total", "Findings that the bounds of their table kept out.", float64(n.governance.findings.Lost()))
	r.Mirror("clew_coverage_lost_total", "Spans of contracts that the bound of the coverage kept out.", float64(n.governance.coverage.Lost()))
}
