package policy_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/clew-dev/clew/kit/go/internal/policy"
)

// world is a server by script and a clock that moves when somebody sleeps.
type world struct {
	now    time.Time
	script []answer
	asked  []policy.Request
	slept  []time.Duration
	stop   context.CancelFunc
}

type answer struct {
	took time.Duration
	policy.Response
	err error
}

func (w *world) do(_ context.Context, q policy.Request) (policy.Response, error) {
	a := w.script[len(w.asked)]
	w.asked = append(w.asked, q)
	w.now = w.now.Add(a.took)
	if len(w.asked) == len(w.script) {
		w.stop()
	}
	return a.Response, a.err
}

func (w *world) run(h *policy.Holder, cache string) {
	ctx, cancel := context.WithCancel(context.Background())
	w.stop = cancel
	p := policy.Poller{
		Holder: h, URL: "http://clew", Cache: cache, Do: w.do,
		Status: func() policy.Status { return policy.Status{Language: "go", Applied: h.Load().Version()} },
		Now:    func() time.Time { return w.now },
		Sleep: func(_ context.Context, d time.Duration) {
			w.slept = append(w.slept, d)
			w.now = w.now.Add(d)
		},
		Random: func() float64 { return 0.5 },
	}
	p.Run(ctx)
}

func document(etag, body string) policy.Response {
	return policy.Response{Status: 200, ETag: etag, Body: []byte(body)}
}

func TestPollerFollowsTheServer(t *testing.T) {
	h := policy.NewHolder(policy.Document{})
	w := &world{now: time.Unix(0, 0), script: []answer{
		{Response: document(`"1"`, `{"version":"1","level":"off"}`)},
		{took: 30 * time.Second, Response: policy.Response{Status: 304}},
		{took: 5 * time.Second, Response: document(`"2"`, `{"level":"all"}`)},
		{took: 2 * time.Second, Response: document(`"3"`, `{"version":"3","level":"edges"}`)},
		{Response: policy.Response{Status: 304}},
	}}
	w.run(h, "")
	if got := h.Load(); got.Version() != "3" || got.Level(policy.App) != policy.Edges || h.Refused() != 1 {
		t.Errorf("version %q, level %v, %d refused; want 3, edges, 1", got.Version(), got.Level(policy.App), h.Refused())
	}
	var tags, applied []string
	for _, q := range w.asked {
		tags = append(tags, q.IfNoneMatch)
		_, after, _ := strings.Cut(q.ClewKit, `"applied":"`)
		version, _, _ := strings.Cut(after, `"`)
		applied = append(applied, version)
	}
	if want := []string{"", `"1"`, `"1"`, `"2"`, `"3"`}; !slices.Equal(tags, want) {
		t.Errorf("asked with tags %q, want %q", tags, want)
	}
	if want := []string{"", "1", "1", "1", "3"}; !slices.Equal(applied, want) {
		t.Errorf("said to have applied %q, want %q", applied, want)
	}
	// Only after an answer that came at once is there a pause.
	if want := []time.Duration{time.Second}; !slices.Equal(w.slept, want) {
		t.Errorf("slept %v, want %v", w.slept, want)
	}
}

func TestPollerBacksOffAndLetsTheDocumentExpire(t *testing.T) {
	h := policy.NewHolder(policy.Document{})
	down := answer{err: errors.New("refused")}
	w := &world{now: time.Unix(0, 0), script: []answer{
		{took: time.Second, Response: document(`"1"`, `{"version":"1","ttl_seconds":5,"redact":[{"key":"a","action":"drop"}]}`)},
		down, {Response: policy.Response{Status: 404}}, {Response: policy.Response{Status: 500}}, down, down, down, down,
	}}
	w.run(h, "")
	// Half of 1 s, doubling to 30 s. The fourth pause is cut at the end of the five seconds.
	want := []time.Duration{500, 1000, 2000, 1500, 2500, 8000, 15000}
	for i := range want {
		want[i] *= time.Millisecond
	}
	if !slices.Equal(w.slept, want) {
		t.Errorf("slept %v, want %v", w.slept, want)
	}
	if s := h.Load(); s.Version() != "" || !s.Redacts() {
		t.Errorf("version %q, redacts %v; want none and true", s.Version(), s.Redacts())
	}
}

