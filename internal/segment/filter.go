package segment

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"math/bits"
	"os"
	"path/filepath"

	"github.com/clew-dev/clew/internal/telemetry"
	"github.com/clew-dev/clew/internal/wal"
)

// filter is a split-block Bloom filter of trace ids: an id sets one bit in each
// of the eight words of one block of 32 bytes. At ten bits an id about one id in
// a hundred that is not there is said to be. Blocks are little endian on disk,
// after the header "CLWF", version, three zero bytes, number of blocks (uint32),
// CRC-32C of the blocks (uint32).
type filter struct{ words []uint32 }

const (
	filterMagic  = "CLWF"
	filterHeader = 16
	bitsPerTrace = 10
	maxBlocks    = 1 << 26
)

func newFilter(traces int) *filter {
	blocks := min(max(1, (traces*bitsPerTrace+255)/256), maxBlocks)
	return &filter{make([]uint32, blocks*8)}
}

// spread mixes an id: ids of some tracers are not random, or only in part. The
// function is part of the format.
func spread(id telemetry.TraceID) uint64 {
	mix := func(x uint64) uint64 {
		x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
		x = (x ^ x>>27) * 0x94d049bb133111eb
		return x ^ x>>31
	}
	return mix(mix(id.Hi()+0x9e3779b97f4a7c15) ^ id.Lo())
}

var filterSalt = [8]uint32{0x47b6137b, 0x44974d91, 0x8824ad5b, 0xa2b7289d, 0x705495c7, 0x2df1424b, 0x9efc4947, 0x5c6bfb31}

func (f *filter) block(h uint64) []uint32 {
	hi, _ := bits.Mul64(h, uint64(len(f.words)/8))
	return f.words[hi*8 : hi*8+8]
}

func (f *filter) add(id telemetry.TraceID) {
	h := spread(id)
	for i, b := 0, f.block(h); i < 8; i++ {
		b[i] |= 1 << (uint32(h) * filterSalt[i] >> 27)
	}
}

func (f *filter) has(id telemetry.TraceID) bool {
	h := spread(id)
	for i, b := 0, f.block(h); i < 8; i++ {
		if b[i]&(1<<(uint32(h)*filterSalt[i]>>27)) == 0 {
			return false
		}
	}
	return true
}

func (f *filter) append(dst []byte) []byte {
	at := len(dst)
	dst = append(dst, filterMagic...)
	dst = append(dst, formatVersion, 0, 0, 0)
	dst = binary.LittleEndian.AppendUint32(dst, uint32(len(f.words)/8))
	dst = append(dst, 0, 0, 0, 0)
	for _, w := range f.words {
		dst = binary.LittleEndian.AppendUint32(dst, w)
	}
	binary.LittleEndian.PutUint32(dst[at+12:], crc32.Checksum(dst[at+filterHeader:], castagnoli))
	return dst
}

func parseFilter(p []byte) (*filter, error) {
	if len(p) < filterHeader || string(p[:4]) != filterMagic || p[5]|p[6]|p[7] != 0 {
		return nil, fmt.Errorf("%d bytes that are no filter", len(p))
	}
	if p[4] != formatVersion {
		return nil, versionError(int(p[4]))
	}
	blocks := binary.LittleEndian.Uint32(p[8:])
	body := p[filterHeader:]
	if blocks == 0 || uint64(len(body)) != uint64(blocks)*32 {
		return nil, fmt.Errorf("%d bytes for %d blocks", len(body), blocks)
	}
	if crc32.Checksum(body, castagnoli) != binary.LittleEndian.Uint32(p[12:]) {
		return nil, errChecksum
	}
	f := &filter{make([]uint32, blocks*8)}
	for i := range f.words {
		f.words[i] = binary.LittleEndian.Uint32(body[4*i:])
	}
	return f, nil
}

// write makes the filter a durable file and returns its size and checksum.
func (f *filter) write(fs wal.FS, dir string) (FileInfo, error) {
	p := f.append(nil)
	file, err := fs.OpenFile(filepath.Join(dir, filterName), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o640)
	if err != nil {
		return FileInfo{}, fmt.Errorf("create %s: %w", filterName, err)
	}
	_, err = file.Write(p)
	if err == nil {
		err = file.Sync()
	}
	if cerr := file.Close(); err == nil {
		err = cerr
	}
	if err != nil {
		return FileInfo{}, fmt.Errorf("write %s: %w", filterName, err)
	}
	return FileInfo{Name: filterName, Bytes: int64(len(p)), TailCRC: crc32.Checksum(p, castagnoli)}, nil
}
