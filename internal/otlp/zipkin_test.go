package otlp_test

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"

	"github.com/clew-dev/clew/internal/otlp"
	"github.com/clew-dev/clew/internal/telemetry"
	"github.com/clew-dev/clew/internal/testkit"
)

func decodeZipkin(t testing.TB, body []byte, lim otlp.Limits) (*telemetry.Batch, otlp.Report, error) {
	t.Helper()
	b := telemetry.NewBuilder()
	b.Reset("t")
	var d otlp.Decoder
	report, err := d.DecodeZipkinJSON(b, body, now, lim)
	return &b.Batch, report, err
}

// TestZipkin shows what spans of Zipkin become, as OTLP, with what was counted.
func TestZipkin(t *testing.T) {
	files, err := filepath.Glob("testdata/zipkin/*.json")
	if err != nil || len(files) < 4 {
		t.Fatalf("%d files: %v", len(files), err)
	}
	for _, file := range files {
		body, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		b, report, err := decodeZipkin(t, body, otlp.Limits{})
		if err != nil {
			t.Errorf("%s: %v", file, err)
			continue
		}
		var out bytes.Buffer
		if err := json.Indent(&out, otlp.AppendTracesJSON(nil, b), "", "  "); err != nil {
			t.Fatal(err)
		}
		out.WriteByte('\n')
		for r, n := range report.Counts {
			if n > 0 {
				out.WriteString(otlp.Reason(r).String() + " " + string(rune('0'+n)) + "\n")
			}
		}
		testkit.Golden(t, strings.TrimSuffix(file, ".json")+".txt", out.Bytes())
	}
}

// TestZipkinErrors gives the place and the mend of every mistake.
func TestZipkinErrors(t *testing.T) {
	const ids = `"traceId":"1","id":"2"`
	for body, want := range map[string]string{
		``:                                `decode traces: an array of spans is wanted, not the end of the text`,
		`{}`:                              `an array of spans is wanted, not "{}"`,
		`[{` + ids + `},]`:                `a value is wanted after the comma`,
		`[{` + ids + `}] x`:               `there is more after the end`,
		`[{"id":"2"}]`:                    `spans[0]: the span has no traceId`,
		`[null]`:                          `spans[0]: the span has no traceId`,
		`[{` + ids + `},{"traceId":"1"}]`: `spans[1]: the span has no id`,
		`[{"traceId":"1","id":"0000"}]`:   `spans[0]: the span has no id`,
		`[{"traceId":"1","id":"11112222333344445"}]`:                 `spans[0].id: "11112222333344445" has over 16 hexadecimal digits`,
		`[{"traceId":"` + strings.Repeat("1", 33) + `","id":"2"}]`:   `has over 32 hexadecimal digits`,
		`[{"traceId":"xyz","id":"2"}]`:                               `spans[0].traceId: "xyz" is not hexadecimal`,
		`[{` + ids + `,"timestamp":1.5}]`:                            `spans[0].timestamp: "1.5" is not an integer`,
		`[{` + ids + `,"duration":-1}]`:                              `spans[0].duration: "-1" is not an integer`,
		`[{` + ids + `,"localEndpoint":{"port":65536}}]`:             `spans[0].localEndpoint: port 65536 is over 65535`,
		`[{` + ids + `,"tags":{"a":{}}}]`:                            `spans[0].tags: the tag "a" is no text`,
		`[{` + ids + `,"tags":[]}]`:                                  `spans[0].tags: an object is wanted`,
		`[{` + ids + `,"annotations":[{"value":"a"},{"value":[]}]}]`: `spans[0].annotations[1]: a string is wanted`,
		`[{` + ids + `,"binaryAnnotations":[]}]`:                     `are of Zipkin's version 1; send spans of version 2`,
		`[{` + ids + `,"shared":"yes"}]`:                             `true or false is wanted`,
	} {
		_, _, err := decodeZipkin(t, []byte(body), otlp.Limits{})
		if err == nil || !strings.Contains(err.Error(), want) || telemetry.KindOf(err) != telemetry.KindInvalid {
			t.Errorf("%.80s: got %v, want %s", body, err, want)
		}
	}
	for _, sound := range []string{
		`[{"traceId":"` + strings.Repeat("1", 32) + `","id":"1111222233334444"}]`,
		`[{` + ids + `,"localEndpoint":{"port":65535}}]`,
	} {
		if _, report, err := decodeZipkin(t, []byte(sound), otlp.Limits{}); err != nil || report.Spans != 1 {
			t.Errorf("%s: %v", sound, err)
		}
	}
}

