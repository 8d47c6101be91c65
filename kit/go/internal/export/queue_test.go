package export

import (
	"testing"

	"github.com/clew-dev/clew/kit/go/internal/self"
)

func TestQueueHoldsItsBytesAndNoMore(t *testing.T) {
	const blocks = 8
	var counters self.SignalCounters
	q := newQueue(blocks*blockBytes, defaultBatchRecords, &counters, 2)
	one := make([]byte, 1000)
	const perBlock = blockBytes / (1000 + headerBytes)
	// One shard after the other, so that the count is exact.
	fill := func(n int) {
		for range n {
			q.add(0, one)
		}
	}
	q.shards = q.shards[:1]
	fill(blocks * perBlock)
	if n, _ := counters.Lost(); n != 0 || counters.QueueSize.Load() != blocks*blockBytes {
		t.Fatalf("lost %d with %d bytes in the queue", n, counters.QueueSize.Load())
	}
	fill(1)
	if n := counters.Dropped[self.QueueFull].Load(); n != perBlock {
		t.Fatalf("lost %d, want the oldest block of %d", n, perBlock)
	}
	if size := counters.DroppedSize[self.QueueFull].Load(); size != perBlock*1000 {
		t.Fatalf("lost %d bytes, want %d", size, perBlock*1000)
	}
	fill(20 * blocks * perBlock)
	if size := counters.QueueSize.Load(); size != blocks*blockBytes {
		t.Fatalf("%d bytes in the queue", size)
	}
	if q.memory != blocks*blockBytes || len(q.full) != blocks-1 {
		t.Fatalf("%d bytes in %d blocks", q.memory, len(q.full))
	}
	q.seal(true)
	q.discard(self.Stopped)
	fill(1)
	lost, _ := counters.Lost()
	if added := int64(blocks*perBlock + 1 + 20*blocks*perBlock + 1); lost != added {
		t.Fatalf("%d of %d are accounted for", lost, added)
	}
	if q.memory != 0 || len(q.free) > maxFree {
		t.Fatalf("%d bytes and %d free blocks are left", q.memory, len(q.free))
	}
}

func TestLargeRecordsHaveBlocksOfTheirOwn(t *testing.T) {
	var counters self.SignalCounters
	q := newQueue(2<<20, defaultBatchRecords, &counters, 1)
	q.add(0, make([]byte, maxBatchBytes+1))
	if n := counters.Dropped[self.TooLarge].Load(); n != 1 {
		t.Fatalf("%d too large, want 1", n)
	}
	q.add(0, make([]byte, maxBatchBytes))
	q.add(0, make([]byte, 10))
	q.seal(false)
	batch := q.take(nil, true)
	if len(batch) != 1 || batch[0].payload() != maxBatchBytes {
		t.Fatalf("a batch of %d blocks", len(batch))
	}
	if batch = q.take(nil, true); len(batch) != 1 || batch[0].payload() != 10 {
		t.Fatalf("a second batch of %d blocks", len(batch))
	}
	tiny := newQueue(100<<10, defaultBatchRecords, &counters, 1)
	tiny.add(0, make([]byte, 10))
	tiny.add(0, make([]byte, 200<<10)) // larger than the queue
	if n := counters.Dropped[self.QueueFull].Load(); n != 2 {
		t.Fatalf("%d lost, want both: the oldest gave way in vain", n)
	}
}

func TestBatchesCloseByBytesAndRecords(t *testing.T) {
	var counters self.SignalCounters
	q := newQueue(defaultQueueBytes, 100, &counters, 1)
	for range 250 {
		q.add(0, make([]byte, 10))
	}
	if got := q.take(nil, false); len(got) != 1 || got[0].records != 100 {
		t.Fatalf("a batch of %d blocks", len(got))
	}
	if got := q.take(nil, false); len(got) != 1 || got[0].records != 100 {
		t.Fatalf("a second batch of %d blocks", len(got))
	}
	if got := q.take(nil, false); len(got) != 0 {
		t.Fatal("a batch that is not full was given")
	}
	q.seal(false)
	if got := q.take(nil, true); len(got) != 1 || got[0].records != 50 {
		t.Fatalf("a last batch of %d blocks", len(got))
	}
	q = newQueue(defaultQueueBytes, defaultBatchRecords, &counters, 1)
	for range 2000 {
		q.add(0, make([]byte, 1000))
	}
	batches, records := 0, 0
	for {
		got := q.take(nil, false)
		if len(got) == 0 {
			break
		}
		batches++
		size := 0
		for _, b := range got {
			size += b.payload()
			records += b.records
		}
		if size > maxBatchBytes || size < maxBatchBytes/2 {
			t.Errorf("a batch of %d bytes", size)
		}
	}
	if batches < 3 || records < 1500 {
		t.Errorf("%d batches with %d records", batches, records)
	}
}

