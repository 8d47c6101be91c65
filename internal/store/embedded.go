package store

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/clew-dev/clew/internal/segment"
	"github.com/clew-dev/clew/internal/telemetry"
	"github.com/clew-dev/clew/internal/wal"
)

// Retention says how long rows of a tenant stay, by the time of receipt. Zero means no bound.
type Retention struct {
	Age       time.Duration
	DiskBytes int64
}

// Options configure the embedded engine. Dir and OpenLog are needed; every other
// field has a default.
type Options struct {
	Dir string // the data folder; segments, manifest and spill files live below it
	FS  wal.FS // default wal.OS
	// OpenLog opens the log whose records the store replays. No record may get a
	// position below notBefore: the manifest has consumed those.
	OpenLog   func(notBefore wal.Position) (*wal.Log, error)
	Logger    *slog.Logger
	Now       func() time.Time
	Retention func(tenant string) Retention // default: nothing expires

	FreshBytes   int64         // memory of fresh rows at which they are flushed; default 64 MiB
	FreshAge     time.Duration // age of the oldest fresh row at which they are flushed; default 15 min
	ClockSkew    time.Duration // a start further from its receipt counts as received then when a partition is chosen; default 24 h
	DiskBudget   int64         // bytes of the whole folder, log included; 0: none
	LogBytes     int64         // what the log may hold; at half of it a flush is due; default 1 GiB
	DiskReserve  int64         // free space of the file system below which nothing is admitted; default 256 MiB
	QueryMemory  int64         // DuckDB's memory_limit; default 160 MiB
	QueryThreads int           // that work at one query; default: GOMAXPROCS
	Widen        func(bool)    // called when threads of a low priority get work, and with false when they have had none for a while
	QuerySlots   int           // queries at once; default 4
	QueryTimeout time.Duration // default 30 s
	MaxSeries    int           // of a metrics answer; default 1,000
	TraceSpans   int           // of a trace that an answer gives or looks at as a whole; default 1,000,000
	Tenants      int           // with something stored, at once; default 1,000
	TraceMemory  int64         // of the long traces that are being answered, together; default 128 MiB
	CacheBytes   int64         // decoded dictionaries and pages kept for look-ups; default 32 MiB
}

