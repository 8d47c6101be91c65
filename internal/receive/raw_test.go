package receive_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"net/http"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"
	collectorpb "go.opentelemetry.io/proto/otlp/collector/trace/v1"

	"github.com/clew-dev/clew/internal/receive"
)

// sender is a child whose server is in this process, for tests that need no memory figure.
func sender(t *testing.T, r *rig) *child {
	p := new(http.Protocols)
	p.SetUnencryptedHTTP2(true)
	c := &child{t: t, grpc: r.grpc, http: strings.TrimSuffix(strings.TrimPrefix(r.http, "http://"), "/v1/traces"),
		h2: &http.Client{Transport: &http.Transport{Protocols: p}}, h1: &http.Client{Transport: &http.Transport{}}}
	t.Cleanup(func() { c.h1.CloseIdleConnections(); c.h2.CloseIdleConnections() })
	return c
}

// TestDamagedCompression sends bodies that are broken as gzip or zstd.
func TestDamagedCompression(t *testing.T) {
	r := start(t, nil)
	c := sender(t, r)
	body := marshal(t, request(200))
	gz, zs := pack(t, "gzip", body), pack(t, "zstd", body)
	bent := func(b []byte, at int) []byte {
		b = bytes.Clone(b)
		if at < 0 {
			at += len(b)
		}
		b[at] ^= 0xff
		return b
	}
	// A zstd frame: magic, descriptor, window or content size, blocks.
	frame0 := func(descriptor byte, rest ...byte) []byte {
		return append([]byte{0x28, 0xb5, 0x2f, 0xfd, descriptor}, rest...)
	}
	rle := func(n, blocks int) []byte { // blocks of n equal bytes each: four bytes that stand for 128 KiB
		var out []byte
		for i := range blocks {
			head := uint32(n)<<3 | 1<<1
			if i == blocks-1 {
				head |= 1
			}
			out = append(out, byte(head), byte(head>>8), byte(head>>16), 0)
		}
		return out
	}
	for _, test := range []struct {
		name, encoding string
		body           []byte
		verdict        string
	}{
		{"gzip cut short", "gzip", gz[:len(gz)-20], "invalid"},
		{"gzip with a wrong checksum", "gzip", bent(gz, -5), "invalid"},
		{"gzip with a wrong length", "gzip", bent(gz, -1), "invalid"},
		{"gzip with noise after it", "gzip", append(bytes.Clone(gz), "noise"...), "invalid"},
		{"gzip of nothing", "gzip", nil, "invalid"},
		{"gzip in gzip", "gzip", pack(t, "gzip", gz), "invalid"},
		{"a million empty gzip members", "gzip", bytes.Repeat(pack(t, "gzip", nil), 100_000), "ok"},
		{"zstd as gzip", "gzip", zs, "invalid"},
		{"gzip as zstd", "zstd", gz, "invalid"},
		{"gzip as it is", "identity", gz, "invalid"},
		{"zstd cut short", "zstd", zs[:len(zs)-20], "invalid"},
		{"zstd with a wrong checksum", "zstd", bent(zs, -1), "invalid"},
		{"zstd bomb of 8 GiB", "zstd", frame0(0x00, append([]byte{0x58}, rle(128<<10, 1<<16)...)...), "too_large"},
		{"zstd with a window of 2 GiB", "zstd", frame0(0x00, append([]byte{0xa8}, rle(10, 1)...)...), "invalid"},
		{"zstd that claims 16 EiB", "zstd", frame0(0xe0, append(bytes.Repeat([]byte{0xff}, 8), rle(10, 1)...)...), "too_large"},
		{"zstd that claims one byte and has more", "zstd", frame0(0x20, append([]byte{1}, rle(1000, 3)...)...), "invalid"},
		{"zstd that claims 16 MiB and has ten bytes", "zstd", frame0(0xa0, append([]byte{0, 0, 0, 1}, rle(10, 1)...)...), "invalid"},
		{"zstd with an unknown dictionary", "zstd", frame0(0x03, append([]byte{0x58, 1, 2, 3, 4}, rle(10, 1)...)...), "invalid"},
		{"skippable frames", "zstd", bytes.Repeat([]byte{0x50, 0x2a, 0x4d, 0x18, 0, 0, 0, 0}, 100_000), "ok"},
		{"a skippable frame that lies", "zstd", []byte{0x50, 0x2a, 0x4d, 0x18, 0xff, 0xff, 0xff, 0xff, 1}, "invalid"},
		{"a thousand zstd frames", "zstd", bytes.Repeat(pack(t, "zstd", []byte{0x0a, 0}), 1000), "ok"},
	} {
		t.Run(test.name, func(t *testing.T) {
			a, err := c.sendHTTP(protobufType, test.encoding, test.body)
			if err != nil || a.verdict != test.verdict {
				t.Errorf("HTTP: %+v, %v, want %s", a, err, test.verdict)
			}
			flag := byte(1)
			if test.encoding == "identity" {
				flag = 0
			}
			a, err = c.sendGRPC(test.encoding, frame(flag, test.body))
			if err != nil || a.verdict != test.verdict {
				t.Errorf("gRPC: %+v, %v, want %s", a, err, test.verdict)
			}
		})
	}
	if a, err := c.sendGRPC("zstd", frame(1, zs)); err != nil || a.verdict != "ok" || r.sink.stored() != 200 {
		t.Errorf("a sound request: %+v, %v, %d stored", a, err, r.sink.stored())
	}
	// What an encoder that streams writes has no content size, so that the first room is a guess.
	var out bytes.Buffer
	w, err := zstd.NewWriter(&out, zstd.WithEncoderConcurrency(1))
	if err != nil {
		t.Fatal(err)
	}
	w.Write(inSpan(attr("k", msg(1, make([]byte, 8<<20)))))
	w.Flush()
	w.Close()
	if a, err := c.sendHTTP(protobufType, "zstd", out.Bytes()); err != nil || a.verdict != "ok" {
		t.Errorf("8 MiB of zeros in %d bytes: %+v, %v", out.Len(), a, err)
	}
}

