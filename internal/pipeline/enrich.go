package pipeline

import "github.com/clew-dev/clew/internal/telemetry"

// The environment of a deployment was renamed by semantic conventions 1.27.
const (
	keyEnvironmentOld = "deployment.environment"
	keyEnvironment    = "deployment.environment.name"
)

// Enrich is the stage that adds what follows from what is there: a resource that
// says its environment by the old name also gets it by the present one, so that
// one filter finds old and new senders. The old name stays.
type Enrich struct {
	next    telemetry.Sink
	aliased Counter
}

// NewEnrich returns the stage in front of next. aliased counts the resources
// that got the present name.
func NewEnrich(next telemetry.Sink, aliased Counter) *Enrich { return &Enrich{next, aliased} }

// Write implements telemetry.Sink.
func (s *Enrich) Write(b *telemetry.Batch) error {
	t := &b.Resources
	if old := findText(t, telemetry.ScopeResource, keyEnvironmentOld); old >= 0 {
		from, next := t.Cols[old], 0
		i := findText(t, telemetry.ScopeResource, keyEnvironment)
		var c *telemetry.Column
		if i >= 0 {
			c = t.Cols[i]
		}
		value := func(row uint32) ([]byte, bool) {
			for next < len(from.Rows) && from.Rows[next] < row {
				next++
			}
			if next == len(from.Rows) || from.Rows[next] != row {
				return nil, false
			}
			v := from.Dict.At(from.Codes[next])
			return v, len(v) > 0
		}
		if out, n := fill(c, telemetry.ScopeResource, keyEnvironment, t.N, value); n > 0 {
			put(t, i, out)
			s.aliased.Add(float64(n))
		}
	}
	return s.next.Write(b)
}