func TestBodiesHaveOneScopeSpansForEachScope(t *testing.T) {
	var s scopes
	s.init()
	db := s.number("db", "1.2", "https://schema")
	if again := s.number("db", "1.2", "https://schema"); again != db || db == 0 {
		t.Fatalf("numbers %d and %d", db, again)
	}
	for i := range maxScopes + 10 {
		s.number("n", string(rune('a'+i)), "")
	}
	if n := s.number("one too many", "", ""); n != 0 || len(s.all()) != maxScopes {
		t.Fatalf("number %d of %d", n, len(s.all()))
	}
	var counters self.SignalCounters
	q := newQueue(defaultQueueBytes, defaultBatchRecords, &counters, 1)
	q.add(db, appendBytes(nil, 2, []byte("first")))
	q.add(0, appendBytes(nil, 2, []byte("second")))
	q.add(db, appendBytes(nil, 2, []byte("third")))
	q.seal(false)
	e := newEncoder([]byte("R"), "s")
	for range 2 { // the buffers are used again
		blocks := q.take(nil, true)
		if len(blocks) == 0 {
			blocks = []*block{{data: nil}}
		} else {
			body := e.encode(blocks, s.all())
			var want []byte
			want = appendBytes(want, 1, []byte("R"))
			want = appendBytes(want, 2, concat(
				appendBytes(nil, 1, concat(appendText(nil, 1, "db"), appendText(nil, 2, "1.2"))),
				appendBytes(nil, 2, []byte("first")), appendBytes(nil, 2, []byte("third")),
				appendText(nil, 3, "https://schema")))
			want = appendBytes(want, 2, concat(
				appendBytes(nil, 1, appendText(nil, 1, "clew")), appendBytes(nil, 2, []byte("second"))))
			want = appendText(want, 3, "s")
			want = appendBytes(nil, 1, want)
			if got := body[frameBytes:]; string(got) != string(want) {
				t.Fatalf("body\n%q, want\n%q", got, want)
			}
			continue
		}
		if got := e.encode(blocks, s.all())[frameBytes:]; string(got) != string(appendBytes(nil, 1, concat(
			appendBytes(nil, 1, []byte("R")), appendText(nil, 3, "s")))) {
			t.Fatalf("an empty body is %q", got)
		}
	}
}

func concat(parts ...[]byte) []byte {
	var all []byte
	for _, p := range parts {
		all = append(all, p...)
	}
	return all
}

func TestAddDoesNotAllocate(t *testing.T) {
	var config Config
	config.transport = func(Signal) sender { return &fakeSender{} }
	e := New(config)
	defer func() { _ = e.Stop(t.Context()) }()
	one := make([]byte, 200)
	if n := testing.AllocsPerRun(10_000, func() { e.Add(self.Traces, 0, one) }); n != 0 {
		t.Errorf("%v allocations, want 0", n)
	}
}

func BenchmarkAdd(b *testing.B) {
	for _, size := range []int{200, 1000} {
		b.Run(map[int]string{200: "200B", 1000: "1000B"}[size], func(b *testing.B) {
			var config Config
			config.transport = func(Signal) sender { return &fakeSender{} }
			e := New(config)
			defer func() { _ = e.Stop(b.Context()) }()
			one := make([]byte, size)
			b.SetBytes(int64(size))
			b.ReportAllocs()
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					e.Add(self.Traces, 0, one)
				}
			})
		})
	}
}

func FuzzAnswers(f *testing.F) {
	f.Add([]byte("\x0a\x04\x08\x07\x12\x00"), "120")
	f.Add([]byte("\x0a\xff"), "Mon, 23 Nov 2026 00:00:10 GMT")
	f.Add([]byte("\x08\x08\x1a\x2e\x0a"), "CAgSCXNsb3cgZG93bg")
	f.Fuzz(func(t *testing.T, body []byte, text string) {
		if rejected, reason := partialSuccess(body); rejected < 0 || len(reason) > maxText {
			t.Errorf("%d %q", rejected, reason)
		}
		if asked := parseRetryAfter(text, anInstant); asked < 0 || asked > maxAsked {
			t.Errorf("Retry-After %v", asked)
		}
		if asked, _ := retryInfo(text); asked < 0 || asked > maxAsked {
			t.Errorf("RetryInfo %v", asked)
		}
		_, _ = firstMessage(body)
		var config Config
		_ = config.FromEnv(func(string) string { return text })
	})
}
