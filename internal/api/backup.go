package api

import (
	"context"
	"net/http"
	"strconv"
	"time"

	"github.com/clew-dev/clew/internal/telemetry"
)

// backup streams a backup. Each piece of it must be taken within writeWait, so that
// a reader that has stopped does not pin files for ever.
func (s *Server) backup(w http.ResponseWriter, r *http.Request) error {
	damaged := r.URL.Query().Get("damaged")
	if damaged != "" && damaged != "refuse" && damaged != "allow" {
		return telemetry.Errorf(telemetry.KindInvalid, "damaged=%q: write refuse or allow", telemetry.Clip(damaged))
	}
	if s.o.Backup == nil {
		return telemetry.Errorf(telemetry.KindUnavailable, "this server's store cannot be backed up over HTTP")
	}
	select {
	case s.backups <- struct{}{}:
		defer func() { <-s.backups }()
	default:
		return telemetry.RetryError(telemetry.KindExhausted, time.Minute, "a backup is being taken, and one at a time is the limit; try again when it is done")
	}
	ctx, cancel := context.WithCancel(r.Context())
	defer cancel()
	go func() {
		select {
		case <-s.stopping:
			cancel()
		case <-ctx.Done():
		}
	}()
	w.Header().Set("Content-Type", "application/x-tar")
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("Clew-Bytes", strconv.FormatInt(s.o.Store.Status().DiskBytes, 10))
	to := &clientWriter{w: w}
	err := s.o.Backup(ctx, to, damaged == "allow")
	if to.gone != nil { // nothing is broken inside Clew
		return telemetry.Errorf(telemetry.KindUnavailable, "the client took no more of the backup: %w", to.gone)
	}
	return err
}

// clientWriter remembers that a client went away. What it writes is not compressed:
// the files are already.
type clientWriter struct {
	w     http.ResponseWriter
	begun bool
	gone  error
}

func (c *clientWriter) Write(b []byte) (int, error) {
	if !c.begun {
		c.begun = true
		if c.gone = http.NewResponseController(c.w).Flush(); c.gone != nil {
			return 0, c.gone
		}
	}
	n, err := c.w.Write(b)
	if err != nil {
		c.gone = err
	}
	return n, err
}