// TestZipkinLimits: what bounds OTLP bounds Zipkin, on both sides.
func TestZipkinLimits(t *testing.T) {
	spans := func(n int) string {
		return "[" + strings.TrimSuffix(strings.Repeat(`{"traceId":"1","id":"2","timestamp":1700000000000000},`, n), ",") + "]"
	}
	if _, report, err := decodeZipkin(t, []byte(spans(4)), tight); err != nil || report.Spans != 4 {
		t.Errorf("4 spans: %+v, %v", report, err)
	}
	if _, _, err := decodeZipkin(t, []byte(spans(5)), tight); err == nil || !strings.Contains(err.Error(), "more than 4 spans; send smaller batches") {
		t.Errorf("5 spans: %v", err)
	}
	for body, want := range map[string]int{`{"a":"1","b":"2","c":"3"}`: 0, `{"a":"1","b":"2","c":"3","d":"4"}`: 1} {
		_, report, err := decodeZipkin(t, []byte(`[{"traceId":"1","id":"2","tags":`+body+`}]`), tight)
		if err != nil || report.Counts[otlp.ManyAttributes] != want {
			t.Errorf("tags %s: %+v, %v", body, report, err)
		}
	}
}

// TestZipkinRuns: spans that follow one another in one service share a resource;
// the order of spans and the number of them stay, however services take turns.
func TestZipkinRuns(t *testing.T) {
	var parts []string
	services := "aabbbacca"
	for i, s := range services {
		parts = append(parts, `{"localEndpoint":{"serviceName":"`+string(s)+`"},"name":"`+strings.Repeat("n", 40*i)+`","traceId":"1","id":"`+string(rune('1'+i))+`"}`)
	}
	b, _, err := decodeZipkin(t, []byte("["+strings.Join(parts, ",")+"]"), otlp.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	c := b.Resources.Find(telemetry.ScopeResource, telemetry.KeyServiceName, telemetry.TypeString)
	got := ""
	for i := range b.Spans.N {
		pos, _ := c.Find(b.Spans.Resource[i])
		got += c.Dict.Str(c.Codes[pos])
		if id := b.Spans.SpanID[i]; id[7] != byte(i+1) {
			t.Errorf("span %d has id %s", i, id)
		}
	}
	if got != services || b.Resources.N != 5 {
		t.Errorf("services %s over %d resources, want %s over 5", got, b.Resources.N, services)
	}
}

// FuzzDecodeZipkin: no text ends in anything but spans that OTLP can hold, or an
// error that names a mistake.
func FuzzDecodeZipkin(f *testing.F) {
	files, _ := filepath.Glob("testdata/zipkin/*.json")
	for _, file := range files {
		body, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(body)
		for i := 3; i < len(body); i += 97 {
			bent := bytes.Clone(body)
			bent[i] ^= 0x11
			f.Add(bent)
			f.Add(body[:i])
		}
	}
	f.Add([]byte(`[{"traceId":"1","id":"2","annotations":[{"value":"\"\\ud800\": {\"\":1e400}"}],"tags":{"\ud800":"\u0000"}}]`))
	f.Add([]byte("[" + strings.Repeat(`{"id":"1","traceId":"1","localEndpoint":{"serviceName":"\\"}},`, 20)))
	f.Add([]byte(`[{"x":` + strings.Repeat("[", 5000)))
	f.Fuzz(func(t *testing.T, body []byte) {
		var b *telemetry.Batch
		var report otlp.Report
		var err error
		if over := spentOver(len(body), func() { b, report, err = decodeZipkin(t, body, otlp.Limits{}) }); over > 0 {
			t.Fatalf("%d bytes of input took %d bytes too many", len(body), over)
		}
		if err != nil {
			if telemetry.KindOf(err) != telemetry.KindInvalid {
				t.Fatalf("error of kind %v: %v", telemetry.KindOf(err), err)
			}
			return
		}
		if report.RejectedSpans != 0 || report.Spans != b.Spans.N {
			t.Fatalf("%d spans rejected in silence, %d reported of %d", report.RejectedSpans, report.Spans, b.Spans.N)
		}
		if json.Valid(body) {
			var spans []json.RawMessage
			if err := json.Unmarshal(body, &spans); err != nil || len(spans) != b.Spans.N {
				t.Fatalf("%d spans of %d: %v", b.Spans.N, len(spans), err)
			}
		}
		td := &tracepb.TracesData{}
		if err := proto.Unmarshal(otlp.AppendTraces(nil, b), td); err != nil {
			t.Fatalf("the generated types cannot read what was made of it: %v", err)
		}
		if _, err := protojson.Marshal(td); err != nil {
			t.Fatal(err)
		}
		stable(t, b)
	})
}