func (o *Options) setDefaults() {
	if o.FS == nil {
		o.FS = wal.OS
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Retention == nil {
		o.Retention = func(string) Retention { return Retention{} }
	}
	def := func(v *int64, d int64) {
		if *v == 0 {
			*v = d
		}
	}
	def(&o.FreshBytes, 64<<20)
	def((*int64)(&o.FreshAge), int64(15*time.Minute))
	def((*int64)(&o.ClockSkew), int64(24*time.Hour))
	def(&o.DiskReserve, 256<<20)
	def(&o.LogBytes, 1<<30)
	def(&o.QueryMemory, 160<<20)
	def((*int64)(&o.QueryTimeout), int64(30*time.Second))
	def(&o.TraceMemory, 128<<20)
	def(&o.CacheBytes, 32<<20)
	if o.QueryThreads == 0 {
		o.QueryThreads = runtime.GOMAXPROCS(0)
	}
	if o.QuerySlots == 0 {
		o.QuerySlots = 4
	}
	if o.MaxSeries == 0 {
		o.MaxSeries = 1000
	}
	if o.Tenants == 0 {
		o.Tenants = 1000
	}
	if o.TraceSpans == 0 {
		o.TraceSpans = 1_000_000
	}
}

// Embedded is the Store of one machine. See the package comment.
type Embedded struct {
	o     Options
	log   *wal.Log
	cache *segment.Cache
	duck  *duck

	commitMu sync.Mutex // one record of the manifest at a time; taken before mu
	mu       sync.Mutex // guards tenants, their segments, and handle refs; held for moments only, taken after tenant.mu
	tenants  map[string]*tenant
	manifest *manifest
	damaged  string                 // why every answer is partial, or empty
	lastEnd  wal.Position           // end of the last record seen
	writes   atomic.Pointer[Writes] // nil: appends come one by one
	maxSeq   int64
	ready    bool
	readOnly string // why, or empty

	flushMu      sync.Mutex // one flush at a time
	mergeMu      sync.Mutex // one merge at a time
	flushing     int
	flushFailed  bool         // the last flush: its rows are still in flushingGen
	failedCursor wal.Position // of that flush
	merging      int
	idSeq        uint64
	counters     counters
	long         longTraces
	traceRoom    traceRoom
	turns        *turns

	fresh, behind atomic.Int64 // bytes in memory of all tenants that no flush has taken, and that one is writing
	free          atomic.Int64 // of the file system, as of the last look

	wakeFlush, wakeMerge chan struct{} // ask a background loop to look at once

	stop   context.CancelFunc
	ctx    context.Context
	loops  sync.WaitGroup
	closed bool
}

// tenant is one tenant's rows.
type tenant struct {
	name     string
	segments []*handle // by id; guarded by Embedded.mu
	users    int       // appends and questions under way; guarded by Embedded.mu
	expired  int64     // segments that retention removed; guarded by Embedded.mu

	mu          sync.Mutex
	active      *generation
	flushing    []*telemetry.Batch // snapshot of the generation that is being written
	flushingGen *generation
	recent      atomic.Pointer[[]*recentIDs] // of flushed generations, oldest first; another list after each flush
	tails       map[*tail]struct{}
}

// Open reads the manifest, removes what no manifest record names, opens every
// segment and replays the log after the cursor. It returns when every
// acknowledged span is visible again.
func Open(ctx context.Context, o Options) (*Embedded, error) {
	e, err := recoverFolder(ctx, o)
	if err != nil {
		return nil, err
	}
	if e.duck, err = openDuck(duckOptions{
		Dir: e.o.Dir, MemoryBytes: e.o.QueryMemory, Threads: e.o.QueryThreads, Slots: e.o.QuerySlots, Timeout: e.o.QueryTimeout, Wide: e.turns.wide,
	}); err != nil {
		e.abandon()
		return nil, fmt.Errorf("open store: %w", err)
	}
	e.mu.Lock()
	e.ready = true
	e.mu.Unlock()
	e.background()
	return e, nil
}

// recoverFolder gives an engine that holds all that the folder does, and does
// nothing by itself yet.
func recoverFolder(ctx context.Context, o Options) (_ *Embedded, err error) {
	o.setDefaults()
	e := &Embedded{o: o, tenants: map[string]*tenant{}, wakeFlush: make(chan struct{}, 1), wakeMerge: make(chan struct{}, 1), cache: segment.NewCache(o.CacheBytes), traceRoom: traceRoom{max: o.TraceMemory}}
	e.counters.init()
	e.ctx, e.stop = context.WithCancel(context.Background())
	e.turns = newTurns(o.QueryThreads, e.waiting, e.ctx.Done())
	e.turns.wide = &wideness{set: o.Widen, began: time.Now()}
	defer func() {
		if err != nil {
			e.abandon()
		}
	}()
	if err := o.FS.MkdirAll(filepath.Join(o.Dir, "segments"), 0o755); err != nil {
		return nil, fmt.Errorf("open store: %w", err)
	}
	if err := o.FS.SyncDir(o.Dir); err != nil {
		return nil, fmt.Errorf("open store: %w", err)
	}
	if e.manifest, err = openManifest(o.FS, filepath.Join(o.Dir, "manifest")); err != nil {
		return nil, fmt.Errorf("open store: %w", err)
	}
	e.maxSeq = e.manifest.seq
	e.idSeq = e.manifest.nextID
	e.counters.add("manifest_bytes_torn", e.manifest.recovered.Damage.TornBytes)
	if err := e.openSegments(); err != nil {
		return nil, fmt.Errorf("open store: %w", err)
	}
	if e.log, err = o.OpenLog(e.manifest.cursor); err != nil {
		return nil, err
	}
	if err := e.tidy(); err != nil {
		return nil, fmt.Errorf("open store: %w", err)
	}
	e.noteFree()
	if err := e.replay(ctx); err != nil {
		return nil, fmt.Errorf("open store: %w", err)
	}
	e.truncateLog(e.manifest.cursor) // a process that ended between its commit and this
	return e, nil
}

// abandon gives back what a failed Open has taken.
func (e *Embedded) abandon() {
	e.stop()
	e.duck.Close()
	if e.log != nil {
		e.log.Close()
	}
	if e.manifest != nil {
		e.manifest.journal.Close()
	}
}

// openSegments opens what the manifest names. A segment that cannot be opened is
// quarantined: it stays on disk, answers say that they are partial.
func (e *Embedded) openSegments() error {
	for _, id := range slices.Sorted(maps.Keys(e.manifest.segments)) {
		a := e.manifest.segments[id]
		h, err := e.openHandle(a)
		if err != nil {
			e.quarantine(h, err)
		}
		t, err := e.tenantLocked(a.Tenant)
		if err != nil {
			return err
		}
		t.segments = append(t.segments, h)
	}
	return nil
}

// openHandle opens the files of an entry of the manifest. With an error the
// handle has no files.
func (e *Embedded) openHandle(a added) (*handle, error) {
	dir := filepath.Join(e.o.Dir, a.folder())
	h := &handle{added: a, meta: &segment.Meta{}}
	meta, err := readMeta(e.o.FS, dir, &a)
	if err != nil {
		return h, err
	}
	h.meta = meta
	h.seg, err = segment.Open(e.o.FS, dir, meta, segment.Options{Cache: e.cache})
	return h, err
}

// size is what the segment takes on disk.
func (h *handle) size() int64 { return h.meta.Bytes + int64(h.MetaBytes) }

// quarantine takes a segment out of every later view and says so once.
func (e *Embedded) quarantine(h *handle, cause error) {
	reason := cause.Error()
	if h.broken.CompareAndSwap(nil, &reason) {
		e.counters.add("segments_quarantined", 1)
		e.o.Logger.Error("segment quarantined", "segment", h.folder(), "err", cause)
	}
}

// unreadable deals with an error of reading a segment and says why an answer is
// partial. Damage takes the segment out of every later view; what may pass, as
// too many open files does, only leaves it out of this answer.
func (e *Embedded) unreadable(h *handle, cause error) string {
	var kinded *telemetry.Error
	if errors.Is(cause, os.ErrNotExist) || (errors.As(cause, &kinded) && kinded.Kind == telemetry.KindInternal) {
		e.quarantine(h, cause)
		return h.why()
	}
	e.counters.add("read_errors", 1)
	e.o.Logger.Warn("segment not read", "segment", h.folder(), "err", cause)
	return "segment " + h.folder() + " could not be read this time: " + cause.Error()
}

// removeFolder removes a folder of plain files. What is gone already is no error.
func removeFolder(fs wal.FS, dir string) error {
	files, err := fs.ReadDir(dir)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	for _, f := range files {
		if err := fs.Remove(filepath.Join(dir, f.Name())); err != nil && !errors.Is(err, os.ErrNotExist) {
			return err
		}
	}
	if err := fs.Remove(dir); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return nil
}

func (h *handle) close() {
	if h.seg != nil {
		h.seg.Close()
	}
}

// discard closes a dead segment and removes its files. A failure leaves garbage
// that the next start sweeps.
func (e *Embedded) discard(h *handle) {
	h.close()
	if err := removeFolder(e.o.FS, filepath.Join(e.o.Dir, h.folder())); err != nil {
		e.o.Logger.Warn("dead segment not removed", "segment", h.folder(), "err", err)
	}
}

// replay makes the records after the cursor visible again.
func (e *Embedded) replay(ctx context.Context) error {
	from := max(e.manifest.cursor, e.log.Start())
	e.lastEnd = from
	r, err := e.log.Reader(from)
	if err != nil {
		return err
	}
	defer r.Close()
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		start, end, record, err := r.Next()
		if errors.Is(err, io.EOF) {
			lost := e.log.Recovery().Damage
			e.counters.add("log_bytes_torn", lost.TornBytes)
			d := r.Damage()
			if n := lost.CorruptBytes + lost.MissingBytes + d.CorruptBytes + d.MissingBytes; n > 0 {
				e.counters.add("log_bytes_lost", n)
				e.damaged = cmp.Or(e.damaged, fmt.Sprintf("the log lost %d bytes to damage of the disk: spans that were acknowledged in them are gone", n))
			}
			return nil
		}
		if err != nil {
			return fmt.Errorf("replay the log: %w", err)
		}
		b, seq, err := telemetry.DecodeRecord(record)
		if err != nil {
			// The checksum was right, so another program wrote it, or this one is
			// broken: stopping is the only way not to lose what was acknowledged.
			return fmt.Errorf("replay the log at position %d: %w: start the clew that wrote it, or move the log folder away to start without its unflushed spans", start, err)
		}
		if err := e.Append(b, seq, start, end); err != nil {
			return fmt.Errorf("replay the log at position %d: %w", start, err)
		}
		if e.fresh.Load() > e.o.FreshBytes {
			if err := e.flush(ctx); err != nil {
				return err
			}
		}
	}
}

