package clewtest_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	clew "github.com/clew-dev/clew/kit/go"
	"github.com/clew-dev/clew/kit/go/clewtest"
)

// fake is a test that only collects what it is told.
type fake struct {
	testing.TB
	ctx      context.Context
	cancel   context.CancelFunc
	cleanups []func()
	errors   []string
}

func newFake(t *testing.T) *fake {
	ctx, cancel := context.WithCancel(t.Context())
	return &fake{TB: t, ctx: ctx, cancel: cancel}
}

func (f *fake) Helper()                      {}
func (f *fake) Context() context.Context     { return f.ctx }
func (f *fake) Cleanup(c func())             { f.cleanups = append(f.cleanups, c) }
func (f *fake) Error(args ...any)            { f.errors = append(f.errors, fmt.Sprint(args...)) }
func (f *fake) Errorf(s string, args ...any) { f.errors = append(f.errors, fmt.Sprintf(s, args...)) }

func (f *fake) finish() {
	f.cancel()
	for _, c := range f.cleanups {
		c()
	}
}

// Each of many tests in parallel sees its own spans and no others.
func TestRecordersRunInParallel(t *testing.T) {
	for i := range 1000 {
		t.Run(fmt.Sprint(i), func(t *testing.T) {
			t.Parallel()
			rec := clewtest.Start(t)
			ctx, span := clew.Span(rec.Context(), "request", clew.Int("number", i))
			group := clew.NewGroup(ctx, 0)
			group.Go(func(ctx context.Context) error {
				_, child := clew.Span(ctx, "child")
				defer child.End()
				return nil
			})
			clew.Detach(ctx, "detached", func(ctx context.Context) {
				_, child := clew.Span(ctx, "work", clew.Int("number", i))
				child.End()
			})
			if err := group.Wait(); err != nil {
				t.Error(err)
			}
			span.End()
			if err := rec.Wait(t.Context()); err != nil {
				t.Fatal(err)
			}
			want := fmt.Sprintf(`trace 1
└─ INTERNAL request (test) number=%[1]d
   └─ INTERNAL child
trace 2
└─ INTERNAL detached (test)
   ├─ link trace 1 "request"
   └─ INTERNAL work number=%[1]d
`, i)
			if got := rec.Tree("number"); got != want {
				t.Errorf("got:\n%s\nwant:\n%s", got, want)
			}
		})
	}
}

func TestRecorderFindsOpenSpans(t *testing.T) {
	f := newFake(t)
	rec := clewtest.Start(f)
	_, span := clew.Span(rec.Context(), "forgotten")
	defer span.End()
	problems := rec.Problems()
	if len(problems) != 1 || !strings.Contains(problems[0], `span "forgotten" (clewtest/clewtest_test.go:`) || !strings.Contains(problems[0], "never ended") {
		t.Errorf("got %q", problems)
	}
	if tree := rec.Tree(); tree != "trace 1\n└─ INTERNAL forgotten (test) (open)\n" {
		t.Errorf("got:\n%s", tree)
	}
	short, cancel := context.WithTimeout(t.Context(), time.Millisecond)
	defer cancel()
	if err := rec.Wait(short); err == nil || !strings.Contains(err.Error(), "1 open") {
		t.Errorf("got %v, want an error that counts the open span", err)
	}
	rec.AllowLeaks()
	f.finish()
	if len(f.errors) != 0 {
		t.Errorf("got %q, want no error where leaks are allowed", f.errors)
	}
}

func TestRecorderFindsChildrenThatOutliveTheirParent(t *testing.T) {
	f := newFake(t)
	rec := clewtest.Start(f)
	ctx, parent := clew.Span(rec.Context(), "parent")
	_, child := clew.Span(ctx, "child")
	parent.End()
	child.End()
	_, after := clew.Span(ctx, "afterwards")
	after.End()
	f.finish()
	if len(f.errors) != 2 || !strings.Contains(f.errors[0], `"child"`) || !strings.Contains(f.errors[0], "outlives its parent") || !strings.Contains(f.errors[1], `"afterwards"`) {
		t.Errorf("got %q, want both children", f.errors)
	}
	if tree := rec.Tree("clew.late"); strings.Count(tree, "clew.late=true") < 1 {
		t.Errorf("got:\n%s\nwant the child marked late", tree)
	}
}

func TestRecorderFindsLostContexts(t *testing.T) {
	f := newFake(t)
	rec := clewtest.Start(f)
	ctx, server := clew.StartSpan(rec.Context(), clew.ComponentHTTP, clew.Edges, clew.Server, "GET /")
	_, lost := clew.Span(context.Background(), "lost")
	lost.End()
	_, kept := clew.Span(ctx, "kept")
	kept.End()
	server.End()
	_, fine := clew.Span(context.Background(), "at no time of a request")
	fine.End()
	f.finish()
	if len(f.errors) != 1 || !strings.Contains(f.errors[0], `"lost" (clewtest/clewtest_test.go:`) || !strings.Contains(f.errors[0], "context lost") {
		t.Errorf("got %q, want one", f.errors)
	}
}

func TestGolden(t *testing.T) {
	f := newFake(t)
	rec := clewtest.Start(f)
	_, span := clew.Span(rec.Context(), "a")
	span.End()
	file := filepath.Join(t.TempDir(), "sub", "tree.txt")
	rec.Golden(file)
	if len(f.errors) != 1 || !strings.Contains(f.errors[0], "CLEW_UPDATE=1") {
		t.Errorf("got %q, want a hint how to write it", f.errors)
	}
	t.Setenv("CLEW_UPDATE", "1")
	rec.Golden(file)
	t.Setenv("CLEW_UPDATE", "")
	rec.Golden(file)
	if len(f.errors) != 1 {
		t.Errorf("got %q, want no further error", f.errors)
	}
	if err := os.WriteFile(file, []byte("trace 1\n└─ INTERNAL b (test)\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	rec.Golden(file)
	if len(f.errors) != 2 || !strings.Contains(f.errors[1], "  trace 1\n- └─ INTERNAL b (test)\n+ └─ INTERNAL a (test)") {
		t.Errorf("got %q", f.errors)
	}
	f.finish()
}

func FuzzDecode(f *testing.F) {
	f.Add([]byte{0x12, 0x02, 0x2a, 0x00})
	f.Add([]byte{0x12, 0x0a, 0x4a, 0x08, 0x0a, 0x01, 'k', 0x12, 0x03, 0x2a, 0x01, 0x00})
	f.Fuzz(func(t *testing.T, b []byte) {
		spans, err := clewtest.Decode(b)
		if err == nil {
			_ = clewtest.Tree(spans, "k")
		}
	})
}
