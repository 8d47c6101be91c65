package api

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"

	"github.com/clew-dev/clew/internal/telemetry"
)

// pieceBytes is what is encoded of a long answer before it is sent.
const pieceBytes = 64 << 10

// pieces sends an answer while it is encoded, for what may be too long to be in memory.
type pieces struct {
	w    io.Writer
	b    bytes.Buffer
	into *json.Encoder
}

func newPieces(w io.Writer) *pieces {
	p := &pieces{w: w}
	p.into = json.NewEncoder(&p.b)
	return p
}

// json encodes v, and sends what is there when it is enough for a piece. The last bytes
// of v stay, so that cut may take them off.
func (p *pieces) json(v any) error {
	if err := p.full(); err != nil {
		return err
	}
	if err := p.into.Encode(v); err != nil {
		return fmt.Errorf("encode the answer: %w", err)
	}
	p.cut(len("\n"))
	return nil
}

// cut takes the last bytes off.
func (p *pieces) cut(n int) { p.b.Truncate(p.b.Len() - n) }

func (p *pieces) full() error {
	if p.b.Len() < pieceBytes {
		return nil
	}
	return p.rest()
}

// rest sends what is there.
func (p *pieces) rest() error {
	_, err := p.w.Write(p.b.Bytes())
	p.b.Reset()
	return cutOff(err)
}

// cutOff makes the error of an answer that its client did not take to the end, or nil
// of nil. A handler that returns it has sent a part, so that the connection is cut: no
// client then takes a half for a whole.
func cutOff(err error) error {
	if err == nil {
		return nil
	}
	return telemetry.Errorf(telemetry.KindUnavailable, "the client did not take the answer to its end: %w", err)
}
