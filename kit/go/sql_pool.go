package clew

import (
	"context"
	"database/sql"
)

// SQLPool reports the connections of a pool: db.client.connection.count by state (used, idle), db.client.connection.max, and how often and how
// long callers have waited for one (clew.db.client.connection.waits and .wait_duration, in seconds, since the pool was opened). name tells
// pools apart. Call stop when the pool is closed.
func SQLPool(db *sql.DB, name string) (stop func()) {
	pool := String("db.client.connection.pool.name", name)
	state := func(s string) []Attr { return []Attr{pool, String("db.client.connection.state", s)} }
	of := func(read func(sql.DBStats) float64) func(context.Context) float64 {
		return func(context.Context) float64 { return read(db.Stats()) }
	}
	need := Needs(ComponentSQL, Standard)
	stops := []func(){
		GaugeFunc("db.client.connection.count", "{connection}", of(func(s sql.DBStats) float64 { return float64(s.InUse) }), state("used"), need,
			Description("Connections of the pool by state.")),
		GaugeFunc("db.client.connection.count", "{connection}", of(func(s sql.DBStats) float64 { return float64(s.Idle) }), state("idle"), need),
		GaugeFunc("db.client.connection.max", "{connection}", of(func(s sql.DBStats) float64 { return float64(s.MaxOpenConnections) }), []Attr{pool}, need,
			Description("Connections that the pool may open, 0 for any number.")),
		CounterFunc("clew.db.client.connection.waits", "{wait}", of(func(s sql.DBStats) float64 { return float64(s.WaitCount) }), []Attr{pool}, need,
			Description("Times that a caller had to wait for a connection.")),
		CounterFunc("clew.db.client.connection.wait_duration", "s", of(func(s sql.DBStats) float64 { return s.WaitDuration.Seconds() }), []Attr{pool}, need,
			Description("Time that callers have waited for connections.")),
	}
	return func() {
		for _, stop := range stops {
			stop()
		}
	}
}
