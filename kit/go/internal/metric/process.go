package metric

import "time"

// The metrics of the process, as semantic conventions 1.43 name them.
var (
	processCPUTime  = Desc{Name: "process.cpu.time", Unit: "s", Float: true, Description: "Total CPU seconds broken down by different CPU modes."}
	processMemory   = Desc{Name: "process.memory.usage", Unit: "By", Kind: UpDown, Description: "The amount of physical memory in use."}
	processVirtual  = Desc{Name: "process.memory.virtual", Unit: "By", Kind: UpDown, Description: "The amount of committed virtual memory."}
	processFiles    = Desc{Name: "process.unix.file_descriptor.count", Unit: "{file_descriptor}", Kind: UpDown, Description: "Number of unix file descriptors in use by the process."}
	processThreads  = Desc{Name: "process.thread.count", Unit: "{thread}", Kind: UpDown, Description: "Process threads count."}
	processSwitches = Desc{Name: "process.context_switches", Unit: "{context_switch}", Description: "Number of times the process has been context switched."}
	processFaults   = Desc{Name: "process.paging.faults", Unit: "{fault}", Description: "Number of page faults the process has made."}
	processUptime   = Desc{Name: "process.uptime", Unit: "s", Kind: Gauge, Float: true, Description: "The time the process has been running."}
)

var (
	userMode    = oneLabel("cpu.mode", "user")
	systemMode  = oneLabel("cpu.mode", "system")
	voluntary   = oneLabel("process.context_switch.type", "voluntary")
	involuntary = oneLabel("process.context_switch.type", "involuntary")
	majorFault  = oneLabel("system.paging.fault.type", "major")
	minorFault  = oneLabel("system.paging.fault.type", "minor")
)

// process is what the operating system says of the process. What it does not say
// is less than zero.
type process struct {
	user, system           float64 // seconds
	memory, virtual        int64   // bytes
	files, threads         int64
	voluntary, involuntary int64
	major, minor           int64
}

// Process is a producer of the metrics of the process, sent when the component is
// at the level. Linux says all of them, other systems the uptime alone.
func Process(scope *Scope, component, need uint8, began time.Time) func(*Emitter) {
	return func(e *Emitter) {
		if !e.On(component, need) {
			return
		}
		p := readProcess()
		float := func(desc *Desc, labels *Labels, v float64) {
			if v >= 0 {
				e.Float(scope, desc, labels, v)
			}
		}
		number := func(desc *Desc, labels *Labels, n int64) {
			if n >= 0 {
				e.Int(scope, desc, labels, n)
			}
		}
		float(&processCPUTime, userMode, p.user)
		float(&processCPUTime, systemMode, p.system)
		number(&processMemory, noLabels, p.memory)
		number(&processVirtual, noLabels, p.virtual)
		number(&processFiles, noLabels, p.files)
		number(&processThreads, noLabels, p.threads)
		number(&processSwitches, voluntary, p.voluntary)
		number(&processSwitches, involuntary, p.involuntary)
		number(&processFaults, majorFault, p.major)
		number(&processFaults, minorFault, p.minor)
		float(&processUptime, noLabels, time.Unix(0, e.Time()).Sub(began).Seconds())
	}
}

func noProcess() process {
	return process{user: -1, system: -1, memory: -1, virtual: -1, files: -1, threads: -1, voluntary: -1, involuntary: -1, major: -1, minor: -1}
}
