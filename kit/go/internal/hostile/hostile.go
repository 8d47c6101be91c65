// Package hostile is a collector that misbehaves on purpose, as a script tells it,
// for the tests of both kits' exporters. It listens on the loopback address only
// and records what it receives.
//
// A script is a list of steps, one for each request in the order of their arrival;
// the last step serves all that follow. The command beside this package does the
// same for tests in other languages.
package hostile

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"crypto/tls"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"
)

// Script says how the collector behaves.
type Script struct {
	// Refuse: nobody listens on the port.
	Refuse bool `json:"refuse,omitempty"`
	// TLS is empty, or one of: good, mutual (asks for the client's certificate),
	// self_signed, wrong_host, plain (answers in plain text where TLS is expected).
	TLS string `json:"tls,omitempty"`
	// GRPC answers unary gRPC over HTTP/2; steps then are ok, partial, hang, status.
	GRPC  bool   `json:"grpc,omitempty"`
	Steps []Step `json:"steps,omitempty"`
}

// Step is the answer to one request.
type Step struct {
	// Do is one of:
	//	ok            200 and an empty message
	//	status        the given status, headers and body
	//	partial       200 and a partial success of N rejected records
	//	hang          reads the request, never answers
	//	reset         reads N bytes of the request's body, then resets the connection
	//	reset_answer  answers half a body, then resets the connection
	//	drip          200, then a byte of the body every MS milliseconds
	//	endless       200 and a body without end
	//	headers       200 with headers of N bytes
	//	garbage       200 and a body that is no message
	//	redirect      307 to this collector
	//	interim       100, 103, then 200
	//	chunked       200 in chunks, with a trailer
	//	close         200, then closes the connection without having said so
	//	not_http      bytes that are no answer
	Do      string            `json:"do"`
	Status  int               `json:"status,omitempty"`
	Headers map[string]string `json:"headers,omitempty"`
	N       int               `json:"n,omitempty"`
	MS      int               `json:"ms,omitempty"`
	// Trailers are the gRPC answer's, for Do "status".
	Trailers map[string]string `json:"trailers,omitempty"`
}

// Request is what one request brought.
type Request struct {
	Step int `json:"step"`
	// AtMS is when it had arrived, in milliseconds since the collector started.
	AtMS       int64             `json:"at_ms"`
	Connection int               `json:"connection"`
	Path       string            `json:"path"`
	Key        string            `json:"key"`
	Encoding   string            `json:"encoding"`
	Headers    map[string]string `json:"headers"`
	// Bytes and Records are of the body, as far as it came; -1 records: it was no
	// request of OTLP.
	Bytes   int `json:"bytes"`
	Records int `json:"records"`
}

// Server is a running collector.
type Server struct {
	script   Script
	listener net.Listener
	http     *http.Server
	started  time.Time
	observe  func(Request)

	mu          sync.Mutex
	next        int
	connections map[net.Conn]int
	opened      int
	requests    []Request
	closed      bool
	running     sync.WaitGroup
	// CA, ClientCert and ClientKey are PEM texts for TLS "good" and "mutual".
	CA, ClientCert, ClientKey []byte
}

// Start runs a collector on a port of its own. observe, when not nil, is called for
// each request when it was read and before it is answered.
func Start(script Script, observe func(Request)) (*Server, error) {
	s := &Server{script: script, started: time.Now(), observe: observe, connections: map[net.Conn]int{}}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("start hostile collector: %w", err)
	}
	s.listener = listener
	if script.Refuse {
		return s, listener.Close()
	}
	if script.TLS != "" && script.TLS != "plain" {
		config, err := s.certificates()
		if err != nil {
			return nil, fmt.Errorf("start hostile collector: %w", err)
		}
		if script.GRPC {
			config.NextProtos = []string{"h2"}
		}
		s.listener = tls.NewListener(listener, config)
	}
	if script.GRPC {
		s.startGRPC()
		return s, nil
	}
	s.running.Add(1)
	go s.accept()
	return s, nil
}

// URL is the collector's address without a path.
func (s *Server) URL() string {
	scheme := "http://"
	if s.script.TLS != "" {
		scheme = "https://"
	}
	return scheme + s.listener.Addr().String()
}

// Requests is what came so far.
func (s *Server) Requests() []Request {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]Request(nil), s.requests...)
}

