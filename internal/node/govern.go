package node

import (
	"bytes"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/clew-dev/clew/internal/charter"
	"github.com/clew-dev/clew/internal/charter/registry"
	"github.com/clew-dev/clew/internal/finding"
	"github.com/clew-dev/clew/internal/pipeline"
	"github.com/clew-dev/clew/internal/policy"
)

// governance is what a node has of its charter: the one in force, compiled for the
// pipeline, and what was found of it.
type governance struct {
	file     string // empty: built in
	watcher  *charter.Watcher
	findings *finding.Table
	coverage *finding.Coverage
	kits     *policy.Source
	key      []byte // of hashes; it never leaves this process and its folder
	log      *slog.Logger
	saved    []byte // what is in findings.json

	mu    sync.Mutex // of compiling
	rules atomic.Pointer[compiled]
}

// compiled is a charter with its rules.
type compiled struct {
	charter *charter.Charter
	rules   *pipeline.Rules
	since   time.Time
}

// resolveImport reads what a charter imports: the conventions that are built in, or
// a registry in the charter's own folder.
func resolveImport(folder fs.FS, i charter.Import) ([]charter.Attribute, error) {
	if i.Kind == charter.ImportSemconv {
		return registry.Builtin().Attributes(), nil
	}
	r, err := registry.ReadAt(folder, i.Value)
	if err != nil {
		return nil, err
	}
	return r.Attributes(), nil
}

// openGovernance reads what the data folder has and compiles the charter in force.
func openGovernance(file string, w *charter.Watcher, f *folder, log *slog.Logger) (*governance, error) {
	g := &governance{file: file, watcher: w, findings: finding.NewTable(nil), coverage: finding.NewCoverage(nil), log: log}
	var err error
	if g.key, err = hashKey(f.join(keyFile)); err != nil {
		return nil, err
	}
	if err := g.compile(w.Current()); err != nil {
		return nil, err
	}
	switch text, err := os.ReadFile(f.join(findingsFile)); {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return nil, fmt.Errorf("read findings: %w", err)
	default:
		// Findings come again with the next span; a file that cannot be read stops nothing.
		if err := finding.Restore(text, g.findings, g.coverage); err != nil {
			log.Warn("findings begin anew", "file", f.join(findingsFile), "err", err)
		}
		g.saved = text
	}
	w.OnChange(g.compile)
	return g, nil
}

func (g *governance) compile(c *charter.Charter) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	rules, err := pipeline.CompileRules(c, g.key)
	if err != nil {
		return err
	}
	told, err := policy.Compile(c)
	if err != nil {
		return err
	}
	g.findings.Know(c.Services())
	g.rules.Store(&compiled{c, rules, time.Now()})
	if g.kits == nil {
		g.kits = policy.NewSource(told)
	} else {
		g.kits.Set(told)
	}
	return nil
}

// Rules gives the rules in force.
func (g *governance) Rules() *pipeline.Rules { return g.rules.Load().rules }

// Charter implements api.Governance.
func (g *governance) Charter() *charter.Charter { return g.rules.Load().charter }

// knows tells services that the charter names.
func (g *governance) knows(service string) bool {
	_, known := g.Charter().Service(service)
	return known
}

// CharterState implements api.Governance.
func (g *governance) CharterState() (file string, since time.Time, broken error) {
	return g.file, g.rules.Load().since, g.watcher.LastError()
}

// Findings implements api.Governance.
func (g *governance) Findings(tenant string) ([]finding.Finding, []finding.Overflow) {
	return g.findings.List(tenant), g.findings.Overflows(tenant)
}

// Seen implements api.Governance.
func (g *governance) Seen(tenant, contract string) finding.Seen {
	return g.coverage.Of(tenant, contract)
}

// keyBytes is the length of the key of hashes.
const keyBytes = 32

// hashKey reads the key of hashes, or makes one: the hashes of one folder can be
// compared with each other, and with nobody else's.
func hashKey(name string) ([]byte, error) {
	key, err := os.ReadFile(name)
	switch {
	case err == nil && len(key) == keyBytes:
		return key, nil
	case err == nil:
		return nil, fmt.Errorf("read hash key %s: it has %d bytes, not %d: put it back from a backup; without the same key old hashes match no new ones", name, len(key), keyBytes)
	case !errors.Is(err, fs.ErrNotExist):
		return nil, fmt.Errorf("read hash key: %w", err)
	}
	key = make([]byte, keyBytes)
	_, _ = rand.Read(key) // never fails
	if err := replaceFile(name, key); err != nil {
		return nil, fmt.Errorf("write hash key: %w", err)
	}
	return key, nil
}

// saveFindings writes the findings when they are others than those on disk, after
// forgetting those whose examples are gone.
func (g *governance) saveFindings(name string, oldest time.Time) error {
	g.findings.Forget(oldest)
	text, err := finding.Snapshot(g.findings, g.coverage)
	if err != nil || bytes.Equal(text, g.saved) {
		return err
	}
	if err := replaceFile(name, text); err != nil {
		return fmt.Errorf("write findings: %w", err)
	}
	g.saved = text
	return nil
}

// saveEvery is how often findings are written, and about how many seconds of counts a
// crash takes away.
const saveEvery = 10 * time.Second

// keepFindings writes the findings now and then until the node stops, and once more then.
func (n *Node) keepFindings() {
	t := time.NewTicker(saveEvery)
	defer t.Stop()
	failing := false
	for {
		done := false
		select {
		case <-n.ctx.Done():
			done = true
		case <-t.C:
		}
		oldest := time.Now().Add(-n.charter.Current().Retention().Default)
		err := n.governance.saveFindings(n.folder.join(findingsFile), oldest)
		if err != nil && !failing {
			n.log.Warn("findings not written; the newest are lost with a crash", "err", err)
		}
		failing = err != nil
		if done {
			return
		}
	}
}
