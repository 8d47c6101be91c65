package wal

import (
	"encoding/binary"
	"hash/crc32"

	"github.com/clew-dev/clew/internal/telemetry"
)

// Position is a byte's place in the endless log. The next record after p is the
// record that starts at or after p.
type Position uint64

// Sizes of the format, for callers that budget bytes.
const (
	FileHeaderBytes = 40 // in front of the frames of every file
	FrameBytes      = 32 // in front of every payload
)

// version is the only format written, and the newest that is read.
const version = 1

const (
	magic  = "CLEWLOG"
	marker = "\xc7\x1e\x57"

	kindLog     = 'L'
	kindJournal = 'J'

	frameRecord = 'R'
	frameSeal   = 'S'
	frameVoid   = 'V'
)

// maxPayload keeps a frame's end and a group's extent inside 32 bits.
const maxPayload = 1 << 30

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

func checksum(b []byte) uint32 { return crc32.Checksum(b, castagnoli) }

// fileHeader is the readable content of a file's first bytes.
type fileHeader struct {
	kind    byte
	start   Position // of the file's first byte
	prevEnd Position // where the frames of the file before ended, all durable
	salt    uint32
}

func (h fileHeader) encode() []byte {
	b := make([]byte, FileHeaderBytes)
	copy(b, magic)
	b[7] = version
	binary.LittleEndian.PutUint32(b[8:], checksum(b[:8]))
	b[12] = h.kind
	binary.LittleEndian.PutUint64(b[16:], uint64(h.start))
	binary.LittleEndian.PutUint64(b[24:], uint64(h.prevEnd))
	binary.LittleEndian.PutUint32(b[32:], h.salt)
	binary.LittleEndian.PutUint32(b[36:], checksum(b[:36]))
	return b
}

// parseFileHeader reads the header of the named file. A damaged header gives
// false: its frames may still be read. Only a header that is whole and of a
// newer version, or of the other kind, is an error.
func parseFileHeader(name string, b []byte, kind byte) (fileHeader, bool, error) {
	if len(b) < 12 || string(b[:7]) != magic || binary.LittleEndian.Uint32(b[8:]) != checksum(b[:8]) {
		return fileHeader{}, false, nil
	}
	if b[7] != version {
		return fileHeader{}, false, telemetry.Errorf(telemetry.KindConflict,
			"log file %s has version %d, this clew reads up to %d: start the newer clew, or restore a copy of the folder that this version wrote",
			name, b[7], version)
	}
	if len(b) < FileHeaderBytes || binary.LittleEndian.Uint32(b[36:]) != checksum(b[:36]) {
		return fileHeader{}, false, nil
	}
	h := fileHeader{
		kind:    b[12],
		start:   Position(binary.LittleEndian.Uint64(b[16:])),
		prevEnd: Position(binary.LittleEndian.Uint64(b[24:])),
		salt:    binary.LittleEndian.Uint32(b[32:]),
	}
	if h.kind != kind {
		return fileHeader{}, false, telemetry.Errorf(telemetry.KindConflict,
			"log file %s is of kind %q where %q is expected: put it back where it came from", name, h.kind, kind)
	}
	return h, true, nil
}

// frameHeader is a frame without its payload.
type frameHeader struct {
	kind   byte
	length uint32   // of the payload
	pos    Position // of the frame
	group  Position // where its group starts: all before was durable
	salt   uint32
	sum    uint32 // of the payload
}

// appendTo adds the 32 encoded bytes to dst.
func (h frameHeader) appendTo(dst []byte) []byte {
	n := len(dst)
	dst = append(dst, marker...)
	dst = append(dst, h.kind)
	dst = binary.LittleEndian.AppendUint32(dst, h.length)
	dst = binary.LittleEndian.AppendUint64(dst, uint64(h.pos))
	dst = binary.LittleEndian.AppendUint32(dst, uint32(h.pos-h.group))
	dst = binary.LittleEndian.AppendUint32(dst, h.salt)
	dst = binary.LittleEndian.AppendUint32(dst, h.sum)
	return binary.LittleEndian.AppendUint32(dst, checksum(dst[n:]))
}

// parseFrameHeader reads the 32 bytes of b as the frame at position at. False
// means that no frame was written there: the bytes are damaged, or never were a
// frame.
func parseFrameHeader(b []byte, at Position) (frameHeader, bool) {
	if string(b[:3]) != marker || binary.LittleEndian.Uint32(b[28:]) != checksum(b[:28]) {
		return frameHeader{}, false
	}
	h := frameHeader{
		kind:   b[3],
		length: binary.LittleEndian.Uint32(b[4:]),
		pos:    Position(binary.LittleEndian.Uint64(b[8:])),
		salt:   binary.LittleEndian.Uint32(b[20:]),
		sum:    binary.LittleEndian.Uint32(b[24:]),
	}
	back := Position(binary.LittleEndian.Uint32(b[16:]))
	if h.pos != at || back > at {
		return frameHeader{}, false
	}
	h.group = at - back
	switch h.kind {
	case frameRecord, frameSeal, frameVoid:
		return h, true
	}
	return frameHeader{}, false
}

// size is the frame's length on disk.
func (h frameHeader) size() int64 { return FrameBytes + int64(h.length) }
