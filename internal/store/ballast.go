package store

import (
	"errors"
	"os"
	"path/filepath"

	"github.com/clew-dev/clew/internal/telemetry"
)

// ballastBytes is what a full disk still has for the record that removes
// segments: retention must be able to make room without any.
const ballastBytes = 256 << 10

func (e *Embedded) ballast() string { return filepath.Join(e.o.Dir, "ballast") }

// layBallast writes the file when it is not there. Without space it is left to a
// later look.
func (e *Embedded) layBallast() error {
	if st, err := e.o.FS.Stat(e.ballast()); err == nil && st.Size() == ballastBytes {
		return nil
	}
	f, err := e.o.FS.OpenFile(e.ballast(), os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o640)
	if err != nil {
		return err
	}
	_, err = f.Write(make([]byte, ballastBytes))
	if err == nil {
		err = f.Sync()
	}
	return errors.Join(err, f.Close())
}

// commitRemoval commits a record that only removes, with the ballast's space when
// the disk has no other.
func (e *Embedded) commitRemoval(c change) error {
	_, err := e.commitIf(c, e.stillThere(c.Remove))
	if telemetry.KindOf(err) == telemetry.KindExhausted {
		if cleared := e.o.FS.Remove(e.ballast()); cleared != nil {
			return errors.Join(err, cleared)
		}
		_, err = e.commitIf(c, e.stillThere(c.Remove))
	}
	return err
}
