package clew_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"sync"
	"testing"
	"time"

	clew "github.com/clew-dev/clew/kit/go"
	"github.com/clew-dev/clew/kit/go/clewtest"
)

// programs are those of kit/contract/context.json, told there in words.
var programs = map[string]func(t *testing.T, ctx context.Context){
	"spawn": func(_ *testing.T, ctx context.Context) {
		ctx, request := clew.Span(ctx, "request")
		defer request.End()
		await(ctx, func(ctx context.Context) {
			_, audit := clew.Span(ctx, "audit")
			audit.End()
		})
	},
	"group": func(t *testing.T, ctx context.Context) {
		ctx, request := clew.Span(ctx, "request")
		defer request.End()
		g, first := clew.NewGroup(ctx, 0), make(chan struct{})
		g.Go(func(ctx context.Context) error {
			defer close(first)
			_, span := clew.Span(ctx, "first")
			span.End()
			return nil
		})
		g.Go(func(ctx context.Context) error {
			<-first
			_, span := clew.Span(ctx, "second")
			span.End()
			return nil
		})
		if err := g.Wait(); err != nil {
			t.Error(err)
		}
	},
	"nested": func(_ *testing.T, ctx context.Context) {
		ctx, request := clew.Span(ctx, "request")
		defer request.End()
		await(ctx, func(ctx context.Context) {
			ctx, outer := clew.Span(ctx, "outer")
			defer outer.End()
			await(ctx, func(ctx context.Context) {
				_, inner := clew.Span(ctx, "inner")
				inner.End()
			})
		})
	},
	"pool": func(t *testing.T, ctx context.Context) {
		pool := clew.NewPool(1, 0)
		defer pool.Close()
		for _, name := range []string{"request a", "request b", "request c"} {
			ctx, request := clew.Span(ctx, name)
			done := make(chan struct{})
			if err := pool.Do(ctx, func(ctx context.Context) {
				defer close(done)
				_, work := clew.Span(ctx, "work")
				work.End()
			}); err != nil {
				t.Error(err)
			}
			<-done
			request.End()
		}
	},
	"channel": func(t *testing.T, ctx context.Context) {
		values := clew.NewChan[int](2)
		sending, request := clew.Span(ctx, "request")
		for i := range 2 {
			if err := values.Send(sending, i); err != nil {
				t.Error(err)
			}
		}
		values.Close()
		request.End()
		for m := range values.All(ctx) {
			ctx, handle := m.Span(ctx, "handle")
			_, store := clew.Span(ctx, "store")
			store.End()
			handle.End()
		}
	},
	"stream": func(_ *testing.T, ctx context.Context) {
		ctx, request := clew.Span(ctx, "request")
		defer request.End()
		ctx, page := clew.Span(ctx, "page")
		defer page.End()
		items := func(yield func(int) bool) {
			for i := range 3 {
				_, item := clew.Span(ctx, "item")
				item.End()
				if !yield(i) {
					return
				}
			}
		}
		for range items {
		}
	},
	"detach": func(_ *testing.T, ctx context.Context) {
		ctx, request := clew.Span(ctx, "request")
		ended := make(chan struct{})
		clew.Detach(ctx, "email", func(ctx context.Context) {
			<-ended
			_, smtp := clew.Span(ctx, "smtp")
			smtp.End()
		})
		request.End()
		close(ended)
	},
	"baggage": func(_ *testing.T, ctx context.Context) {
		ctx, request := clew.Span(clew.WithBaggage(ctx, "user", "7"), "request")
		defer request.End()
		await(ctx, func(ctx context.Context) {
			_, audit := clew.Span(ctx, "audit", clew.String("user", clew.Baggage(ctx, "user")))
			audit.End()
		})
		clew.Detach(ctx, "email", func(ctx context.Context) {
			clew.Current(ctx).Set(clew.String("user", clew.Baggage(ctx, "user")))
		})
	},
	"cancel": func(_ *testing.T, ctx context.Context) {
		ctx, cancel := context.WithCancel(ctx)
		ctx, request := clew.Span(ctx, "request")
		slow, gone := make(chan struct{}), make(chan struct{})
		clew.Go(ctx, func(ctx context.Context) {
			defer close(slow)
			_, span := clew.Span(ctx, "slow")
			defer span.End()
			<-ctx.Done()
		})
		clew.Detach(ctx, "email", func(context.Context) { <-gone })
		cancel()
		<-slow
		request.End()
		close(gone)
	},
	"panic": func(t *testing.T, ctx context.Context) {
		mux := http.NewServeMux()
		mux.HandleFunc("GET /panic", func(http.ResponseWriter, *http.Request) { panic("boom") })
		defer func() {
			if recover() != "boom" {
				t.Error("the panic did not reach the caller")
			}
		}()
		kit.HTTP(mux).ServeHTTP(httptest.NewRecorder(), httptest.NewRequestWithContext(ctx, "GET", "/panic", nil))
	},
	"tick": func(_ *testing.T, ctx context.Context) {
		ctx, cancel := context.WithCancel(ctx)
		ticks := 0
		clew.Ticker(ctx, time.Millisecond, "tick", func(context.Context) error {
			if ticks++; ticks == 2 {
				cancel()
			}
			return nil
		})
	},
	"linked under a span": func(_ *testing.T, ctx context.Context) {
		cause, first := clew.Span(ctx, "first")
		first.End()
		_, second := clew.StartLinked(ctx, clew.ComponentApp, clew.Standard, clew.Internal, "second", []clew.Link{clew.LinkTo(cause)})
		second.Event("noted")
		second.End()
	},
	"unsampled": func(_ *testing.T, ctx context.Context) {
		_, known := clew.Span(calledBy(ctx, "00-4bf92f3577b34da6a3ce929d0e0e4701-00f067aa0ba902b7-01"), "known")
		known.End()
		ctx, request := clew.Span(calledBy(ctx, "00-4bf92f3577b34da6a3ce929d0e0e4701-00f067aa0ba902b7-00"), "request")
		defer request.End()
		await(ctx, func(ctx context.Context) {
			_, audit := clew.Span(ctx, "audit")
			audit.Fail(errors.New("handled"))
			audit.End()
		})
	},
	"a root under an unsampled span": func(_ *testing.T, ctx context.Context) {
		_, request := clew.Span(calledBy(ctx, "00-4bf92f3577b34da6a3ce929d0e0e4702-00f067aa0ba902b7-00"), "request")
		defer request.End()
		ctx, other := clew.Span(ctx, "other")
		defer other.End()
		_, below := clew.Span(ctx, "below")
		below.End()
	},
	"two threads": func(_ *testing.T, ctx context.Context) {
		ctx, request := clew.Span(ctx, "request")
		defer request.End()
		var both sync.WaitGroup
		started, ended := make(chan struct{}), make(chan struct{})
		both.Go(func() {
			defer close(ended)
			<-started
			_, a := clew.Span(ctx, "a")
			a.End()
		})
		both.Go(func() {
			close(started)
			<-ended
			_, b := clew.Span(ctx, "b")
			b.End()
		})
		both.Wait()
	},
	"out of order": func(_ *testing.T, ctx context.Context) {
		_, first := clew.Span(ctx, "first")
		ctx, second := clew.Span(ctx, "second")
		first.End()
		_, below := clew.Span(ctx, "below")
		below.End()
		second.End()
	},
	"set twice": func(_ *testing.T, ctx context.Context) {
		_, work := clew.Span(ctx, "work")
		defer work.End()
		work.Set(clew.Int("a", 1), clew.Bool("b", true))
		work.Set(clew.String("a", "two"))
	},
	"public": func(_ *testing.T, ctx context.Context) {
		mux := http.NewServeMux()
		mux.HandleFunc("GET /public", func(_ http.ResponseWriter, r *http.Request) {
			user := clew.Baggage(r.Context(), "user")
			if user == "" {
				user = "none"
			}
			clew.Current(r.Context()).Set(clew.String("user", user))
		})
		r := httptest.NewRequestWithContext(ctx, "GET", "/public", nil)
		r.Header.Set("Traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4703-00f067aa0ba902b7-00")
		r.Header.Set("Tracestate", "ot=th:0")
		r.Header.Set("Baggage", "user=7")
		kit.HTTP(mux, clew.Public(nil)).ServeHTTP(httptest.NewRecorder(), r)
	},
	"response": func(t *testing.T, ctx context.Context) {
		mux := http.NewServeMux()
		mux.HandleFunc("GET /stream", func(w http.ResponseWriter, r *http.Request) {
			for range 2 {
				_, part := clew.Span(r.Context(), "part")
				if _, err := io.WriteString(w, "part"); err != nil {
					t.Error(err)
				}
				if err := http.NewResponseController(w).Flush(); err != nil {
					t.Error(err)
				}
				part.End()
			}
		})
		server := httptest.NewServer(kit.HTTP(mux))
		defer server.Close()
		r, err := http.NewRequestWithContext(ctx, "GET", server.URL+"/stream", nil)
		if err != nil {
			t.Fatal(err)
		}
		answer, err := kit.Transport(server.Client().Transport).RoundTrip(r)
		if err != nil {
			t.Fatal(err)
		}
		defer answer.Body.Close()
		if body, err := io.ReadAll(answer.Body); err != nil || string(body) != "partpart" {
			t.Errorf("body %q: %v", body, err)
		}
	},
}

