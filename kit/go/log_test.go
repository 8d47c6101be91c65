package clew_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/slogtest"
	"time"

	"github.com/clew-dev/clew/kit/go"
)

// lines is a writer that is read while a kit writes to it.
type lines struct {
	mu  sync.Mutex
	got bytes.Buffer
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.got.Write(p)
}

func (l *lines) all(t *testing.T) (all []map[string]any) {
	t.Helper()
	l.mu.Lock()
	defer l.mu.Unlock()
	for line := range strings.Lines(l.got.String()) {
		var m map[string]any
		if err := json.Unmarshal([]byte(line), &m); err != nil {
			t.Fatalf("%v: %s", err, line)
		}
		all = append(all, m)
	}
	return all
}

func logKit(t *testing.T, options ...clew.Option) (*clew.Kit, *lines) {
	t.Helper()
	out := new(lines)
	k := clew.Start(t.Context(), append([]clew.Option{
		clew.Service("orders", "1"), clew.WithoutExport(), clew.WithoutGlobals(), clew.Output(out), clew.Sample("1"),
		clew.Environment(func(string) (string, bool) { return "", false }),
	}, options...)...)
	t.Cleanup(func() { _ = k.Stop(context.Background()) })
	return k, out
}

func flush(t *testing.T, k *clew.Kit) {
	t.Helper()
	if err := k.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func TestLoggerWritesTheIdsOfTheSpan(t *testing.T) {
	k, out := logKit(t)
	ctx, span := clew.Span(t.Context(), "reserve")
	k.Logger().InfoContext(ctx, "placed", "items", 3, "err", errors.New("full"))
	k.Logger().Info("no context")
	id := clew.SpanContextOf(ctx)
	span.End()
	flush(t, k)
	got := out.all(t)
	if len(got) != 2 {
		t.Fatalf("%d lines, want 2", len(got))
	}
	line := got[0]
	for key, want := range map[string]any{
		"schema": "clew/1", "level": "INFO", "message": "placed", "service": "orders", "sampled": true,
		"trace_id": id.TraceID.String(), "span_id": id.SpanID.String(),
	} {
		if line[key] != want {
			t.Errorf("%s: got %v, want %v", key, line[key], want)
		}
	}
	if code, _ := line["code"].(string); !strings.Contains(code, "/log_test.go:") {
		t.Errorf("code: got %q, want this file", code)
	}
	if chain, _ := line["error"].([]any); !slices.Equal(chain, []any{"full"}) {
		t.Errorf("error: got %v", chain)
	}
	if a, _ := line["attributes"].(map[string]any); len(a) != 1 || a["items"] != 3.0 {
		t.Errorf("attributes: got %v", a)
	}
	if _, has := got[1]["trace_id"]; has {
		t.Errorf("a line without a context has ids: %v", got[1])
	}
}

func TestLoggerMarksTasks(t *testing.T) {
	k, out := logKit(t)
	var group sync.WaitGroup
	for range 2 {
		group.Add(1)
		clew.Go(t.Context(), func(ctx context.Context) {
			defer group.Done()
			k.Logger().InfoContext(ctx, "in a task")
		})
	}
	group.Wait()
	k.Logger().InfoContext(t.Context(), "in none")
	flush(t, k)
	tasks := map[any]bool{}
	for _, line := range out.all(t) {
		tasks[line["task"]] = true
	}
	if len(tasks) != 3 || !tasks[nil] {
		t.Errorf("tasks %v, want two and none", tasks)
	}
}

func TestPolicyGovernsTheLogger(t *testing.T) {
	k, out := logKit(t)
	logger := k.Logger()
	apply := func(document string) {
		t.Helper()
		if err := k.ApplyPolicy([]byte(document)); err != nil {
			t.Fatal(err)
		}
	}
	if logger.Enabled(t.Context(), slog.LevelDebug) || !logger.Enabled(t.Context(), slog.LevelInfo) {
		t.Error("without a policy the level is not info")
	}
	apply(`{"version":"1","log_level":"warn"}`)
	logger.Info("not written")
	logger.Warn("written")
	apply(`{"version":"2","log_level":"trace","redact":[{"key":"card","action":"mask"}]}`)
	logger.With("card", "4111").Log(t.Context(), slog.LevelDebug-4, "redacted", "a", 1)
	apply(`{"version":"3","log_lines_per_second":1,"level":"off"}`)
	for range 1000 {
		logger.Info("many")
	}
	if err := k.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	got := out.all(t)
	if len(got) < 4 || got[0]["message"] != "written" || got[1]["level"] != "TRACE" {
		t.Fatalf("got %v", got)
	}
	if a := got[1]["attributes"].(map[string]any); a["card"] != "***" || a["a"] != 1.0 {
		t.Errorf("attributes: got %v", a)
	}
	written, more := 0.0, 0.0
	for _, line := range got[2:] {
		if n, is := line["more"].(float64); is {
			more += n
		} else {
			written++
		}
	}
	// The loop may run over the border of a second.
	if written < 1 || written > 3 || written+more != 1000 {
		t.Errorf("%v lines written and %v counted, want 1000 together and 1 a second", written, more)
	}
}

// A reader that never reads holds up no line but an ERROR line, and that one for 100 ms.
func TestLoggerBeforeAReaderThatStandsStill(t *testing.T) {
	read, write := io.Pipe()
	t.Cleanup(func() { _ = read.Close() })
	k, _ := logKit(t, clew.Output(write))
	begin := time.Now()
	for range 20_000 {
		k.Logger().Info("nobody reads this", "a", 1)
	}
	for range 20 {
		k.Logger().Error("nor this")
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if err := k.Stop(ctx); err == nil {
		t.Error("stop does not say that lines are lost")
	}
	if took := time.Since(begin); took > 3*time.Second {
		t.Errorf("it took %v", took)
	}
}

func TestNewHandlerNeedsNoKit(t *testing.T) {
	var out bytes.Buffer
	logger := slog.New(clew.NewHandler(&out, clew.HandlerOptions{Service: "tool", Level: slog.LevelWarn}))
	logger.Info("not this")
	logger.WithGroup("g").With("a", 1).WithGroup("h").Warn("this", "b", "x", slog.Group("i", "c", true))
	const want = `,"level":"WARN","message":"this","service":"tool","code":`
	const attributes = `,"attributes":{"g.a":1,"g.h.b":"x","g.h.i.c":true}}` + "\n"
	if got := out.String(); !strings.Contains(got, want) || !strings.HasSuffix(got, attributes) || strings.Count(got, "\n") != 1 {
		t.Errorf("got %s", got)
	}
	for range 1000 {
		logger.Warn("limited")
	}
	if n := strings.Count(out.String(), "limited"); n < 100 || n > 300 {
		t.Errorf("%d lines, want 100 a second", n)
	}
	if err := slog.New(clew.NewHandler(failing{}, clew.HandlerOptions{})).Handler().Handle(t.Context(), slog.NewRecord(time.Now(), 0, "x", 0)); err != nil {
		t.Errorf("a broken writer is the program's trouble: %v", err)
	}
}

type failing struct{}

func (failing) Write([]byte) (int, error) { panic("broken") }

type evil struct{}

func (evil) LogValue() slog.Value { panic("evil") }
func (evil) Error() string        { panic("evil") }

type evilContext struct{ context.Context }

func (evilContext) Value(any) any { panic("evil") }

// Whatever a value does, the program goes on and the line is written.
func TestLoggerSurvivesItsValues(t *testing.T) {
	k, out := logKit(t)
	k.Logger().Info("a", "v", evil{}, "error", error(evil{}))
	k.Logger().InfoContext(evilContext{t.Context()}, "lost and counted")
	(*clew.Kit)(nil).Logger().Error("to nobody")
	flush(t, k)
	if got := out.all(t); len(got) != 1 {
		t.Errorf("got %v", got)
	}
}

// The standard library's own suite. Our lines have attributes under a key of their own, flat, and "message" for "msg".
func TestSlogtest(t *testing.T) {
	var out bytes.Buffer
	slogtest.Run(t, func(*testing.T) slog.Handler {
		out.Reset()
		return clew.NewHandler(&out, clew.HandlerOptions{})
	}, func(t *testing.T) map[string]any {
		var line struct {
			Time, Level, Message string
			Attributes           map[string]any
		}
		if err := json.Unmarshal(out.Bytes(), &line); err != nil {
			t.Fatal(err)
		}
		result := map[string]any{slog.LevelKey: line.Level, slog.MessageKey: line.Message}
		if line.Time != "" {
			result[slog.TimeKey] = line.Time
		}
		for key, value := range line.Attributes {
			at := result
			parts := strings.Split(key, ".")
			for _, part := range parts[:len(parts)-1] {
				inner, ok := at[part].(map[string]any)
				if !ok {
					inner = map[string]any{}
					at[part] = inner
				}
				at = inner
			}
			at[parts[len(parts)-1]] = value
		}
		return result
	})
}

func TestLoggerAllocations(t *testing.T) {
	if raceDetector {
		t.Skip("the race detector allocates")
	}
	k, _ := logKit(t, clew.Output(io.Discard))
	if err := k.ApplyPolicy([]byte(`{"version":"1","log_lines_per_second":1000000000}`)); err != nil {
		t.Fatal(err)
	}
	logger := k.Logger()
	ctx, span := clew.Span(t.Context(), "reserve")
	defer span.End()
	attrs := func() {
		logger.LogAttrs(ctx, slog.LevelInfo, "placed", slog.String("sku", "a-17"), slog.Int("items", 3), slog.Float64("price", 12.5))
	}
	attrs()
	if n := testing.AllocsPerRun(1000, attrs); n > 1 {
		t.Errorf("a line with three attributes in a span: %v allocations, want 1 at most", n)
	}
	off := func() { logger.LogAttrs(ctx, slog.LevelDebug, "placed", slog.String("sku", "a-17")) }
	if n := testing.AllocsPerRun(1000, off); n != 0 {
		t.Errorf("a line that is off: %v allocations, want none", n)
	}
}

func ExampleNewHandler() {
	logger := slog.New(clew.NewHandler(io.Discard, clew.HandlerOptions{Service: "tool"}))
	logger.Info("placed", "items", 3)
	// Output:
}
