package auth

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"

	"github.com/clew-dev/clew/internal/telemetry"
)

// Dump gives the bytes of a state file that holds what this one holds now,
// changes included that are in its write-ahead log only.
func (s *State) Dump(ctx context.Context) ([]byte, error) {
	c, err := s.db.Conn(ctx)
	if err != nil {
		return nil, fmt.Errorf("copy the state file: %w", err)
	}
	defer c.Close()
	var out []byte
	err = c.Raw(func(driver any) error {
		serializer, ok := driver.(interface{ Serialize() ([]byte, error) })
		if !ok {
			return errors.New("the driver cannot serialize")
		}
		out, err = serializer.Serialize()
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("copy the state file: %w", err)
	}
	return out, nil
}

// Check looks for damage in the state file at path and changes nothing. Other
// processes may have it open.
func Check(ctx context.Context, path string) error {
	q := url.Values{"mode": {"ro"}}
	if _, err := os.Stat(path + "-wal"); errors.Is(err, fs.ErrNotExist) {
		q.Set("immutable", "1") // nobody has it open, and reading alone must not make files beside it
	}
	db, err := sql.Open("sqlite", (&url.URL{Scheme: "file", OmitHost: true, Path: path, RawQuery: q.Encode()}).String())
	if err != nil {
		return err
	}
	defer db.Close()
	var answer string
	if err := db.QueryRowContext(ctx, "PRAGMA integrity_check(1)").Scan(&answer); err != nil {
		return telemetry.Errorf(telemetry.KindInternal, "cannot be read: %w", err)
	}
	if answer != "ok" {
		return telemetry.Errorf(telemetry.KindInternal, "%s", telemetry.Clip(answer))
	}
	return nil
}
