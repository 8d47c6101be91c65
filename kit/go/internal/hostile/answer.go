package hostile

import (
	"bufio"
	"crypto/tls"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"time"
)

// answer carries out a step and says whether the connection goes on.
func (s *Server) answer(c net.Conn, in *bufio.Reader, step Step) bool {
	write := func(text string) bool {
		_, err := io.WriteString(c, text)
		return err == nil
	}
	switch step.Do {
	case "ok":
		return write("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")
	case "status":
		var headers strings.Builder
		for name, value := range step.Headers {
			fmt.Fprintf(&headers, "%s: %s\r\n", name, value)
		}
		length := "content-length: 0\r\n"
		if step.Status == http.StatusNoContent {
			length = ""
		}
		return write(fmt.Sprintf("HTTP/1.1 %d Scripted\r\n%s%s\r\n", step.Status, headers.String(), length))
	case "partial":
		body := partial(step.N)
		return write(fmt.Sprintf("HTTP/1.1 200 OK\r\ncontent-type: application/x-protobuf\r\ncontent-length: %d\r\n\r\n%s", len(body), body))
	case "hang":
		_, _ = io.Copy(io.Discard, in) // until the client goes away
		return false
	case "reset":
		reset(c)
		return false
	case "reset_answer":
		write("HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n" + strings.Repeat("x", 500))
		time.Sleep(50 * time.Millisecond) // a reset may overtake what was written before
		reset(c)
		return false
	case "drip":
		alive := write("HTTP/1.1 200 OK\r\ncontent-length: 100000\r\n\r\n")
		for alive {
			time.Sleep(time.Duration(step.MS) * time.Millisecond)
			alive = write("x")
		}
		return false
	case "endless":
		for alive := write("HTTP/1.1 200 OK\r\n\r\n"); alive; {
			alive = write(strings.Repeat("endless ", 1<<10))
		}
		return false
	case "headers":
		alive := write("HTTP/1.1 200 OK\r\n")
		for n := 0; alive && n < step.N; n += 1 << 10 {
			alive = write("x-filler: " + strings.Repeat("h", 1<<10-12) + "\r\n")
		}
		write("content-length: 0\r\n\r\n")
		return false
	case "garbage":
		return write("HTTP/1.1 200 OK\r\ncontent-length: 12\r\n\r\n\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01")
	case "redirect":
		return write("HTTP/1.1 307 Temporary Redirect\r\nlocation: " + s.URL() + "/elsewhere\r\ncontent-length: 0\r\n\r\n")
	case "interim":
		return write("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nlink: </x>\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")
	case "chunked":
		return write("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2;x=y\r\n\x1a\x00\r\n3\r\n\x22\x01a\r\n0\r\nx-trailer: t\r\n\r\n")
	case "close":
		write("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")
		return false
	case "not_http":
		write("220 mail.example.com ESMTP\r\n\r\n")
		return false
	}
	panic("a script has an unknown step: " + step.Do)
}

// partial is an Export…ServiceResponse with so many rejected records.
func partial(rejected int) []byte {
	inner := binary.AppendUvarint([]byte{1 << 3}, uint64(rejected))
	inner = append(inner, 2<<3|2, 5)
	inner = append(inner, "limit"...)
	return append([]byte{1<<3 | 2, byte(len(inner))}, inner...)
}

// reset closes a connection so that the peer gets an error, not an end.
func reset(c net.Conn) {
	if t, ok := c.(*tls.Conn); ok {
		c = t.NetConn()
	}
	if t, ok := c.(*net.TCPConn); ok {
		_ = t.SetLinger(0)
	}
	_ = c.Close()
}

// startGRPC serves the same steps over HTTP/2.
func (s *Server) startGRPC() {
	s.http = &http.Server{
		Handler: http.HandlerFunc(s.call), Protocols: new(http.Protocols),
		ReadHeaderTimeout: 10 * time.Second,
	}
	s.http.Protocols.SetHTTP2(true)
	s.http.Protocols.SetUnencryptedHTTP2(true)
	s.running.Add(1)
	go func() {
		defer s.running.Done()
		_ = s.http.Serve(s.listener)
	}()
}

func (s *Server) call(w http.ResponseWriter, r *http.Request) {
	number, step := s.take()
	framed, _ := io.ReadAll(io.LimitReader(r.Body, 64<<20))
	if len(framed) < 5 || int(binary.BigEndian.Uint32(framed[1:])) != len(framed)-5 {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	if framed[0] == 1 {
		r.Header.Set("Content-Encoding", r.Header.Get("Grpc-Encoding"))
	}
	s.record(s.describe(number, 0, r, framed[5:]))
	w.Header().Set("Content-Type", "application/grpc+proto")
	if step.Do == "status" && step.Status != 0 {
		w.WriteHeader(step.Status)
		return
	}
	if step.Do == "hang" {
		<-r.Context().Done()
		return
	}
	var message []byte
	trailers := map[string]string{"grpc-status": "0"}
	switch step.Do {
	case "partial":
		message = partial(step.N)
	case "status":
		trailers = step.Trailers
	}
	if trailers["grpc-status"] == "0" {
		frame := binary.BigEndian.AppendUint32([]byte{0}, uint32(len(message)))
		_, _ = w.Write(append(frame, message...))
	}
	for name, value := range trailers {
		w.Header().Set(http.TrailerPrefix+name, value)
	}
}
