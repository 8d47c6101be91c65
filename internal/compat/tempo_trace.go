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
	partial := tr.Partial
	if partial == "" && batch != tr.Batch {
		partial = "these are the spans that q selects"
	}
	traces := otlp.NewTraces(batch)
	if !wantsProtobuf(r) {
		return sendTrace(w, "application/json", []byte(`{"trace":`), func(w io.Writer) error { return traces.WriteJSON(w, "resourceSpans") }, []byte(statusJSON(partial)))
	}
	message := traces.Proto()
	var tail []byte
	if partial != "" {
		tail = putText(putUint(nil, 3, 1), 4, partial)
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

// selected gives the spans of a trace that the filter q selects, with as much above and
// below them as is asked for.
func selected(b *telemetry.Batch, a ask) (*telemetry.Batch, error) {
	q := a.get("q")
	if strings.TrimSpace(q) == "" {
		return b, nil
	}
	filter, err := query.CompileFilter(q)
	if err != nil {
		return nil, err
	}
	above, below, err := around(a)
	if err != nil {
		return nil, err
	}
	reader := query.NewReader(b)
	wanted := make([]bool, b.Spans.N)
	var found []int
	for row := range wanted {
		if wanted[row] = reader.Eval(filter, row); wanted[row] {
			found = append(found, row)
		}
	}
	s := &b.Spans
	if above != 0 {
		spans := rowsBy(s.SpanID)
		mark(wanted, found, above, func(row int) []int { return spans[s.Parent[row]] })
	}
	if below != 0 {
		children := rowsBy(s.Parent)
		mark(wanted, found, below, func(row int) []int { return children[s.SpanID[row]] })
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

// around reads how many levels above and below the spans that were found belong to the
// answer; −1 is all of them.
func around(a ask) (above, below int, err error) {
	keep := false
	if v := a.get("keep_hierarchy"); v != "" {
		if keep, err = strconv.ParseBool(v); err != nil {
			return 0, 0, telemetry.Errorf(telemetry.KindInvalid, "invalid keep_hierarchy: %q is neither true nor false", telemetry.Clip(v))
		}
	}
	if below, err = levels(a, "match_depth", 0); err != nil || !keep {
		return 0, below, err
	}
	above, err = levels(a, "ancestor_depth", -1)
	return above, below, err
}

func levels(a ask, name string, otherwise int) (int, error) {
	v := a.get(name)
	if v == "" {
		return otherwise, nil
	}
	n, err := strconv.Atoi(v)
	if err != nil || n < -1 {
		return 0, telemetry.Errorf(telemetry.KindInvalid, "invalid %s: %q is no number of levels, nor -1 for all of them", name, telemetry.Clip(v))
	}
	return n, nil
}

// rowsBy gives the rows with each id; client and server may share one.
func rowsBy(ids []telemetry.SpanID) map[telemetry.SpanID][]int {
	rows := map[telemetry.SpanID][]int{}
	for row, id := range ids {
		rows[id] = append(rows[id], row)
	}
	return rows
}

// mark marks the rows that next leads to from the rows found, up to depth levels away.
// Each row is taken up once, so that a circle of parents ends.
func mark(wanted []bool, found []int, depth int, next func(row int) []int) {
	seen := make([]bool, len(wanted))
	for _, row := range found {
		seen[row] = true
	}
	for level := 0; len(found) > 0 && level != depth; level++ {
		var then []int
		for _, row := range found {
			for _, r := range next(row) {
				if !seen[r] {
					seen[r], wanted[r] = true, true
					then = append(then, r)
				}
			}
		}
		found = then
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
