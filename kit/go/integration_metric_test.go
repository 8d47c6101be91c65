package clew_test

import (
	"database/sql"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	clew "github.com/clew-dev/clew/kit/go"
)

// series returns the lines of the page whose labels contain all of parts, without exemplars.
func series(text, name string, parts ...string) []string {
	var found []string
next:
	for _, line := range strings.Split(text, "\n") {
		if !strings.HasPrefix(line, name) {
			continue
		}
		for _, p := range parts {
			if !strings.Contains(line, p) {
				continue next
			}
		}
		line, _, _ = strings.Cut(line, " # ")
		found = append(found, line)
	}
	return found
}

func TestHTTPMetrics(t *testing.T) {
	k := budgetKit(t, "0")
	mux := http.NewServeMux()
	var during []string
	mux.HandleFunc("/metered/{id}", func(w http.ResponseWriter, r *http.Request) {
		during = series(page(t, k), "http_server_active_requests", `http_request_method="PATCH"`)
		w.WriteHeader(http.StatusTeapot)
	})
	h := k.HTTP(mux)
	for range 3 {
		h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("PATCH", "/metered/7", nil))
	}
	if len(during) != 1 || !strings.HasSuffix(during[0], " 1") {
		t.Errorf("during a request: %q, want 1", during)
	}
	text := page(t, k)
	if after := series(text, "http_server_active_requests", `http_request_method="PATCH"`); len(after) != 1 || !strings.HasSuffix(after[0], " 0") {
		t.Errorf("afterwards: %q, want 0", after)
	}
	got := series(text, "http_server_request_duration_seconds_count", `http_route="/metered/{id}"`)
	if len(got) != 1 || !strings.HasSuffix(got[0], " 3") || !strings.Contains(got[0], `http_response_status_code="418"`) {
		t.Errorf("got %q, want 3 of the route with their status: metrics do not depend on sampling", got)
	}
	if strings.Contains(text, "/metered/7") {
		t.Error("a path has become a label")
	}
	_, err := k.Transport(roundTrip(func(*http.Request) (*http.Response, error) { return nil, errors.New("x") })).
		RoundTrip(httptest.NewRequest("TRACE", "http://pot/", nil))
	if err == nil {
		t.Fatal("got no error")
	}
	if got := series(page(t, k), "http_client_request_duration_seconds_count", `http_request_method="TRACE"`, `error_type="*errors.errorString"`); len(got) != 1 {
		t.Errorf("got %q", got)
	}
}

// TestDurations: a call that succeeds and one that fails are counted once each, under the words of the contract.
func TestDurations(t *testing.T) {
	k := budgetKit(t, "0")
	failure := errors.New("x")
	database, broker := clew.NewDatabase("metered_db", "", "", 0), clew.NewMessages("metered_mq")
	st := clew.Statement{Operation: "METER"}
	for _, err := range []error{nil, failure} {
		_, call := database.Start(t.Context(), st)
		call.End(err)
		database.Did(t.Context(), time.Now(), database.SQL("DELETE FROM metered"), err)
		_, sent := broker.Send(t.Context(), "metered.sent", nil)
		sent.End(err)
		_, done := broker.Process(t.Context(), "metered.done", "group", nil)
		done.End(err)
	}
	text := page(t, k)
	for _, c := range [][]string{
		{"db_client_operation_duration_seconds_count", `db_system_name="metered_db"`, `db_operation_name="METER"`},
		{"db_client_operation_duration_seconds_count", `db_system_name="metered_db"`, `db_operation_name="DELETE"`},
		{"messaging_client_operation_duration_seconds_count", `messaging_system_name="metered_mq"`, `messaging_destination_name="metered.sent"`},
		{"messaging_process_duration_seconds_count", `messaging_system_name="metered_mq"`, `messaging_consumer_group_name="group"`},
	} {
		failed := series(text, c[0], append(c[1:], `error_type="*errors.errorString"`)...)
		all := series(text, c[0], c[1:]...)
		if len(failed) != 1 || len(all) != 2 || !strings.HasSuffix(all[0], " 1") || !strings.HasSuffix(all[1], " 1") {
			t.Errorf("%s: got %q, of them failed %q; want one of each", c[0], all, failed)
		}
	}
}

func TestSQLPoolMetrics(t *testing.T) {
	k := budgetKit(t, "0")
	db := sql.OpenDB(clew.SQL(&fakeConnector{&diary{}, fakes["new"]}))
	db.SetMaxOpenConns(7)
	stop := clew.SQLPool(db, "metered")
	conn, err := db.Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	text := page(t, k)
	for name, want := range map[string]string{"_count": "1", "_max": "7"} {
		var got []string
		for _, line := range series(text, "db_client_connection"+name, `="metered"`) {
			if !strings.Contains(line, `"idle"`) {
				got = append(got, line)
			}
		}
		if len(got) != 1 || !strings.HasSuffix(got[0], " "+want) {
			t.Errorf("got %q, want %s", got, want)
		}
	}
	if err := conn.Close(); err != nil {
		t.Fatal(err)
	}
	if got := series(page(t, k), "db_client_connection_count", `="metered"`, `"used"`); len(got) != 1 || !strings.HasSuffix(got[0], " 0") {
		t.Errorf("got %q, want none used", got)
	}
	stop()
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
}
