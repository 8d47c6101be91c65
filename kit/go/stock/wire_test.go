package stock_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"testing"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/trace"
	collectorpb "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"

	clew "github.com/clew-dev/clew/kit/go"
)

// collector keeps the spans that it is sent.
type collector struct {
	t     *testing.T
	mu    sync.Mutex
	spans []*tracepb.ResourceSpans
}

func (c *collector) ServeHTTP(_ http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		c.t.Error(err)
	}
	if r.Header.Get("Content-Encoding") == "gzip" {
		z, err := gzip.NewReader(bytes.NewReader(body))
		if err != nil {
			c.t.Error(err)
			return
		}
		if body, err = io.ReadAll(z); err != nil {
			c.t.Error(err)
		}
	}
	if r.URL.Path != "/v1/traces" {
		return
	}
	m := &collectorpb.ExportTraceServiceRequest{}
	if err := proto.Unmarshal(body, m); err != nil {
		c.t.Errorf("the generated code does not read the request: %v", err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.spans = append(c.spans, m.ResourceSpans...)
}

func TestWhatACollectorGets(t *testing.T) {
	c := &collector{t: t}
	s := httptest.NewServer(c)
	defer s.Close()
	env := map[string]string{
		"OTEL_EXPORTER_OTLP_ENDPOINT": s.URL, "OTEL_RESOURCE_ATTRIBUTES": "deployment.environment.name=test,service.version=2",
		"OTEL_EXPORTER_OTLP_COMPRESSION": "gzip",
	}
	lookup := func(name string) (string, bool) {
		v, ok := env[name]
		return v, ok
	}
	k := clew.Start(t.Context(), clew.Service("orders", "1"), clew.Output(nil), clew.Environment(lookup), clew.Endpoint("http://127.0.0.1:1"),
		clew.Resource(clew.String("team", "shop"), clew.String("team", "core"), clew.Int("shard", 3), clew.String("service.version", "3")))
	ctx, root := clew.StartSpan(t.Context(), clew.ComponentHTTP, clew.Edges, clew.Server, "GET /")
	_, lib := otel.Tracer("lib", trace.WithInstrumentationVersion("0.9")).Start(ctx, "inner")
	lib.End()
	root.End()
	if err := k.Stop(context.Background()); err != nil {
		t.Fatal(err)
	}
	if err := k.Flush(context.Background()); err != nil {
		t.Errorf("Flush after Stop: %v", err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	got := map[string]string{}
	scopes := map[string]string{}
	for _, r := range c.spans {
		for _, kv := range r.Resource.Attributes {
			if old, twice := got[kv.Key]; twice && old != kv.Value.String() {
				t.Errorf("the resource has %s twice", kv.Key)
			}
			got[kv.Key] = kv.Value.String()
		}
		for _, s := range r.ScopeSpans {
			for _, span := range s.Spans {
				scopes[span.Name] = s.Scope.Name + " " + s.Scope.Version
			}
		}
	}
	host, _ := os.Hostname()
	for key, want := range map[string]string{
		"service.name": "orders", "service.version": "2", "deployment.environment.name": "test", "team": "core", "shard": "3",
		"telemetry.sdk.name": "clew", "telemetry.sdk.language": "go", "telemetry.sdk.version": clew.Version, "host.name": host,
		"process.pid": "", "service.instance.id": "", "process.runtime.version": "go1.", "os.type": "linux",
	} {
		if have, ok := got[key]; !ok || !strings.Contains(have, want) {
			t.Errorf("%s is %q, not %q", key, have, want)
		}
	}
	if scopes["inner"] != "lib 0.9" || scopes["GET /"] != "github.com/clew-dev/clew/kit/go "+clew.Version {
		t.Errorf("scopes are %v", scopes)
	}
}
