package store

import (
	"encoding/json"
	"fmt"
	"maps"
	"path/filepath"
	"regexp"
	"slices"

	"github.com/clew-dev/clew/internal/segment"
	"github.com/clew-dev/clew/internal/telemetry"
	"github.com/clew-dev/clew/internal/wal"
)

// manifestVersion is the version of the records below.
const manifestVersion = 1

// change is one record of the manifest, the catalogue of segments. A record is
// one atomic step from a set of segments to the next: a flush adds segments and
// moves the cursor, a merge adds one and removes its sources, retention removes.
// The sum of all records is the state.
type change struct {
	Version int          `json:"v"`
	Add     []added      `json:"add,omitempty"`
	Remove  []uint64     `json:"remove,omitempty"`
	Cursor  wal.Position `json:"cursor"` // every log record before it is in a segment or gone
	Seq     int64        `json:"seq"`    // largest seq ever stored
	NextID  uint64       `json:"next"`   // first segment id never used
}

type added struct {
	ID        uint64 `json:"id"`
	Tenant    string `json:"tenant"`
	Partition string `json:"partition"` // UTC day of the spans' start, 20060102
	Meta      []byte `json:"meta"`      // segment.AppendMeta
}

var (
	tenantPattern    = regexp.MustCompile(`^[A-Za-z0-9_-]{1,64}$`)
	partitionPattern = regexp.MustCompile(`^[0-9]{8}$`)
)

// manifest is the state that the records add up to. It is not safe for concurrent use.
type manifest struct {
	journal   *wal.Journal
	recovered wal.Recovery
	segments  map[uint64]added
	cursor    wal.Position
	seq       int64
	nextID    uint64
	records   int
}

// openManifest reads the catalogue, or starts an empty one.
func openManifest(fs wal.FS, path string) (*manifest, error) {
	m := &manifest{segments: map[uint64]added{}, nextID: 1}
	journal, recovered, err := wal.OpenJournal(path, wal.JournalOptions{FS: fs}, func(record []byte) error {
		var c change
		if err := json.Unmarshal(record, &c); err != nil {
			return fmt.Errorf("manifest %s: record %d: %w", path, m.records, err)
		}
		if c.Version != manifestVersion {
			return fmt.Errorf("manifest %s has version %d, this clew reads up to %d: start the newer clew again, or restore the folder from a backup", path, c.Version, manifestVersion)
		}
		m.records++
		return m.apply(&c)
	})
	if err != nil {
		return nil, err
	}
	m.journal, m.recovered = journal, recovered
	return m, nil
}

func (m *manifest) apply(c *change) error {
	for _, id := range c.Remove {
		delete(m.segments, id)
	}
	for _, a := range c.Add {
		if !tenantPattern.MatchString(a.Tenant) || !partitionPattern.MatchString(a.Partition) {
			return fmt.Errorf("manifest: segment %d has tenant %q and partition %q, which are no names of folders", a.ID, a.Tenant, a.Partition)
		}
		m.segments[a.ID] = a
		m.nextID = max(m.nextID, a.ID+1)
	}
	m.cursor = max(m.cursor, c.Cursor)
	m.seq = max(m.seq, c.Seq)
	m.nextID = max(m.nextID, c.NextID)
	return nil
}

// compactAfter bounds the journal: with more records than this and more than
// twice the segments, it is replaced by a record a segment.
const compactAfter = 256

// commit makes a change durable and then applies it. After an error the state is
// as before and the disk has either none or all of it.
func (m *manifest) commit(c change) error {
	c.Version = manifestVersion
	c.Cursor = max(c.Cursor, m.cursor)
	c.Seq = max(c.Seq, m.seq)
	c.NextID = m.nextID
	record, err := json.Marshal(c)
	if err != nil {
		return err
	}
	if err := m.journal.Append(record); err != nil {
		return fmt.Errorf("commit to the manifest: %w", err)
	}
	m.records++
	if err := m.apply(&c); err != nil {
		return err
	}
	if m.records > compactAfter && m.records > 2*len(m.segments) {
		return m.compact()
	}
	return nil
}

func (m *manifest) compact() error {
	state := change{Version: manifestVersion, Cursor: m.cursor, Seq: m.seq, NextID: m.nextID}
	changes := []change{state} // a change a segment keeps every record far below the journal's limit
	for _, id := range slices.Sorted(maps.Keys(m.segments)) {
		c := state
		c.Add = []added{m.segments[id]}
		changes = append(changes, c)
	}
	records := make([][]byte, len(changes))
	for i := range changes {
		var err error
		if records[i], err = json.Marshal(changes[i]); err != nil {
			return err
		}
	}
	if err := m.journal.Replace(records...); err != nil {
		return fmt.Errorf("compact the manifest: %w", err)
	}
	m.records = len(records)
	return nil
}

// folder is where a segment lives below the data folder.
func (a *added) folder() string {
	return filepath.Join("segments", a.Tenant, a.Partition, fmt.Sprintf("%016x", a.ID))
}

func (a *added) meta() (*segment.Meta, error) {
	meta, err := segment.ParseMeta(a.Meta)
	if err != nil {
		return nil, telemetry.Errorf(telemetry.KindInternal, "manifest entry of segment %d: %w", a.ID, err)
	}
	return meta, nil
}
