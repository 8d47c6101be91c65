package segment_test

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"math"
	"math/bits"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/clew-dev/clew/internal/segment"
	"github.com/clew-dev/clew/internal/telemetry"
)

// The bytes are those of the examples in Parquet's Encodings.md.
func TestEncodingsByTheBook(t *testing.T) {
	packed := segment.AppendHybrid(nil, []uint32{0, 1, 2, 3, 4, 5, 6, 7}, 3)
	if got, want := hex.EncodeToString(packed), "0388c6fa"; got != want {
		t.Errorf("0 to 7 in three bits are %s, want %s", got, want)
	}
	run := segment.AppendHybrid(nil, slices.Repeat([]uint32{300}, 100), 9)
	if got, want := hex.EncodeToString(run), "c8012c01"; got != want {
		t.Errorf("a hundred times 300 is %s, want %s", got, want)
	}
	// 7, 5, 3, 1, 2, 3, 4, 5: smallest difference −2, the rest packed in two bits.
	delta := segment.AppendDelta(nil, []uint64{7, 5, 3, 1, 2, 3, 4, 5})
	if got, want := hex.EncodeToString(delta), "8001"+"04"+"08"+"0e"+"03"+"02000000"+"c03f000000000000"; got != want {
		t.Errorf("differences are %s, want %s", got, want)
	}
}

func TestHybridRoundTrip(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for range 3000 {
		width := 1 + r.IntN(32)
		v := make([]uint32, r.IntN(600))
		for i := range v {
			v[i] = r.Uint32() >> (32 - width)
			if i > 0 && r.IntN(3) > 0 {
				v[i] = v[i-1]
			}
		}
		p := segment.AppendHybrid(nil, v, width)
		lo := r.IntN(len(v) + 1)
		got := make([]uint32, r.IntN(len(v)-lo+1))
		if err := segment.DecodeHybrid(p, width, lo, got); err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(got, v[lo:lo+len(got)]) {
			t.Fatalf("width %d, %d values from %d on: %v, want %v", width, len(v), lo, got, v[lo:lo+len(got)])
		}
	}
}

func TestLevelsRoundTrip(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	for range 2000 {
		bitmap := make([]uint64, 1+r.IntN(12))
		for i := range bitmap {
			bitmap[i] = []uint64{0, math.MaxUint64, r.Uint64(), r.Uint64() & r.Uint64() & r.Uint64()}[r.IntN(4)]
		}
		lo := r.IntN(len(bitmap)) * 64
		n := 1 + r.IntN(len(bitmap)*64-lo)
		p := segment.AppendLevels(nil, bitmap, lo, n)
		got := make([]uint32, n)
		if err := segment.DecodeHybrid(p, 1, 0, got); err != nil {
			t.Fatal(err)
		}
		ones := 0
		for i, level := range got {
			want := uint32(bitmap[(lo+i)/64] >> ((lo + i) % 64) & 1)
			if level != want {
				t.Fatalf("level %d of %d is %d, want %d", i, n, level, want)
			}
			if counted, err := segment.CountLevels(p, i); err != nil || counted != ones {
				t.Fatalf("%d ones before level %d, want %d (%v)", counted, i, ones, err)
			}
			ones += int(want)
		}
	}
}

func TestDeltaRoundTrip(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 6))
	for range 3000 {
		v := make([]uint64, r.IntN(500))
		keep := r.IntN(65)
		for i := range v {
			v[i] = r.Uint64() >> (64 - keep)
			if keep == 0 {
				v[i] = uint64(i) * 3
			}
			if r.IntN(9) == 0 {
				v[i] = []uint64{0, 1 << 63, math.MaxUint64}[r.IntN(3)]
			}
		}
		p := segment.AppendDelta(nil, v)
		rest, got, err := segment.DecodeDelta(append(p, "rest"...), len(v), nil)
		if err != nil || !slices.Equal(got, v) || string(rest) != "rest" {
			t.Fatalf("%v, want %v (rest %q, %v)", got, v, rest, err)
		}
		some := r.IntN(len(v) + 1)
		if _, got, err := segment.DecodeDelta(p, some, nil); err != nil || !slices.Equal(got, v[:some]) {
			t.Fatalf("the first %d: %v, want %v (%v)", some, got, v[:some], err)
		}
	}
}

// No trace that is there is missed; about one in a hundred others passes, also
// when ids are not random.
func TestFilter(t *testing.T) {
	r := rand.New(rand.NewPCG(7, 8))
	makers := map[string]func(i uint64) telemetry.TraceID{
		"random": func(uint64) (id telemetry.TraceID) {
			binary.BigEndian.PutUint64(id[:], r.Uint64())
			binary.BigEndian.PutUint64(id[8:], r.Uint64())
			return id
		},
		"64-bit counter":  func(i uint64) (id telemetry.TraceID) { binary.BigEndian.PutUint64(id[8:], i); return id },
		"upper half only": func(i uint64) (id telemetry.TraceID) { binary.BigEndian.PutUint64(id[:], i<<20); return id },
	}
	for name, id := range makers {
		var in, out []telemetry.TraceID
		for i := range uint64(50_000) {
			in = append(in, id(i))
		}
		for i := range uint64(50_000) {
			out = append(out, id(i+1<<30))
		}
		missed, passed := segment.NewFilter(in, out)
		if missed > 0 || passed > 1000 {
			t.Errorf("%s: %d missed, %d of 50,000 others passed", name, missed, passed)
		}
	}
}

