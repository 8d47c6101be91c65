package backup

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/clew-dev/clew/internal/store"
	"github.com/clew-dev/clew/internal/telemetry"
)

// Report is what Verify has found.
type Report struct {
	Path     string    `json:"path"`
	Kind     string    `json:"kind"` // "data folder", "backup folder" or "backup file"
	Segments int       `json:"segments"`
	Spans    int64     `json:"spans_in_segments"`
	Records  int64     `json:"records_in_log"`
	Bytes    int64     `json:"bytes"` // read and compared
	Problems []Problem `json:"problems"`
	Notes    []string  `json:"notes"` // what is unusual and no damage
}

func (r *Report) problem(p Problem) error {
	r.Problems = append(r.Problems, p)
	return nil
}

// Verify reads every byte of a data folder, running or not, or of a backup, and
// compares it with its checksum. It changes nothing. The error says that path is
// neither, or cannot be read at all.
func Verify(path string, o Options) (*Report, error) {
	o.setDefaults()
	r := &Report{Path: path, Problems: []Problem{}, Notes: []string{}}
	info, err := o.FS.Stat(path)
	if err != nil {
		return nil, telemetry.Errorf(telemetry.KindNotFound, "%w: name a data folder or a backup", err)
	}
	if !info.IsDir() {
		return r, r.backupFile(path, o)
	}
	if _, err := o.FS.Stat(filepath.Join(path, CatalogueName)); err == nil {
		return r, r.backupFolder(path, o)
	}
	if why := Unfinished(o.FS, path); why != "" {
		r.Kind = "unfinished folder"
		return r, r.problem(Problem{UnfinishedName, "the folder " + why})
	}
	return r, r.dataFolder(path, o)
}