func TestGRPCFrames(t *testing.T) {
	r := start(t, nil)
	c := sender(t, r)
	body := marshal(t, request(5))
	prefix := func(flag byte, n uint32, rest []byte) []byte {
		return append(binary.BigEndian.AppendUint32([]byte{flag}, n), rest...)
	}
	for _, test := range []struct {
		name, encoding string
		stream         []byte
		verdict        string
	}{
		{"no message", "", nil, "invalid"},
		{"half a prefix", "", []byte{0, 0}, "invalid"},
		{"an empty message", "", frame(0, nil), "ok"},
		{"less than declared", "", prefix(0, 1000, body[:100]), "invalid"},
		{"more than declared", "", prefix(0, 100, body), "invalid"},
		{"4 GiB declared", "", prefix(0, 1<<32-1, body), "too_large"},
		{"16 MiB declared and nothing sent", "gzip", prefix(1, 16<<20, nil), "invalid"},
		{"flag 2", "", frame(2, body), "invalid"},
		{"compressed without an encoding", "", frame(1, body), "invalid"},
		{"not compressed within an encoding", "gzip", frame(0, body), "ok"},
		{"two messages", "", append(frame(0, body), frame(0, body)...), "invalid"},
		{"unknown encoding", "snappy", frame(1, body), "unknown"},
	} {
		if a, err := c.sendGRPC(test.encoding, test.stream); err != nil || a.verdict != test.verdict {
			t.Errorf("%s: %+v, %v, want %s", test.name, a, err, test.verdict)
		}
	}
	if a, err := c.sendGRPC("", frame(0, body)); err != nil || a.verdict != "ok" {
		t.Errorf("a sound request: %+v, %v", a, err)
	}
}

// exchange writes text on a connection of its own and gives the status line of the answer.
func exchange(t *testing.T, addr, text string) string {
	t.Helper()
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(20 * time.Second))
	go io.WriteString(conn, text) // the server may answer and close before it has read all
	line, _ := bufio.NewReader(conn).ReadString('\n')
	return strings.TrimSpace(line)
}

