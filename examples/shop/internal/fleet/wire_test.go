package fleet_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/clew-dev/clew/examples/shop/internal/fleet"
)

func TestErrorsBecomeStatuses(t *testing.T) {
	for name, test := range map[string]struct {
		err  error
		want int
	}{
		"a problem keeps its status":     {&fleet.Problem{Status: 409, Text: "empty"}, 409},
		"also when wrapped":              {fmt.Errorf("order: %w", &fleet.Problem{Status: 409, Text: "empty"}), 409},
		"not found at another member":    {fmt.Errorf("read: %w", status.Error(codes.NotFound, "no product")), 404},
		"bad input at another member":    {fmt.Errorf("read: %w", status.Error(codes.InvalidArgument, "no")), 400},
		"a declined card":                {fmt.Errorf("charge: %w", status.Error(codes.FailedPrecondition, "declined")), 402},
		"another member is out of order": {fmt.Errorf("charge: %w", status.Error(codes.Unavailable, "gone")), 502},
		"our own fault":                  {errors.New("disk is full"), 500},
	} {
		t.Run(name, func(t *testing.T) {
			mux := http.NewServeMux()
			fleet.Handle(mux, "GET /it", func(http.ResponseWriter, *http.Request) error { return test.err })
			answer := httptest.NewRecorder()
			mux.ServeHTTP(answer, httptest.NewRequest(http.MethodGet, "/it", nil))
			if answer.Code != test.want {
				t.Errorf("%d; want %d", answer.Code, test.want)
			}
			var body struct{ Error string }
			if err := json.NewDecoder(answer.Body).Decode(&body); err != nil || body.Error == "" {
				t.Errorf("the body has no error: %v", err)
			}
		})
	}
}

func TestCallTellsRefusalsApart(t *testing.T) {
	for name, test := range map[string]struct {
		status int
		body   string
		want   string
		code   int
	}{
		"a client's error is passed on":     {404, `{"error":"no product"}`, "search: no product", 404},
		"a server's error is a bad gateway": {503, `{"error":"busy"}`, "search: busy", 502},
		"an error without words":            {500, `<html>`, "search: 500 Internal Server Error", 502},
		"an answer that is no JSON":         {200, `<html>`, "read the answer of search: invalid character '<' looking for beginning of value", 502},
	} {
		t.Run(name, func(t *testing.T) {
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				w.WriteHeader(test.status)
				fmt.Fprint(w, test.body)
			}))
			defer server.Close()
			t.Setenv(fleet.AddressVariable("search"), strings.TrimPrefix(server.URL, "http://"))
			client, err := fleet.NewClient("search")
			if err != nil {
				t.Fatal(err)
			}
			var answer any
			err = client.Call(t.Context(), http.MethodGet, "/", nil, 0, &answer)
			problem, ok := errors.AsType[*fleet.Problem](err)
			if !ok || problem.Text != test.want || problem.Status != test.code {
				t.Errorf("got %#v; want %d %q", err, test.code, test.want)
			}
		})
	}
}

func TestFaultIsSeenAtOnce(t *testing.T) {
	data := t.TempDir()
	t.Setenv("SHOP_DATA", data)
	if fleet.FaultOn(fleet.NPlusOne) {
		t.Fatal("a fault is on in an empty folder")
	}
	path, err := fleet.FaultPath(data, fleet.NPlusOne)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if !fleet.FaultOn(fleet.NPlusOne) || fleet.FaultOn(fleet.RetryStorm) {
		t.Error("one fault is switched on, but it is not the one that is seen")
	}
	if _, err := fleet.FaultPath(data, "../escape"); err == nil {
		t.Error("a path is taken for a fault")
	}
}

func TestUnknownProtocolIsRefused(t *testing.T) {
	t.Setenv("OTEL_EXPORTER_OTLP_PROTOCOL", "pigeon")
	t.Setenv(fleet.StackVariable, "stock")
	err := fleet.Run(t.Context(), "test", nil)
	want := `test: make the OTLP exporter: OTEL_EXPORTER_OTLP_PROTOCOL is "pigeon"; use grpc or http/protobuf`
	if err == nil || err.Error() != want {
		t.Errorf("got %v; want %s", err, want)
	}
}
