package logline

import (
	"context"
	"io"
	"math"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/clew-dev/clew/kit/go/internal/export"
	"github.com/clew-dev/clew/kit/go/internal/policy"
	"github.com/clew-dev/clew/kit/go/internal/self"
)

// PipelineConfig says where events go.
type PipelineConfig struct {
	Service string
	// Policy MUST be set.
	Policy *policy.Holder
	// Exporter takes the OTLP records; nil sends none.
	Exporter *export.Exporter
	// Counters MUST be set.
	Counters *self.Counters
	// Output takes the lines; nil writes none.
	Output io.Writer
	// Inline writes lines on the caller's goroutine, one at a time. Without it a Sink does.
	Inline bool
}

// Pipeline takes events through the policy and the limit of their call sites to the output and the exporter.
type Pipeline struct {
	service  string
	policy   *policy.Holder
	exporter *export.Exporter
	counters *self.Counters
	sites    Sites
	scope    uint32

	sink   *Sink
	inline sync.Mutex
	output io.Writer
}

// NewPipeline starts what the configuration needs. Stop ends it.
func NewPipeline(c PipelineConfig) *Pipeline {
	p := &Pipeline{service: c.Service, policy: c.Policy, exporter: c.Exporter, counters: c.Counters}
	if c.Output == os.Stdout {
		c.Output = stdout()
	}
	if c.Output != nil {
		if c.Inline {
			p.output = c.Output
		} else {
			p.sink = NewSink(c.Output, &c.Counters.LogLost)
		}
	}
	p.scope = c.Exporter.Scope("clew/log", "", "")
	if p.sink != nil {
		p.sink.Start(p.tick)
	} else {
		// The sink's goroutine is the better clock, because the exporter's may wait for a collector.
		c.Exporter.Tick(self.Logs, time.Second, func(bool) { p.tick() })
	}
	return p
}

func (p *Pipeline) tick() { p.sites.Due(time.Now().UnixNano(), p.more) }

var current atomic.Pointer[Pipeline]

// Current is the pipeline of the running kit; nil when there is none.
func Current() *Pipeline { return current.Load() }

// SetCurrent makes the pipeline that of the running kit. nil takes it away.
func SetCurrent(p *Pipeline) { current.Store(p) }

// Enabled says whether events of the level are taken.
func (p *Pipeline) Enabled(level Level) bool { return level >= lowest(p.policy.Load()) }

// lowest is the policy's log level as a severity number.
func lowest(s *policy.Snapshot) Level { return Trace + 4*Level(s.LogLevel()) }

// Begin asks whether the event may be written. When it may, it returns a line under the policy that holds now, which is to go to End.
// site is the event's program counter or TextKey. It sets the event's Code, when the site knows it, and Service.
func (p *Pipeline) Begin(e *Event, site uint64) (*Line, bool) {
	s := p.policy.Load()
	if e.Level < lowest(s) {
		return nil, false
	}
	at, code := p.sites.At(site, CodeOf)
	if e.Code == "" {
		e.Code = code
	}
	e.Service = p.service
	time := e.Time
	if e.NoTime {
		time = e.Observed
	}
	more, ok := at.Admit(time, e.Level, e.Message, e.Code, int(s.LogLinesPerSecond()))
	if more.Count != 0 {
		p.more(more)
	}
	if !ok {
		p.counters.LogSuppressed.Add(1)
		return nil, false
	}
	l := Get()
	l.Policy = s
	return l, true
}

// End writes the event and gives the line back. scope is that of the exporter; 0 is the kit's own.
func (p *Pipeline) End(l *Line, e *Event, scope uint32) {
	if scope == 0 {
		scope = p.scope
	}
	if p.output != nil || p.sink != nil {
		l.buffer = l.AppendLine(l.buffer[:0], e)
		p.write(l.buffer, e.Level >= Error && e.More == 0)
	}
	if p.exporter.On(self.Logs) && l.Policy.On(policy.Logs, policy.Standard) {
		l.buffer = l.AppendRecord(l.buffer[:0], e)
		p.exporter.Add(self.Logs, scope, l.buffer)
	}
	Put(l)
}

// Guard, deferred around Begin and End, keeps a panic of foreign code (methods of values and of contexts) from the program. The event is
// lost and counted.
func (p *Pipeline) Guard() {
	if recover() != nil {
		p.counters.LogLost.Add(1)
	}
}

// Scope is the number of an instrumentation scope for End.
func (p *Pipeline) Scope(name, version, schemaURL string) uint32 {
	return p.exporter.Scope(name, version, schemaURL)
}

func (p *Pipeline) write(line []byte, wait bool) {
	if p.sink != nil {
		p.sink.Write(line, wait)
		return
	}
	defer func() {
		if recover() != nil {
			p.counters.LogLost.Add(1)
		}
	}()
	p.inline.Lock()
	defer p.inline.Unlock()
	if n, err := p.output.Write(line); err != nil || n < len(line) {
		p.counters.LogLost.Add(1)
	}
}

// more writes the line for those that were too many.
func (p *Pipeline) more(m More) {
	e := Event{
		Time: m.Time, Observed: m.Time, Level: m.Level, Message: m.Message,
		Service: p.service, Code: m.Code, More: m.Count,
	}
	l := Get()
	l.Policy = p.policy.Load()
	p.End(l, &e, 0)
}

// Flush waits until the lines taken so far are out, or the context is done.
func (p *Pipeline) Flush(ctx context.Context) error {
	if p == nil || p.sink == nil {
		return nil
	}
	return p.sink.Flush(ctx)
}

// Stop writes the counts of lines that were too many and what waits. Events that come later are still written as lines.
func (p *Pipeline) Stop(ctx context.Context) error {
	if p == nil {
		return nil
	}
	p.sites.Due(math.MaxInt64, p.more)
	if p.sink == nil {
		return nil
	}
	return p.sink.Stop(ctx)
}