func TestHostileHTTP(t *testing.T) {
	r := start(t, nil)
	c := sender(t, r)
	head := "POST /v1/traces HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-protobuf\r\n"
	for _, test := range []struct{ name, text, want string }{
		{"a header of a megabyte", head + "X: " + strings.Repeat("a", 1<<20) + "\r\n\r\n", "431"},
		{"a hundred thousand headers", head + strings.Repeat("A: b\r\n", 100_000) + "\r\n", "431"},
		{"baggage without an end", head + strings.Repeat("baggage: a=b\r\n", 10_000) + "\r\n", "431"},
		{"a path of a megabyte", "POST /" + strings.Repeat("a", 1<<20) + " HTTP/1.1\r\nHost: x\r\n\r\n", "431"},
		{"an unknown method", "STEAL /v1/traces HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\nConnection: close\r\n\r\n", "405"},
		{"a method of control characters", "\x01\x02 /v1/traces HTTP/1.1\r\nHost: x\r\n\r\n", "400"},
		{"no HTTP", strings.Repeat("\x16\x03\x01", 100) + "\r\n\r\n", "400"},
		{"two lengths", head + "Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello", "400"},
		{"a length and chunks", head + "Content-Length: 5\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n0\r\n\r\n", "200"},
		{"a negative length", head + "Content-Length: -5\r\n\r\nhello", "400"},
		{"a length over 64 bits", head + "Content-Length: 99999999999999999999\r\n\r\nhello", "400"},
		{"a length of 8 EiB", head + "Content-Length: 9223372036854775807\r\nExpect: 100-continue\r\n\r\n", "413"},
		{"a chunk of 2^63", head + "Transfer-Encoding: chunked\r\n\r\n7fffffffffffffff\r\n" + strings.Repeat("a", 17<<20), "413"},
		{"a chunk that is no number", head + "Transfer-Encoding: chunked\r\nConnection: close\r\n\r\nzz\r\n", "400"},
		{"a tenant of another shape", head + "X-Scope-OrgID: other\r\nContent-Length: 0\r\nConnection: close\r\n\r\n", "403"},
		{"gRPC without HTTP/2", "POST /x HTTP/1.1\r\nHost: x\r\nContent-Type: application/grpc\r\nContent-Length: 0\r\nConnection: close\r\n\r\n", "400"},
	} {
		if got := exchange(t, c.http, test.text); !strings.HasPrefix(got, "HTTP/1.1 "+test.want) {
			t.Errorf("%s: %q, want %s", test.name, got, test.want)
		}
	}
	if a, err := c.sendHTTP(protobufType, "identity", marshal(t, request(1))); err != nil || a.verdict != "ok" {
		t.Errorf("a sound request: %+v, %v", a, err)
	}
}

// drip sends bytes one by one until the server gives up, and gives its answer.
func drip(conn net.Conn, bytes []byte) {
	for i := 0; ; i++ {
		if _, err := conn.Write(bytes[i%len(bytes) : i%len(bytes)+1]); err != nil {
			return
		}
		time.Sleep(5 * time.Millisecond)
	}
}

// TestSlowDrip asserts that a body which trickles in is refused in time, over both protocols.
func TestSlowDrip(t *testing.T) {
	r := start(t, func(o *receive.Options) { o.BodyTimeout = 300 * time.Millisecond })
	c := sender(t, r)
	conn, err := net.Dial("tcp", c.http)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	fmt.Fprintf(conn, "POST /v1/traces HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 1000000\r\n\r\n")
	go drip(conn, []byte(" "))
	conn.SetReadDeadline(time.Now().Add(10 * time.Second))
	res, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	if out, _ := io.ReadAll(res.Body); res.StatusCode != 503 || res.Header.Get("Retry-After") != "1" || !bytes.Contains(out, []byte("300ms")) {
		t.Errorf("HTTP: %s %s", res.Status, out)
	}

	read, write := io.Pipe()
	done := make(chan answer, 1)
	go func() {
		req, _ := http.NewRequest("POST", "http://"+c.grpc+"/opentelemetry.proto.collector.trace.v1.TraceService/Export", read)
		req.Header.Set("Content-Type", "application/grpc")
		res, err := c.h2.Do(req)
		if err != nil {
			done <- answer{message: err.Error()}
			return
		}
		io.Copy(io.Discard, res.Body)
		done <- answer{verdict: res.Trailer.Get("Grpc-Status"), message: res.Trailer.Get("Grpc-Message")}
	}()
	write.Write(binary.BigEndian.AppendUint32([]byte{0}, 1<<20))
	write.Write([]byte{0x0a})
	if a := <-done; a.verdict != "14" || !strings.Contains(a.message, "300ms") {
		t.Errorf("gRPC: %+v, want UNAVAILABLE", a)
	}
	write.Close()
	if n := r.counters.get("clew_receive_refused_total reason=too_slow"); n != 2 {
		t.Errorf("%v refusals counted, want 2", n)
	}
}

