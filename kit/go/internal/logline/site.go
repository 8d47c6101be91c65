package logline

import (
	"hash/maphash"
	"math"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/clew-dev/clew/kit/go/internal/wire"
)

const (
	// MaxSites is how many call sites are told apart; the rest share one.
	MaxSites = 4096
	// siteSlots is a table of twice as many slots, so that a search ends after a few.
	siteSlots = 2 * MaxSites
	// maxProbes ends the search in an unlucky corner of the table.
	maxProbes = 64

	// ErrorLines is the least that a call site may write in a second at level ERROR.
	ErrorLines = 100
	// clockBack is by how many seconds a line's time must be before the window to begin a new one: less is another
	// goroutine's line that comes late, more is a clock that was set back and would keep the site silent until it has
	// caught up.
	clockBack = 60
)

// Sites counts the lines of each call site in windows of one second. The zero value is ready; it needs 64 KiB and what the sites' last
// messages need.
type Sites struct {
	slots  [siteSlots]atomic.Pointer[Site]
	known  atomic.Int64
	others Site
}

// Site is one call site. Its methods may be called by many goroutines.
type Site struct {
	key  uint64
	code string

	mu      sync.Mutex
	begun   bool
	second  int64 // The window, in seconds since 1970.
	written int
	rest    More
	message []byte // Of the last line that was not written.
}

// More is the line that stands for those that a site did not write.
type More struct {
	Count   uint64
	Time    int64 // The end of the window, nanoseconds since 1970.
	Level   Level
	Message string
	Code    string
}

var textSeed = maphash.MakeSeed()

// TextKey is the key of a site that is known only by what it says, as events of other logging libraries are.
func TextKey(text string) uint64 { return maphash.String(textSeed, text) | 1<<63 }

// At finds the site with the key, a program counter or a TextKey. code is asked once for a site that is kept.
func (s *Sites) At(key uint64, code func(uint64) string) (site *Site, where string) {
	const golden = 0x9e37_79b9_7f4a_7c15
	for i, probes := key*golden>>51, 0; probes < maxProbes; i, probes = (i+1)%siteSlots, probes+1 {
		at := s.slots[i].Load()
		if at == nil {
			if s.known.Load() >= MaxSites {
				break
			}
			at = &Site{key: key, code: code(key)}
			if !s.slots[i].CompareAndSwap(nil, at) {
				at = s.slots[i].Load()
			} else {
				// Goroutines that insert at the same moment may go over the limit by their number.
				s.known.Add(1)
			}
		}
		if at.key == key {
			return at, at.code
		}
	}
	return &s.others, code(key)
}

// CodeOf is file:line of a program counter, the file's last two path elements; "" when it is none.
func CodeOf(pc uint64) string {
	if pc == 0 || pc>>63 != 0 {
		return ""
	}
	frame, _ := runtime.CallersFrames([]uintptr{uintptr(pc)}).Next()
	if frame.File == "" {
		return ""
	}
	return ShortFile(frame.File) + ":" + strconv.Itoa(frame.Line)
}

// ShortFile is the last two elements of a path.
func ShortFile(path string) string {
	if last := strings.LastIndexByte(path, '/'); last >= 0 {
		if before := strings.LastIndexByte(path[:last], '/'); before >= 0 {
			return path[before+1:]
		}
	}
	return path
}

// Admit says whether a line of the site may be written when perSecond are. When a window has ended in which lines were not, more is what
// is to be written first; its Count is zero otherwise.
func (s *Site) Admit(time int64, level Level, message, code string, perSecond int) (more More, ok bool) {
	if level >= Error {
		perSecond = max(perSecond, ErrorLines)
	}
	second := floorSecond(time)
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.begun || second > s.second || second < s.second-clockBack {
		more = s.take()
		s.begun, s.second, s.written = true, second, 0
	}
	if s.written < perSecond {
		s.written++
		return more, true
	}
	s.rest.Count++
	s.rest.Level, s.rest.Code = level, code
	// A little over the limit, so that the line still sees that there was more. Copied, because a message that was cut from something
	// large would keep all of that.
	s.message = append(s.message[:0], wire.Clip(message, MaxMessage+len(cutMark)+1)...)
	return more, false
}

// take ends the count of what was not written.
func (s *Site) take() (more More) {
	if s.rest.Count != 0 {
		more = s.rest
		more.Message = string(s.message)
		more.Time = (s.second + 1) * 1e9
		s.rest = More{}
	}
	return more
}

// Due hands out what is to be written for windows that ended before now; for all windows when now is math.MaxInt64.
func (s *Sites) Due(now int64, emit func(More)) {
	due := func(site *Site) {
		site.mu.Lock()
		var more More
		if site.rest.Count != 0 && (now == math.MaxInt64 || floorSecond(now) > site.second) {
			more = site.take()
		}
		site.mu.Unlock()
		if more.Count != 0 {
			emit(more)
		}
	}
	due(&s.others)
	if s.known.Load() == 0 {
		return
	}
	for i := range s.slots {
		if site := s.slots[i].Load(); site != nil {
			due(site)
		}
	}
}

func floorSecond(unixNano int64) int64 {
	second := unixNano / 1e9
	if unixNano%1e9 < 0 {
		second--
	}
	return second
}
