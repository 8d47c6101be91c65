package clew

import (
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/clew-dev/clew/kit/go/internal/self"
	"github.com/clew-dev/clew/kit/go/internal/watch"
)

// The leak watch looks for spans that are never ended, children that outlive their parents, and contexts that were lost on the way to other
// work. CLEW_LEAKS says how: count (the default) watches one span in 256 and counts; debug watches all and writes each place in the code to
// standard error once; off does nothing. In tests package clewtest finds the same, exactly.
const (
	// leakAge is how long a span may be open in production, debugAge while somebody watches.
	leakAge  = 10 * time.Minute
	debugAge = time.Minute
	// maxLeakLines bounds what debug writes.
	maxLeakLines = 100
)

// leaks is the leak watch of a kit.
type leaks struct {
	registry *watch.Registry
	counters *self.Counters
	out      io.Writer // nil: count only
	age      time.Duration

	mu    sync.Mutex
	timer *time.Timer // nil after stop
	said  map[string]bool
}

// startLeaks begins to watch in a mode of CLEW_LEAKS, as soon as nobody else does: there is one watch for the process. It returns nil when it
// is off.
func startLeaks(mode string, counters *self.Counters, out io.Writer) *leaks {
	l := &leaks{counters: counters, age: leakAge, said: map[string]bool{}}
	switch mode {
	case "off":
		return nil
	case "debug":
		l.registry, l.age, l.out = watch.New(), debugAge, out
	default:
		l.registry = watch.NewSampled()
	}
	watch.Install(l.registry)
	l.timer = time.AfterFunc(l.age/2, l.tick)
	return l
}

func (l *leaks) tick() {
	l.sweep(time.Now(), l.age)
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.timer != nil {
		watch.Install(l.registry) // the kit before may have stopped
		l.timer.Reset(l.age / 2)
	}
}

// sweep counts, and says in debug mode, what has come up since the last time.
func (l *leaks) sweep(now time.Time, age time.Duration) {
	stale := l.registry.Stale(now, age)
	l.counters.SpanLeaked.Add(int64(len(stale)) * l.registry.Weight())
	l.counters.ContextLost.Add(l.registry.TakeLost())
	if l.out == nil {
		return
	}
	for i := range stale {
		o := &stale[i]
		l.say(o.Site, fmt.Sprintf("span %q (%s) is open for %v: defer its End where it is started", o.Name, o.Site,
			now.Sub(time.Unix(0, o.Start)).Round(time.Millisecond)))
	}
	for _, f := range l.registry.Findings() {
		l.say(f.Site+string(f.Problem), f.String())
	}
}

// say writes a line for each place once.
func (l *leaks) say(place, text string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.said[place] || len(l.said) >= maxLeakLines {
		return
	}
	l.said[place] = true
	fmt.Fprintf(l.out, "clew: leak: %s\n", text)
}

// stop ends the watch. In debug mode what is open now is said, whatever its age.
func (l *leaks) stop() {
	if l == nil {
		return
	}
	l.mu.Lock()
	if l.timer != nil {
		l.timer.Stop()
		l.timer = nil
	}
	l.mu.Unlock()
	if l.out != nil {
		l.sweep(time.Now(), 0)
	} else {
		l.sweep(time.Now(), l.age)
	}
	watch.Remove(l.registry)
}