// TestOverload holds requests in the sink until the budget is spent, on both sides of it.
func TestOverload(t *testing.T) {
	r := start(t, func(o *receive.Options) {
		o.MaxRequestBytes = 1 << 20
		o.MaxInflightBytes = 3 << 20
	})
	r.sink.hold, r.sink.entered = make(chan struct{}), make(chan struct{}, 8)
	body := inSpan(attr("k", msg(1, bytes.Repeat([]byte("x"), 900<<10))))
	c := sender(t, r)
	var all sync.WaitGroup
	for i := range 3 {
		all.Add(1)
		go func() {
			defer all.Done()
			var a answer
			var err error
			if i%2 == 0 {
				a, err = c.sendHTTP(protobufType, "identity", body)
			} else {
				a, err = c.sendGRPC("", frame(0, body))
			}
			if err != nil || a.verdict != "ok" {
				t.Errorf("a request within the budget: %+v, %v", a, err)
			}
		}()
		<-r.sink.entered
	}
	if held := r.InflightBytes(); held < 3*int64(len(body)) || held > 3<<20 {
		t.Errorf("%d bytes are held by three requests of %d", held, len(body))
	}
	res, out := post(t, c.h1, r.http, jsonType, "", bytes.Repeat([]byte(" "), 900<<10))
	if res.StatusCode != 429 || res.Header.Get("Retry-After") != "1" || !bytes.Contains(out, []byte("in flight")) {
		t.Errorf("HTTP over the budget: %s %s", res.Status, out)
	}
	if a, err := c.sendGRPC("", frame(0, body)); err != nil || a.verdict != "over_budget" {
		t.Errorf("gRPC over the budget: %+v, %v", a, err)
	}
	// It is bytes that count, not requests: a small one still passes.
	all.Add(1)
	go func() {
		defer all.Done()
		if a, err := c.sendGRPC("", frame(0, inSpan())); err != nil || a.verdict != "ok" {
			t.Errorf("a small request: %+v, %v", a, err)
		}
	}()
	<-r.sink.entered
	close(r.sink.hold)
	all.Wait()
	r.sink.mu.Lock()
	r.sink.entered = nil
	r.sink.mu.Unlock()
	if a, err := c.sendGRPC("", frame(0, body)); err != nil || a.verdict != "ok" {
		t.Errorf("after the overload: %+v, %v", a, err)
	}
	if n := r.counters.get("clew_receive_refused_total reason=over_budget"); n != 2 {
		t.Errorf("%v refusals counted, want 2", n)
	}
}

// TestLargestRequestPassesAlone asserts that the smallest budget that New allows is
// enough for one request of nearly the largest size that compression does not make smaller.
func TestLargestRequestPassesAlone(t *testing.T) {
	const size = 1<<20 + 1234
	r := start(t, func(o *receive.Options) { o.MaxRequestBytes, o.MaxInflightBytes = size, 2*size })
	c := sender(t, r)
	noise := make([]byte, size-400) // compression adds some bytes to noise
	for i, g := 0, uint64(1); i < len(noise); i++ {
		g = g*6364136223846793005 + 1442695040888963407
		noise[i] = byte(g >> 56)
	}
	body := inSpan(attr("k", msg(7, noise)))
	for _, encoding := range []string{"identity", "gzip", "zstd"} {
		packed := pack(t, encoding, body)
		if len(packed) < size-1000 || len(packed) > size {
			t.Fatalf("%s: %d bytes, want nearly %d", encoding, len(packed), size)
		}
		for range 2 {
			if a, err := c.sendHTTP(protobufType, encoding, packed); err != nil || a.verdict != "ok" {
				t.Errorf("%s, %d bytes: %+v, %v", encoding, len(packed), a, err)
			}
		}
	}
}

