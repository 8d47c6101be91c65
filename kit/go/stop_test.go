package clew_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
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
