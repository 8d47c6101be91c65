package compat

import (
	"encoding/binary"
	"encoding/json"
	"net/http"
	"strings"
	"sync"

	"github.com/clew-dev/clew/internal/otlp"
	"github.com/clew-dev/clew/internal/store"
	"github.com/clew-dev/clew/internal/telemetry"
)

func (t *tempo) load(r *http.Request) (*store.Trace, error) {
	id, err := telemetry.ParseTraceID(r.PathValue("id"))
	if err != nil {
		return nil, err
	}
	return t.o.Store.Trace(r.Context(), tenant(r), id, store.TraceOptions{MaxSpans: t.o.Limits().TraceSpans})
}

const protobufType = "application/protobuf"

// wantsProtobuf tells whether the client asked for it; the default is JSON.
func wantsProtobuf(r *http.Request) bool {
	for _, a := range r.Header.Values("Accept") {
		if strings.Contains(a, protobufType) || strings.Contains(a, "application/x-protobuf") {
			return true
		}
	}
	return false
}

// frontBytes is room in front of an encoded trace for the tag and length of the
// message around it, so that the trace is not copied.
const frontBytes = 1 + binary.MaxVarintLen64

// keepBytes bounds the buffers that are used again.
const keepBytes = 8 << 20

var buffers = sync.Pool{New: func() any { return new([]byte) }}

// traceV2 answers with tempopb.TraceByIDResponse: field 1 is the trace, in the
// encoding of OTLP's TracesData; 3 the status (1: partial); 4 the message.
func (t *tempo) traceV2(w http.ResponseWriter, r *http.Request) error {
	tr, err := t.load(r)
	if err != nil {
		return err
	}
	buf := buffers.Get().(*[]byte)
	defer putBuffer(buf)
	if !wantsProtobuf(r) {
		b := otlp.AppendTracesJSON(append((*buf)[:0], `{"trace":`...), tr.Batch)
		*buf = append(b, statusJSON(tr.Partial)...)
		return send(w, "application/json", *buf)
	}
	b := append((*buf)[:0], make([]byte, frontBytes)...)
	b = otlp.AppendTraces(b, tr.Batch)
	var head [frontBytes]byte
	n := binary.PutUvarint(head[1:], uint64(len(b)-frontBytes)) + 1
	head[0] = 1<<3 | 2
	from := frontBytes - n
	copy(b[from:], head[:n])
	if tr.Partial != "" {
		b = append(b, 3<<3, 1, 4<<3|2)
		b = binary.AppendUvarint(b, uint64(len(tr.Partial)))
		b = append(b, tr.Partial...)
	}
	*buf = b
	return send(w, protobufType, b[from:])
}

// traceV1 answers with the trace alone; its JSON calls the resource spans batches.
func (t *tempo) traceV1(w http.ResponseWriter, r *http.Request) error {
	tr, err := t.load(r)
	if err != nil {
		return err
	}
	buf := buffers.Get().(*[]byte)
	defer putBuffer(buf)
	if wantsProtobuf(r) {
		*buf = otlp.AppendTraces((*buf)[:0], tr.Batch)
		return send(w, protobufType, *buf)
	}
	*buf = otlp.AppendTracesJSON((*buf)[:0], tr.Batch)
	const theirs, ours = `{"batches":`, `{"resourceSpans":`
	from := len(ours) - len(theirs)
	copy((*buf)[from:], theirs)
	return send(w, "application/json", (*buf)[from:])
}

func putBuffer(b *[]byte) {
	if cap(*b) <= keepBytes {
		buffers.Put(b)
	}
}

func send(w http.ResponseWriter, typ string, body []byte) error {
	w.Header().Set("Content-Type", typ)
	_, _ = w.Write(body) // a client that has gone cannot be told
	return nil
}

// statusJSON is what follows the trace in the JSON of version 2.
func statusJSON(partial string) string {
	if partial == "" {
		return `,"metrics":{},"status":"COMPLETE","message":""}`
	}
	message, err := json.Marshal(partial)
	if err != nil {
		panic(err) // a string always marshals
	}
	return `,"metrics":{},"status":"PARTIAL","message":` + string(message) + `}`
}
