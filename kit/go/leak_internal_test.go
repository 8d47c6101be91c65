package clew

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/clew-dev/clew/kit/go/internal/watch"
)

// withoutRegistry takes the test recorder's registry out of force for a test.
func withoutRegistry(t *testing.T) {
	if r := watch.Current(); r != nil {
		watch.Remove(r)
		t.Cleanup(func() { watch.Install(r) })
	}
}

func leakKit(t *testing.T, mode string, out *strings.Builder) *Kit {
	t.Helper()
	k := Start(context.Background(), WithoutExport(), WithoutGlobals(), Environment(func(string) (string, bool) { return "", false }))
	k.leaks.stop()
	k.leaks = startLeaks(mode, k.counters, out)
	t.Cleanup(func() { _ = k.Stop(context.Background()) })
	return k
}

func TestLeakWatchNamesThePlace(t *testing.T) {
	withoutRegistry(t)
	var out strings.Builder
	k := leakKit(t, "debug", &out)
	for range 3 {
		_, _ = Span(context.Background(), "forgotten")
	}
	ctx, server := StartSpan(context.Background(), ComponentHTTP, Edges, Server, "GET /")
	_, lost := Span(context.Background(), "lost")
	lost.End()
	_, child := Span(ctx, "child")
	server.End()
	child.End()
	k.leaks.sweep(time.Now(), debugAge)
	if n := strings.Count(out.String(), "\n"); n != 2 || !strings.Contains(out.String(), `span "lost" (`) || !strings.Contains(out.String(), `span "child" (`) {
		t.Errorf("got:\n%s\nwant the lost context and the late child", out.String())
	}
	k.leaks.sweep(time.Now().Add(time.Hour), debugAge)
	if n := strings.Count(out.String(), "\n"); n != 3 || strings.Count(out.String(), `span "forgotten" (`) != 1 || !strings.Contains(out.String(), "leak_internal_test.go:") {
		t.Errorf("got:\n%s\nwant the open spans, once for their place", out.String())
	}
	if got := k.counters.SpanLeaked.Load(); got != 3 {
		t.Errorf("counted %d leaks, want 3", got)
	}
	if got := k.counters.ContextLost.Load(); got != 1 {
		t.Errorf("counted %d lost contexts, want 1", got)
	}
}

func TestLeakWatchCountsInProduction(t *testing.T) {
	withoutRegistry(t)
	var out strings.Builder
	k := leakKit(t, "", &out)
	const spans = 64 * 256
	for range spans {
		_, _ = Span(context.Background(), "forgotten")
	}
	k.leaks.sweep(time.Now().Add(time.Hour), leakAge)
	got := k.counters.SpanLeaked.Load()
	// 64 are expected, with a deviation of 8; a tenfold one is as good as impossible.
	if got < spans/3 || got > spans*2 || got%256 != 0 {
		t.Errorf("counted %d leaks of %d", got, spans)
	}
	k.leaks.sweep(time.Now().Add(2*time.Hour), leakAge)
	if again := k.counters.SpanLeaked.Load(); again != got {
		t.Errorf("counted the same leaks again: %d, then %d", got, again)
	}
	if out.Len() != 0 {
		t.Errorf("got %q on standard error, want nothing", out.String())
	}
}

func TestLeakWatchIsOff(t *testing.T) {
	withoutRegistry(t)
	k := leakKit(t, "off", nil)
	if k.leaks != nil || watch.Current() != nil {
		t.Error("somebody watches")
	}
}

func TestLeakWatchEndsWithTheKit(t *testing.T) {
	withoutRegistry(t)
	k := leakKit(t, "debug", new(strings.Builder))
	if watch.Current() == nil {
		t.Fatal("nobody watches")
	}
	_ = k.Stop(context.Background())
	if watch.Current() != nil || k.leaks.timer != nil {
		t.Error("the watch goes on after Stop")
	}
}

func TestLeakLinesAreBounded(t *testing.T) {
	var out strings.Builder
	l := &leaks{out: &out, said: map[string]bool{}}
	for i := range maxLeakLines + 5 {
		l.say(strings.Repeat("x", i), "text")
	}
	if n := strings.Count(out.String(), "\n"); n != maxLeakLines {
		t.Errorf("got %d lines, want %d", n, maxLeakLines)
	}
}

// A kit that takes over from another one watches when that has stopped.
func TestLeakWatchPassesToTheNextKit(t *testing.T) {
	withoutRegistry(t)
	last := leakKit(t, "count", new(strings.Builder))
	next := leakKit(t, "count", new(strings.Builder))
	if watch.Current() != last.leaks.registry {
		t.Fatal("the first kit does not watch")
	}
	_ = last.Stop(context.Background())
	if next.leaks != nil {
		next.leaks.tick()
	}
	if watch.Current() == nil {
		t.Error("nobody watches any more")
	}
}
