package watch

import (
	"context"
	"fmt"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
)

// Problem is what can be wrong with the life of a span.
type Problem string

// The closed list of problems.
const (
	// Lost: a root of kind INTERNAL, CLIENT or PRODUCER started while a request was being served, with a context that came from nowhere.
	Lost Problem = "context lost"
	// Late: the span ended, or even started, after its local parent had ended.
	Late Problem = "outlives its parent"
)

// Finding is one problem, with the place in the code where its span was started.
type Finding struct {
	Problem Problem
	Name    string
	Site    string
}

// String says what happened, where, and the mend.
func (f Finding) String() string {
	mend := "hand it the request's ctx"
	if f.Problem == Late {
		mend = "end it before its parent, or start the work with clew.Detach"
	}
	return fmt.Sprintf("span %q (%s) %s: %s", f.Name, f.Site, f.Problem, mend)
}

// judgeStart looks for a lost context: precise for a test (its context is known), a hint otherwise.
func (r *Registry) judgeStart(ctx context.Context, o *Open) {
	if r.orphaned(o) {
		r.find(o, Late)
	}
	if o.rootless() && r.serving.Load() > 0 && groupOf(ctx) == nil {
		r.find(o, Lost)
	}
}

func (r *Registry) judgeEnd(o *Open) {
	if r.orphaned(o) {
		r.find(o, Late)
	}
}

// find remembers a finding once for each place, for the process and for the test that it belongs to.
func (r *Registry) find(o *Open, problem Problem) {
	f := Finding{Problem: problem, Name: o.Name, Site: o.Site}
	if o.group == nil && problem == Lost {
		// Nothing says which test lost it, unless only one of them is being served.
		o.group = r.onlyServing()
	}
	if o.group != nil {
		o.group.findings = remember(o.group.findings, f)
	}
	r.findings = remember(r.findings, f)
}

func remember(list []Finding, f Finding) []Finding {
	if len(list) >= MaxFindings || slices.Contains(list, f) {
		return list
	}
	return append(list, f)
}

// onlyServing returns the test that has an open SERVER or CONSUMER span, when it is the only one.
func (r *Registry) onlyServing() *Group {
	var only *Group
	for _, o := range r.open {
		if !o.serves() || o.group == only {
			continue
		}
		if only != nil || o.group == nil {
			return nil
		}
		only = o.group
	}
	return only
}

// Findings returns what was found since the last call, and forgets it.
func (r *Registry) Findings() []Finding {
	r.mu.Lock()
	defer r.mu.Unlock()
	f := r.findings
	r.findings = nil
	return f
}

const module = "github.com/clew-dev/clew/kit/go"

// caller returns file:line of the first frame outside the kit, the OpenTelemetry API and database/sql; when there is none, of the first
// frame outside the kit. The file has its last two path elements.
func caller() string {
	var pcs [32]uintptr
	frames := runtime.CallersFrames(pcs[:runtime.Callers(3, pcs[:])])
	fallback := ""
	for {
		f, more := frames.Next()
		if f.Function != "" && !ours(f) {
			site := fmt.Sprintf("%s:%d", short(f.File), f.Line)
			if !strings.HasPrefix(f.Function, "database/sql.") && !strings.HasPrefix(f.Function, "net/http.") && !strings.HasPrefix(f.Function, "runtime.") {
				return site
			}
			if fallback == "" {
				fallback = site
			}
		}
		if !more {
			return fallback
		}
	}
}

func ours(f runtime.Frame) bool {
	if strings.HasPrefix(f.Function, "go.opentelemetry.io/") {
		return true
	}
	rest, ok := strings.CutPrefix(f.Function, module)
	return ok && (rest[0] == '.' || rest[0] == '/') && !strings.HasSuffix(f.File, "_test.go")
}

func short(file string) string {
	return filepath.Base(filepath.Dir(file)) + "/" + filepath.Base(file)
}
