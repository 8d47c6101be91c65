package wal

import (
	"errors"
	"fmt"
	"syscall"
	"time"

	"github.com/clew-dev/clew/internal/telemetry"
)

// What a caller of Append may branch on. Each has a telemetry.Kind.
var (
	// ErrFull means that the log holds all that its bound allows, or that its
	// bound on waiting appends is reached. Nothing was written; it passes when
	// the consumers have caught up.
	ErrFull = telemetry.RetryError(telemetry.KindExhausted, time.Second, "log is full")
	// ErrDiskFull means that the disk had no space. What was written of the
	// record has been cut off; it passes when there is space again.
	ErrDiskFull = telemetry.RetryError(telemetry.KindExhausted, 5*time.Second, "no space on the disk of the log")
	// ErrClosed means that Close was called.
	ErrClosed = telemetry.Errorf(telemetry.KindUnavailable, "log is closed")
)

// isDiskFull tells errors of space, which pass, from errors of the device.
func isDiskFull(err error) bool {
	return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT)
}

// readOnly is the sticky error of a log or journal that no longer writes.
func readOnly(name string, cause error) error {
	return telemetry.Errorf(telemetry.KindUnavailable,
		"%s is read-only, nothing is accepted until the disk is sound and the server restarted: %w", name, cause)
}

// diskFull wraps ErrDiskFull with what was attempted.
func diskFull(doing string, cause error) error {
	return fmt.Errorf("%s: %w: %w", doing, ErrDiskFull, cause)
}

// Damage counts bytes that could not be read back, by reason.
type Damage struct {
	TornBytes    int64 // rest of a write that a crash interrupted; never acknowledged
	CorruptBytes int64 // fails its checksum although it was durable once
	MissingBytes int64 // acknowledged, but its file, or the end of its file, is gone
}

func (d *Damage) add(o Damage) {
	d.TornBytes += o.TornBytes
	d.CorruptBytes += o.CorruptBytes
	d.MissingBytes += o.MissingBytes
}

// Lost tells whether acknowledged records are among the damage.
func (d Damage) Lost() bool { return d.CorruptBytes+d.MissingBytes > 0 }
