package metric

import (
	"math"
	"runtime/metrics"

	"go.opentelemetry.io/otel/attribute"
)

// The metrics of the Go runtime, as semantic conventions 1.43 name them.
var (
	goMemoryUsed    = Desc{Name: "go.memory.used", Unit: "By", Kind: UpDown, Description: "Memory used by the Go runtime."}
	goMemoryLimit   = Desc{Name: "go.memory.limit", Unit: "By", Kind: UpDown, Description: "Go runtime memory limit configured by the user, if a limit exists."}
	goAllocated     = Desc{Name: "go.memory.allocated", Unit: "By", Description: "Memory allocated to the heap by the application."}
	goAllocations   = Desc{Name: "go.memory.allocations", Unit: "{allocation}", Description: "Count of allocations to the heap by the application."}
	goGoal          = Desc{Name: "go.memory.gc.goal", Unit: "By", Kind: UpDown, Description: "Heap size target for the end of the GC cycle."}
	goCycles        = Desc{Name: "go.memory.gc.cycles", Unit: "{gc_cycle}", Description: "Number of completed GC cycles."}
	goPauses        = Desc{Name: "go.memory.gc.pause.duration", Unit: "s", Kind: Histogram, Float: true, Bounds: runtimeBounds, Description: "Distribution of individual GC-related stop-the-world pause latencies."}
	goCPUTime       = Desc{Name: "go.cpu.time", Unit: "s", Float: true, Description: "Estimated CPU time spent by the Go runtime."}
	goGoroutines    = Desc{Name: "go.goroutine.count", Unit: "{goroutine}", Kind: UpDown, Description: "Count of live goroutines."}
	goProcessors    = Desc{Name: "go.processor.limit", Unit: "{thread}", Kind: UpDown, Description: "The number of OS threads that can execute user-level Go code simultaneously."}
	goGOGC          = Desc{Name: "go.config.gogc", Unit: "%", Kind: UpDown, Description: "Heap size target percentage configured by the user, otherwise 100."}
	goScheduleDelay = Desc{Name: "go.schedule.duration", Unit: "s", Kind: Histogram, Float: true, Bounds: runtimeBounds, Description: "The time goroutines have spent in the scheduler in a runnable state before actually running."}
)

// runtimeBounds replace the several hundred buckets of the runtime. The sum of
// such a histogram is estimated from the middles of the runtime's buckets.
var runtimeBounds = []float64{1e-6, 1e-5, 1e-4, 0.0005, 0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1}

// What is read of runtime/metrics, by its place in the samples.
const (
	rtTotal = iota
	rtReleased
	rtStacks
	rtLimit
	rtAllocated
	rtAllocations
	rtGoal
	rtCycles
	rtPauses
	rtUser
	rtGC
	rtScavenge
	rtIdle
	rtGoroutines
	rtProcessors
	rtGOGC
	rtDelay
)

var runtimeNames = [...]string{
	rtTotal:       "/memory/classes/total:bytes",
	rtReleased:    "/memory/classes/heap/released:bytes",
	rtStacks:      "/memory/classes/heap/stacks:bytes",
	rtLimit:       "/gc/gomemlimit:bytes",
	rtAllocated:   "/gc/heap/allocs:bytes",
	rtAllocations: "/gc/heap/allocs:objects",
	rtGoal:        "/gc/heap/goal:bytes",
	rtCycles:      "/gc/cycles/total:gc-cycles",
	rtPauses:      "/sched/pauses/total/gc:seconds",
	rtUser:        "/cpu/classes/user:cpu-seconds",
	rtGC:          "/cpu/classes/gc/total:cpu-seconds",
	rtScavenge:    "/cpu/classes/scavenge/total:cpu-seconds",
	rtIdle:        "/cpu/classes/idle:cpu-seconds",
	rtGoroutines:  "/sched/goroutines:goroutines",
	rtProcessors:  "/sched/gomaxprocs:threads",
	rtGOGC:        "/gc/gogc:percent",
	rtDelay:       "/sched/latencies:seconds",
}

// Runtime is a producer of the metrics of the Go runtime, sent when the component
// is at the level. Reading them costs some ten microseconds and stops nothing.
func Runtime(scope *Scope, component, need uint8) func(*Emitter) {
	samples := make([]metrics.Sample, len(runtimeNames))
	for i, name := range runtimeNames {
		samples[i].Name = name
	}
	stack, other := oneLabel("go.memory.type", "stack"), oneLabel("go.memory.type", "other")
	cpu := map[int]*Labels{}
	for place, state := range map[int]string{rtUser: "user", rtGC: "gc", rtScavenge: "scavenge", rtIdle: "idle"} {
		cpu[place] = oneLabel("go.cpu.state", state)
	}
	none := NewLabels(Histogram, *attribute.EmptySet())
	return func(e *Emitter) {
		if !e.On(component, need) {
			return
		}
		metrics.Read(samples)
		// A runtime that does not know a name gives a bad kind; what was there is left out.
		number := func(desc *Desc, labels *Labels, place int) {
			if v := samples[place].Value; v.Kind() == metrics.KindUint64 {
				e.Int(scope, desc, labels, clamp(v.Uint64()))
			}
		}
		if bytes := func(place int) int64 { return int64(samples[place].Value.Uint64()) }; samples[rtTotal].Value.Kind() == metrics.KindUint64 {
			stacks := bytes(rtStacks)
			e.Int(scope, &goMemoryUsed, stack, stacks)
			e.Int(scope, &goMemoryUsed, other, bytes(rtTotal)-bytes(rtReleased)-stacks)
		}
		if v := samples[rtLimit].Value; v.Kind() == metrics.KindUint64 && v.Uint64() != math.MaxInt64 {
			e.Int(scope, &goMemoryLimit, noLabels, clamp(v.Uint64()))
		}
		number(&goAllocated, noLabels, rtAllocated)
		number(&goAllocations, noLabels, rtAllocations)
		number(&goGoal, noLabels, rtGoal)
		number(&goCycles, noLabels, rtCycles)
		fold(e, scope, &goPauses, none, samples[rtPauses].Value)
		for place := rtUser; place <= rtIdle; place++ {
			if v := samples[place].Value; v.Kind() == metrics.KindFloat64 {
				e.Float(scope, &goCPUTime, cpu[place], v.Float64())
			}
		}
		number(&goGoroutines, noLabels, rtGoroutines)
		number(&goProcessors, noLabels, rtProcessors)
		number(&goGOGC, noLabels, rtGOGC)
		fold(e, scope, &goScheduleDelay, none, samples[rtDelay].Value)
	}
}

func clamp(n uint64) int64 { return int64(min(n, math.MaxInt64)) }

// fold counts the runtime's buckets by the bounds of desc: a bucket goes where its
// upper end belongs.
func fold(e *Emitter, scope *Scope, desc *Desc, labels *Labels, v metrics.Value) {
	if v.Kind() != metrics.KindFloat64Histogram {
		return
	}
	h := v.Float64Histogram()
	counts, sum := make([]uint64, len(desc.Bounds)+1), 0.0
	for i, n := range h.Counts {
		low, high := h.Buckets[i], h.Buckets[i+1]
		counts[bucketOf(desc.Bounds, high)] += n
		if n == 0 {
			continue
		}
		middle := (max(low, 0) + high) / 2
		if math.IsInf(high, 1) {
			middle = low
		}
		sum += middle * float64(n)
	}
	e.Distribution(scope, desc, labels, counts, sum)
}
