package backup

import (
	"bufio"
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"regexp"
	"strings"
	"time"

	"github.com/clew-dev/clew/internal/telemetry"
)

// Names of files in a backup that no data folder has.
const (
	CatalogueName  = "backup.json"
	SumsName       = "SHA256SUMS"
	UnfinishedName = "unfinished"
)

// Names of single files that a backup takes from a data folder.
const (
	manifestName = "manifest"
	stateName    = "state.db"
)

// governed are single files of the node beside the store: the charter in force, the
// key of hashes, what was found and scored. Each is replaced as a whole, never changed.
var governed = []string{"charter.zip", "hash.key", "findings.json", "scores.json"}

// failedName is the last entry of a stream whose source could not go on.
const failedName = "FAILED"

const formatVersion = 1

// Bounds of what is read. A segment is eight files and a partition of a tenant at
// most 32 segments, so that a million files are years of many tenants.
const (
	maxFiles     = 4 << 20
	maxCatalogue = 64 << 20
	maxSums      = 1 << 30
)

// Catalogue is backup.json.
type Catalogue struct {
	Format   int       `json:"format"` // 1
	ID       string    `json:"id"`     // 32 hexadecimal digits, another one for each backup
	Created  time.Time `json:"created"`
	Clew     string    `json:"clew"` // the version that wrote it
	Cursor   uint64    `json:"cursor"`
	LogEnd   uint64    `json:"log_end"` // everything acknowledged before the backup began is before it
	Segments int       `json:"segments"`
	Spans    int64     `json:"spans_in_segments"`
	Records  int64     `json:"records_in_log"`
	Files    int       `json:"files"`
	Bytes    int64     `json:"bytes"`
	Sums     string    `json:"sums_sha256"` // of the file SHA256SUMS
	Damaged  []Problem `json:"damaged"`     // files that the source held damaged and the backup took as they were
	Sum      string    `json:"sum"`         // SHA-256 of this file as it is with an empty sum
}

// encode gives the text of backup.json.
func (c *Catalogue) encode() ([]byte, error) {
	c.Sum = ""
	text, err := c.marshal()
	if err != nil {
		return nil, err
	}
	sum := sha256.Sum256(text)
	c.Sum = hex.EncodeToString(sum[:])
	return c.marshal()
}

func (c *Catalogue) marshal() ([]byte, error) {
	text, err := json.MarshalIndent(c, "", "  ")
	return append(text, '\n'), err
}

// Problem is one thing that is not as it was written.
type Problem struct {
	Path string `json:"path"`
	What string `json:"what"` // what is wrong and what to do
}

func (p Problem) String() string { return p.Path + ": " + p.What }

func newID() string {
	var b [16]byte
	rand.Read(b[:]) // never fails: crypto/rand ends the process instead
	return hex.EncodeToString(b[:])
}

var idPattern = regexp.MustCompile(`^[0-9a-f]{32}$`)

// parseCatalogue reads backup.json.
func parseCatalogue(text []byte) (*Catalogue, error) {
	var c Catalogue
	if err := json.Unmarshal(text, &c); err != nil {
		return nil, telemetry.Errorf(telemetry.KindInvalid, "%s cannot be read (%w): use another backup", CatalogueName, err)
	}
	if c.Format != formatVersion {
		return nil, telemetry.Errorf(telemetry.KindConflict, "the backup has format %d, this clew reads up to %d: use the clew that wrote it, %s", c.Format, formatVersion, telemetry.Clip(c.Clew))
	}
	said := c.Sum
	if _, err := c.encode(); err != nil || c.Sum != said {
		return nil, telemetry.Errorf(telemetry.KindInternal, "%s: its checksum does not match: use another backup", CatalogueName)
	}
	if !idPattern.MatchString(c.ID) || len(c.Sums) != 2*sha256.Size || c.Files < 0 || c.Bytes < 0 {
		return nil, telemetry.Errorf(telemetry.KindInvalid, "%s is not what clew writes: use another backup", CatalogueName)
	}
	return &c, nil
}

// allowed are the names that a backup may hold. None of them leads out of its folder.
var allowed = regexp.MustCompile(`^(` + strings.Join([]string{
	manifestName, `state\.db`, `charter\.zip`, `hash\.key`, `findings\.json`, `scores\.json`, `log/[0-9a-f]{16}\.log`,
	`segments/[A-Za-z0-9_-]{1,64}/[0-9]{8}/[0-9a-f]{16}/[a-z][a-z.]{0,31}`,
}, "|") + `)$`)

// sums are the checksums of a backup's files, in the order of their writing.
type sums struct {
	names []string
	of    map[string][sha256.Size]byte
}

func newSums() *sums { return &sums{of: map[string][sha256.Size]byte{}} }

func (s *sums) add(name string, sum [sha256.Size]byte) error {
	if !allowed.MatchString(name) {
		return telemetry.Errorf(telemetry.KindInvalid, "%q is no file of a backup: use another backup", telemetry.Clip(name))
	}
	if _, twice := s.of[name]; twice {
		return telemetry.Errorf(telemetry.KindInvalid, "%s is there twice: use another backup", name)
	}
	if len(s.names) == maxFiles {
		return telemetry.Errorf(telemetry.KindExhausted, "over %d files: back up fewer tenants, or merge first with clew flush", maxFiles)
	}
	s.names = append(s.names, name)
	s.of[name] = sum
	return nil
}

// encode writes the lines of SHA256SUMS.
func (s *sums) encode() []byte {
	var b bytes.Buffer
	for _, name := range s.names {
		sum := s.of[name]
		fmt.Fprintf(&b, "%x  %s\n", sum[:], name)
	}
	return b.Bytes()
}

// parseSums reads SHA256SUMS.
func parseSums(text []byte) (*sums, error) {
	s := newSums()
	lines := bufio.NewScanner(bytes.NewReader(text))
	for n := 1; lines.Scan(); n++ {
		digits, name, ok := strings.Cut(lines.Text(), "  ")
		raw, err := hex.DecodeString(digits)
		if !ok || err != nil || len(raw) != sha256.Size {
			return nil, telemetry.Errorf(telemetry.KindInvalid, "%s:%d: not a checksum and a name: use another backup", SumsName, n)
		}
		if err := s.add(name, [sha256.Size]byte(raw)); err != nil {
			return nil, fmt.Errorf("%s:%d: %w", SumsName, n, err)
		}
	}
	if err := lines.Err(); err != nil {
		return nil, telemetry.Errorf(telemetry.KindInvalid, "%s: %w", SumsName, err)
	}
	return s, nil
}

// check holds the catalogue against what SHA256SUMS is and says.
func (c *Catalogue) check(sumsText []byte, s *sums, bytes int64) error {
	sum := sha256.Sum256(sumsText)
	switch {
	case hex.EncodeToString(sum[:]) != c.Sums:
		return telemetry.Errorf(telemetry.KindInternal, "%s: its checksum does not match %s: use another backup", SumsName, CatalogueName)
	case len(s.names) != c.Files:
		return telemetry.Errorf(telemetry.KindInternal, "%d files where %s says %d: use another backup", len(s.names), CatalogueName, c.Files)
	case bytes >= 0 && bytes != c.Bytes:
		return telemetry.Errorf(telemetry.KindInternal, "%d bytes where %s says %d: use another backup", bytes, CatalogueName, c.Bytes)
	}
	return nil
}
