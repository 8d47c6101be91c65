package export

import (
	"encoding/hex"
	"encoding/json"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/clew-dev/clew/kit/go/internal/hostile"
	"github.com/clew-dev/clew/kit/go/internal/self"
)

// contract is kit/contract/exporter.json, which the Rust kit runs too.
type contract struct {
	Pacer []struct {
		Name      string
		Random    float64
		TimeoutMS int64 `json:"timeout_ms"`
		Batches   [][]struct {
			StartsMS  int64 `json:"starts_ms"`
			TookMS    int64 `json:"took_ms"`
			Answer    string
			AskedMS   int64  `json:"asked_ms"`
			AllowedMS *int64 `json:"allowed_ms"`
			During    int64  `json:"breaker_during"`
			Verdict   string
			After     int64 `json:"breaker_after"`
		}
	}
	RetryAfter struct {
		Now   time.Time
		Cases []struct {
			Text    string
			AskedMS int64 `json:"asked_ms"`
		}
	} `json:"retry_after"`
	Answers []struct {
		Status     int
		RetryAfter string `json:"retry_after"`
		BodyHex    string `json:"body_hex"`
		Outcome    string
		AskedMS    int64 `json:"asked_ms"`
		Rejected   int64
		Text       *string
	}
	GRPC []struct {
		Code       uint32
		Details    string
		MessageHex string `json:"message_hex"`
		Outcome    string
		Word       string
		AskedMS    int64 `json:"asked_ms"`
		Rejected   int64
	}
	Environment []struct {
		Name                  string
		Env                   map[string]string
		Traces, Metrics, Logs *wantTarget
		QueueBytes            int `json:"queue_bytes"`
		Problems              int
	}
	Hostile []scenario
	Bounds  struct {
		CallerP999US   int64 `json:"caller_p999_us"`
		StopOverMS     int64 `json:"stop_over_ms"`
		QueueBytes     int64 `json:"queue_bytes"`
		OverQueueBytes int64 `json:"over_queue_bytes"`
	}
}

// scenario is a collector with what an exporter must make of it.
type scenario struct {
	Name      string
	Script    hostile.Script
	TimeoutMS int64  `json:"timeout_ms"`
	FlushMS   *int64 `json:"flush_ms"`
	StopMS    *int64 `json:"stop_ms"`
	More      int
	Expect    struct {
		Exported    int64
		Dropped     map[string]int64
		Requests    [2]int
		Keys        int
		Connections int
		Lost        int64
		GapMS       int64 `json:"gap_ms"`
		GRPCClient  bool  `json:"grpc_client"`
	}
}

type wantTarget struct {
	URL          *string
	TimeoutMS    *int64 `json:"timeout_ms"`
	DelayMS      *int64 `json:"delay_ms"`
	SteadyMS     *int64 `json:"steady_ms"`
	BatchRecords *int   `json:"batch_records"`
	Compression  *string
	Headers      [][2]string
	Off          *bool
}

func readContract(t *testing.T) contract {
	t.Helper()
	text, err := os.ReadFile("../../../contract/exporter.json")
	if err != nil {
		t.Fatal(err)
	}
	var c contract
	if err := json.Unmarshal(text, &c); err != nil {
		t.Fatal(err)
	}
	if len(c.Pacer) == 0 || len(c.RetryAfter.Cases) == 0 || len(c.Answers) == 0 || len(c.GRPC) == 0 ||
		len(c.Environment) == 0 || len(c.Hostile) == 0 || c.Bounds.CallerP999US == 0 || c.Bounds.QueueBytes == 0 {
		t.Fatal("a part of the contract is empty")
	}
	return c
}

var (
	outcomes = []string{"delivered", "retry", "refused", "too_large", "not_served"}
	verdicts = []string{"delivered", "again", "give_up", "dropped"}
)

const ms = time.Millisecond

func TestPacerKeepsTheContract(t *testing.T) {
	for _, c := range readContract(t).Pacer {
		t.Run(c.Name, func(t *testing.T) {
			timeout := defaultTimeout
			if c.TimeoutMS != 0 {
				timeout = time.Duration(c.TimeoutMS) * ms
			}
			var p pacer
			now := time.Duration(0)
			for b, attempts := range c.Batches {
				p.begin(now)
				for a, want := range attempts {
					now = max(now, p.ready)
					if now.Milliseconds() != want.StartsMS {
						t.Fatalf("batch %d attempt %d: started at %v, want %d ms", b, a, now, want.StartsMS)
					}
					allowed := min(timeout, 5*time.Second)
					if want.AllowedMS != nil {
						allowed = time.Duration(*want.AllowedMS) * ms
					}
					if got := p.start(now, timeout); got != allowed {
						t.Fatalf("batch %d attempt %d: allowed %v, want %v", b, a, got, allowed)
					}
					if got := p.breaker(); got != want.During {
						t.Fatalf("batch %d attempt %d: breaker meanwhile %d, want %d", b, a, got, want.During)
					}
					now += time.Duration(want.TookMS) * ms
					asked := time.Duration(want.AskedMS) * ms
					verdict := p.finish(now, answer{outcome: outcomeOf(t, want.Answer), asked: asked}, c.Random)
					if got := verdicts[verdict]; got != want.Verdict {
						t.Fatalf("batch %d attempt %d: verdict %s, want %s", b, a, got, want.Verdict)
					}
					if got := p.breaker(); got != want.After {
						t.Fatalf("batch %d attempt %d: breaker after %d, want %d", b, a, got, want.After)
					}
				}
			}
		})
	}
}

