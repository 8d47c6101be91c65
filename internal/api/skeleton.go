package api

import (
	"encoding/binary"
	"encoding/json"
	"fmt"

	"github.com/clew-dev/clew/internal/query"
	"github.com/clew-dev/clew/internal/store"
	"github.com/clew-dev/clew/internal/telemetry"
)

type skeletonHeader struct {
	TraceID       string        `json:"traceId"`
	Start         string        `json:"start"`
	Duration      int64         `json:"duration"`
	Dicts         skeletonDicts `json:"dicts"`
	Count         int           `json:"count"`
	MissingParent int           `json:"missingParents"`
	RootMissing   bool          `json:"rootMissing"`
	Partial       string        `json:"partial"`
}

type skeletonDicts struct {
	Services []string `json:"services"`
	Names    []string `json:"names"`
}

// Bits of a span's flags in a skeleton; the kind is in bits 0–2, the status in 3–4.
const (
	flagStatusShift   = 3
	flagEvents        = 1 << 5
	flagLinks         = 1 << 6
	flagParentMissing = 1 << 7
	flagEndBefore     = 1 << 8 // the sender's end is before its start; the duration is written as 0
)

// appendSkeleton writes a trace as the waterfall needs it: about ten bytes a span.
//
//	uint32 length of the header │ header (JSON) │ six columns │ span ids
//
// All integers are little endian. Each column has one LEB128 varint a span, in
// depth-first order: depth; start minus the parent's start (zigzag; at depth 0
// minus the trace's start); duration; service; name; flags. Span ids are 8 bytes
// each. Parents and sizes of subtrees follow from the order and the depth.
func appendSkeleton(dst []byte, tr *store.Trace) ([]byte, error) {
	b := tr.Batch
	s := &b.Spans
	t := newTree(s)
	services, serviceOf := servicesOf(b)
	names, nameOf := usedNames(s)
	h := skeletonHeader{
		Start: nanos(t.start), Duration: query.SaturatingSub(t.end, t.start), Dicts: skeletonDicts{services, names},
		Count: s.N, MissingParent: t.lost, RootMissing: t.root == noParent, Partial: tr.Partial,
	}
	if s.N > 0 {
		h.TraceID = s.TraceID[0].String()
	}
	header, err := json.Marshal(h)
	if err != nil {
		return nil, fmt.Errorf("encode the header of a skeleton: %w", err)
	}
	dst = binary.LittleEndian.AppendUint32(dst, uint32(len(header)))
	dst = append(dst, header...)
	for _, d := range t.depth {
		dst = binary.AppendUvarint(dst, uint64(d))
	}
	for i, row := range t.order {
		base := t.start
		if t.depth[i] > 0 {
			base = s.Start[t.parent[row]]
		}
		dst = binary.AppendVarint(dst, s.Start[row]-base)
	}
	for _, row := range t.order {
		dst = binary.AppendUvarint(dst, uint64(max(s.Duration[row], 0)))
	}
	for _, row := range t.order {
		dst = binary.AppendUvarint(dst, uint64(serviceOf[s.Resource[row]]))
	}
	for _, row := range t.order {
		dst = binary.AppendUvarint(dst, uint64(nameOf[s.Name[row]]))
	}
	events, links := having(b.Events.Span, s.N), having(b.Links.Span, s.N)
	for _, row := range t.order {
		f := uint64(min(s.Kind[row], telemetry.KindConsumer)) | uint64(min(s.Status[row], telemetry.StatusError))<<flagStatusShift
		f |= bit(events[row], flagEvents) | bit(links[row], flagLinks) | bit(t.missing[row], flagParentMissing) | bit(s.Duration[row] < 0, flagEndBefore)
		dst = binary.AppendUvarint(dst, f)
	}
	for _, row := range t.order {
		dst = append(dst, s.SpanID[row][:]...)
	}
	return dst, nil
}

func bit(on bool, f uint64) uint64 {
	if on {
		return f
	}
	return 0
}

// usedNames lists the distinct span names and the entry of each code. The
// dictionary of a batch may hold a text twice, and texts that no span uses.
func usedNames(s *telemetry.Spans) (names []string, ofCode []int) {
	ofCode = make([]int, s.Names.Len())
	for i := range ofCode {
		ofCode[i] = -1
	}
	at := map[string]int{}
	names = []string{}
	for _, code := range s.Name {
		if ofCode[code] >= 0 {
			continue
		}
		n, ok := at[string(s.Names.At(code))]
		if !ok {
			n = len(names)
			name := s.Names.Str(code)
			at[name] = n
			names = append(names, name)
		}
		ofCode[code] = n
	}
	return names, ofCode
}
