package auth

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"database/sql"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"net/url"
	"os"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	_ "modernc.org/sqlite" // the driver "sqlite"

	"github.com/clew-dev/clew/internal/telemetry"
)

// MaxTokens bounds the tokens of one installation, revoked ones included, and so
// the memory they take in every process.
const MaxTokens = 10_000

// Freshness is the longest time in which a process does not see what another one
// changed in the state file.
const Freshness = 500 * time.Millisecond

// schemaVersion is the PRAGMA user_version of the state file.
const schemaVersion = 1

const schema = `
CREATE TABLE IF NOT EXISTS tokens (
	id TEXT PRIMARY KEY,              -- 12 hex digits, shown to people
	hash BLOB NOT NULL UNIQUE,        -- SHA-256 of the whole token
	tenant TEXT NOT NULL,
	name TEXT NOT NULL UNIQUE,
	roles TEXT NOT NULL,              -- joined by commas
	created_ns INTEGER NOT NULL,
	revoked_ns INTEGER NOT NULL DEFAULT 0
) STRICT;`

// Token is a token as the state file knows it; the secret is not in it.
type Token struct {
	ID      string
	Tenant  string
	Name    string
	Roles   []Role
	Created time.Time
	Revoked time.Time // zero: valid
}

// NewToken says what token to make.
type NewToken struct {
	Tenant string
	Name   string
	Roles  []Role // empty: read and write
}

// Options configure a State.
type Options struct {
	Now func() time.Time // default time.Now
}

// State is the open state file and what is known of it.
type State struct {
	db  *sql.DB
	now func() time.Time

	mu      sync.Mutex
	watch   *sql.Conn // data_version counts the changes by others than this connection
	version int64
	checked time.Time
	tokens  map[[sha256.Size]byte]entry
}

type entry struct {
	hash  [sha256.Size]byte
	token Token
}

// Open opens the state file at path, made on first use and readable by its owner only.
func Open(ctx context.Context, path string, o Options) (*State, error) {
	if o.Now == nil {
		o.Now = time.Now
	}
	s := &State{now: o.Now}
	if err := s.open(ctx, path); err != nil {
		if s.db != nil {
			s.db.Close()
		}
		return nil, fmt.Errorf("open state file %s: %w", path, err)
	}
	return s, nil
}

func (s *State) open(ctx context.Context, path string) error {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return err
	}
	if err := f.Close(); err != nil {
		return err
	}
	dsn := (&url.URL{Scheme: "file", OmitHost: true, Path: path, RawQuery: url.Values{
		"_pragma": {"busy_timeout(5000)", "journal_mode(WAL)", "synchronous(FULL)"},
		"_txlock": {"immediate"},
	}.Encode()}).String()
	if s.db, err = sql.Open("sqlite", dsn); err != nil {
		return err
	}
	s.db.SetMaxOpenConns(4)
	if err := s.migrate(ctx); err != nil {
		return err
	}
	if s.watch, err = s.db.Conn(ctx); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.refresh(ctx, true)
}

func (s *State) migrate(ctx context.Context) error {
	tx, err := s.db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer tx.Rollback()
	var version int
	if err := tx.QueryRowContext(ctx, "PRAGMA user_version").Scan(&version); err != nil {
		return err
	}
	if version > schemaVersion {
		return telemetry.Errorf(telemetry.KindConflict, "it has version %d, this clew reads up to %d: start the newer clew", version, schemaVersion)
	}
	if _, err := tx.ExecContext(ctx, schema); err != nil {
		return err
	}
	if _, err := tx.ExecContext(ctx, fmt.Sprintf("PRAGMA user_version = %d", schemaVersion)); err != nil {
		return err
	}
	return tx.Commit()
}

// Close closes the file.
func (s *State) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return errors.Join(s.watch.Close(), s.db.Close())
}

const tokenPrefix = "clew_"

