package otellog_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"go.opentelemetry.io/contrib/bridges/otelslog"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/log"

	clew "github.com/clew-dev/clew/kit/go"
	"github.com/clew-dev/clew/kit/go/otellog"
)

// lines starts a kit and returns what its lines are when it has stopped.
func start(t *testing.T) (k *clew.Kit, stop func() []map[string]any) {
	t.Helper()
	var out bytes.Buffer
	k = clew.Start(t.Context(), clew.Service("orders", "1"), clew.WithoutExport(), clew.WithoutGlobals(), clew.Output(&out), clew.Sample("1"))
	return k, func() (all []map[string]any) {
		if err := k.Stop(context.Background()); err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(out.String()) {
			var m map[string]any
			if err := json.Unmarshal([]byte(line), &m); err != nil {
				t.Fatalf("%v: %s", err, line)
			}
			all = append(all, m)
		}
		return all
	}
}

// A logger made before the kit, through a real bridge.
func TestABridgeWritesTheKitsLines(t *testing.T) {
	logger := slog.New(otelslog.NewHandler("bridge", otelslog.WithLoggerProvider(otellog.NewProvider()), otelslog.WithSource(true)))
	logger.Info("before the kit: to nobody")
	_, stop := start(t)
	ctx, span := clew.Span(t.Context(), "reserve")
	id := clew.SpanContextOf(ctx)
	logger.With("a", 1).WithGroup("g").WarnContext(ctx, "placed", "items", []int{1, 2}, "took", 1.5)
	logger.DebugContext(ctx, "under the level")
	span.End()
	got := stop()
	logger.Info("after the kit: to nobody")
	if len(got) != 1 {
		t.Fatalf("got %v, want one line", got)
	}
	line := got[0]
	for key, want := range map[string]any{
		"level": "WARN", "message": "placed", "service": "orders", "trace_id": id.TraceID.String(), "span_id": id.SpanID.String(), "sampled": true,
	} {
		if line[key] != want {
			t.Errorf("%s: got %v, want %v", key, line[key], want)
		}
	}
	if code, _ := line["code"].(string); !strings.HasPrefix(code, "otellog/otellog_test.go:") {
		t.Errorf("code: got %q", code)
	}
	attributes, _ := line["attributes"].(map[string]any)
	delete(attributes, "code.function.name")
	want := map[string]any{"a": 1.0, "g.items": []any{1.0, 2.0}, "g.took": 1.5}
	if !reflect.DeepEqual(attributes, want) {
		t.Errorf("attributes: got %v, want %v", attributes, want)
	}
}

func TestRecords(t *testing.T) {
	_, stop := start(t)
	logger := otellog.NewProvider().Logger("lib", log.WithInstrumentationVersion("2"))
	var r log.Record
	r.SetTimestamp(time.Unix(1, 5))
	r.SetSeverity(log.SeverityFatal2)
	r.SetBody(attribute.StringValue("gone"))
	r.SetErr(errors.Join(errors.New("a"), errors.New("b")))
	r.AddAttributes(
		attribute.Bool("b", true), attribute.KeyValue{Key: "n"}, attribute.StringSlice("s", []string{"x", "y"}),
		attribute.KeyValue{Key: "bytes", Value: attribute.ByteSliceValue([]byte{1, 2, 3})},
		attribute.KeyValue{Key: "m", Value: attribute.MapValue(attribute.Int("x", 1), attribute.KeyValue{Key: "y", Value: attribute.MapValue(attribute.Float64("z", 2.5))})},
		attribute.KeyValue{Key: "l", Value: attribute.SliceValue(attribute.IntValue(1), attribute.StringValue("a"), attribute.SliceValue(attribute.IntValue(2)))},
	)
	logger.Emit(t.Context(), r)
	var empty log.Record
	logger.Emit(nil, empty) //nolint:staticcheck // A bridge may have no context.
	got := stop()
	if len(got) != 2 {
		t.Fatalf("got %v, want two lines", got)
	}
	line := got[0]
	if line["time"] != "1970-01-01T00:00:01.000000005Z" || line["level"] != "ERROR" || line["message"] != "gone" {
		t.Errorf("got %v", line)
	}
	if chain, _ := line["error"].([]any); !slices.Equal(chain, []any{"a\nb", "a", "b"}) {
		t.Errorf("error: got %v", chain)
	}
	want := map[string]any{
		"b": true, "n": nil, "s": []any{"x", "y"}, "bytes": "AQID", "m.x": 1.0, "m.y.z": 2.5, "l": []any{1.0, "a", "[2]"},
	}
	if !reflect.DeepEqual(line["attributes"], want) {
		t.Errorf("attributes: got %v, want %v", line["attributes"], want)
	}
	if line := got[1]; line["level"] != "INFO" || line["message"] != nil || line["time"] == nil {
		t.Errorf("the empty record: got %v", line)
	}
}

func TestEnabledIsThePolicys(t *testing.T) {
	logger := otellog.NewProvider().Logger("lib")
	enabled := func(s log.Severity) bool { return logger.Enabled(t.Context(), log.EnabledParameters{Severity: s}) }
	if enabled(log.SeverityError) {
		t.Error("without a kit an event is wanted")
	}
	k, stop := start(t)
	defer stop()
	for severity, want := range map[log.Severity]bool{
		log.SeverityUndefined: true, log.SeverityTrace: false, log.SeverityDebug4: false, log.SeverityInfo: true, log.SeverityFatal: true,
	} {
		if got := enabled(severity); got != want {
			t.Errorf("%v: got %v, want %v", severity, got, want)
		}
	}
	if err := k.ApplyPolicy([]byte(`{"version":"1","log_level":"trace"}`)); err != nil {
		t.Fatal(err)
	}
	if !enabled(log.SeverityTrace) {
		t.Error("the policy's level is not followed")
	}
}

// Events without a call site are limited by what they say.
func TestTheMessageIsTheSite(t *testing.T) {
	_, stop := start(t)
	logger := otellog.NewProvider().Logger("lib")
	var a, b log.Record
	a.SetTimestamp(time.Unix(1, 0))
	b.SetTimestamp(time.Unix(1, 0))
	a.SetBody(attribute.StringValue("a"))
	b.SetBody(attribute.StringValue("b"))
	for range 150 {
		logger.Emit(t.Context(), a)
	}
	logger.Emit(t.Context(), b)
	counts, more := map[any]int{}, 0.0
	for _, line := range stop() {
		if n, is := line["more"].(float64); is {
			more += n
			continue
		}
		counts[line["message"]]++
	}
	if counts["a"] != 100 || counts["b"] != 1 || more != 50 {
		t.Errorf("got %v and %v more, want 100 of a, 1 of b, 50 more", counts, more)
	}
}
