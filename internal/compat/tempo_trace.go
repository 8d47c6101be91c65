package compat

import (
	"encoding/binary"
	"encoding/json"
	"net/http"
	"strconv"
	"strings"
	"sync"

	"github.com/clew-dev/clew/internal/otlp"
	"github.com/clew-dev/clew/internal/query"
	"github.com/clew-dev/clew/internal/store"
	"github.com/clew-dev/clew/internal/telemetry"
)

// load reads a trace. A range that is asked for changes nothing, since a trace is
// always whole; but one that cannot be read is a mistake that somebody should see.
func (t *tempo) load(r *http.Request) (*store.Trace, ask, error) {
	id, err := telemetry.ParseTraceID(r.PathValue("id"))
	if err != nil {
		return nil, ask{}, err
	}
	a, err := askOf(r)
	if err != nil {
		return nil, a, err
	}
	if _, err := t.rangeOf(a); err != nil {
		return nil, a, err
	}
	found, err := t.o.Store.Trace(r.Context(), a.tenant, id, store.TraceOptions{MaxSpans: t.o.Limits().TraceSpans})
	return found, a, err
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
	tr, a, err := t.load(r)
	if err != nil {
		return err
	}
	batch, err := selected(tr.Batch, a)
	if err != nil {
		return err
	}
	buf := buffers.Get().(*[]byte)
	defer putBuffer(buf)
	if !wantsProtobuf(r) {
		b := otlp.AppendTracesJSON(append((*buf)[:0], `{"trace":`...), batch)
		*buf = append(b, statusJSON(tr.Partial)...)
		return send(w, "application/json", *buf)
	}
	b := append((*buf)[:0], make([]byte, frontBytes)...)
	b = otlp.AppendTraces(b, batch)
	var head [frontBytes]byte
	n := binary.PutUvarint(head[1:], uint64(len(b)-frontBytes)) + 1
	head[0] = 1<<3 | 2
	from := frontBytes - n
	copy(b[from:], head[:n])
	if tr.Partial != "" {
		b = putText(putUint(b, 3, 1), 4, tr.Partial)
	}
	*buf = b
	return send(w, protobufType, b[from:])
}

// selected gives the spans of a trace that the filter q selects, and their
// ancestors unless keep_hierarchy is false, so that they can be drawn as a tree.
func selected(b *telemetry.Batch, a ask) (*telemetry.Batch, error) {
	keep := true
	if v := a.get("keep_hierarchy"); v != "" {
		var err error
		if keep, err = strconv.ParseBool(v); err != nil {
			return nil, telemetry.Errorf(telemetry.KindInvalid, "invalid keep_hierarchy: %q is neither true nor false", telemetry.Clip(v))
		}
	}
	q := a.get("q")
	if strings.TrimSpace(q) == "" {
		return b, nil
	}
	filter, err := query.CompileFilter(q)
	if err != nil {
		return nil, err
	}
	reader := query.NewReader(b)
	wanted := make([]bool, b.Spans.N)
	for row := range wanted {
		wanted[row] = reader.Eval(filter, row)
	}
	if keep {
		addAncestors(b, wanted)
	}
	var rows []uint32
	for row, is := range wanted {
		if is {
			rows = append(rows, uint32(row))
		}
	}
	if len(rows) == b.Spans.N {
		return b, nil
	}
	return telemetry.Gather(b, rows), nil
}

// addAncestors marks the way from each wanted row to its root. Each row is taken
// up once, so that a circle of parents ends.
func addAncestors(b *telemetry.Batch, wanted []bool) {
	s := &b.Spans
	rows := map[telemetry.SpanID][]int{} // client and server may share an id
	for row, id := range s.SpanID {
		rows[id] = append(rows[id], row)
	}
	var open []int
	for row, is := range wanted {
		if is {
			open = append(open, row)
		}
	}
	for len(open) > 0 {
		row := open[len(open)-1]
		open = open[:len(open)-1]
		for _, parent := range rows[s.Parent[row]] {
			if !wanted[parent] {
				wanted[parent] = true
				open = append(open, parent)
			}
		}
	}
}

// traceV1 answers with the trace alone; its JSON calls the resource spans batches.
func (t *tempo) traceV1(w http.ResponseWriter, r *http.Request) error {
	tr, _, err := t.load(r)
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
