package wal

import (
	"log/slog"
	"time"

	"github.com/clew-dev/clew/internal/telemetry"
)

// Options tunes a Log. The zero value is good for production.
type Options struct {
	FS           FS    // nil means OS
	SegmentBytes int64 // a file is ended before it grows over this; default 64 MiB. A larger record gets a file of its own
	MaxBytes     int64 // bound of all files together; default 16 × SegmentBytes. Append beyond it gives ErrFull

	// MaxRecordBytes bounds one record's payload; default 16 MiB, at most 1 GiB.
	MaxRecordBytes int
	// MaxPendingBytes bounds the records that wait for their fsync; default
	// 64 MiB. Their bytes stay with the callers of Append; beyond it ErrFull.
	MaxPendingBytes int64

	// Delay is the longest wait for company: the committer waits only while
	// fewer records are there than shared the fsync before, so that a lone writer
	// never waits. It saves 40 % of the CPU time and of the median latency with 4
	// writers of 64 KiB, 30 % and 20 % with 16. Default 1 ms; negative is no wait.
	Delay time.Duration

	// NotBefore is a floor for the positions of new records. The owner passes
	// the highest cursor that any consumer stored, so that a log that lost its
	// end never gives out a position that was consumed already, and so that the
	// loss is known: see Recovery.
	NotBefore Position

	Logger *slog.Logger // nil discards
	// OnFailure is called once, when the log turns read-only, after the waiting
	// appends have been answered. It must not call Close.
	OnFailure func(error)
}

func (o Options) withDefaults() (Options, error) {
	if o.FS == nil {
		o.FS = OS
	}
	if o.SegmentBytes == 0 {
		o.SegmentBytes = 64 << 20
	}
	if o.MaxBytes == 0 {
		o.MaxBytes = 16 * o.SegmentBytes
	}
	if o.MaxRecordBytes == 0 {
		o.MaxRecordBytes = 16 << 20
	}
	if o.MaxPendingBytes == 0 {
		o.MaxPendingBytes = 64 << 20
	}
	if o.Delay == 0 {
		o.Delay = time.Millisecond
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	record := reserve(o.MaxRecordBytes)
	switch {
	case o.MaxRecordBytes < 1 || o.MaxRecordBytes > maxPayload:
		return o, telemetry.Errorf(telemetry.KindInvalid, "MaxRecordBytes is %d: use 1 to %d", o.MaxRecordBytes, maxPayload)
	case o.SegmentBytes < FileHeaderBytes+FrameBytes+1 || o.SegmentBytes > maxPayload:
		return o, telemetry.Errorf(telemetry.KindInvalid, "SegmentBytes is %d: use %d to %d", o.SegmentBytes, FileHeaderBytes+FrameBytes+1, maxPayload)
	case o.MaxBytes < record:
		return o, telemetry.Errorf(telemetry.KindInvalid, "MaxBytes is %d, too small for one record of MaxRecordBytes: use at least %d", o.MaxBytes, record)
	case o.MaxPendingBytes < record:
		return o, telemetry.Errorf(telemetry.KindInvalid, "MaxPendingBytes is %d, too small for one record of MaxRecordBytes: use at least %d", o.MaxPendingBytes, record)
	}
	return o, nil
}

// reserve is what a record of n bytes may cost on disk: it may be the one that
// starts a file, and a seal may follow it.
func reserve(n int) int64 { return FileHeaderBytes + FrameBytes + int64(n) + FrameBytes }
