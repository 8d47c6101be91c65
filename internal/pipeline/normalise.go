package pipeline

import "github.com/clew-dev/clew/internal/telemetry"

// UnknownService is the service.name of a resource that has none, as the
// OpenTelemetry resource conventions demand. They add the name of the program
// where that is known; behind the wire it is not.
const UnknownService = "unknown_service"

// Normalise is the stage that makes good what every part behind it counts on:
// each resource has a service.name that is a text and not empty.
type Normalise struct {
	next    telemetry.Sink
	unnamed Counter
}

// NewNormalise returns the stage in front of next. unnamed counts the resources
// that had to be given a service.name.
func NewNormalise(next telemetry.Sink, unnamed Counter) *Normalise {
	return &Normalise{next, unnamed}
}

// Write implements telemetry.Sink.
func (s *Normalise) Write(b *telemetry.Batch) error {
	t := &b.Resources
	i := findText(t, telemetry.ScopeResource, telemetry.KeyServiceName)
	var c *telemetry.Column
	if i >= 0 {
		c = t.Cols[i]
	}
	if !complete(c, t.N) {
		if mended, n := fill(c, telemetry.ScopeResource, telemetry.KeyServiceName, t.N, unknownService); n > 0 {
			put(t, i, mended)
			s.unnamed.Add(float64(n))
		}
	}
	return s.next.Write(b)
}

func unknownService(uint32) ([]byte, bool) { return []byte(UnknownService), true }

// complete reports whether every one of n rows has a text that is not empty.
func complete(c *telemetry.Column, n int) bool {
	if c == nil || len(c.Rows) != n {
		return n == 0
	}
	for _, code := range c.Codes {
		if len(c.Dict.At(code)) == 0 {
			return false
		}
	}
	return true
}
