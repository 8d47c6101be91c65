package api

import (
	"bufio"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"

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

// skeleton is a trace as the waterfall needs it, about ten bytes a span:
//
//	uint32 length of the header │ header (JSON) │ six columns │ span ids
//
// All integers are little endian. Each column has one LEB128 varint a span, in
// depth-first order: depth; start minus the parent's start (zigzag; at depth 0
// minus the trace's start); duration; service; name; flags. Span ids are 8 bytes
// each. Parents and sizes of subtrees follow from the order and the depth.
type skeleton struct {
	b                 *telemetry.Batch
	t                 *tree
	header            []byte
	serviceOf, nameOf []int
	events, links     []bool
}

func newSkeleton(tr *store.Trace) (*skeleton, error) {
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
	return &skeleton{b, t, header, serviceOf, nameOf, having(b.Events.Span, s.N), having(b.Links.Span, s.N)}, nil
}

func (k *skeleton) write(w io.Writer) error {
	out := bufio.NewWriterSize(w, pieceBytes)
	s, t := &k.b.Spans, k.t
	_, _ = out.Write(binary.LittleEndian.AppendUint32(nil, uint32(len(k.header)))) // an error stays with out, and Flush gives it
	_, _ = out.Write(k.header)
	var varint [binary.MaxVarintLen64]byte
	column := func(value func(place int, row uint32) uint64) {
		for place, row := range t.order {
			_, _ = out.Write(varint[:binary.PutUvarint(varint[:], value(place, row))])
		}
	}
	column(func(place int, _ uint32) uint64 { return uint64(t.depth[place]) })
	column(func(place int, row uint32) uint64 {
		base := t.start
		if t.depth[place] > 0 {
			base = s.Start[t.parent[row]]
		}
		return zigzag(s.Start[row] - base)
	})
	column(func(_ int, row uint32) uint64 { return uint64(max(s.Duration[row], 0)) })
	column(func(_ int, row uint32) uint64 { return uint64(k.serviceOf[s.Resource[row]]) })
	column(func(_ int, row uint32) uint64 { return uint64(k.nameOf[s.Name[row]]) })
	column(k.flags)
	for _, row := range t.order {
		_, _ = out.Write(s.SpanID[row][:])
	}
	return cutOff(out.Flush())
}

func (k *skeleton) flags(_ int, row uint32) uint64 {
	s := &k.b.Spans
	f := uint64(min(s.Kind[row], telemetry.KindConsumer)) | uint64(min(s.Status[row], telemetry.StatusError))<<flagStatusShift
	return f | bit(k.events[row], flagEvents) | bit(k.links[row], flagLinks) | bit(k.t.missing[row], flagParentMissing) | bit(s.Duration[row] < 0, flagEndBefore)
}

// zigzag makes small numbers of either sign small.
func zigzag(v int64) uint64 { return uint64(v)<<1 ^ uint64(v>>63) }

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