// admitTenantLocked is tenantLocked within the limit of tenants; a header can name any.
func (e *Embedded) admitTenantLocked(name string) (*tenant, error) {
	if e.tenants[name] == nil && len(e.tenants) >= e.o.Tenants && tenantPattern.MatchString(name) {
		return nil, telemetry.Errorf(telemetry.KindExhausted,
			"tenant %q would be number %d, the limit is %d: send under the name of one that is there, or wait until all that one of them has stored has expired",
			name, len(e.tenants)+1, e.o.Tenants)
	}
	return e.tenantLocked(name)
}

// tenantLocked gives the tenant, made on first use, also beyond the limit: what is
// logged has to be stored, and of its tenant the slot may have gone to another. e.mu
// MUST be held, or nobody else know e yet.
func (e *Embedded) tenantLocked(name string) (*tenant, error) {
	if t := e.tenants[name]; t != nil {
		return t, nil
	}
	if !tenantPattern.MatchString(name) {
		return nil, telemetry.Errorf(telemetry.KindInvalid, "tenant %q: write 1 to 64 letters, digits, _ or -", name)
	}
	t := &tenant{name: name, active: &generation{}, tails: map[*tail]struct{}{}, expired: e.manifest.expired[name]}
	t.recent.Store(new([]*recentIDs))
	e.tenants[name] = t
	return t, nil
}