var tokenLabel = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_. -]{0,63}$`)

// Create makes a token and gives its secret, which cannot be had again.
func (s *State) Create(ctx context.Context, n NewToken) (Token, string, error) {
	if !ValidTenant(n.Tenant) {
		return Token{}, "", telemetry.Errorf(telemetry.KindInvalid, "tenant %q: write 1 to 64 of A-Z a-z 0-9 _ -", n.Tenant)
	}
	if !tokenLabel.MatchString(n.Name) {
		return Token{}, "", telemetry.Errorf(telemetry.KindInvalid, "name %q: write 1 to 64 letters, digits, spaces or _ . - and begin with a letter or digit", n.Name)
	}
	if len(n.Roles) == 0 {
		n.Roles = []Role{RoleRead, RoleWrite}
	}
	var roles []string
	for _, r := range n.Roles {
		if !slices.Contains(Roles(), r) {
			return Token{}, "", telemetry.Errorf(telemetry.KindInvalid, "role %q is not known; write read, write or admin", r)
		}
		roles = append(roles, string(r))
	}
	var raw [32]byte
	rand.Read(raw[:]) // never fails: crypto/rand ends the process instead
	secret := tokenPrefix + base64.RawURLEncoding.EncodeToString(raw[:])
	hash := sha256.Sum256([]byte(secret))
	t := Token{ID: hex.EncodeToString(hash[:6]), Tenant: n.Tenant, Name: n.Name, Roles: n.Roles, Created: s.now().UTC()}
	if err := s.insert(ctx, t, hash, strings.Join(roles, ",")); err != nil {
		return Token{}, "", fmt.Errorf("create token %q: %w", n.Name, err)
	}
	return t, secret, nil
}

func (s *State) insert(ctx context.Context, t Token, hash [sha256.Size]byte, roles string) error {
	tx, err := s.db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer tx.Rollback()
	var count, same int
	if err := tx.QueryRowContext(ctx, "SELECT count(*), count(*) FILTER (WHERE name = ?) FROM tokens", t.Name).Scan(&count, &same); err != nil {
		return err
	}
	if same > 0 {
		return telemetry.Errorf(telemetry.KindConflict, "the name is taken, by a revoked token perhaps; choose another")
	}
	if count >= MaxTokens {
		return telemetry.Errorf(telemetry.KindExhausted, "there are %d tokens already, revoked ones included, and that is the limit", count)
	}
	if _, err := tx.ExecContext(ctx, "INSERT INTO tokens (id, hash, tenant, name, roles, created_ns) VALUES (?, ?, ?, ?, ?, ?)",
		t.ID, hash[:], t.Tenant, t.Name, roles, t.Created.UnixNano()); err != nil {
		return err
	}
	if err := tx.Commit(); err != nil {
		return err
	}
	return s.reload(ctx)
}

// List gives all tokens, revoked ones included, by time of creation.
func (s *State) List(ctx context.Context) ([]Token, error) {
	entries, err := s.read(ctx)
	if err != nil {
		return nil, fmt.Errorf("list tokens: %w", err)
	}
	tokens := make([]Token, len(entries))
	for i, e := range entries {
		tokens[i] = e.token
	}
	return tokens, nil
}

// Revoke ends the token with that id or, when there is none, that name. Revoking twice is no error.
func (s *State) Revoke(ctx context.Context, idOrName string) error {
	now := s.now().UnixNano()
	for _, column := range []string{"id", "name"} {
		r, err := s.db.ExecContext(ctx, "UPDATE tokens SET revoked_ns = CASE revoked_ns WHEN 0 THEN ? ELSE revoked_ns END WHERE "+column+" = ?", now, idOrName)
		if err != nil {
			return fmt.Errorf("revoke token %q: %w", idOrName, err)
		}
		n, err := r.RowsAffected()
		if err != nil {
			return fmt.Errorf("revoke token %q: %w", idOrName, err)
		}
		if n > 0 {
			return s.reload(ctx)
		}
	}
	return telemetry.Errorf(telemetry.KindNotFound, "revoke token %q: there is no token of that id or name; clew token list shows them", idOrName)
}

func (s *State) read(ctx context.Context) ([]entry, error) {
	rows, err := s.db.QueryContext(ctx, "SELECT id, hash, tenant, name, roles, created_ns, revoked_ns FROM tokens ORDER BY created_ns, id")
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var out []entry
	for rows.Next() {
		var e entry
		var hash []byte
		var roles string
		var created, revoked int64
		if err := rows.Scan(&e.token.ID, &hash, &e.token.Tenant, &e.token.Name, &roles, &created, &revoked); err != nil {
			return nil, err
		}
		if len(hash) != len(e.hash) {
			return nil, fmt.Errorf("token %s has a hash of %d bytes", e.token.ID, len(hash))
		}
		copy(e.hash[:], hash)
		for r := range strings.SplitSeq(roles, ",") {
			e.token.Roles = append(e.token.Roles, Role(r))
		}
		e.token.Created = time.Unix(0, created).UTC()
		if revoked != 0 {
			e.token.Revoked = time.Unix(0, revoked).UTC()
		}
		out = append(out, e)
	}
	return out, rows.Err()
}

// reload makes this process see its own change at once.
func (s *State) reload(ctx context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.refresh(ctx, true)
}

// refresh reads the tokens when another connection has changed the file, or when
// told to. s.mu MUST be held.
func (s *State) refresh(ctx context.Context, always bool) error {
	var version int64
	if err := s.watch.QueryRowContext(ctx, "PRAGMA data_version").Scan(&version); err != nil {
		return err
	}
	if always || version != s.version {
		entries, err := s.read(ctx)
		if err != nil {
			return err
		}
		s.tokens = make(map[[sha256.Size]byte]entry, len(entries))
		for _, e := range entries {
			s.tokens[e.hash] = e
		}
		s.version = version
	}
	s.checked = s.now()
	return nil
}