// TestUnfinishedMessages opens many calls that declare the largest size and send
// nothing: they hold next to nothing, and others are served meanwhile.
func TestUnfinishedMessages(t *testing.T) {
	r := start(t, func(o *receive.Options) { o.BodyTimeout = 5 * time.Second })
	c := sender(t, r)
	ctx, cancel := context.WithCancel(context.Background())
	var all sync.WaitGroup
	for range 200 {
		read, write := io.Pipe()
		all.Add(1)
		go func() {
			defer all.Done()
			req, _ := http.NewRequestWithContext(ctx, "POST", "http://"+c.grpc+"/opentelemetry.proto.collector.trace.v1.TraceService/Export", read)
			req.Header.Set("Content-Type", "application/grpc")
			if res, err := c.h2.Do(req); err == nil {
				res.Body.Close()
			}
			read.Close()
		}()
		write.Write(binary.BigEndian.AppendUint32([]byte{0}, 16<<20))
	}
	if a, err := c.sendHTTP(protobufType, "gzip", pack(t, "gzip", marshal(t, request(1000)))); err != nil || a.verdict != "ok" {
		t.Errorf("a sound request beside them: %+v, %v", a, err)
	}
	if held := r.InflightBytes(); held > 200*(64<<10) {
		t.Errorf("200 calls that have sent nothing hold %d bytes", held)
	}
	cancel()
	all.Wait()
}

func TestConnectionLimit(t *testing.T) {
	r := start(t, func(o *receive.Options) { o.MaxConnections = 3 })
	addr := sender(t, r).http
	var conns []net.Conn
	for range 3 {
		conn, err := net.Dial("tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		// An answer proves that the server has accepted the connection.
		fmt.Fprintf(conn, "GET /v1/traces HTTP/1.1\r\nHost: x\r\n\r\n")
		conn.SetDeadline(time.Now().Add(10 * time.Second))
		if _, err := http.ReadResponse(bufio.NewReader(conn), nil); err != nil {
			t.Fatal(err)
		}
		conns = append(conns, conn)
	}
	if got := exchange(t, addr, "GET /v1/traces HTTP/1.1\r\nHost: x\r\n\r\n"); got != "" {
		t.Errorf("the fourth connection gets %q", got)
	}
	conns[0].Close()
	for range 1000 { // the server hears of the end in its own time
		if got := exchange(t, addr, "GET /v1/traces HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"); strings.HasPrefix(got, "HTTP/1.1 405") {
			return
		}
		runtime.Gosched()
	}
	t.Error("no connection is free after one has ended")
}

// TestStopFinishesWhatIsInFlight holds a request in the sink while the server stops.
func TestStopFinishesWhatIsInFlight(t *testing.T) {
	r := start(t, nil)
	r.sink.hold, r.sink.entered = make(chan struct{}), make(chan struct{}, 2)
	c := sender(t, r)
	answers := make(chan error, 2)
	go func() {
		_, err := collectorpb.NewTraceServiceClient(dial(t, r.grpc)).Export(ctx(t), request(3))
		answers <- err
	}()
	go func() {
		a, err := c.sendHTTP(protobufType, "identity", marshal(t, request(4)))
		if a.verdict != "ok" && err == nil {
			err = fmt.Errorf("answer %+v", a)
		}
		answers <- err
	}()
	<-r.sink.entered
	<-r.sink.entered
	stopped := make(chan error, 1)
	go func() { stopped <- r.Stop(ctx(t)) }()
	for { // until the listener is closed
		conn, err := net.Dial("tcp", c.http)
		if err != nil {
			break
		}
		conn.Close()
		runtime.Gosched()
	}
	select {
	case err := <-stopped:
		t.Fatalf("the server stopped with requests in flight: %v", err)
	default:
	}
	close(r.sink.hold)
	for range 2 {
		if err := <-answers; err != nil {
			t.Errorf("a request in flight: %v", err)
		}
	}
	if err := <-stopped; err != nil {
		t.Errorf("stop: %v", err)
	}
	if r.sink.stored() != 7 {
		t.Errorf("%d spans stored, want 7", r.sink.stored())
	}
}

// TestStopIsBounded cuts off a request that does not end.
func TestStopIsBounded(t *testing.T) {
	r := start(t, nil)
	r.sink.hold, r.sink.entered = make(chan struct{}), make(chan struct{}, 1)
	c := sender(t, r)
	gone := make(chan error, 1)
	go func() {
		_, err := c.sendHTTP(protobufType, "identity", marshal(t, request(1)))
		gone <- err
	}()
	<-r.sink.entered
	short, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	if err := r.Stop(short); err == nil {
		t.Error("the stop says nothing of the request that it cut off")
	}
	if err := <-gone; err == nil {
		t.Error("the request that was cut off got an answer")
	}
	close(r.sink.hold)
	for r.InflightBytes() != 0 { // until the handler has left the sink
		runtime.Gosched()
	}
}
