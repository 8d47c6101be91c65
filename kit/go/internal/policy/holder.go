package policy

import (
	"bytes"
	"sync"
	"sync/atomic"
	"time"
)

// Holder has the snapshot that holds now. Load may be called by any goroutine; the
// other methods take a lock that Load does not.
type Holder struct {
	current atomic.Pointer[Snapshot]
	refused atomic.Uint64
	skipped atomic.Uint64

	mu      sync.Mutex
	own     Document
	live    *Document
	text    []byte // of live
	local   Document
	expires time.Time // of live; zero for never
	stale   bool      // live has expired, all but its redaction
}

// NewHolder starts with the program's own document.
func NewHolder(own Document) *Holder {
	h := &Holder{own: own}
	h.current.Store(Compile(&h.own, nil, nil))
	return h
}

// Load is the snapshot that holds now.
func (h *Holder) Load() *Snapshot { return h.current.Load() }

// Refused is how many documents were refused.
func (h *Holder) Refused() uint64 { return h.refused.Load() }

// Skipped is how many rules and redactions were left out of applied documents.
func (h *Holder) Skipped() uint64 { return h.skipped.Load() }

// Apply reads a document and puts it in the place of the last one. A document that
// is refused is counted, and nothing changes.
func (h *Holder) Apply(document []byte, now time.Time) error {
	d, err := Parse(document)
	if err != nil {
		h.refused.Add(1)
		return err
	}
	h.skipped.Add(uint64(d.Skipped))
	h.mu.Lock()
	defer h.mu.Unlock()
	// The same document again goes on with the seconds of its rates: a new snapshot limits nothing in its first.
	same := h.live != nil && !h.stale && bytes.Equal(document, h.text)
	h.live = d
	h.renew(now)
	if !same {
		h.text = bytes.Clone(document)
		h.swap()
	}
	return nil
}

// Renew says that the live document was confirmed now. One that had expired holds
// again.
func (h *Holder) Renew(now time.Time) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.live == nil {
		return
	}
	wasStale := h.stale
	h.renew(now)
	if wasStale {
		h.swap()
	}
}

func (h *Holder) renew(now time.Time) {
	h.stale, h.expires = false, time.Time{}
	if h.live.TTLSeconds > 0 {
		h.expires = now.Add(time.Duration(h.live.TTLSeconds) * time.Second)
	}
}

// Expire goes back to the program's own document when the live one was not
// confirmed in time. Its redactions stay. It returns when to ask again, zero for
// never.
func (h *Holder) Expire(now time.Time) time.Time {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.expires.IsZero() || now.Before(h.expires) {
		return h.expires
	}
	h.stale, h.expires = true, time.Time{}
	h.swap()
	return time.Time{}
}

// SetLevel sets the level of a component over what every document says.
func (h *Holder) SetLevel(c Component, l Level) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.local.Components[c] = Some(l)
	h.swap()
}

// SetLogLevel sets the log level over what every document says.
func (h *Holder) SetLogLevel(l LogLevel) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.local.LogLevel = Some(l)
	h.swap()
}

// ClearLocal takes back what SetLevel and SetLogLevel have set.
func (h *Holder) ClearLocal() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.local = Document{}
	h.swap()
}

// swap compiles and publishes. The lock is held.
func (h *Holder) swap() {
	live := h.live
	if h.stale {
		live = &Document{Redact: h.live.Redact}
	}
	h.current.Store(Compile(&h.own, live, &h.local))
}