func FuzzMeta(f *testing.F) {
	dir := f.TempDir() + "/seg"
	s, _ := write(f, dir, randomBatches(shapes["small"], 2))
	f.Add(segment.AppendMeta(nil, s.Meta()))
	f.Add(segment.AppendMeta(nil, &segment.Meta{Format: 1}))
	f.Add([]byte{3})
	f.Fuzz(func(t *testing.T, p []byte) {
		m, err := segment.ParseMeta(p)
		if err != nil {
			return
		}
		again, err := segment.ParseMeta(segment.AppendMeta(nil, m))
		if err != nil {
			t.Fatal(err)
		}
		if a, b := segment.AppendMeta(nil, m), segment.AppendMeta(nil, again); !bytes.Equal(a, b) {
			t.Fatalf("%x, then %x", a, b)
		}
	})
}

func FuzzTail(f *testing.F) {
	for _, name := range []string{"no attribute", "empty"} {
		dir := f.TempDir() + "/seg"
		s, _ := write(f, dir, randomBatches(shapes[name], 2))
		info := s.Meta().File("spans.parquet")
		whole := readFile(f, dir+"/spans.parquet")
		f.Add(whole[info.TailOffset:], info.TailOffset, info.Rows)
	}
	f.Add([]byte("PAR1"), int64(4), 0)
	f.Fuzz(func(t *testing.T, tail []byte, offset int64, rows int) {
		info := &segment.FileInfo{Name: "spans.parquet", Rows: rows, TailOffset: offset, Bytes: offset + int64(len(tail))}
		if err := segment.OpenTail(tail, info); err != nil && strings.Contains(err.Error(), "%!") {
			t.Fatal(err)
		}
	})
}

func FuzzPage(f *testing.F) {
	header := func(kind, size, values, enc byte) []byte {
		return []byte{0x15, kind * 2, 0x15, size * 2, 0x15, size * 2, 0x2c, 0x15, values * 2, 0x15, enc * 2, 0x15, 6, 0x15, 6, 0, 0}
	}
	levels := []byte{2, 0, 0, 0, 3, 0b1011}
	delta := segment.AppendDelta(nil, []uint64{1, 5, 3})
	lengths := append(segment.AppendDelta(nil, []uint64{1, 0, 2}), "abc"...)
	codes := append([]byte{2}, segment.AppendHybrid(nil, []uint32{0, 1, 1}, 2)...)
	dict := []byte{1, 0, 0, 0, 'a', 2, 0, 0, 0, 'b', 'c'}
	add := func(enc byte, body, dict []byte, phys int32, optional bool) {
		values := byte(3)
		if optional {
			body, values = append(slices.Clone(levels), body...), 4
		}
		h := header(0, byte(len(body)), values, enc)
		if n, err := segment.DecodePage(h, body, dict, 2, phys, optional); err != nil || n != 3 {
			f.Fatalf("seed in encoding %d: %d values, %v", enc, n, err)
		}
		f.Add(h, body, dict, 2, phys, optional)
	}
	for _, optional := range []bool{false, true} {
		add(5, delta, nil, 2, optional)
		add(6, lengths, nil, 6, optional)
		add(8, codes, dict, 6, optional)
		add(9, make([]byte, 24), nil, 5, optional)
		add(0, []byte{5}, nil, 0, optional)
		add(0, make([]byte, 24), nil, 2, optional)
		add(0, make([]byte, 48), nil, 7, optional)
	}
	f.Fuzz(func(t *testing.T, header, body, dict []byte, entries int, phys int32, optional bool) {
		n, err := segment.DecodePage(header, body, dict, entries, phys, optional)
		if err == nil && n > 1<<16 {
			t.Fatalf("%d values", n)
		}
	})
}

func FuzzFilter(f *testing.F) {
	dir := f.TempDir() + "/seg"
	write(f, dir, randomBatches(shapes["small"], 2))
	f.Add(readFile(f, dir+"/traces.filter"))
	f.Add([]byte("CLWF\x02\x00\x00\x00"))
	f.Fuzz(func(t *testing.T, p []byte) {
		if err := segment.ParseFilter(p); err == nil && len(p)%32 != 16 {
			t.Fatalf("%d bytes are a filter", len(p))
		}
	})
}

func FuzzHybrid(f *testing.F) {
	f.Add(segment.AppendHybrid(nil, []uint32{1, 2, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 9}, 5), 5, 3, 9)
	f.Add([]byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1}, 1, 0, 3)
	f.Fuzz(func(t *testing.T, p []byte, width, skip, n int) {
		if width < 0 || skip < 0 || n < 0 || n > 1<<16 {
			return
		}
		out := make([]uint32, n)
		if err := segment.DecodeHybrid(p, width, skip, out); err != nil {
			return
		}
		for _, v := range out {
			if bits.Len32(v) > width {
				t.Fatalf("%d in %d bits", v, width)
			}
		}
	})
}
