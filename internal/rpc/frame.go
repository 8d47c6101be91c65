package rpc

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"net/http"
	"strings"

	"github.com/klauspost/compress/gzip"

	"github.com/clew-dev/clew/internal/telemetry"
)

// ContentType is that of every call and every answer.
const ContentType = "application/grpc"

// PrefixBytes is a frame's head: whether it is compressed, and its length.
const PrefixBytes = 5

// Is reports whether a request is a call of gRPC.
func Is(r *http.Request) bool {
	return strings.HasPrefix(r.Header.Get("Content-Type"), ContentType)
}

// Append appends a message as a frame that is not compressed.
func Append(dst, message []byte) []byte {
	dst = append(dst, 0)
	dst = binary.BigEndian.AppendUint32(dst, uint32(len(message)))
	return append(dst, message...)
}

// Seal writes the head of a frame whose message follows PrefixBytes of room.
func Seal(frame []byte) {
	frame[0] = 0
	binary.BigEndian.PutUint32(frame[1:PrefixBytes], uint32(len(frame)-PrefixBytes))
}

// ErrMore is what a Message gives when the stream goes on after it.
var ErrMore = errors.New("the call has more than one message, or bytes after it")

// Message reads the message of a unary call: so many bytes, and the end of the
// stream after them.
type Message struct {
	r    io.Reader
	left int64
	err  error
}

// NewMessage reads length bytes of r, whose frame's head has been read.
func NewMessage(r io.Reader, length int64) *Message { return &Message{r: r, left: length} }

// Read implements io.Reader. A stream that ends too early gives
// io.ErrUnexpectedEOF, one that ends too late ErrMore.
func (m *Message) Read(p []byte) (int, error) {
	if m.err != nil {
		return 0, m.err
	}
	if m.left == 0 {
		var one [1]byte
		n, err := io.ReadFull(m.r, one[:])
		m.err = err
		if n > 0 {
			m.err = ErrMore
		}
		return 0, m.err
	}
	if int64(len(p)) > m.left {
		p = p[:m.left]
	}
	n, err := m.r.Read(p)
	m.left -= int64(n)
	if err == io.EOF {
		if m.left > 0 {
			m.err = io.ErrUnexpectedEOF
		} else {
			m.err = io.EOF
		}
		err = nil
		if n == 0 {
			err = m.err
		}
	}
	return n, err
}

// ReadRequest reads the one message of a call, plain or gzip, of at most limit
// bytes on the wire and inflated. Its errors are of telemetry.KindInvalid.
func ReadRequest(r *http.Request, limit int) ([]byte, error) {
	var head [PrefixBytes]byte
	if _, err := io.ReadFull(r.Body, head[:]); err != nil {
		return nil, telemetry.Errorf(telemetry.KindInvalid, "the call ends before the head of its message: %w", err)
	}
	length := binary.BigEndian.Uint32(head[1:])
	if int64(length) > int64(limit) {
		return nil, tooLarge(limit)
	}
	body, err := io.ReadAll(NewMessage(r.Body, int64(length)))
	if err != nil {
		return nil, telemetry.Errorf(telemetry.KindInvalid, "the message is not whole: %w", err)
	}
	encoding := r.Header.Get("Grpc-Encoding")
	switch {
	case head[0] == 0:
		return body, nil
	case head[0] == 1 && encoding == "gzip":
		return inflate(body, limit)
	}
	return nil, telemetry.Errorf(telemetry.KindInvalid,
		"the frame has the compression flag %d and grpc-encoding is %q: send gzip or none", head[0], telemetry.Clip(encoding))
}

func tooLarge(limit int) error {
	return telemetry.Errorf(telemetry.KindInvalid, "the message is over %d bytes", limit)
}

func inflate(body []byte, limit int) ([]byte, error) {
	z, err := gzip.NewReader(bytes.NewReader(body))
	if err == nil {
		body, err = io.ReadAll(io.LimitReader(z, int64(limit)+1))
	}
	if err != nil {
		return nil, telemetry.Errorf(telemetry.KindInvalid, "the message is not gzip: %w", err)
	}
	if len(body) > limit {
		return nil, tooLarge(limit)
	}
	return body, nil
}
