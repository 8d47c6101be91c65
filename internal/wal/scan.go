package wal

import (
	"bytes"
	"fmt"
	"io"
)

// readAhead is how much a scan reads at once when records are smaller.
const readAhead = 256 << 10

// span is a range of offsets in one file.
type span struct{ from, to int64 }

// scanner walks the frames of one file. It is the only reader of the format:
// recovery, readers and the journal differ in what they do with its findings.
// Its memory is one window of the larger of readAhead and the largest frame,
// which is never larger than the file.
type scanner struct {
	src   io.ReaderAt
	base  Position // of offset 0
	off   int64    // of the next byte to look at
	limit int64    // bytes from here on are not looked at

	salt    uint32
	anySalt bool // the header is damaged: the first frame names the salt
	durable bool // all up to the limit was durable: holes stay in holes, for the caller to count

	window    []byte
	windowOff int64

	records int64
	end     int64    // end of the last good frame
	group   Position // the highest group start seen
	sealed  bool     // the last good frame is a seal
	corrupt int64    // bytes of holes in front of a later group
	holes   []span   // in the last group or after: torn, as far as known
	tail    span     // bad bytes up to the limit; empty when the last frame ends there
}

func newScanner(src io.ReaderAt, base Position, limit int64, h fileHeader, hasHeader bool) *scanner {
	return &scanner{src: src, base: base, off: FileHeaderBytes, end: FileHeaderBytes, limit: limit, salt: h.salt, anySalt: !hasHeader}
}

// next gives the next record; the payload is valid until the next call. It
// returns io.EOF at the limit, any other error from reading the file.
func (s *scanner) next() (frameHeader, []byte, error) {
	hole := int64(-1)
	for s.off < s.limit {
		h, payload, state, err := s.look(s.off)
		if err != nil {
			return s.interrupted(hole, err)
		}
		if state != frameGood && hole < 0 {
			hole = s.off
		}
		switch state {
		case frameDamaged: // its header is sound, so its length is the way to the next one
			s.off += h.size()
			continue
		case frameNone:
			off, err := s.find(s.off + 1)
			if err != nil {
				return s.interrupted(hole, err)
			}
			s.off = off
			continue
		}
		if hole >= 0 {
			s.holes = append(s.holes, span{hole, s.off})
			hole = -1
		}
		s.settle(h)
		s.off += h.size()
		s.end = s.off
		s.sealed = h.kind == frameSeal
		if h.kind == frameRecord {
			s.records++
			return h, payload, nil
		}
	}
	s.tail = span{s.limit, s.limit}
	if hole >= 0 {
		s.tail.from = hole
	}
	return frameHeader{}, nil, io.EOF
}

// interrupted ends next with a read error such that the next call tries again
// from the same place.
func (s *scanner) interrupted(hole int64, err error) (frameHeader, []byte, error) {
	err = fmt.Errorf("read log at position %d: %w", s.base+Position(s.off), err)
	if hole >= 0 {
		s.off = hole
	}
	return frameHeader{}, nil, err
}

// settle uses the proof of a good frame: holes before its group were durable.
func (s *scanner) settle(h frameHeader) {
	if s.durable || h.kind == frameVoid || h.group <= s.group {
		return
	}
	s.group = h.group
	open := s.holes[:0]
	for _, hole := range s.holes {
		if s.base+Position(hole.from) < h.group {
			s.corrupt += hole.to - hole.from
		} else {
			open = append(open, hole)
		}
	}
	s.holes = open
}

type frameState uint8

const (
	frameGood    frameState = iota
	frameDamaged            // header sound, payload not
	frameNone               // no header here
)

// look checks the frame at off.
func (s *scanner) look(off int64) (frameHeader, []byte, frameState, error) {
	if s.limit-off < FrameBytes {
		return frameHeader{}, nil, frameNone, nil
	}
	b, err := s.bytes(off, FrameBytes)
	if err != nil {
		return frameHeader{}, nil, frameNone, err
	}
	h, ok := parseFrameHeader(b, s.base+Position(off))
	if !ok || (h.salt != s.salt && !s.anySalt) || h.size() > s.limit-off {
		return frameHeader{}, nil, frameNone, nil
	}
	if s.anySalt {
		s.salt, s.anySalt = h.salt, false
	}
	if h.kind == frameVoid {
		return h, nil, frameGood, nil
	}
	if b, err = s.bytes(off, h.size()); err != nil {
		return frameHeader{}, nil, frameNone, err
	}
	payload := b[FrameBytes:]
	if checksum(payload) != h.sum {
		return h, nil, frameDamaged, nil
	}
	return h, payload, frameGood, nil
}

// find gives the first offset from off on at which a marker starts, or the
// limit. Each byte is visited once, and a false marker costs one small checksum,
// so that a search is linear in the file whatever the payloads hold.
func (s *scanner) find(off int64) (int64, error) {
	for s.limit-off >= FrameBytes {
		b, err := s.bytes(off, min(readAhead, s.limit-off))
		if err != nil {
			return 0, err
		}
		if i := bytes.Index(b, []byte(marker)); i >= 0 {
			return off + int64(i), nil
		}
		off += int64(len(b) - len(marker) + 1)
	}
	return s.limit, nil
}

// bytes gives n bytes at off, both inside the limit, valid until the next call.
func (s *scanner) bytes(off, n int64) ([]byte, error) {
	have := s.windowOff + int64(len(s.window)) - off
	if off < s.windowOff || have < 0 {
		have = 0
	}
	if have >= n {
		i := off - s.windowOff
		return s.window[i : i+n], nil
	}
	want := max(n, min(readAhead, s.limit-off))
	old := s.window
	if int64(cap(s.window)) < want {
		s.window = make([]byte, want)
	}
	next := s.window[:want]
	if have > 0 {
		copy(next, old[off-s.windowOff:])
	}
	s.window, s.windowOff = next[:0], off
	got, err := s.src.ReadAt(next[have:], off+have)
	if int64(got) < want-have {
		if err == nil || err == io.EOF {
			err = io.ErrUnexpectedEOF
		}
		return nil, err
	}
	s.window = next
	return next[:n], nil
}
