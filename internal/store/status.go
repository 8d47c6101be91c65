package store

import (
	"maps"
	"sync"
)

// counters are the store's losses and events by reason. The names are the closed
// list below, so that a dashboard can be made without having seen them all.
type counters struct {
	mu sync.Mutex
	n  map[string]int64
}

var counterNames = []string{
	"duplicates_dropped",   // records that were stored already
	"id_collisions",        // different records under one trace id, span id and kind
	"segments_quarantined", // unreadable segments taken out of answers
	"spans_expired",        // removed by retention or a disk budget
	"log_bytes_lost",       // acknowledged bytes of the log that damage of the disk took
	"log_bytes_torn",       // of the log's end that are no whole record: a write that was interrupted, never acknowledged
	"manifest_bytes_torn",  // the same of the manifest
	"read_errors",          // of segments, passing ones: the answer at hand was partial
	"flushes_failed",
	"merges_failed",
	"merges_postponed",  // not enough free space
	"segments_scrubbed", // read for damage in the background
	"tail_missed",       // rows that a tail reader was too slow for
}

func (c *counters) init() {
	c.n = map[string]int64{}
	for _, name := range counterNames {
		c.n[name] = 0
	}
}

func (c *counters) add(name string, n int64) {
	c.mu.Lock()
	c.n[name] += n
	c.mu.Unlock()
}

func (c *counters) get(name string) int64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.n[name]
}

// Status implements Store.
func (e *Embedded) Status() Status {
	tenants := e.listTenants()
	e.mu.Lock()
	_, end := e.watermark()
	s := Status{
		Ready: e.ready, ReadOnly: e.readOnly, FlushesActive: e.flushing, MergesRunning: e.merging,
		LogBytes: e.log.Bytes(), DiskBudget: e.o.DiskBudget,
		LagBytes: int64(e.log.End() - end),
	}
	s.DiskBytes = s.LogBytes + e.manifest.journal.Bytes()
	e.mu.Unlock()
	for _, t := range tenants {
		ts := TenantStatus{Tenant: t.name}
		t.mu.Lock()
		for _, g := range [2]*generation{t.active, t.flushingGen} {
			if g != nil && g.rows > 0 {
				s.FreshRows += int64(g.rows)
				s.FreshBytes += g.bytes
				ts.Spans += int64(g.rows)
				ts.oldest(g.minSeq)
			}
		}
		e.mu.Lock() // with the tenant's: what a flush moves is counted once
		for _, h := range t.segments {
			m := h.meta
			if h.broken.Load() != nil {
				s.Quarantined++
			}
			ts.Segments++
			ts.Spans += int64(m.Rows)
			ts.Bytes += h.size()
			ts.oldest(m.MinSeq)
		}
		e.mu.Unlock()
		t.mu.Unlock()
		s.SpansStored += ts.Spans
		s.Segments += ts.Segments
		s.DiskBytes += ts.Bytes
		s.Tenants = append(s.Tenants, ts)
	}
	e.counters.mu.Lock()
	s.Counters = maps.Clone(e.counters.n)
	e.counters.mu.Unlock()
	return s
}

func (t *TenantStatus) oldest(seq int64) {
	if t.Oldest == 0 || seq < t.Oldest {
		t.Oldest = seq
	}
}
