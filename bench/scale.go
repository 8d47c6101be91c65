package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// scaleOptions say how much of the full size is made. Tests make a small share.
type scaleOptions struct {
	clew  string
	seed  uint64
	share float64
	parts []string
}

// scaleParts are what is larger in one way than anything that is usual. Each has a
// server and a folder of its own.
var scaleParts = []struct {
	name string
	run  func(*scale, context.Context) error
}{
	{"trace", (*scale).trace},
	{"keys", (*scale).keys},
	{"tenants", (*scale).tenants},
	{"late", (*scale).late},
	{"age", (*scale).age},
}

// scale is a run of the parts.
type scale struct {
	scaleOptions
	folder   string
	progress io.Writer
	rows     []row
}

func runScale(ctx context.Context, o scaleOptions, out, progress io.Writer) error {
	if o.share <= 0 || o.share > 100 {
		return fmt.Errorf("share %g: write a number over 0, and 100 at most", o.share)
	}
	var names []string
	for _, part := range scaleParts {
		names = append(names, part.name)
	}
	for _, name := range o.parts {
		if !slices.Contains(names, name) {
			return fmt.Errorf("unknown part %q; write some of %s", name, strings.Join(names, ","))
		}
	}
	folder, err := os.MkdirTemp("", "clew-scale-")
	if err != nil {
		return fmt.Errorf("run at scale: %w", err)
	}
	defer os.RemoveAll(folder)
	s := &scale{scaleOptions: o, folder: folder, progress: progress}
	var failures []error
	for _, part := range scaleParts {
		if len(o.parts) > 0 && !slices.Contains(o.parts, part.name) {
			continue
		}
		s.say("part %s", part.name)
		if err := part.run(s, ctx); err != nil {
			failures = append(failures, fmt.Errorf("part %s: %w", part.name, err))
		}
	}
	writeTable(out, s.rows)
	if m := missed(s.rows); len(m) > 0 {
		failures = append(failures, fmt.Errorf("figures miss what must hold: %s", strings.Join(m, "; ")))
	}
	return errors.Join(failures...)
}

func (s *scale) say(format string, args ...any) {
	fmt.Fprintf(s.progress, "scale: "+format+"\n", args...)
}

func (s *scale) add(r row) { s.rows = append(s.rows, r) }

// size gives the share of a full size, and at least what shows the shape.
func (s *scale) size(full, least int) int { return max(int(float64(full)*s.share), least) }

// full reports whether figures are those of the full size: bounds of time and memory
// are judged only then.
func (s *scale) full() bool { return s.share >= 1 }

// bound is what must hold at full size.
func (s *scale) bound(b float64) float64 {
	if s.full() {
		return b
	}
	return none
}

// start runs a server for a part; charter may be empty.
func (s *scale) start(ctx context.Context, part, charter string) (*process, error) {
	var flags []string
	if charter != "" {
		path := filepath.Join(s.folder, part+".yaml")
		if err := os.WriteFile(path, []byte(charter), 0o600); err != nil {
			return nil, fmt.Errorf("write the charter: %w", err)
		}
		flags = []string{"--charter", path}
	}
	return startClew(ctx, s.clew, filepath.Join(s.folder, part), flags...)
}

// pour sends a load and gives the seconds of CPU that it cost until merges settled.
func (s *scale) pour(ctx context.Context, p *process, l *load) (float64, error) {
	before, err := cpuOf(p.pid())
	if err != nil {
		return 0, err
	}
	if _, err := sendAll(ctx, l, p.grpc, 4); err != nil {
		return 0, fmt.Errorf("%w; the log of clew is %s", err, tailOf(p.log))
	}
	if _, err := p.settle(ctx); err != nil {
		return 0, err
	}
	after, err := cpuOf(p.pid())
	return after - before, err
}

// costly is how much more the last of a row of equal loads may cost than the first: a
// fifth fewer spans for a second of CPU.
const costly = 0.8

// steadiness gives the spans for a second of CPU in the last third of equal loads as
// a share of those in the first third. Merges come in steps, which thirds even out.
func steadiness(cost []float64) float64 {
	third := max(len(cost)/3, 1)
	var first, last float64
	for i := range third {
		first += cost[i]
		last += cost[len(cost)-1-i]
	}
	return first / last
}