// Close ends the collector, its connections and goroutines.
func (s *Server) Close() {
	s.mu.Lock()
	s.closed = true
	for c := range s.connections {
		_ = c.Close()
	}
	s.mu.Unlock()
	_ = s.listener.Close()
	if s.http != nil {
		_ = s.http.Close()
	}
	s.running.Wait()
}

func (s *Server) accept() {
	defer s.running.Done()
	for {
		c, err := s.listener.Accept()
		if err != nil {
			return
		}
		s.mu.Lock()
		if s.closed {
			s.mu.Unlock()
			_ = c.Close()
			return
		}
		s.opened++
		s.connections[c] = s.opened
		s.running.Add(1)
		number := s.opened
		s.mu.Unlock()
		go func() {
			defer s.running.Done()
			s.serve(c, number)
			_ = c.Close()
			s.mu.Lock()
			delete(s.connections, c)
			s.mu.Unlock()
		}()
	}
}

// take is the step for the next request.
func (s *Server) take() (int, Step) {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := s.next
	s.next++
	if len(s.script.Steps) == 0 {
		return n, Step{Do: "ok"}
	}
	return n, s.script.Steps[min(n, len(s.script.Steps)-1)]
}

func (s *Server) record(r Request) {
	s.mu.Lock()
	s.requests = append(s.requests, r)
	s.mu.Unlock()
	if s.observe != nil {
		s.observe(r)
	}
}

// describe says what a request brought.
func (s *Server) describe(step, connection int, r *http.Request, body []byte) Request {
	d := Request{
		Step: step, AtMS: time.Since(s.started).Milliseconds(), Connection: connection,
		Path: r.URL.Path, Key: r.Header.Get("Idempotency-Key"), Encoding: r.Header.Get("Content-Encoding"),
		Headers: map[string]string{}, Bytes: len(body), Records: -1,
	}
	for name := range r.Header {
		d.Headers[strings.ToLower(name)] = r.Header.Get(name)
	}
	if d.Encoding == "gzip" {
		plain, err := unzip(body)
		if err != nil {
			return d
		}
		body = plain
	}
	d.Records = countRecords(body)
	return d
}

func unzip(body []byte) ([]byte, error) {
	z, err := gzip.NewReader(bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	return io.ReadAll(io.LimitReader(z, 64<<20))
}

// countRecords counts the elements of field 2 in field 2 (of any scope) in field 1
// (of any resource) of a request; -1 when it is no message.
func countRecords(request []byte) int {
	count := 0
	ok := each(request, 1, func(resource []byte) bool {
		return each(resource, 2, func(scope []byte) bool {
			return each(scope, 2, func([]byte) bool { count++; return true })
		})
	})
	if !ok {
		return -1
	}
	return count
}

// each calls do for every element of one field. All fields must be of wire type 2,
// which is so in the envelope of OTLP.
func each(message []byte, field uint64, do func([]byte) bool) bool {
	for len(message) > 0 {
		tag, n := binary.Uvarint(message)
		if n <= 0 || tag&7 != 2 {
			return false
		}
		length, m := binary.Uvarint(message[n:])
		if m <= 0 || length > uint64(len(message)-n-m) {
			return false
		}
		element := message[n+m : n+m+int(length)]
		message = message[n+m+int(length):]
		if tag>>3 == field && !do(element) {
			return false
		}
	}
	return true
}

// serve answers the requests of one connection until a step ends it.
func (s *Server) serve(c net.Conn, connection int) {
	if s.script.TLS == "plain" {
		_, _ = c.Write([]byte("HTTP/1.1 400 Bad Request\r\n\r\nplain text\n"))
		_, _ = io.CopyN(io.Discard, c, 1<<10)
		return
	}
	if t, ok := c.(*tls.Conn); ok && t.Handshake() != nil {
		return
	}
	in := bufio.NewReader(c)
	for {
		r, err := http.ReadRequest(in)
		if err != nil {
			return
		}
		number, step := s.take()
		limit := int64(64 << 20)
		if step.Do == "reset" {
			limit = int64(step.N)
		}
		body, err := io.ReadAll(io.LimitReader(r.Body, limit))
		s.record(s.describe(number, connection, r, body))
		if err != nil || !s.answer(c, in, step) {
			return
		}
	}
}
