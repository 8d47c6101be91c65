package receive_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/exec"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
	"testing"
	"time"

	collectorpb "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	statuspb "google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/protobuf/proto"

	"github.com/clew-dev/clew/internal/receive"
	"github.com/clew-dev/clew/internal/testkit"
)

// maxGrowth is how much the server's resident memory may grow for one request.
const maxGrowth = 64 << 20

// childVariable makes the test binary a server: its memory is then nobody else's.
const childVariable = "CLEW_RECEIVE_TEST_SERVER"

func TestMain(m *testing.M) {
	if os.Getenv(childVariable) != "" {
		serveChild()
		return
	}
	os.Exit(m.Run())
}

// serveChild serves until its input ends. It answers each line of input with its
// resident memory after a collection, and its goroutines.
func serveChild() {
	g, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	h, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	s, err := receive.New(receive.Options{
		GRPC: g, HTTP: h, Sink: &sink{}, Counter: (&counters{v: map[string]float64{}}).make,
		Logger:       slog.New(slog.DiscardHandler),
		Authenticate: func(string, string, net.Addr) (string, error) { return "default", nil },
		BodyTimeout:  20 * time.Second,
	})
	if err != nil {
		panic(err)
	}
	s.Start()
	fmt.Println(g.Addr(), h.Addr())
	for in := bufio.NewScanner(os.Stdin); in.Scan(); {
		debug.FreeOSMemory()
		// Writing 5 sets the peak of resident memory back to what is resident now.
		if err := os.WriteFile("/proc/self/clear_refs", []byte("5"), 0); err != nil {
			panic(err)
		}
		fmt.Println(resident(os.Getpid(), "VmRSS"), runtime.NumGoroutine(), s.InflightBytes())
	}
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	if err := s.Stop(ctx); err != nil {
		panic(err)
	}
}

// resident reads a line of /proc/PID/status in bytes.
func resident(pid int, field string) int64 {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return -1
	}
	for line := range strings.Lines(string(text)) {
		if rest, ok := strings.CutPrefix(line, field+":"); ok {
			kib, _ := strconv.ParseInt(strings.Fields(rest)[0], 10, 64)
			return kib << 10
		}
	}
	return -1
}

// child is a server process.
type child struct {
	t          *testing.T
	pid        int
	in         io.WriteCloser
	out        *bufio.Reader
	grpc, http string
	h2         *http.Client
	h1         *http.Client
	worst      int64
	worstName  string
}

func startChild(t *testing.T) *child {
	t.Helper()
	if runtime.GOOS != "linux" {
		t.Skip("resident memory is read from /proc")
	}
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(exe, "-test.run=^$")
	cmd.Env = append(os.Environ(), childVariable+"=1")
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	c := &child{t: t, pid: cmd.Process.Pid, in: in, out: bufio.NewReader(out)}
	t.Cleanup(func() {
		in.Close()
		if err := cmd.Wait(); err != nil {
			t.Errorf("the server ended with %v", err)
		}
	})
	if _, err := fmt.Fscanln(c.out, &c.grpc, &c.http); err != nil {
		t.Fatal(err)
	}
	p := new(http.Protocols)
	p.SetUnencryptedHTTP2(true)
	c.h2 = &http.Client{Transport: &http.Transport{Protocols: p}, Timeout: time.Minute}
	c.h1 = &http.Client{Transport: &http.Transport{}, Timeout: time.Minute}
	return c
}

// quiet collects the server's garbage and gives its resident memory and goroutines.
func (c *child) quiet() (rss int64, goroutines int) {
	c.t.Helper()
	fmt.Fprintln(c.in)
	var held int64
	if _, err := fmt.Fscanln(c.out, &rss, &goroutines, &held); err != nil {
		c.t.Fatalf("the server does not answer: %v", err)
	}
	if held != 0 {
		c.t.Errorf("%d bytes stay reserved", held)
	}
	return rss, goroutines
}

// measured runs one request and asserts how far the server's memory grew.
func (c *child) measured(name string, do func()) {
	c.t.Helper()
	before, _ := c.quiet()
	do()
	grown := resident(c.pid, "VmHWM") - before
	if grown > c.worst {
		c.worst, c.worstName = grown, name
	}
	if grown > maxGrowth && !testkit.Race {
		c.t.Errorf("%s: resident memory grew by %d MiB", name, grown>>20)
	}
}

// answer is what a sender is told, over either protocol.
type answer struct {
	verdict  string // ok, partial, or the refusal: invalid, too_large …
	message  string
	rejected int64
}

func verdictOf(code int) string {
	switch code {
	case 200, 0:
		return "ok"
	case 400, 3:
		return "invalid"
	case 413, 8:
		return "too_large"
	case 415, 12:
		return "unknown"
	}
	return strconv.Itoa(code)
}

func (a answer) with(partial *collectorpb.ExportTracePartialSuccess) answer {
	if partial.GetRejectedSpans() > 0 {
		a.verdict, a.message, a.rejected = "partial", partial.GetErrorMessage(), partial.GetRejectedSpans()
	}
	return a
}