// forgetTenants frees the slots of tenants that have nothing: all has expired, or what
// was admitted never came. Whoever reads or writes a tenant without e.mu is counted in it.
func (e *Embedded) forgetTenants() {
	for _, t := range e.listTenants() {
		t.mu.Lock()
		e.mu.Lock()
		if t.users == 0 && len(t.segments) == 0 && t.active.rows == 0 && t.flushingGen == nil && len(t.tails) == 0 {
			delete(e.tenants, t.name)
		}
		e.mu.Unlock()
		t.mu.Unlock()
	}
}

// listTenants gives the tenants of this moment, by name.
func (e *Embedded) listTenants() []*tenant {
	e.mu.Lock()
	defer e.mu.Unlock()
	list := make([]*tenant, 0, len(e.tenants))
	for _, name := range sortedKeys(e.tenants) {
		list = append(list, e.tenants[name])
	}
	return list
}

// use finds a tenant, nil when it has nothing, and keeps its slot until leave.
func (e *Embedded) use(name string) *tenant {
	e.mu.Lock()
	defer e.mu.Unlock()
	t := e.tenants[name]
	if t != nil {
		t.users++
	}
	return t
}

func (e *Embedded) leave(t *tenant) {
	e.mu.Lock()
	t.users--
	e.mu.Unlock()
}

// Log is the log that the store reads; requests are appended to it.
func (e *Embedded) Log() *wal.Log { return e.log }

// Close flushes what is fresh, ends every background task and closes the files,
// the log last.
func (e *Embedded) Close() error {
	e.mu.Lock()
	if e.closed {
		e.mu.Unlock()
		return nil
	}
	e.closed = true
	e.mu.Unlock()
	e.stop()
	e.loops.Wait()
	err := e.flush(context.Background())
	e.mergeMu.Lock()
	defer e.mergeMu.Unlock()
	e.duck.Close()
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, t := range e.tenants {
		for _, h := range t.segments {
			h.close()
		}
	}
	return errors.Join(err, e.manifest.journal.Close(), e.log.Close())
}

// Writes is what several goroutines are appending.
type Writes interface {
	// Watermark tells how far everything is: no record before end and no batch at or
	// below seq is still on its way.
	Watermark() (seq int64, end wal.Position)
	// Waiting is how long the write has been under way that came first; 0: there is none.
	Waiting() time.Duration
}

// Follow tells the store what is being appended. Until it is called, as during replay,
// appends come one by one.
func (e *Embedded) Follow(w Writes) {
	e.writes.Store(&w)
}

// watermark is that of the writes. e.mu MUST be held.
func (e *Embedded) watermark() (seq int64, end wal.Position) {
	if w := e.writes.Load(); w != nil {
		return (*w).Watermark()
	}
	return e.maxSeq, e.lastEnd
}

func (e *Embedded) waiting() time.Duration {
	if w := e.writes.Load(); w != nil {
		return (*w).Waiting()
	}
	return 0
}

// LastSeq is the largest seq that the store has seen, replay included.
func (e *Embedded) LastSeq() int64 {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.maxSeq
}
