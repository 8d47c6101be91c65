package export

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"math"
	mathrand "math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"github.com/clew-dev/clew/kit/go/internal/self"
)

// sender makes one attempt. It must return soon after ctx is done. The body starts
// with frameBytes that are the sender's to use.
type sender interface {
	send(ctx context.Context, body []byte, gzipped bool, key string) answer
	close()
}

// worker is the goroutine of one signal, with all that it owns.
type worker struct {
	signal   Signal
	target   Target
	counters *self.SignalCounters
	queue    *queue
	scopes   *scopes
	sender   sender
	problem  func(string)
	note     func(string)
	started  time.Time
	tick     atomic.Pointer[tick]

	// refuse is the reason as which add counts records without taking them, or
	// accepting.
	refuse atomic.Int32
	// handRecords and handBytes are the batch in hand. Whoever swaps them to zero
	// counts it: the worker, or a Stop that could not wait for it.
	handRecords, handBytes atomic.Int64

	flushMu sync.Mutex
	waiting chan struct{} // closed when the flush that was asked for is done; nil: none
	over    bool          // nobody will close waiting any more
	flush   chan struct{}

	ctx      context.Context // of attempts: ends when Stop's time is over
	cancel   context.CancelFunc
	stopAt   time.Duration // written before stopping is closed
	stopping chan struct{}
	ended    chan struct{}
	// lostRecords and lostBytes were lost before Stop.
	lostRecords, lostBytes int64

	// Only the goroutine uses what follows.
	pacer    pacer
	encoder  encoder
	packer   packer
	blocks   []*block
	panics   int
	restEnds time.Duration
	ticked   time.Duration // when tick was last called
	began    time.Duration // when the delay of what is in the queue began
	sealed   time.Duration // when a turn last sent all that there was, and that was something
	told     time.Duration // when problem was last called
	unserved bool          // and whether it was told that the signal is not served
	flushing chan struct{} // the waiter of the flush under way
	last     bool          // the last turn has begun
	hopeless bool          // stopping, and the collector does not answer
}

// tick is what a worker calls once in every.
type tick struct {
	every time.Duration
	call  func(all bool)
}

const accepting = -1

func newWorker(signal Signal, config Config, scopes *scopes) *worker {
	counters := &config.Counters.Signal[signal]
	target := config.Signals[signal]
	w := &worker{
		signal: signal, target: target, counters: counters, scopes: scopes,
		queue:   newQueue(config.QueueBytes, target.BatchRecords, counters, shardsFor(signal)),
		problem: config.Problem, note: config.Note, started: time.Now(), told: -time.Hour, sealed: -time.Hour,
		flush: make(chan struct{}, 1), stopping: make(chan struct{}), ended: make(chan struct{}),
		encoder: newEncoder(config.Resource, config.SchemaURL),
		packer:  packer{on: target.compresses()},
	}
	w.refuse.Store(accepting)
	w.ctx, w.cancel = context.WithCancel(context.Background())
	if config.transport != nil {
		w.sender = config.transport(signal)
	} else {
		w.sender = newSender(signal, target)
	}
	go w.supervise()
	return w
}

func (w *worker) now() time.Duration { return time.Since(w.started) }

func (w *worker) add(scope uint32, record []byte) {
	if reason := w.refuse.Load(); reason != accepting {
		w.counters.Drop(self.Reason(reason), 1, int64(len(record)))
		return
	}
	w.queue.add(scope, record)
}

// supervise keeps run running until Stop. A panic is ours or a tick's; the program
// must live on and the signal get another chance.
func (w *worker) supervise() {
	defer close(w.ended)
	defer w.sender.close()
	for !w.survive() {
		w.panics++
		w.drop(self.WorkerPanic)
		w.endFlush()
		if w.last {
			break
		}
		wait := time.Minute
		switch w.panics {
		case 1:
			wait = 100 * time.Millisecond
		case 2:
			wait = time.Second
		default:
			w.refuse.Store(int32(self.WorkerPanic))
		}
		timer := time.NewTimer(wait)
		select {
		case <-timer.C:
		case <-w.stopping:
			timer.Stop()
		}
		w.refuse.CompareAndSwap(int32(self.WorkerPanic), accepting)
	}
	w.queue.seal(true)
	w.queue.discard(self.Stopped)
	w.flushMu.Lock()
	w.over = true
	w.flushMu.Unlock()
	w.beginFlush()
	w.endFlush()
}

