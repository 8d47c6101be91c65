package segment_test

import (
	"hash/crc32"
	"os"
	"testing"

	"github.com/clew-dev/clew/internal/segment"
	"github.com/clew-dev/clew/internal/telemetry"
	"github.com/clew-dev/clew/internal/testkit"
	"github.com/clew-dev/clew/internal/wal"
)

// FuzzSegment gives a reader a segment whose description, or the tail of whose
// spans, may say anything, with checksums that are right: as a faulty writer would
// leave it. Reading ends in rows or in an error, without a panic, and takes memory by
// what is there, not by what is said.
func FuzzSegment(f *testing.F) {
	batches := randomBatches(shape{spans: 40, traces: 6, keys: 5, fill: 0.6, distinct: 9, children: true, seed: 3}, 2)
	sound := testkit.NewFS()
	m, _, err := segment.Write(sound, "/seg", batches, segment.Options{})
	if err != nil {
		f.Fatal(err)
	}
	id := want(batches)[0].trace
	spans := m.File("spans.parquet")
	whole := contentOf(f, sound, "/seg/spans.parquet")
	tail := whole[spans.TailOffset:]
	f.Add(segment.AppendMeta(nil, m), tail)
	for at := 0; at < len(tail); at += 17 {
		bent := append([]byte(nil), tail...)
		bent[at] ^= 0x41
		f.Add(segment.AppendMeta(nil, m), bent)
	}
	for _, bend := range []func(*segment.Meta){
		func(m *segment.Meta) { m.Rows = 1 << 40 },
		func(m *segment.Meta) { m.Rows, m.File("spans.parquet").Rows = 1<<40, 1<<40 },
		func(m *segment.Meta) { m.File("spans.parquet").TailOffset = 1 << 40 },
		func(m *segment.Meta) { m.File("spans.parquet").Chunks = m.File("spans.parquet").Chunks[:1] },
		func(m *segment.Meta) { m.File("spans.parquet").Chunks[0].Bytes = 1 << 60 },
		func(m *segment.Meta) { m.Columns = m.Columns[:len(m.Columns)-1] },
		func(m *segment.Meta) { m.File("events.parquet").Rows++ },
		func(m *segment.Meta) { m.File("resources.parquet").Rows = 1 << 40 },
	} {
		bent, err := segment.ParseMeta(segment.AppendMeta(nil, m))
		if err != nil {
			f.Fatal(err)
		}
		bend(bent)
		f.Add(segment.AppendMeta(nil, bent), tail)
	}
	f.Fuzz(func(t *testing.T, meta, tail []byte) {
		m, err := segment.ParseMeta(meta)
		if err != nil {
			return
		}
		fs := sound.Kill()
		if info := m.File("spans.parquet"); info != nil && info.TailOffset == spans.TailOffset {
			info.Bytes, info.TailCRC = info.TailOffset+int64(len(tail)), crc32.Checksum(tail, crc32.MakeTable(crc32.Castagnoli))
			put(t, fs, "/seg/spans.parquet", append(whole[:spans.TailOffset:spans.TailOffset], tail...))
		}
		s, err := segment.Open(fs, "/seg", m, segment.Options{})
		if err != nil {
			return
		}
		readAnyway(t, s, id)
	})
}

func readAnyway(t *testing.T, s *segment.Segment, id telemetry.TraceID) {
	_, _ = s.MayContain(id)
	if b, err := s.Trace(id); err == nil && b != nil {
		records(b)
	}
	if b, err := s.ReadRows(0, min(s.Meta().Rows, 1<<20)); err == nil {
		records(b)
	}
	scanAnyway(s)
	_ = s.VerifyAll()
}

// scanAnyway scans as far as the segment can be read.
func scanAnyway(s *segment.Segment) {
	x, err := s.Scan()
	if err != nil {
		return
	}
	defer x.Close()
	all := segment.ScanFields{Trace: true, Start: true, Duration: true, Kind: true, Status: true, Resource: true, Scope: true, Name: true, Seq: true}
	for g := range x.Groups() {
		rows := x.Group(g)
		b := &telemetry.Batch{}
		if err := x.Read(b, segment.Rows{Lo: rows.Lo, Hi: min(rows.Hi, rows.Lo+segment.ScanRows)}, all); err != nil {
			return
		}
		for _, code := range b.Spans.Name {
			_ = b.Spans.Names.At(code)
		}
		x.Longest(g)
	}
}

func contentOf(t testing.TB, fs wal.FS, name string) []byte {
	t.Helper()
	f, err := fs.OpenFile(name, os.O_RDONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	st, err := f.Stat()
	if err != nil {
		t.Fatal(err)
	}
	p := make([]byte, st.Size())
	if _, err := f.ReadAt(p, 0); err != nil {
		t.Fatal(err)
	}
	return p
}

func put(t testing.TB, fs wal.FS, name string, content []byte) {
	t.Helper()
	f, err := fs.OpenFile(name, os.O_RDWR|os.O_TRUNC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.Write(content); err != nil {
		t.Fatal(err)
	}
}
