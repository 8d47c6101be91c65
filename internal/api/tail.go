package api

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/clew-dev/clew/internal/auth"
	"github.com/clew-dev/clew/internal/telemetry"
)

// tailBeat is how often a quiet tail sends a comment, so that proxies keep the
// connection, and how often it is asked again whether its token still holds.
const tailBeat = 15 * time.Second

// tail streams the spans that arrive and match as server-sent events.
func (s *Server) tail(w http.ResponseWriter, r *http.Request) error {
	p, err := s.searchPlan(r)
	if err != nil {
		return err
	}
	if p.Spans.Op != "" || len(p.Stages) > 0 {
		return telemetry.Errorf(telemetry.KindInvalid, "a tail follows a single filter { … }; leave relations and stages out")
	}
	select {
	case s.tails <- struct{}{}:
		defer func() { <-s.tails }()
	default:
		return telemetry.RetryError(telemetry.KindExhausted, 10*time.Second, "%d tails are open, which is the limit", cap(s.tails))
	}
	ctx, cancel := context.WithCancel(r.Context())
	defer cancel()
	h := w.Header()
	h.Set("Content-Type", "text/event-stream")
	h.Set("Cache-Control", "no-store")
	h.Set("X-Accel-Buffering", "no")
	e := &events{w: w, control: http.NewResponseController(w)}
	if err := e.send(": open\n\n"); err != nil {
		return nil // the client has gone
	}
	var g sync.WaitGroup
	g.Go(func() {
		s.beat(ctx, r, e)
		cancel()
	})
	err = s.o.Store.Tail(ctx, auth.FromContext(ctx).Tenant, p, e.spans)
	ended := ctx.Err() != nil
	cancel()
	g.Wait()
	if err != nil && !ended {
		return e.fail(err)
	}
	return nil
}

// beat returns when the tail has to end: the client has gone, the server stops
// or the token no longer holds.
func (s *Server) beat(ctx context.Context, r *http.Request, e *events) {
	t := time.NewTicker(tailBeat)
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-s.stopping:
			return
		case <-t.C:
			if _, err := s.principal(r); err != nil || e.send(": beat\n\n") != nil {
				return
			}
		}
	}
}

// events writes server-sent events from two goroutines.
type events struct {
	mu      sync.Mutex
	w       http.ResponseWriter
	control *http.ResponseController
}

func (e *events) send(text string) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if _, err := e.w.Write([]byte(text)); err != nil {
		return err
	}
	return e.control.Flush()
}

// spans sends what a store found; it is called by Store.Tail.
func (e *events) spans(b *telemetry.Batch, missed int64) error {
	var text strings.Builder
	if missed > 0 {
		fmt.Fprintf(&text, "event: missed\ndata: %d\n\n", missed)
	}
	if b != nil && b.Spans.N > 0 {
		data, err := json.Marshal(tailSpans(b))
		if err != nil {
			return fmt.Errorf("encode the spans of a tail: %w", err)
		}
		text.WriteString("data: ")
		text.Write(data) // one line: JSON escapes line feeds
		text.WriteString("\n\n")
	}
	if text.Len() == 0 {
		return nil
	}
	return e.send(text.String())
}

// fail tells of an error in a stream that has begun, where no status can.
func (e *events) fail(err error) error {
	data, jerr := json.Marshal(errorBody{errorJSON{Kind: telemetry.KindOf(err).String(), Message: tailMessage(err)}})
	if jerr != nil {
		return jerr
	}
	_ = e.send("event: failed\ndata: " + string(data) + "\n\n") // a client that has gone cannot be told
	return nil
}

func tailMessage(err error) string {
	if telemetry.KindOf(err) == telemetry.KindInternal {
		return "something is broken inside Clew"
	}
	return err.Error()
}

func tailSpans(b *telemetry.Batch) []foundSpanJSON {
	s := &b.Spans
	services, serviceOf := servicesOf(b)
	out := make([]foundSpanJSON, s.N)
	for row := range uint32(s.N) {
		attrs, _ := rowAttrs(&s.Table, row)
		out[row] = foundSpanJSON{
			TraceID: s.TraceID[row].String(), SpanID: s.SpanID[row].String(), Service: services[serviceOf[s.Resource[row]]],
			Name: s.Names.Str(s.Name[row]), Kind: kindName(s.Kind[row]), Status: statusName(s.Status[row]),
			Start: nanos(s.Start[row]), Duration: s.Duration[row], Attributes: attrs,
		}
	}
	return out
}
