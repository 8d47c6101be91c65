package clew_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	clew "github.com/clew-dev/clew/kit/go"
)

// TestStopWithACollectorThatNeverAnswers holds the deadline, and says what was lost.
func TestStopWithACollectorThatNeverAnswers(t *testing.T) {
	t.Cleanup(clew.Suspend())
	l, err := net.Listen("tcp", "127.0.0.1:0") // Nobody accepts; the system takes the connection.
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	none := func(string) (string, bool) { return "", false }
	k := clew.Start(context.Background(), clew.Endpoint("http://"+l.Addr().String()), clew.WithoutGlobals(), clew.Output(nil), clew.Environment(none))
	for range 1200 {
		_, s := clew.Span(context.Background(), "lost")
		s.End()
	}
	ctx, cancel := context.WithTimeout(context.Background(), 200*time.Millisecond)
	defer cancel()
	begun := time.Now()
	err = k.Stop(ctx)
	if took := time.Since(begun); took > 2*time.Second {
		t.Errorf("Stop took %v", took)
	}
	if err == nil || !strings.Contains(err.Error(), "1200") {
		t.Errorf("Stop says %v, and nothing of 1200 spans", err)
	}
	if n := k.Status().Signals["traces"].Dropped["stopped"]; n != 1200 {
		t.Errorf("%d spans are counted as stopped", n)
	}
}

func TestFlushSendsWhatIsThere(t *testing.T) {
	t.Cleanup(clew.Suspend())
	got := make(chan string, 16)
	s := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { got <- r.URL.Path }))
	defer s.Close()
	none := func(string) (string, bool) { return "", false }
	k := clew.Start(context.Background(), clew.Endpoint(s.URL), clew.WithoutGlobals(), clew.Output(nil), clew.Environment(none))
	defer k.Stop(context.Background())
	_, span := clew.Span(context.Background(), "sent")
	span.End()
	k.Logger().Info("sent")
	if err := k.Flush(context.Background()); err != nil {
		t.Fatal(err)
	}
	paths := map[string]int{}
	for len(got) > 0 {
		paths[<-got]++
	}
	if want := "map[/v1/logs:1 /v1/metrics:1 /v1/traces:1]"; fmt.Sprint(paths) != want {
		t.Errorf("requests are %v, not %s", paths, want)
	}
	if n := k.Status().Signals["traces"].Exported; n != 1 {
		t.Errorf("%d spans are counted as exported", n)
	}
	over, cancel := context.WithCancel(context.Background())
	cancel()
	_, span = clew.Span(context.Background(), "later")
	span.End()
	if err := k.Flush(over); !errors.Is(err, context.Canceled) {
		t.Errorf("Flush under an ended context says %v", err)
	}
}

// Kits that are stopped at the same moment hand back to none of each other.
func TestStopsAtTheSameMoment(t *testing.T) {
	t.Cleanup(clew.Suspend())
	options := []clew.Option{clew.WithoutExport(), clew.WithoutGlobals(), clew.Output(nil), clew.Environment(func(string) (string, bool) { return "", false })}
	for range 4000 {
		var kits [4]*clew.Kit
		for i := range kits {
			kits[i] = clew.Start(t.Context(), options...)
		}
		var wait sync.WaitGroup
		begin := make(chan struct{})
		for _, k := range kits {
			wait.Go(func() {
				<-begin
				_ = k.Stop(t.Context())
			})
		}
		close(begin)
		wait.Wait()
		if ctx, span := clew.Span(t.Context(), "after"); ctx != t.Context() || span.SpanContext().IsValid() {
			t.Fatal("a kit that was stopped runs")
		}
	}
}

// A program that starts the next kit before it stops the last does so without end.
func TestKitsThatTakeOverDoNotPileUp(t *testing.T) {
	t.Cleanup(clew.Suspend())
	options := []clew.Option{clew.WithoutExport(), clew.WithoutGlobals(), clew.Output(nil), clew.Environment(func(string) (string, bool) { return "", false })}
	last := clew.Start(t.Context(), options...)
	for range 10 {
		next := clew.Start(t.Context(), options...)
		if err := last.Stop(t.Context()); err != nil {
			t.Fatal(err)
		}
		last = next
	}
	if n := clew.Row(); n != 1 {
		t.Errorf("%d kits are kept, want the one that runs", n)
	}
	if err := last.Stop(t.Context()); err != nil || clew.Row() != 0 {
		t.Errorf("%d kits are kept after all have stopped (%v)", clew.Row(), err)
	}
}

// stuck is an output that nobody reads.
type stuck struct{ until chan struct{} }

func (s stuck) Write(p []byte) (int, error) {
	<-s.until
	return len(p), nil
}

// A standard output that nobody reads must not cost the spans that the collector would take.
func TestAStuckOutputDoesNotHoldUpSpans(t *testing.T) {
	t.Cleanup(clew.Suspend())
	for name, end := range map[string]func(*clew.Kit, context.Context) error{"stop": (*clew.Kit).Stop, "flush": (*clew.Kit).Flush} {
		got := make(chan string, 16)
		s := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { got <- r.URL.Path }))
		defer s.Close()
		out := stuck{make(chan struct{})}
		k := clew.Start(context.Background(), clew.Endpoint(s.URL), clew.WithoutGlobals(), clew.Output(out),
			clew.Environment(func(string) (string, bool) { return "", false }))
		k.Logger().Info("stuck")
		_, span := clew.Span(context.Background(), "sent")
		span.End()
		ctx, cancel := context.WithTimeout(context.Background(), 400*time.Millisecond)
		defer cancel()
		begun := time.Now()
		if err := end(k, ctx); err == nil {
			t.Errorf("%s: no error for a line that is not out", name)
		}
		if took := time.Since(begun); took > 2*time.Second {
			t.Errorf("%s took %v", name, took)
		}
		sent := false
		for len(got) > 0 {
			sent = <-got == "/v1/traces" || sent
		}
		if !sent {
			t.Errorf("%s: the span was not sent", name)
		}
		close(out.until)
		_ = k.Stop(context.Background())
	}
}