func TestPollerKeepsTheLastGoodDocument(t *testing.T) {
	cache := filepath.Join(t.TempDir(), "policy.json")
	body := `{"version":"1","ttl_seconds":60,"level":"off","redact":[{"key":"a","action":"drop"}]}`
	start := time.Unix(1_700_000_000, 0)
	(&world{now: start, script: []answer{
		{Response: document(`"1"`, body)},
		{Response: document(`"2"`, `not JSON`)},
		{took: 10 * time.Second, Response: policy.Response{Status: 304}},
	}}).run(policy.NewHolder(policy.Document{}), cache)
	if got, err := os.ReadFile(cache); err != nil || string(got) != body {
		t.Fatalf("the file has %q, %v; want the document", got, err)
	}
	if files, _ := os.ReadDir(filepath.Dir(cache)); len(files) != 1 {
		t.Errorf("%d files are left, want 1", len(files))
	}
	confirmed := start.Add(12 * time.Second) // 1 s between the first two questions
	for _, c := range []struct {
		after   time.Duration
		version string
	}{{time.Second, "1"}, {49 * time.Second, "1"}, {70 * time.Second, ""}, {-time.Hour, "1"}} {
		h := policy.NewHolder(policy.Document{})
		(&world{now: confirmed.Add(c.after), script: []answer{{err: errors.New("down")}}}).run(h, cache)
		if s := h.Load(); s.Version() != c.version || !s.Redacts() {
			t.Errorf("%v after: version %q, redacts %v; want %q and true", c.after, s.Version(), s.Redacts(), c.version)
		}
	}
}

func TestPollerWithAFileThatIsOfNoUse(t *testing.T) {
	folder := t.TempDir()
	long := filepath.Join(folder, "long")
	if err := os.WriteFile(long, make([]byte, policy.MaxBytes+1), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, cache := range []string{folder, long, filepath.Join(folder, "none", "policy.json")} {
		h := policy.NewHolder(policy.Document{})
		(&world{now: time.Unix(0, 0), script: []answer{{Response: document("", `{"version":"1"}`)}}}).run(h, cache)
		if h.Load().Version() != "1" || h.Refused() != 0 {
			t.Errorf("%s: version %q, %d refused; want 1 and 0", cache, h.Load().Version(), h.Refused())
		}
	}
}

func TestFetch(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.Header.Get("If-None-Match") == `"1"`:
			w.WriteHeader(http.StatusNotModified)
		case r.URL.Path == "/elsewhere":
			http.Redirect(w, r, "/", http.StatusFound)
		case r.URL.Path == "/endless":
			for range 100 {
				_, _ = w.Write(make([]byte, 64<<10))
			}
		default:
			w.Header().Set("ETag", `"1"`)
			_, _ = w.Write([]byte(r.Header.Get("Clew-Kit") + r.Header.Get("Authorization")))
		}
	}))
	defer server.Close()
	fetch := policy.Fetch(http.DefaultTransport, http.Header{"Authorization": {"secret"}})
	for _, c := range []struct {
		path, tag string
		status    int
		length    int
	}{{"/", "", 200, len("xsecret")}, {"/", `"1"`, 304, 0}, {"/elsewhere", "", 302, len("<a href=\"/\">Found</a>.\n\n")}, {"/endless", "", 200, policy.MaxBytes + 1}} {
		got, err := fetch(context.Background(), policy.Request{URL: server.URL + c.path, IfNoneMatch: c.tag, ClewKit: "x"})
		if err != nil || got.Status != c.status || len(got.Body) != c.length {
			t.Errorf("%s %s: status %d, %d bytes, %v; want %d, %d", c.path, c.tag, got.Status, len(got.Body), err, c.status, c.length)
		}
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := fetch(ctx, policy.Request{URL: server.URL}); err == nil {
		t.Error("asked although the context had ended")
	}
	policy.Sleep(ctx, time.Hour)
}

// A cache that could not be written is older than what is in force when the poller starts anew after a panic.
func TestARestartKeepsWhatIsInForce(t *testing.T) {
	cache := filepath.Join(t.TempDir(), "policy.json")
	older := func() {
		if err := os.WriteFile(cache, []byte(`{"version":"5"}`), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	older()
	ctx, cancel := context.WithCancel(t.Context())
	asked := 0
	p := &policy.Poller{Holder: policy.NewHolder(policy.Document{}), Cache: cache, Status: func() policy.Status { return policy.Status{} },
		Now: time.Now, Random: func() float64 { return 0 }, Sleep: func(context.Context, time.Duration) {},
		Do: func(_ context.Context, r policy.Request) (policy.Response, error) {
			switch asked++; asked {
			case 1:
				return policy.Response{Status: 200, ETag: "seven", Body: []byte(`{"version":"7"}`)}, nil
			case 2:
				older()
				panic("the test breaks the poller")
			default:
				cancel()
				return policy.Response{Status: 304}, nil
			}
		}}
	func() {
		defer func() { _ = recover() }()
		p.Run(ctx)
	}()
	p.Run(ctx)
	if v := p.Holder.Load().Version(); v != "7" {
		t.Errorf("version %q is in force after the restart, not 7", v)
	}
}
