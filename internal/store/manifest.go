package store

import (
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"

	"github.com/clew-dev/clew/internal/query"
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

	// Expired is how many segments retention has removed, by tenant, in the first
	// record of a compacted manifest; records that only remove add to it.
	Expired map[string]int64 `json:"expired,omitempty"`
}

type added struct {
	ID        uint64 `json:"id"`
	Tenant    string `json:"tenant"`
	Partition string `json:"partition"`  // UTC day of the spans' start, 20060102
	MetaBytes int    `json:"meta_bytes"` // of the file metaName in the segment's folder
	MetaCRC   uint32 `json:"meta_crc"`   // CRC-32C of that file
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
	expired   map[string]int64 // by tenant, see change
	cursor    wal.Position
	seq       int64
	nextID    uint64
	records   int
	notBefore int // records at which a failed compaction is tried again
}

func newManifest() *manifest {
	return &manifest{segments: map[uint64]added{}, expired: map[string]int64{}, nextID: 1}
}

// openManifest reads the catalogue, or starts an empty one.
func openManifest(fs wal.FS, path string) (*manifest, error) {
	m := newManifest()
	journal, recovered, err := wal.OpenJournal(path, wal.JournalOptions{FS: fs}, func(record []byte) error { return m.replay(path, record) })
	if err != nil {
		return nil, err
	}
	m.journal, m.recovered = journal, recovered
	return m, nil
}

// replay applies one record of the journal at path.
func (m *manifest) replay(path string, record []byte) error {
	var c change
	if err := json.Unmarshal(record, &c); err != nil {
		return fmt.Errorf("manifest %s: record %d: %w", path, m.records, err)
	}
	if c.Version != manifestVersion {
		return fmt.Errorf("manifest %s has version %d, this clew reads up to %d: start the newer clew again, or restore the folder from a backup", path, c.Version, manifestVersion)
	}
	m.records++
	return m.apply(&c)
}

// maxID leaves room to count on from the largest number.
const maxID = 1<<62 - 1

func (m *manifest) apply(c *change) error {
	for _, id := range c.Remove {
		if a, ok := m.segments[id]; ok && len(c.Add) == 0 {
			m.expired[a.Tenant] = query.SaturatingAdd(m.expired[a.Tenant], 1)
		}
		delete(m.segments, id)
	}
	for tenant, n := range c.Expired {
		m.expired[tenant] = max(m.expired[tenant], n)
	}
	for _, a := range c.Add {
		if !tenantPattern.MatchString(a.Tenant) || !partitionPattern.MatchString(a.Partition) {
			return fmt.Errorf("manifest: segment %d has tenant %q and partition %q, which are no names of folders", a.ID, a.Tenant, a.Partition)
		}
		if a.ID > maxID {
			return fmt.Errorf("manifest: segment %d: numbers end at %d, no clew wrote this", a.ID, uint64(maxID))
		}
		m.segments[a.ID] = a
		m.nextID = max(m.nextID, a.ID+1)
	}
	if c.NextID > maxID+1 {
		return fmt.Errorf("manifest: the next segment would be %d: numbers end at %d, no clew wrote this", c.NextID, uint64(maxID))
	}
	m.cursor = max(m.cursor, c.Cursor)
	m.seq = max(m.seq, c.Seq)
	m.nextID = max(m.nextID, c.NextID)
	return nil
}

// compactAfter bounds the journal: with more records than this and more than
// twice the segments, it is replaced by a record a segment.
const compactAfter = 256

// write makes a change durable. unknown says of an error that the record may be
// on disk all the same, and that the journal takes no more. e.commitMu MUST be held.
func (m *manifest) write(c *change) (unknown bool, err error) {
	c.Version = manifestVersion
	c.Cursor = max(c.Cursor, m.cursor)
	c.Seq = max(c.Seq, m.seq)
	c.NextID = m.nextID
	if err := m.journal.Err(); err != nil {
		return false, fmt.Errorf("commit to the manifest: %w", err)
	}
	record, err := json.Marshal(c)
	if err != nil {
		return false, err
	}
	if err := m.journal.Append(record); err != nil {
		return m.journal.Err() != nil, fmt.Errorf("commit to the manifest: %w", err)
	}
	m.records++
	return false, nil
}

