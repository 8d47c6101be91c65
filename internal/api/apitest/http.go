package apitest

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/clew-dev/clew/internal/testkit"
)

// shown are the headers that a golden answer keeps.
var shown = []string{"Allow", "Cache-Control", "Content-Disposition", "Content-Encoding", "Content-Type", "Etag", "Location", "Retry-After", "Www-Authenticate"}

// Golden plays every file of the folder: a request (a line with method and path,
// then headers), a line ----, and the answer, which -update writes.
func Golden(t *testing.T, h http.Handler, folder string) {
	files, err := filepath.Glob(filepath.Join(folder, "*.txt"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no corpus in %s (%v)", folder, err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			request, _, _ := strings.Cut(string(text), "\n----\n")
			r := parseRequest(t, request)
			w := httptest.NewRecorder()
			h.ServeHTTP(w, r)
			testkit.Golden(t, file, []byte(request+"\n----\n"+render(w.Result().StatusCode, w.Result().Header, w.Body.Bytes())))
		})
	}
}

func parseRequest(t *testing.T, text string) *http.Request {
	t.Helper()
	lines := strings.Split(strings.TrimRight(text, "\n"), "\n")
	for len(lines) > 0 && strings.HasPrefix(lines[0], "#") {
		lines = lines[1:]
	}
	method, target, ok := strings.Cut(lines[0], " ")
	if !ok {
		t.Fatalf("request line %q", lines[0])
	}
	r := Request(method, target)
	for _, line := range lines[1:] {
		k, v, ok := strings.Cut(line, ": ")
		if !ok {
			t.Fatalf("header %q", line)
		}
		r.Header.Set(k, v)
		if k == "Host" {
			r.Host = v
		}
	}
	return r
}

// Request builds a request from this machine. Spaces in the target are escaped.
func Request(method, target string) *http.Request {
	r := httptest.NewRequest(method, strings.ReplaceAll(target, " ", "%20"), nil)
	r.RemoteAddr = "127.0.0.1:5000"
	r.Host = "127.0.0.1:7700"
	return r
}

func render(status int, header http.Header, body []byte) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%d\n", status)
	for _, k := range shown {
		for _, v := range header[k] {
			fmt.Fprintf(&b, "%s: %s\n", k, v)
		}
	}
	b.WriteString("\n")
	b.WriteString(pretty(body))
	return b.String()
}

func pretty(body []byte) string {
	if json.Valid(body) {
		var b bytes.Buffer
		if json.Indent(&b, body, "", "  ") == nil {
			return strings.TrimRight(b.String(), "\n") + "\n"
		}
	}
	if !utf8.Valid(body) || slices.Contains(body, 0) {
		return hex.Dump(body)
	}
	if len(body) > 0 && body[len(body)-1] != '\n' {
		return string(body) + "\n(no line feed at the end)\n"
	}
	return string(body)
}
