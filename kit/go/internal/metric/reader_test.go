package metric_test

import (
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.opentelemetry.io/otel/attribute"

	"github.com/clew-dev/clew/kit/go/internal/metric"
	"github.com/clew-dev/clew/kit/go/internal/self"
)

// sink is an exporter that keeps what it gets.
type sink struct {
	mu      sync.Mutex
	scopes  []string
	records int
}

func (s *sink) Scope(name, version, schemaURL string) uint32 {
	s.scopes = append(s.scopes, name+"/"+version+"/"+schemaURL)
	return uint32(len(s.scopes))
}

func (s *sink) Add(signal self.Signal, scope uint32, record []byte) {
	if signal == self.Metrics && scope != 0 && len(record) > 0 && record[0] == 2<<3|2 {
		s.records++
	}
}

// TestAReaderCollectsOnceAnInterval ticks each second, as the exporter does.
func TestAReaderCollectsOnceAnInterval(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := metric.New(nil, nil)
		for _, scope := range []metric.Scope{{Name: "a", Version: "1", Schema: "s"}, {Name: "b"}} {
			in, err := e.Instrument(e.Scope(scope), metric.Desc{Name: "c"})
			if err != nil {
				t.Fatal(err)
			}
			in.Series(*attribute.EmptySet()).AddInt(1)
		}
		var s sink
		r := metric.NewReader(e, &s, 0)
		tick := func(seconds int) {
			for range seconds {
				time.Sleep(time.Second)
				r.Tick(false)
			}
		}
		tick(14)
		if s.records != 0 {
			t.Errorf("%d records before the interval is over", s.records)
		}
		tick(1)
		if s.records != 2 {
			t.Errorf("%d records, want one of each scope", s.records)
		}
		tick(30)
		if s.records != 6 {
			t.Errorf("%d records after three intervals", s.records)
		}
		// Flushes collect at once, and do not put off the next collection for long.
		for range 5 {
			r.Tick(true)
		}
		if s.records != 16 {
			t.Errorf("%d records after five flushes", s.records)
		}
		tick(15)
		if s.records != 18 {
			t.Errorf("%d records an interval after the flushes", s.records)
		}
		// After a long pause one collection follows, not one for each interval missed.
		time.Sleep(time.Hour)
		tick(3)
		if s.records != 20 {
			t.Errorf("%d records after a pause", s.records)
		}
		if len(s.scopes) != 2 || s.scopes[0] != "a/1/s" || s.scopes[1] != "b//" {
			t.Errorf("scopes %v", s.scopes)
		}
	})
}