// survive runs the worker and says whether it ended by itself.
func (w *worker) survive() (ended bool) {
	defer func() {
		if cause := recover(); cause != nil {
			w.tell(fmt.Sprintf("export %s: the worker panicked: %v", w.signal, cause))
		}
	}()
	w.run()
	return true
}

func (w *worker) run() {
	for {
		all := w.wait()
		w.last = w.isStopping()
		w.turn(all || w.last, w.last)
		if w.last {
			return
		}
	}
}

// wait returns when a batch is full or the first record is there (false), or when the
// next tick or batch is due or everything shall be sent (true).
func (w *worker) wait() (all bool) {
	rests := w.restEnds == 0 && w.queue.rest()
	due := w.tickDue()
	if !rests {
		due = min(due, w.batchDue())
	}
	var expired <-chan time.Time
	if due < never {
		timer := time.NewTimer(due - w.now())
		defer timer.Stop()
		expired = timer.C
	}
	select {
	case <-w.queue.wake:
		if rests {
			w.began = w.now()
		}
		return false
	case <-w.stopping:
	case <-w.flush:
	case <-expired:
	}
	return true
}

const never = time.Duration(math.MaxInt64)

// batchDue is when what is in the queue is to go out, full or not.
func (w *worker) batchDue() time.Duration {
	return max(w.began+w.target.Delay, w.sealed+w.target.Steady)
}

// tickDue is when the tick is to be called next.
func (w *worker) tickDue() time.Duration {
	if tick := w.tick.Load(); tick != nil {
		return w.ticked + tick.every
	}
	return never
}

// turn sends what there is: all of it, or only full batches.
func (w *worker) turn(all, last bool) {
	flushing := w.beginFlush()
	all = all && w.now() >= w.batchDue() || flushing || last
	if flushing || last || w.now() >= w.tickDue() {
		w.callTick(flushing || last)
	}
	if all {
		w.began = w.now()
		if w.queue.seal(last) {
			w.sealed = w.began
		}
	}
	for w.sendOne(all) {
	}
	w.endFlush()
}

// sendOne takes a batch from the queue and keeps it until it is sent or lost. It
// says whether there may be another.
func (w *worker) sendOne(all bool) bool {
	if w.restEnds != 0 {
		if w.now() < w.restEnds {
			w.queue.seal(false)
			w.queue.discard(self.NotServed)
			return false
		}
		w.restEnds = 0
		w.refuse.CompareAndSwap(int32(self.NotServed), accepting)
	}
	if w.hopeless || w.queue.empty() {
		return false
	}
	// While the breaker is open, records stay in the queue, where the oldest give way.
	w.pacer.begin(w.now())
	if !w.reach() {
		return false
	}
	w.blocks = w.queue.take(w.blocks[:0], all)
	if len(w.blocks) == 0 {
		return false
	}
	var records, size int64
	for _, b := range w.blocks {
		records += int64(b.records)
		size += int64(b.payload())
	}
	w.handRecords.Store(records)
	w.handBytes.Store(size)
	body, gzipped := w.packer.pack(w.encoder.encode(w.blocks, w.scopes.all()))
	w.queue.giveBack(w.blocks)
	w.pacer.begin(w.now())
	return w.deliver(body, gzipped)
}

