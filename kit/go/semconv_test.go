package clew_test

import (
	"context"
	"crypto/tls"
	"database/sql"
	"database/sql/driver"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"testing"

	clew "github.com/clew-dev/clew/kit/go"
	"github.com/clew-dev/clew/kit/go/clewtest"
	"github.com/clew-dev/clew/kit/go/internal/semconvtest"
)

const semconvFile = "../contract/semconv.json"

type httpScenario struct {
	Type, Method, Target, Host, Peer, Scheme, URL string
	Route                                         string
	Headers                                       map[string]string
	Outcome                                       struct {
		Kind, Text string
		Status     int
	}
}

func TestSemconvHTTPServer(t *testing.T) {
	semconvtest.Run(t, semconvFile, []string{"http.server"}, func(t *testing.T, rec *clewtest.Recorder, s httpScenario) {
		h := kit.HTTP(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			if s.Outcome.Kind != "panic" {
				w.WriteHeader(s.Outcome.Status)
			}
			if s.Outcome.Kind != "answer" {
				panic(s.Outcome.Text)
			}
		}), clew.Route(func(*http.Request) string { return s.Route }))
		target, err := url.ParseRequestURI(s.Target)
		if err != nil {
			t.Fatal(err)
		}
		r := (&http.Request{Method: s.Method, URL: target, Host: s.Host, RemoteAddr: s.Peer, ProtoMajor: 1, ProtoMinor: 1, Header: http.Header{}}).
			WithContext(rec.Context())
		if s.Scheme == "https" {
			r.TLS = &tls.ConnectionState{}
		}
		for k, v := range s.Headers {
			r.Header.Set(k, v)
		}
		defer func() {
			if thrown := recover(); s.Outcome.Kind != "answer" && thrown != s.Outcome.Text {
				t.Errorf("got the panic %v, want it to go on", thrown)
			}
		}()
		h.ServeHTTP(httptest.NewRecorder(), r)
	})
}

func TestSemconvHTTPClient(t *testing.T) {
	semconvtest.Run(t, semconvFile, []string{"http.client"}, func(t *testing.T, rec *clewtest.Recorder, s httpScenario) {
		transport := answer(s.Outcome.Status, http.NoBody)
		if s.Outcome.Kind == "timeout" {
			transport = func(*http.Request) (*http.Response, error) { return nil, context.DeadlineExceeded }
		}
		r, err := http.NewRequestWithContext(rec.Context(), s.Method, s.URL, nil)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := kit.Transport(transport).RoundTrip(r); (err != nil) != (s.Outcome.Kind == "timeout") {
			t.Error(err)
		}
	})
}

type sqlScenario struct {
	System, Namespace, Host, Text string
	Port                          int
	Error                         *struct{ Code, Kind string }
}

// coded is an error with an SQLSTATE, as PostgreSQL's drivers have them.
type coded string

func (c coded) Error() string    { return "SQLSTATE " + string(c) }
func (c coded) SQLState() string { return string(c) }

// scriptedConn answers every statement alike.
type scriptedConn struct {
	fakeConn
	err error
}

func (c scriptedConn) QueryContext(context.Context, string, []driver.NamedValue) (driver.Rows, error) {
	if c.err != nil {
		return nil, c.err
	}
	return &fakeRows{diary: c.diary}, nil
}

func TestSemconvSQL(t *testing.T) {
	semconvtest.Run(t, semconvFile, []string{"sql"}, func(t *testing.T, rec *clewtest.Recorder, s sqlScenario) {
		var fails error
		if s.Error != nil && s.Error.Code != "" {
			fails = coded(s.Error.Code)
		}
		connector := &fakeConnector{&diary{}, func(c fakeConn) driver.Conn { return scriptedConn{c, fails} }}
		db := sql.OpenDB(clew.SQL(connector, clew.SQLSystem(s.System), clew.SQLNamespace(s.Namespace), clew.SQLServer(s.Host, s.Port)))
		defer db.Close()
		var note string
		err := db.QueryRowContext(rec.Context(), s.Text).Scan(&note)
		if fails == nil && !errors.Is(err, sql.ErrNoRows) || fails != nil && !errors.Is(err, fails) {
			t.Error(err)
		}
	})
}

type messageScenario struct {
	System, Operation, Destination, Group string
	Body                                  *int
	Causes                                int
	Error                                 string
}

func TestSemconvMessaging(t *testing.T) {
	semconvtest.Run(t, semconvFile, []string{"messaging"}, func(t *testing.T, rec *clewtest.Recorder, s messageScenario) {
		messages := clew.NewMessages(s.System)
		var attrs []clew.Attr
		if s.Body != nil {
			attrs = append(attrs, clew.Int("messaging.message.body.size", *s.Body))
		}
		headers := carrier{}
		if s.Causes > 0 {
			ctx, span := clew.Span(rec.Context(), "cause")
			clew.Inject(ctx, "", headers)
			span.End()
		}
		var call clew.MessageCall
		switch s.Operation {
		case "send":
			_, call = messages.Send(rec.Context(), s.Destination, headers, attrs...)
		case "process":
			_, call = messages.Process(rec.Context(), s.Destination, s.Group, headers, attrs...)
		case "process batch":
			_, call = messages.ProcessBatch(rec.Context(), s.Destination, s.Group, s.Causes, func(int) clew.Carrier { return headers }, attrs...)
		default:
			t.Fatalf("unknown operation %q", s.Operation)
		}
		var err error
		if s.Error != "" {
			err = errors.New(s.Error)
		}
		call.End(err)
	})
}
