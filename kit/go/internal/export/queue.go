package export

import (
	"encoding/binary"
	"runtime"
	"sync"
	"unsafe"

	"github.com/clew-dev/clew/kit/go/internal/self"
)

const (
	// blockBytes is the memory that a shard fills before it hands it to the queue,
	// and what is lost at once when the queue is full.
	blockBytes = 64 << 10
	// headerBytes stand before each record in a block: the scope's number and the
	// record's length, four bytes each.
	headerBytes = 8
	// maxFree bounds the empty blocks that are kept for use again.
	maxFree = 8
)

// queue holds the records of one signal, at most limit bytes of memory. Adding
// takes the lock of one shard; once a block it takes the queue's lock too, always
// in this order.
type queue struct {
	counters *self.SignalCounters
	limit    int
	records  int // of a batch
	wake     chan struct{}
	shards   []shard

	mu          sync.Mutex
	resting     bool     // the worker waits for the first record
	full        []*block // oldest first
	free        []*block
	memory      int // capacities of full blocks and of those open in shards
	fullBytes   int
	fullRecords int
}

type shard struct {
	mu     sync.Mutex
	open   *block
	closed bool
	_      [40]byte // shards do not share cache lines
}

// block is a run of records, each behind its header.
type block struct {
	data    []byte
	records int
}

func (b *block) payload() int { return len(b.data) - headerBytes*b.records }

func newQueue(limit, records int, counters *self.SignalCounters, shards int) *queue {
	counters.QueueCapacity.Store(int64(limit))
	return &queue{
		counters: counters, limit: limit, records: records,
		wake: make(chan struct{}, 1), shards: make([]shard, shards),
	}
}

// shardsFor is how many shards keep the cores out of each other's way: a power of
// two between 2 and 8. Metrics have one writer, their collection.
func shardsFor(signal Signal) int {
	if signal == self.Metrics {
		return 1
	}
	n := 2
	for n < 8 && n < runtime.GOMAXPROCS(0) {
		n *= 2
	}
	return n
}

// add copies the record into a shard or counts it as lost.
func (q *queue) add(scope uint32, record []byte) {
	if len(record) > maxBatchBytes {
		q.counters.Drop(self.TooLarge, 1, int64(len(record)))
		return
	}
	s := &q.shards[0]
	if len(q.shards) > 1 {
		s = &q.shards[int(chance(record))&(len(q.shards)-1)]
	}
	s.mu.Lock()
	b := s.open
	if b == nil || b.records >= q.records || len(b.data)+headerBytes+len(record) > cap(b.data) {
		if s.closed {
			s.mu.Unlock()
			q.counters.Drop(self.Stopped, 1, int64(len(record)))
			return
		}
		if b = q.exchange(b, headerBytes+len(record)); b == nil {
			s.open = nil
			s.mu.Unlock()
			q.counters.Drop(self.QueueFull, 1, int64(len(record)))
			return
		}
		s.open = b
	}
	var header [headerBytes]byte
	binary.LittleEndian.PutUint32(header[:4], scope)
	binary.LittleEndian.PutUint32(header[4:], uint32(len(record)))
	b.data = append(b.data, header[:]...)
	b.data = append(b.data, record...)
	b.records++
	s.mu.Unlock()
}

// chance picks a shard by where the record lies. Buffers are pooled by processor, so that each keeps to a shard whose memory it has at hand, and
// a number of the generator is saved.
func chance(record []byte) uint64 {
	return uint64(uintptr(unsafe.Pointer(unsafe.SliceData(record)))>>6) * 0x9e3779b97f4a7c15 >> 61
}

// exchange takes a filled block (or nil) and gives an empty one with room for
// need bytes, or nil when there is no memory left. Older blocks give way.
func (q *queue) exchange(filled *block, need int) *block {
	q.mu.Lock()
	defer q.mu.Unlock()
	if filled != nil {
		q.push(filled)
	}
	size := max(need, blockBytes)
	for q.memory+size > q.limit && len(q.full) > 0 {
		oldest := q.pop()
		q.counters.Drop(self.QueueFull, int64(oldest.records), int64(oldest.payload()))
		q.recycle(oldest)
	}
	if q.memory+size > q.limit {
		return nil
	}
	q.memory += size
	q.counters.QueueSize.Store(int64(q.memory))
	if q.resting {
		q.resting = false
		q.rouse()
	}
	if n := len(q.free); n > 0 && size == blockBytes {
		b := q.free[n-1]
		q.free = q.free[:n-1]
		return b
	}
	return &block{data: make([]byte, 0, size)}
}

func (q *queue) push(b *block) {
	q.full = append(q.full, b)
	q.fullBytes += b.payload()
	q.fullRecords += b.records
	if q.fullBytes >= maxBatchBytes-blockBytes || q.fullRecords >= q.records {
		q.rouse()
	}
}

// rouse makes the worker look at what there is.
func (q *queue) rouse() {
	select {
	case q.wake <- struct{}{}:
	default:
	}
}

// rest says whether there is nothing at all, and if so has the first record rouse the
// worker: a program that makes nothing is not to wake once a second for it.
func (q *queue) rest() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.resting = q.memory == 0
	return q.resting
}

func (q *queue) pop() *block {
	b := q.full[0]
	q.full[0] = nil
	q.full = q.full[1:]
	q.fullBytes -= b.payload()
	q.fullRecords -= b.records
	q.memory -= cap(b.data)
	return b
}

func (q *queue) recycle(b *block) {
	if cap(b.data) == blockBytes && len(q.free) < maxFree {
		b.data, b.records = b.data[:0], 0
		q.free = append(q.free, b)
	}
}

// take moves the oldest blocks that make one batch to the caller. Unless all is
// true it does so only when they fill a batch.
func (q *queue) take(into []*block, all bool) []*block {
	q.mu.Lock()
	defer q.mu.Unlock()
	if !all && q.fullBytes < maxBatchBytes-blockBytes && q.fullRecords < q.records {
		return into
	}
	bytes, records := 0, 0
	for len(q.full) > 0 {
		next := q.full[0]
		if len(into) > 0 && (bytes+next.payload() > maxBatchBytes || records+next.records > q.records) {
			break
		}
		bytes += next.payload()
		records += next.records
		into = append(into, q.pop())
	}
	q.counters.QueueSize.Store(int64(q.memory))
	return into
}

func (q *queue) empty() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return len(q.full) == 0
}

// giveBack returns the memory of taken blocks.
func (q *queue) giveBack(blocks []*block) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for i, b := range blocks {
		q.recycle(b)
		blocks[i] = nil
	}
}

// seal moves what the shards hold to the queue and says whether that was anything.
// With closing, the shards take nothing any more: what comes is lost as stopped.
func (q *queue) seal(closing bool) (any bool) {
	for i := range q.shards {
		s := &q.shards[i]
		s.mu.Lock()
		b := s.open
		s.open = nil
		s.closed = s.closed || closing
		if b != nil {
			q.mu.Lock()
			q.push(b)
			q.mu.Unlock()
			any = true
		}
		s.mu.Unlock()
	}
	return any
}

// discard counts everything in the queue as lost.
func (q *queue) discard(reason self.Reason) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for len(q.full) > 0 {
		b := q.pop()
		q.counters.Drop(reason, int64(b.records), int64(b.payload()))
		q.recycle(b)
	}
	q.counters.QueueSize.Store(int64(q.memory))
}
