package node

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/clew-dev/clew/internal/backup"
	"github.com/clew-dev/clew/internal/wal"
)

// Files of the data folder that the store does not know.
const (
	stateFile  = "state.db"
	policyFile = "kit-policy.json" // of earlier versions

	findingsFile = "findings.json"
	scoresFile   = "scores.json"
	keyFile      = "hash.key"
	charterFile  = "charter.zip"
)

// folder is the data folder, held by this process until closed.
type folder struct {
	path string
	lock *os.File
}

// openFolder makes the folder when it is not there and takes its lock, so that
// two processes never write into one folder.
func openFolder(path string) (*folder, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return nil, fmt.Errorf("data folder: %w", err)
	}
	if err := os.MkdirAll(path, 0o750); err != nil {
		return nil, fmt.Errorf("data folder %s: %w: choose another with --data, or make it writable for this user", path, cause(err))
	}
	if why := backup.Unfinished(wal.OS, path); why != "" {
		return nil, fmt.Errorf("data folder %s %s", path, why)
	}
	name := filepath.Join(path, "lock")
	f, err := os.OpenFile(name, os.O_RDWR|os.O_CREATE, 0o640)
	if err != nil {
		return nil, fmt.Errorf("data folder %s: %w: choose another with --data, or make it writable for this user", path, cause(err))
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		owner, _ := io.ReadAll(io.LimitReader(f, 32))
		f.Close()
		if errors.Is(err, syscall.EWOULDBLOCK) {
			return nil, fmt.Errorf("data folder %s is in use by process %s: stop that one, or choose another folder with --data", path, strings.TrimSpace(string(owner)))
		}
		return nil, fmt.Errorf("lock data folder %s: %w", path, err)
	}
	// The number is a help for people; the lock is the flock.
	if err := f.Truncate(0); err == nil {
		fmt.Fprintf(f, "%d\n", os.Getpid())
	}
	return &folder{path, f}, nil
}

func (f *folder) join(name string) string { return filepath.Join(f.path, name) }

func (f *folder) close() error { return f.lock.Close() }

// cause strips the path from an error of package os: the sentence has it already.
func cause(err error) error {
	var p *os.PathError
	if errors.As(err, &p) {
		return p.Err
	}
	return err
}