// deliver makes the attempts for the batch in hand.
func (w *worker) deliver(body []byte, gzipped bool) bool {
	key := newKey()
	for {
		if !w.reach() {
			w.drop(self.Stopped)
			return false
		}
		a := w.attempt(body, gzipped, key)
		verdict := w.pacer.finish(w.now(), a, mathrand.Float64())
		w.counters.Breaker.Store(w.pacer.breaker())
		// One failed attempt is nobody's concern.
		if a.outcome == notServed {
			w.tellUnserved(a.text)
		} else if verdict == dropped || verdict == giveUp || w.pacer.openFor > 0 {
			w.tell(fmt.Sprintf("export %s to %s: %s", w.signal, redactURL(w.target.URL), a.text))
		}
		switch verdict {
		case done:
			w.panics, w.unserved = 0, false
			records, size := w.handRecords.Swap(0), w.handBytes.Swap(0)
			rejected := min(max(a.rejected, 0), records)
			w.counters.Exported.Add(records - rejected)
			if rejected > 0 {
				w.counters.Drop(self.PartialSuccess, rejected, size*rejected/records)
				w.tell(fmt.Sprintf("export %s to %s: %d records were not taken: %s",
					w.signal, redactURL(w.target.URL), rejected, a.text))
			}
			return true
		case dropped:
			switch a.outcome {
			case tooLarge:
				w.drop(self.TooLarge)
			case notServed:
				w.drop(self.NotServed)
				w.restEnds = w.now() + restFor
				w.refuse.CompareAndSwap(accepting, int32(self.NotServed))
			default:
				w.drop(self.Refused)
			}
			return true
		case giveUp:
			if w.ctx.Err() != nil {
				w.drop(self.Stopped)
			} else {
				w.drop(self.Unreachable)
			}
			w.hopeless = w.isStopping()
			return !w.hopeless
		case again:
			if w.isStopping() && (w.pacer.openFor > 0 || w.ctx.Err() != nil) {
				w.hopeless = true
				w.drop(self.Stopped)
				return false
			}
		}
	}
}

func (w *worker) attempt(body []byte, gzipped bool, key string) answer {
	began := w.now()
	ctx, cancel := context.WithTimeout(w.ctx, w.pacer.start(began, w.target.Timeout))
	defer cancel()
	w.counters.Breaker.Store(w.pacer.breaker())
	w.counters.Inflight.Store(w.handRecords.Load())
	defer w.counters.Inflight.Store(0)
	a := w.sender.send(ctx, body, gzipped, key)
	w.counters.Durations.Record(a.word, w.now()-began)
	return a
}

// reach waits until the pacer lets an attempt start; ticks go on meanwhile. It is
// false when Stop's time is over before that.
func (w *worker) reach() bool {
	for {
		now := w.now()
		if w.isStopping() {
			w.pacer.hurry(now)
			if w.pacer.ready >= w.stopAt || w.ctx.Err() != nil {
				w.hopeless = true
				return false
			}
		}
		if now >= w.pacer.ready {
			return true
		}
		timer := time.NewTimer(min(w.pacer.ready, max(now, w.tickDue())) - now)
		stopping := w.stopping
		if w.isStopping() {
			stopping = nil
		}
		select {
		case <-timer.C:
		case <-stopping:
		case <-w.ctx.Done():
		}
		timer.Stop()
		if w.now() >= w.tickDue() {
			w.callTick(false)
		}
	}
}

func (w *worker) isStopping() bool {
	select {
	case <-w.stopping:
		return true
	default:
		return false
	}
}

func (w *worker) callTick(all bool) {
	w.ticked = w.now()
	if tick := w.tick.Load(); tick != nil {
		tick.call(all)
	}
}

// drop counts the batch in hand as lost.
func (w *worker) drop(reason self.Reason) {
	w.counters.Drop(reason, w.handRecords.Swap(0), w.handBytes.Swap(0))
}

// tell passes on a problem, at most once a minute. Whoever is told must not end the
// worker.
func (w *worker) tell(line string) {
	defer func() { _ = recover() }()
	if now := w.now(); now-w.told >= time.Minute {
		w.told = now
		w.problem(line)
	}
}