// compactIfDue replaces the records by fewer ones. An error changes nothing of
// what is committed; it is tried again after as many records more. e.commitMu
// MUST be held.
func (m *manifest) compactIfDue() error {
	if m.records <= max(compactAfter, 2*len(m.segments), m.notBefore) {
		return nil
	}
	err := m.compact()
	m.notBefore = 0
	if err != nil {
		m.notBefore = m.records + compactAfter
	}
	return err
}

// expiredTenants bounds for how many tenants that have no segment left it is known how
// many have expired. A cursor of one that is forgotten meets an empty store.
const expiredTenants = 10_000

// forgetExpired keeps the bound, by order of names.
func (m *manifest) forgetExpired() {
	if len(m.expired) <= expiredTenants {
		return
	}
	has := map[string]bool{}
	for _, a := range m.segments {
		has[a.Tenant] = true
	}
	for _, name := range sortedKeys(m.expired) {
		if len(m.expired) > expiredTenants && !has[name] {
			delete(m.expired, name)
		}
	}
}

func (m *manifest) compact() error {
	m.forgetExpired()
	segments := make([]added, 0, len(m.segments))
	for _, id := range slices.Sorted(maps.Keys(m.segments)) {
		segments = append(segments, m.segments[id])
	}
	records, err := stateRecords(change{Cursor: m.cursor, Seq: m.seq, NextID: m.nextID, Expired: m.expired}, segments)
	if err != nil {
		return err
	}
	if err := m.journal.Replace(records...); err != nil {
		return fmt.Errorf("compact the manifest: %w", err)
	}
	m.records = len(records)
	return nil
}

// stateRecords gives the records that add up to a state and its segments: one a
// segment, which keeps every record far below the journal's limit.
func stateRecords(state change, segments []added) ([][]byte, error) {
	state.Version = manifestVersion
	first, err := json.Marshal(state)
	if err != nil {
		return nil, err
	}
	records := [][]byte{first}
	state.Expired = nil
	for _, a := range segments {
		state.Add = []added{a}
		record, err := json.Marshal(state)
		if err != nil {
			return nil, err
		}
		records = append(records, record)
	}
	return records, nil
}

// folder is where a segment lives below the data folder.
func (a *added) folder() string {
	return filepath.Join("segments", a.Tenant, a.Partition, fmt.Sprintf("%016x", a.ID))
}

// metaName is the file in a segment's folder that holds its description. It
// lists every column and chunk, which may be many: the manifest, read whole at each
// start, keeps its checksum only.
const metaName = "meta"

// writeMeta adds the description to the folder of a segment that is being made.
func writeMeta(fs wal.FS, dir string, m *segment.Meta, a *added) error {
	p := segment.AppendMeta(nil, m)
	a.MetaBytes, a.MetaCRC = len(p), crc32.Checksum(p, castagnoli)
	f, err := fs.OpenFile(filepath.Join(dir, metaName), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o640)
	if err != nil {
		return err
	}
	_, err = f.Write(p)
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	return fs.SyncDir(dir)
}

// readMeta reads the description and compares it with its checksum.
func readMeta(fs wal.FS, dir string, a *added) (*segment.Meta, error) {
	name := filepath.Join(dir, metaName)
	f, err := fs.OpenFile(name, os.O_RDONLY, 0)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if a.MetaBytes < 0 || a.MetaBytes > maxMetaBytes {
		return nil, telemetry.Errorf(telemetry.KindInternal, "%s: %d bytes by the manifest", name, a.MetaBytes)
	}
	p := make([]byte, a.MetaBytes+1) // the file has to end behind its checksum
	n, err := f.ReadAt(p, 0)
	switch {
	case err != nil && !errors.Is(err, io.EOF):
		return nil, err
	case n < a.MetaBytes:
		return nil, telemetry.Errorf(telemetry.KindInternal, "%s was cut: restore it from a backup", name)
	case n > a.MetaBytes:
		return nil, telemetry.Errorf(telemetry.KindInternal, "%s goes on behind its %d bytes, which no clew wrote: restore it from a backup", name, a.MetaBytes)
	}
	p = p[:a.MetaBytes]
	if crc32.Checksum(p, castagnoli) != a.MetaCRC {
		return nil, telemetry.Errorf(telemetry.KindInternal, "%s: checksum does not match: restore it from a backup", name)
	}
	m, err := segment.ParseMeta(p)
	if err != nil {
		return nil, telemetry.Errorf(telemetry.KindInternal, "%s: %w", name, err)
	}
	return m, nil
}

const maxMetaBytes = 1 << 30

var castagnoli = crc32.MakeTable(crc32.Castagnoli)