func (r *Report) backupFile(path string, o Options) error {
	r.Kind = "backup file"
	f, err := o.FS.OpenFile(path, os.O_RDONLY, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	c, err := readStream(&counted{f, r.count(o)}, discard{}, r.problem)
	return r.listed(c, err)
}

func (r *Report) backupFolder(path string, o Options) error {
	r.Kind = "backup folder"
	c, err := readFolder(o.FS, path, counting{discard{}, r.count(o)}, r.problem)
	return r.listed(c, err)
}

// listed adds what the catalogue says. That a backup cannot be read to its end is
// the finding, not a failure of the look.
func (r *Report) listed(c *contents, err error) error {
	if err != nil {
		return r.problem(Problem{CatalogueName, err.Error()})
	}
	r.Segments, r.Spans, r.Records = c.catalogue.Segments, c.catalogue.Spans, c.catalogue.Records
	for _, d := range c.catalogue.Damaged {
		d.What = "was damaged before it was backed up: " + d.What
		r.Problems = append(r.Problems, d)
	}
	return nil
}

// count passes progress on and keeps the sum.
func (r *Report) count(o Options) func(int64) {
	return func(n int64) {
		r.Bytes += n
		o.Progress(n)
	}
}

func (r *Report) dataFolder(path string, o Options) error {
	r.Kind = "data folder"
	c, err := store.OpenCopy(o.FS, path)
	if errors.Is(err, fs.ErrNotExist) {
		return r.noManifest(path, o)
	}
	if err != nil {
		return r.problem(Problem{manifestName, err.Error()})
	}
	defer c.Close()
	if c.Damage.Lost() {
		r.Problems = append(r.Problems, Problem{manifestName, fmt.Sprintf("%d bytes fail their checksum: segments that they named are not read; restore the folder from a backup", c.Damage.CorruptBytes+c.Damage.MissingBytes)})
	}
	if c.Damage.TornBytes > 0 {
		r.Notes = append(r.Notes, fmt.Sprintf("the manifest ends in %d bytes of a write that was interrupted, or is under way: nothing is lost by them", c.Damage.TornBytes))
	}
	count := r.count(o)
	for _, p := range c.Segments {
		if err := r.segment(c, p, count); err != nil {
			return err
		}
	}
	records, torn, flaws, err := c.CheckLog()
	if err != nil {
		r.Problems = append(r.Problems, Problem{"log", err.Error() + ": restore the folder from a backup"})
	}
	r.Records = records
	r.flaws(flaws)
	for i := range c.Log {
		count(c.Log[i].Bytes)
	}
	if torn > 0 {
		r.Notes = append(r.Notes, fmt.Sprintf("the log ends in %d bytes of a write that a crash interrupted, or that is under way: nothing acknowledged is in them, unless something other than clew cut the file", torn))
	}
	if err := r.leftovers(c, path, o); err != nil {
		return err
	}
	return r.state(path, o)
}

// noManifest tells a folder that lost its manifest from one that never was ours.
func (r *Report) noManifest(path string, o Options) error {
	for _, name := range []string{"segments", "log"} {
		if entries, err := o.FS.ReadDir(filepath.Join(path, name)); err == nil && len(entries) > 0 {
			return r.problem(Problem{manifestName, "is missing, and the next start would remove every segment: restore the folder from a backup before"})
		}
	}
	return telemetry.Errorf(telemetry.KindInvalid, "%s is neither a data folder nor a backup: name one that holds a manifest or %s", path, CatalogueName)
}

// segment checks one segment. On a running folder a merge or retention may have
// removed it since the manifest was read.
func (r *Report) segment(c *store.Copy, p store.Piece, count func(int64)) error {
	rows, bytes, flaws := c.Check(p)
	if len(flaws) > 0 {
		named, err := c.Named(p)
		if err != nil {
			return r.problem(Problem{manifestName, err.Error()})
		}
		if !named {
			return nil
		}
	}
	r.Segments++
	r.Spans += rows
	count(bytes)
	r.flaws(flaws)
	return nil
}

func (r *Report) flaws(flaws []store.Flaw) {
	for _, f := range flaws {
		what := f.Err.Error()
		if !strings.Contains(what, "restore") {
			what += ": restore it from a backup"
		}
		r.Problems = append(r.Problems, Problem{f.Path, what})
	}
}

// leftovers notes what is on disk and not read.
func (r *Report) leftovers(c *store.Copy, path string, o Options) error {
	unnamed, err := c.Unnamed()
	if err != nil {
		return err
	}
	if n := len(unnamed); n > 0 {
		r.Notes = append(r.Notes, fmt.Sprintf("%d folders below segments are not in the manifest, such as %s: a step that is under way, or a crash; a start %s", n, unnamed[0], r.sweeps(c)))
	}
	for _, dir := range []string{"", "log"} {
		entries, err := o.FS.ReadDir(filepath.Join(path, dir))
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		for _, e := range entries {
			if strings.Contains(e.Name(), ".damaged") {
				r.Notes = append(r.Notes, filepath.Join(dir, e.Name())+" was set aside as damaged by an earlier start")
			}
		}
	}
	return nil
}

// sweeps says what a start does with segments that the manifest does not name.
// Whether it takes the manifest for damaged depends on what else it meets.
func (r *Report) sweeps(c *store.Copy) string {
	switch {
	case c.Damage.Lost():
		return "sets them aside in the folder unnamed, because the manifest is damaged"
	case len(r.Problems) > 0:
		return "removes them, or sets them aside in the folder unnamed when the damage is one to the manifest"
	}
	return "removes them"
}

// state checks the file of tokens.
func (r *Report) state(path string, o Options) error {
	name := filepath.Join(path, stateName)
	info, err := o.FS.Stat(name)
	if errors.Is(err, fs.ErrNotExist) && r.Segments > 0 {
		r.Notes = append(r.Notes, stateName+" is not there: its tokens are gone, a start makes an empty one; restore it from a backup to have them")
	}
	if errors.Is(err, fs.ErrNotExist) || o.CheckState == nil {
		return nil
	}
	if err == nil {
		r.count(o)(info.Size())
		err = o.CheckState(name)
	}
	if err != nil {
		return r.problem(Problem{stateName, err.Error() + ": restore it from a backup, or remove it and make new tokens"})
	}
	return nil
}
