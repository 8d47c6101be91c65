package e2e_test

import (
	"compress/gzip"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	collector "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	common "go.opentelemetry.io/proto/otlp/common/v1"
	trace "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"
)

// span is one received span, flattened for comparison.
type span struct {
	trace, id, parent string
	name              string
	kind              trace.Span_SpanKind
	service           string
	resource          map[string]string
	attributes        map[string]string
	links             []link
	events            []event
	failed            bool
	took              time.Duration
}

type link struct{ trace, span string }

type event struct {
	name       string
	attributes map[string]string
}

// receiver is an OTLP/HTTP endpoint that keeps every span. Metrics and logs it
// takes and forgets.
type receiver struct {
	mu      sync.Mutex
	spans   []span
	arrived chan struct{}
}

// listen starts a receiver and returns its address.
func listen(t *testing.T) (*receiver, string) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	r := &receiver{arrived: make(chan struct{})}
	server := &http.Server{Handler: r}
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	t.Cleanup(func() {
		server.Close()
		if err := <-served; !errors.Is(err, http.ErrServerClosed) {
			t.Errorf("serve OTLP: %v", err)
		}
	})
	return r, "http://" + listener.Addr().String()
}

// ServeHTTP implements http.Handler.
func (r *receiver) ServeHTTP(w http.ResponseWriter, q *http.Request) {
	w.Header().Set("Content-Type", "application/x-protobuf")
	if q.URL.Path != "/v1/traces" {
		return
	}
	request, err := readRequest(q)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	r.keep(request)
}

func readRequest(q *http.Request) (*collector.ExportTraceServiceRequest, error) {
	body := io.Reader(q.Body)
	if q.Header.Get("Content-Encoding") == "gzip" {
		var err error
		if body, err = gzip.NewReader(body); err != nil {
			return nil, err
		}
	}
	text, err := io.ReadAll(body)
	if err != nil {
		return nil, err
	}
	request := &collector.ExportTraceServiceRequest{}
	return request, proto.Unmarshal(text, request)
}

func (r *receiver) keep(request *collector.ExportTraceServiceRequest) {
	var got []span
	for _, group := range request.GetResourceSpans() {
		resource := flatten(group.GetResource().GetAttributes())
		for _, scope := range group.GetScopeSpans() {
			for _, s := range scope.GetSpans() {
				got = append(got, read(s, resource))
			}
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.spans = append(r.spans, got...)
	close(r.arrived)
	r.arrived = make(chan struct{})
}

// all returns every span so far and a channel that is closed when more arrive.
func (r *receiver) all() ([]span, <-chan struct{}) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.spans), r.arrived
}

// await calls check with every span so far until it is content, and fails the
// test with check's last complaint after a while.
func (r *receiver) await(t *testing.T, check func([]span) error) {
	t.Helper()
	late := time.After(20 * time.Second)
	for {
		spans, more := r.all()
		err := check(spans)
		if err == nil {
			return
		}
		select {
		case <-more:
		case <-late:
			t.Fatalf("after 20 s: %v", err)
		}
	}
}

func read(s *trace.Span, resource map[string]string) span {
	got := span{
		trace: hex.EncodeToString(s.GetTraceId()), id: hex.EncodeToString(s.GetSpanId()),
		parent: hex.EncodeToString(s.GetParentSpanId()), name: s.GetName(), kind: s.GetKind(),
		service: resource["service.name"], resource: resource, attributes: flatten(s.GetAttributes()),
		failed: s.GetStatus().GetCode() == trace.Status_STATUS_CODE_ERROR,
		took:   time.Duration(s.GetEndTimeUnixNano() - s.GetStartTimeUnixNano()),
	}
	for _, l := range s.GetLinks() {
		got.links = append(got.links, link{hex.EncodeToString(l.GetTraceId()), hex.EncodeToString(l.GetSpanId())})
	}
	for _, e := range s.GetEvents() {
		got.events = append(got.events, event{e.GetName(), flatten(e.GetAttributes())})
	}
	return got
}

func flatten(attributes []*common.KeyValue) map[string]string {
	flat := make(map[string]string, len(attributes))
	for _, attribute := range attributes {
		switch value := attribute.GetValue().GetValue().(type) {
		case *common.AnyValue_StringValue:
			flat[attribute.GetKey()] = value.StringValue
		case *common.AnyValue_IntValue:
			flat[attribute.GetKey()] = strconv.FormatInt(value.IntValue, 10)
		default:
			flat[attribute.GetKey()] = fmt.Sprint(attribute.GetValue())
		}
	}
	return flat
}

// The questions that the tests ask of spans.

func ofTrace(spans []span, id string) []span {
	return slices.DeleteFunc(slices.Clone(spans), func(s span) bool { return s.trace != id })
}

func named(spans []span, service, name string) []span {
	return slices.DeleteFunc(slices.Clone(spans), func(s span) bool { return s.service != service || s.name != name })
}

func roots(spans []span) []span {
	return slices.DeleteFunc(slices.Clone(spans), func(s span) bool { return s.parent != "" })
}

// orphans returns the spans whose parent is not there.
func orphans(spans []span) []span {
	ids := make(map[[2]string]bool, len(spans))
	for _, s := range spans {
		ids[[2]string{s.trace, s.id}] = true
	}
	return slices.DeleteFunc(slices.Clone(spans), func(s span) bool {
		return s.parent == "" || ids[[2]string{s.trace, s.parent}]
	})
}

// ancestry returns the services from the root down to s, each once per stay.
func ancestry(spans []span, s span) []string {
	var services []string
	for {
		if len(services) == 0 || services[0] != s.service {
			services = slices.Insert(services, 0, s.service)
		}
		place := slices.IndexFunc(spans, func(p span) bool { return p.trace == s.trace && p.id == s.parent })
		if place < 0 {
			return services
		}
		s = spans[place]
	}
}

// services returns the names of the services that took part, sorted.
func services(spans []span) []string {
	var names []string
	for _, s := range spans {
		names = append(names, s.service)
	}
	slices.Sort(names)
	return slices.Compact(names)
}

func describe(spans []span) string {
	var text string
	for _, s := range spans {
		text += fmt.Sprintf("\n  %s %s %q parent=%q trace=%s", s.service, s.id, s.name, s.parent, s.trace)
	}
	return text
}