// sendHTTP posts a body as it is.
func (c *child) sendHTTP(contentType, encoding string, body []byte) (answer, error) {
	req, err := http.NewRequest("POST", "http://"+c.http+"/v1/traces", bytes.NewReader(body))
	if err != nil {
		return answer{}, err
	}
	req.Header.Set("Content-Type", contentType)
	req.Header.Set("Content-Encoding", encoding)
	res, err := c.h1.Do(req)
	if err != nil {
		return answer{}, err
	}
	defer res.Body.Close()
	out, err := io.ReadAll(res.Body)
	if err != nil {
		return answer{}, err
	}
	a := answer{verdict: verdictOf(res.StatusCode)}
	if contentType == jsonType {
		var v struct {
			Message        string
			PartialSuccess struct{ RejectedSpans, ErrorMessage string }
		}
		if err := json.Unmarshal(out, &v); err != nil {
			return a, fmt.Errorf("%w in %s", err, out)
		}
		a.message = v.Message
		if v.PartialSuccess.RejectedSpans != "" {
			a.verdict, a.message = "partial", v.PartialSuccess.ErrorMessage
		}
		return a, nil
	}
	if res.StatusCode != 200 {
		var st statuspb.Status
		err = proto.Unmarshal(out, &st)
		a.message = st.Message
		return a, err
	}
	var ok collectorpb.ExportTraceServiceResponse
	err = proto.Unmarshal(out, &ok)
	return a.with(ok.PartialSuccess), err
}

// sendGRPC sends a stream body as it is, prefix and all.
func (c *child) sendGRPC(encoding string, stream []byte) (answer, error) {
	req, err := http.NewRequest("POST", "http://"+c.grpc+"/opentelemetry.proto.collector.trace.v1.TraceService/Export", bytes.NewReader(stream))
	if err != nil {
		return answer{}, err
	}
	req.Header.Set("Content-Type", "application/grpc")
	req.Header.Set("TE", "trailers")
	if encoding != "" {
		req.Header.Set("Grpc-Encoding", encoding)
	}
	res, err := c.h2.Do(req)
	if err != nil {
		return answer{}, err
	}
	defer res.Body.Close()
	out, err := io.ReadAll(res.Body)
	if err != nil {
		return answer{}, err
	}
	code, err := strconv.Atoi(res.Trailer.Get("Grpc-Status"))
	if err != nil {
		return answer{}, fmt.Errorf("trailer %v: %w", res.Trailer, err)
	}
	a := answer{verdict: verdictOf(code), message: res.Trailer.Get("Grpc-Message")}
	if raw := res.Trailer.Get("Grpc-Status-Details-Bin"); raw != "" && a.verdict == "too_large" {
		if _, err := base64.RawStdEncoding.DecodeString(raw); err != nil {
			return a, err
		}
		a.verdict = "over_budget" // with RetryInfo: to be sent again
	}
	if code != 0 {
		return a, nil
	}
	if len(out) < 5 {
		return a, fmt.Errorf("a success without a message: %x", out)
	}
	var ok collectorpb.ExportTraceServiceResponse
	err = proto.Unmarshal(out[5:], &ok)
	return a.with(ok.PartialSuccess), err
}

func frame(flag byte, body []byte) []byte {
	out := make([]byte, 5, 5+len(body))
	out[0] = flag
	binary.BigEndian.PutUint32(out[1:], uint32(len(body)))
	return append(out, body...)
}

// TestHostilePayloads sends every payload of the corpus over gRPC, HTTP with protobuf or
// JSON, and with each compression. It asserts the answer, that the server goes on
// serving, what memory it took, and that no goroutine stays.
func TestHostilePayloads(t *testing.T) {
	c := startChild(t)
	corpus := append(protobufCorpus(), jsonCorpus()...)
	if len(corpus) < 40 {
		t.Fatalf("the corpus has %d payloads, want at least 40", len(corpus))
	}
	sound := marshal(t, request(10))
	// Connections and pools come to their size before anything is compared.
	for range 3 {
		for _, send := range []func() (answer, error){
			func() (answer, error) { return c.sendHTTP(protobufType, "identity", sound) },
			func() (answer, error) { return c.sendGRPC("", frame(0, sound)) },
		} {
			if a, err := send(); err != nil || a.verdict != "ok" {
				t.Fatalf("a sound request: %+v, %v", a, err)
			}
		}
	}
	_, goroutines := c.quiet()
	sent := 0
	for _, p := range corpus {
		body := p.make()
		encodings := []string{"identity", "gzip", "zstd"}
		if testing.Short() && len(body) > 4<<20 {
			encodings = encodings[:1]
		}
		for _, encoding := range encodings {
			packed := pack(t, encoding, body)
			ways := map[string]func() (answer, error){}
			if p.json {
				ways["http json "+encoding] = func() (answer, error) { return c.sendHTTP(jsonType, encoding, packed) }
			} else {
				ways["http "+encoding] = func() (answer, error) { return c.sendHTTP(protobufType, encoding, packed) }
				flag := byte(1)
				if encoding == "identity" {
					flag = 0
				}
				ways["grpc "+encoding] = func() (answer, error) { return c.sendGRPC(encoding, frame(flag, packed)) }
			}
			for way, send := range ways {
				name := p.name + ", " + way
				c.measured(name, func() {
					sent++
					a, err := send()
					if err != nil {
						t.Errorf("%s: %v", name, err)
						return
					}
					if a.verdict != p.verdict || !strings.Contains(a.message, p.message) {
						t.Errorf("%s: answer %+v, want %s %q", name, a, p.verdict, p.message)
					}
				})
			}
		}
		if a, err := c.sendGRPC("", frame(0, sound)); err != nil || a.verdict != "ok" {
			t.Fatalf("after %s a sound request gets %+v, %v", p.name, a, err)
		}
	}
	t.Logf("%d payloads, sent %d times; most memory: %d MiB by %s", len(corpus), sent, c.worst>>20, c.worstName)
	c.h1.CloseIdleConnections()
	if _, after := c.quiet(); after > goroutines+4 {
		t.Errorf("%d goroutines, and %d before", after, goroutines)
	}
}
