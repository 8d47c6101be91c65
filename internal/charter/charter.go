package charter

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"maps"
	"slices"
	"time"
)

// Charter is a compiled charter. It is immutable.
type Charter struct {
	tree         *value // what was said, with all defaults
	effective    string
	organisation string
	retention    Retention
	limits       Limits
	tenants      map[string]TenantRetention
	environments []string
	teams        map[string]Team
	services     map[string]Service
	own          map[string]Attribute // as the charter defines them
	imported     []Attribute          // what WithVocabulary put behind them, sorted by name
	words        vocabulary           // own and imported together
	contracts    []SpanContract       // sorted by id
	imports      []Import
	modes        []Mode // of rules, in their order
	detectors    []string
	kits         Kits
	redacted     []Redaction
	version      string
}

// Version is a short hash of everything that the charter says and of what it
// imports: two charters with one version act alike.
func (c *Charter) Version() string { return c.version }

func (c *Charter) hash() string {
	h := sha256.New()
	io.WriteString(h, c.effective)
	for _, a := range c.imported {
		d := Deprecated{}
		if a.Deprecated != nil {
			d, a.Deprecated = *a.Deprecated, nil // a pointer would be printed as its address
		}
		fmt.Fprintf(h, "%+v %+v\n", a, d)
	}
	return hex.EncodeToString(h.Sum(nil)[:6])
}

// Retention says how long spans stay, by the time of their receipt.
type Retention struct {
	Default   time.Duration // age at which a span leaves; at least 1 h
	Disk      int64         // bytes that the data folder may take in all, log and merge space included; at least 64 MiB
	ClockSkew time.Duration // how far a span's start may be from its receipt before it is marked; at least 1 min
}

// Limits bound what one request, query or answer may cost.
type Limits struct {
	Attributes          int           // attributes of one span, event, link, resource or scope; more are dropped and counted
	AttributeValueBytes int           // longer text values are cut and counted
	RequestBytes        int64         // of a request, compressed and inflated each
	InflightBytes       int64         // of all requests that are being received; more is refused with a delay
	QueryTimeout        time.Duration // of one query
	QueryConcurrency    int           // queries that run at once; more wait
	TraceSpans          int           // spans of a trace that one answer gives
	Series              int           // series of a metrics answer
}

// TenantRetention is what a tenant keeps.
type TenantRetention struct {
	Age  time.Duration // as Retention.Default
	Disk int64         // bytes of the tenant's segments; 0: bounded by Retention.Disk only
}

// Default is the charter of a server that was started without one.
func Default() *Charter {
	p := newParser()
	p.version = true
	c, err := p.finish()
	if err != nil {
		panic("charter: the defaults do not check: " + err.Error())
	}
	return c
}

// Organisation is the name that the page shows.
func (c *Charter) Organisation() string { return c.organisation }

// Retention gives the section of that name.
func (c *Charter) Retention() Retention { return c.retention }

// Limits gives the section of that name.
func (c *Charter) Limits() Limits { return c.limits }

// Tenants lists the tenants that have a section, in alphabetical order.
func (c *Charter) Tenants() []string { return slices.Sorted(maps.Keys(c.tenants)) }

// RetentionOf gives what a tenant keeps: its own section where that speaks, the
// default where it does not.
func (c *Charter) RetentionOf(tenant string) TenantRetention {
	t := c.tenants[tenant]
	if t.Age == 0 {
		t.Age = c.retention.Default
	}
	return t
}