// calledBy is ctx below a span of another process.
func calledBy(ctx context.Context, traceparent string) context.Context {
	return clew.Extract(ctx, clew.HeaderCarrier{"Traceparent": {traceparent}})
}

// await hands fn on with Go and waits for it.
func await(ctx context.Context, fn func(context.Context)) {
	var done sync.WaitGroup
	done.Add(1)
	clew.Go(ctx, func(ctx context.Context) {
		defer done.Done()
		fn(ctx)
	})
	done.Wait()
}

// TestContextVectors runs every program of kit/contract/context.json; the Rust suite writes the same ones.
func TestContextVectors(t *testing.T) {
	raw, err := os.ReadFile("../contract/context.json")
	if err != nil {
		t.Fatal(err)
	}
	var vectors struct {
		Cases []struct {
			Name       string
			Attributes []string
			Ends       [][2]string
			Tree       string
		}
	}
	if err := json.Unmarshal(raw, &vectors); err != nil {
		t.Fatal(err)
	}
	if len(vectors.Cases) != len(programs) {
		t.Errorf("there are %d cases and %d programs", len(vectors.Cases), len(programs))
	}
	for _, c := range vectors.Cases {
		t.Run(c.Name, func(t *testing.T) {
			t.Parallel()
			program := programs[c.Name]
			if program == nil {
				t.Fatal("there is no such program")
			}
			rec := clewtest.Start(t)
			program(t, rec.Context())
			wantTree(t, rec, c.Tree, c.Attributes...)
			for _, pair := range c.Ends {
				wantEnds(t, rec, pair[0], pair[1])
			}
		})
	}
}

// wantEnds reports spans called first that end after the one called second.
func wantEnds(t *testing.T, rec *clewtest.Recorder, first, second string) {
	t.Helper()
	var earlier, later []int64
	for _, s := range rec.Spans() {
		switch s.Kind + " " + s.Name {
		case first:
			earlier = append(earlier, s.End)
		case second:
			later = append(later, s.End)
		}
	}
	if len(earlier) == 0 || len(later) != 1 || slices.Max(earlier) > later[0] {
		t.Errorf("%s ends at %v, %s at %v", first, earlier, second, later)
	}
}