// tellUnserved passes on, once until a batch is delivered, that the collector does
// not take the signal: of traces a problem, while many, Clew among them, take nothing
// but traces.
func (w *worker) tellUnserved(text string) {
	if w.unserved {
		return
	}
	w.unserved = true
	defer func() { _ = recover() }()
	tell := w.note
	if w.signal == self.Traces {
		tell = w.problem
	}
	tell(fmt.Sprintf("export %s to %s: %s", w.signal, redactURL(w.target.URL), text))
}

// requestFlush gives a channel that is closed when all that is in the queue now
// was sent or lost.
func (w *worker) requestFlush() <-chan struct{} {
	w.flushMu.Lock()
	defer w.flushMu.Unlock()
	if w.over {
		return nil
	}
	if w.waiting == nil {
		w.waiting = make(chan struct{})
	}
	select {
	case w.flush <- struct{}{}:
	default:
	}
	return w.waiting
}

func (w *worker) beginFlush() bool {
	w.flushMu.Lock()
	defer w.flushMu.Unlock()
	w.flushing, w.waiting = w.waiting, nil
	return w.flushing != nil
}

func (w *worker) endFlush() {
	if w.flushing != nil {
		close(w.flushing)
		w.flushing = nil
	}
}

// beginStop tells the worker to come to its end before ctx is done.
func (w *worker) beginStop(ctx context.Context) {
	w.lostRecords, w.lostBytes = w.lost()
	deadline, _ := ctx.Deadline()
	w.stopAt = deadline.Sub(w.started)
	context.AfterFunc(ctx, w.cancel)
	close(w.stopping)
}

// awaitStop waits for the worker until ctx is done and a grace after that, counts
// what it left, and gives what was lost since beginStop.
func (w *worker) awaitStop(ctx context.Context, grace time.Duration) (records, bytes int64) {
	select {
	case <-w.ended:
	case <-ctx.Done():
		w.cancel()
		timer := time.NewTimer(grace)
		select {
		case <-w.ended:
		case <-timer.C:
		}
		timer.Stop()
	}
	w.refuse.Store(int32(self.Stopped))
	w.queue.seal(true)
	w.queue.discard(self.Stopped)
	w.drop(self.Stopped)
	w.cancel()
	records, bytes = w.lost()
	return records - w.lostRecords, bytes - w.lostBytes
}

// lost is what should have arrived and did not. Metrics and logs that the collector
// does not take at all are counted too, but are no loss of Stop's.
func (w *worker) lost() (records, bytes int64) {
	for r := range self.Reasons {
		if r != self.NotServed || w.signal == self.Traces {
			records += w.counters.Dropped[r].Load()
			bytes += w.counters.DroppedSize[r].Load()
		}
	}
	return records, bytes
}

// newKey is an Idempotency-Key: 32 hex digits by chance.
func newKey() string {
	var key [16]byte
	_, _ = rand.Read(key[:]) // documented to never fail
	return hex.EncodeToString(key[:])
}

// packer compresses request bodies. Its buffers are used again.
type packer struct {
	on     bool
	zipper *gzip.Writer
	zipped bytes.Buffer
}

// pack gives body or its gzip form, with frameBytes before it in both cases.
func (p *packer) pack(body []byte) ([]byte, bool) {
	if !p.on || len(body)-frameBytes <= gzipOver {
		return body, false
	}
	p.zipped.Reset()
	p.zipped.Write(body[:frameBytes])
	if p.zipper == nil {
		p.zipper, _ = gzip.NewWriterLevel(&p.zipped, gzip.BestSpeed) // the level is a valid one
	} else {
		p.zipper.Reset(&p.zipped)
	}
	_, _ = p.zipper.Write(body[frameBytes:]) // a bytes.Buffer takes everything
	_ = p.zipper.Close()
	if p.zipped.Len() >= len(body) {
		return body, false
	}
	return p.zipped.Bytes(), true
}
