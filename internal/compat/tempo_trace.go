package compat

import (
	"encoding/binary"
	"encoding/json"
	"io"
	"net/http"
	"strconv"
	"strings"

	"github.com/clew-dev/clew/internal/otlp"
	"github.com/clew-dev/clew/internal/query"
	"github.com/clew-dev/clew/internal/store"
	"github.com/clew-dev/clew/internal/telemetry"
)

// load reads a trace. A range that is asked for changes nothing, since a trace is
// always whole; but one that cannot be read is a mistake that somebody should see.
// The caller releases the trace.
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

// traceV2 answers with tempopb.TraceByIDResponse: field 1 is the trace, in the
// encoding of OTLP's TracesData; 3 the status (1: partial); 4 the message.
func (t *tempo) traceV2(w http.ResponseWriter, r *http.Request) error {
	tr, a, err := t.load(r)
	if telemetry.KindOf(err) == telemetry.KindNotFound {
		// A trace that is not there is an empty one, as with Tempo: the data source has a
		// sentence for it, and shows a 404 as a failure without words.
		tr, err = &store.Trace{Batch: &telemetry.NewBuilder().Batch}, nil
	}
	if err != nil {
		return err
	}
	defer tr.Release()
	batch, err := selected(tr.Batch, a)
	if err != nil {
		return err
	}
	traces := otlp.NewTraces(batch)
	if !wantsProtobuf(r) {
		return sendTrace(w, "application/json", []byte(`{"trace":`), func(w io.Writer) error { return traces.WriteJSON(w, "resourceSpans") }, []byte(statusJSON(tr.Partial)))
	}
	message := traces.Proto()
	var tail []byte
	if tr.Partial != "" {
		tail = putText(putUint(nil, 3, 1), 4, tr.Partial)
	}
	return sendTrace(w, protobufType, binary.AppendUvarint([]byte{1<<3 | 2}, uint64(message.Size())), message.Write, tail)
}

// sendTrace answers with what write gives, between two texts. A part of an answer must
// not be taken for a whole, so that an error, which comes after the first bytes,
// ends the connection.
func sendTrace(w http.ResponseWriter, typ string, head []byte, write func(io.Writer) error, tail []byte) error {
	w.Header().Set("Content-Type", typ)
	_, err := w.Write(head)
	if err == nil {
		err = write(w)
	}
	if err == nil {
		_, err = w.Write(tail)
	}
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	return nil
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
	defer tr.Release()
	traces := otlp.NewTraces(tr.Batch)
	if wantsProtobuf(r) {
		return sendTrace(w, protobufType, nil, traces.Proto().Write, nil)
	}
	return sendTrace(w, "application/json", nil, func(w io.Writer) error { return traces.WriteJSON(w, "batches") }, nil)
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
