package metric_test

import (
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/clew-dev/clew/kit/go/internal/metric"
	"github.com/clew-dev/clew/kit/go/internal/self"
)

// TestRuntimeAndProcess looks for figures that a running test must have.
func TestRuntimeAndProcess(t *testing.T) {
	began := time.Now().Add(-time.Minute)
	var c self.Counters
	engine := metric.New(nil, &c)
	scope := engine.Scope(metric.Scope{Name: "kit"})
	engine.Produce(metric.Runtime(scope, 6, 2))
	engine.Produce(metric.Process(scope, 6, 2, began))

	file, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	lines := collect(t, engine)
	least := map[string]float64{
		"go.memory.used By up_down int  go.memory.type=\"other\"":                                          100_000,
		"go.memory.used By up_down int  go.memory.type=\"stack\"":                                          2_000,
		"go.memory.allocated By counter int":                                                               10_000,
		"go.memory.allocations {allocation} counter int":                                                   100,
		"go.memory.gc.goal By up_down int":                                                                 1_000_000,
		"go.memory.gc.cycles {gc_cycle} counter int":                                                       0,
		"go.cpu.time s counter double  go.cpu.state=\"user\"":                                              0,
		"go.goroutine.count {goroutine} up_down int":                                                       2,
		"go.processor.limit {thread} up_down int":                                                          1,
		"go.config.gogc % up_down int":                                                                     1,
		"process.cpu.time s counter double  cpu.mode=\"user\"":                                             0,
		"process.memory.usage By up_down int":                                                              1_000_000,
		"process.memory.virtual By up_down int":                                                            1_000_000,
		"process.unix.file_descriptor.count {file_descriptor} up_down int":                                 4,
		"process.thread.count {thread} up_down int":                                                        2,
		"process.context_switches {context_switch} counter int  process.context_switch.type=\"voluntary\"": 1,
		"process.paging.faults {fault} counter int  system.paging.fault.type=\"minor\"":                    100,
		"process.uptime s gauge double":                                                                    60,
	}
	for want, atLeast := range least {
		got, found := lines[want]
		if !found {
			t.Errorf("%s is missing", want)
			continue
		}
		if v, err := strconv.ParseFloat(got, 64); err != nil || v < atLeast || v > 1e15 {
			t.Errorf("%s is %s, want at least %v", want, got, atLeast)
		}
	}
	for _, name := range []string{"go.schedule.duration s histogram double", "go.memory.gc.pause.duration s histogram double"} {
		if got := lines[name]; !strings.Contains(got, "buckets=[") {
			t.Errorf("%s is %q", name, got)
		}
	}

	engine.SetGate(func(component, need uint8) bool { return component != 6 || need < 2 })
	if lines := collect(t, engine); len(lines) != 0 {
		t.Errorf("below the level there are %v", lines)
	}
}

// collect is the points of a collection, by their instrument and labels.
func collect(t *testing.T, engine *metric.Engine) map[string]string {
	t.Helper()
	points := map[string]string{}
	otlp := metric.OTLP{Emit: func(_ *metric.Scope, record []byte) {
		lines := dump(t, record)
		head := lines[0]
		if i := strings.IndexByte(head, '"'); i > 0 {
			head = strings.TrimSpace(head[:i])
		}
		for _, line := range lines[1:] {
			words := strings.Fields(line)
			at := slices.IndexFunc(words, func(w string) bool { return w[0] >= '0' && w[0] <= '9' })
			key := head
			if at > 0 {
				key += "  " + strings.Join(words[:at], " ")
			}
			points[key] = strings.Join(words[at+1:], " ")
		}
	}}
	engine.Collect(t.Context(), &otlp, true)
	otlp.Close()
	return points
}