func outcomeOf(t *testing.T, name string) outcome {
	t.Helper()
	i := slices.Index(outcomes, name)
	if i < 0 {
		t.Fatalf("unknown outcome %q", name)
	}
	return outcome(i)
}

func TestAnswersMeanWhatTheContractSays(t *testing.T) {
	c := readContract(t)
	for _, one := range c.RetryAfter.Cases {
		if got := parseRetryAfter(one.Text, c.RetryAfter.Now).Milliseconds(); got != one.AskedMS {
			t.Errorf("Retry-After %q: %d ms, want %d", one.Text, got, one.AskedMS)
		}
	}
	for _, one := range c.Answers {
		got := judgeHTTP(one.Status, one.RetryAfter, unhex(t, one.BodyHex), c.RetryAfter.Now)
		if outcomes[got.outcome] != one.Outcome || got.asked.Milliseconds() != one.AskedMS || got.rejected != one.Rejected ||
			(one.Text != nil && got.text != *one.Text) {
			t.Errorf("HTTP %d %s: %+v, want %+v", one.Status, one.BodyHex, got, one)
		}
	}
	for _, one := range c.GRPC {
		got := judgeGRPC(one.Code, "", one.Details, unhex(t, one.MessageHex))
		if outcomes[got.outcome] != one.Outcome || got.word != one.Word || got.asked.Milliseconds() != one.AskedMS ||
			got.rejected != one.Rejected {
			t.Errorf("gRPC %d %s: %+v, want %+v", one.Code, one.Details, got, one)
		}
	}
}

func unhex(t *testing.T, text string) []byte {
	t.Helper()
	b, err := hex.DecodeString(text)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestEnvironmentIsReadAsTheContractSays(t *testing.T) {
	for _, c := range readContract(t).Environment {
		t.Run(c.Name, func(t *testing.T) {
			var config Config
			problems := config.FromEnv(func(name string) string { return c.Env[name] })
			if len(problems) != c.Problems {
				t.Errorf("problems %q, want %d", problems, c.Problems)
			}
			config = config.withDefaults()
			if c.QueueBytes != 0 && config.QueueBytes != c.QueueBytes {
				t.Errorf("queue of %d bytes, want %d", config.QueueBytes, c.QueueBytes)
			}
			for s, want := range []*wantTarget{c.Traces, c.Metrics, c.Logs} {
				if want != nil {
					checkTarget(t, Signal(s), config.Signals[s], want)
				}
			}
		})
	}
}

func checkTarget(t *testing.T, s Signal, got Target, want *wantTarget) {
	t.Helper()
	check := func(what string, got, want any) {
		if got != want {
			t.Errorf("%s: %s %v, want %v", s, what, got, want)
		}
	}
	if want.URL != nil {
		check("URL", got.URL, *want.URL)
	}
	if want.TimeoutMS != nil {
		check("timeout", got.Timeout.Milliseconds(), *want.TimeoutMS)
	}
	if want.DelayMS != nil {
		check("delay", got.Delay.Milliseconds(), *want.DelayMS)
	}
	if want.SteadyMS != nil {
		check("steady", got.Steady.Milliseconds(), *want.SteadyMS)
	}
	if want.BatchRecords != nil {
		check("batch", got.BatchRecords, *want.BatchRecords)
	}
	if want.Compression != nil {
		check("compression", []string{"auto", "gzip", "none"}[got.Compression], *want.Compression)
	}
	if want.Off != nil {
		check("off", got.Off, *want.Off)
	}
	if want.Headers != nil {
		var headers [][2]string
		for _, h := range got.Headers {
			headers = append(headers, [2]string{h.Name, h.Value})
		}
		if !slices.Equal(headers, want.Headers) {
			t.Errorf("%s: headers %q, want %q", s, headers, want.Headers)
		}
	}
}

func TestGRPCAddresses(t *testing.T) {
	for _, c := range []struct {
		env  map[string]string
		want string
	}{
		{nil, "http://127.0.0.1:4317"},
		{map[string]string{"ENDPOINT": "http://c:4317/ignored"}, "http://c:4317/ignored"},
		{map[string]string{"ENDPOINT": "c:4317"}, "https://c:4317"},
		{map[string]string{"ENDPOINT": "c:4317", "INSECURE": "true"}, "http://c:4317"},
		{map[string]string{"ENDPOINT": "https://c", "INSECURE": "true"}, "https://c"},
	} {
		var config Config
		problems := config.FromEnv(func(name string) string {
			if name == "OTEL_EXPORTER_OTLP_PROTOCOL" {
				return "grpc"
			}
			return c.env[name[min(len("OTEL_EXPORTER_OTLP_"), len(name)):]]
		})
		if got := config.Signals[self.Traces]; got.URL != c.want || !got.GRPC || len(problems) != 0 {
			t.Errorf("%v: %s %q, want %s", c.env, got.URL, problems, c.want)
		}
	}
}
