package wal

import (
	"errors"
	"fmt"
	"io"
	"math"
)

// drain scans to the limit.
func (s *scanner) drain() error {
	for {
		if _, _, err := s.next(); err != nil {
			if errors.Is(err, io.EOF) {
				return nil
			}
			return err
		}
	}
}

// mend makes what a drained scanner found good the durable content of its file:
// it cuts the tail, covers torn holes with void frames so that nobody takes them
// for damage later, and writes the last group again. The last group is all that
// may be in memory only: a log stops at its first failed fsync.
func mend(f File, s *scanner) (Damage, error) {
	d := Damage{CorruptBytes: s.corrupt, TornBytes: s.tail.to - s.tail.from}
	for _, hole := range s.holes {
		d.TornBytes += hole.to - hole.from
		if n := hole.to - hole.from; n < FrameBytes || n > math.MaxUint32 {
			continue // not of our making; readers step over it
		}
		h := frameHeader{
			kind:   frameVoid,
			length: uint32(hole.to - hole.from - FrameBytes),
			pos:    s.base + Position(hole.from),
			group:  s.base + Position(hole.from),
			salt:   s.salt,
		}
		if _, err := f.WriteAt(h.appendTo(nil), hole.from); err != nil {
			return d, err
		}
	}
	if s.limit > s.end {
		if err := f.Truncate(s.end); err != nil {
			return d, err
		}
	}
	from := int64(FileHeaderBytes)
	if s.group > s.base {
		from = max(from, int64(s.group-s.base))
	}
	if err := rewrite(f, from, s.end); err != nil {
		return d, err
	}
	if err := f.Sync(); err != nil {
		return d, fmt.Errorf("fsync: %w", err)
	}
	return d, nil
}

// rewrite writes the bytes [from, to) over themselves, so that the next fsync
// carries them to the disk whatever the kernel believes about them.
func rewrite(f File, from, to int64) error {
	b := make([]byte, max(0, min(to-from, readAhead)))
	for from < to {
		b = b[:min(to-from, int64(len(b)))]
		if n, err := f.ReadAt(b, from); n < len(b) {
			return err
		}
		if _, err := f.WriteAt(b, from); err != nil {
			return err
		}
		from += int64(len(b))
	}
	return nil
}
