package compat

import (
	"cmp"
	"context"
	"fmt"
	"net/http"
	"time"

	"google.golang.org/protobuf/encoding/protowire"

	"github.com/clew-dev/clew/internal/rpc"
	"github.com/clew-dev/clew/internal/telemetry"
)

// streamPath is that of the gRPC service: its clients take the host and port of
// the HTTP interface, and know no prefix.
const streamPath = "/tempopb.StreamingQuerier/"

const (
	maxQuestion   = 64 << 10         // bytes of a question; the longest query takes 16 KiB
	questionTime  = 10 * time.Second // to arrive in
	packetBytes   = 1 << 20          // from which an answer is cut into packets; clients refuse one over 4 MiB
	largestPacket = 4 << 20          // what a client takes that nobody has told otherwise
)

// streamed is a method of the service: what its question means as parameters, and
// how its answers are sent.
type streamed struct {
	fields map[protowire.Number]requestField
	run    func(ctx context.Context, a ask, s *sender) error
}

func (t *tempo) methods() map[string]streamed {
	return map[string]streamed{
		"Search":              {searchFields, t.streamSearch},
		"SearchTags":          {tagFields, once(t.tagNamesV1)},
		"SearchTagsV2":        {tagFields, once(t.tagNamesV2)},
		"SearchTagValues":     {valueFields, once(t.tagValuesV1)},
		"SearchTagValuesV2":   {valueFields, once(t.tagValuesV2)},
		"MetricsQueryRange":   {rangeFields, t.streamRange},
		"MetricsQueryInstant": {instantFields, t.streamInstant},
	}
}

// stream serves a call of gRPC: one question, and answers until the status.
func (t *tempo) stream(w http.ResponseWriter, r *http.Request) {
	if !rpc.Is(r) || r.ProtoMajor < 2 {
		t.fail(w, r, telemetry.Errorf(telemetry.KindInvalid, "this path takes gRPC over HTTP/2; the HTTP interface is below /tempo/"))
		return
	}
	h := w.Header()
	h.Set("Content-Type", rpc.ContentType)
	h.Set("Grpc-Accept-Encoding", "identity,gzip")
	if method, ok := t.methods()[r.PathValue("method")]; !ok {
		rpc.Fail(h, rpc.Status(rpc.Unimplemented, fmt.Sprintf("%.80q is no method of tempopb.StreamingQuerier", r.PathValue("method")), 0))
	} else if err := t.call(w, r, method); err != nil {
		kind, message, retry := t.told(r, err)
		rpc.Fail(h, rpc.Status(rpc.Code(kind), message, retry))
	} else {
		rpc.Done(h)
	}
	w.WriteHeader(http.StatusOK) // without effect behind the first answer
}

func (t *tempo) call(w http.ResponseWriter, r *http.Request, method streamed) error {
	control := http.NewResponseController(w)
	_ = control.SetReadDeadline(time.Now().Add(questionTime)) // not every writer can; then there is no deadline
	message, err := rpc.ReadRequest(r, maxQuestion)
	if err != nil {
		return err
	}
	_ = control.SetReadDeadline(time.Time{})
	form, err := readFields(message, method.fields)
	if err != nil {
		return err
	}
	return method.run(r.Context(), ask{tenant(r), form}, &sender{w: w, control: control})
}

// once sends the answer to a question that is answered as a whole.
func once(find func(context.Context, ask) (answer, error)) func(context.Context, ask, *sender) error {
	return func(ctx context.Context, a ask, s *sender) error {
		found, err := find(ctx, a)
		if err != nil {
			return err
		}
		return s.send(found)
	}
}

// firstPage is how many traces a stream gives first: as many as are asked for when
// nobody says, so that the usual search is one.
const firstPage = defaultTraces

// streamSearch sends an empty answer when the question is understood, then the
// newest traces, then the others. Each trace is sent once and does not change,
// since clients keep what they saw first; together they are what search gives.
func (t *tempo) streamSearch(ctx context.Context, a ask, s *sender) error {
	p, o, err := t.searchPlan(a)
	if err != nil {
		return err
	}
	total := o.Limit
	jobs := uint32(1)
	if total > firstPage {
		jobs = 2
	}
	if err := s.send(&searchAnswer{Metrics: searchMetrics{TotalJobs: jobs}}); err != nil {
		return err
	}
	sent, partial := 0, ""
	for job := uint32(1); job <= jobs; job++ {
		if o.Limit = total - sent; job < jobs {
			o.Limit = firstPage
		}
		found, err := t.o.Store.Search(ctx, a.tenant, p, o)
		if err != nil {
			return err
		}
		out := searchAnswerOf(p, found)
		sent, partial = sent+len(found.Traces), cmp.Or(partial, found.Partial)
		last := job == jobs || found.Cursor == ""
		out.Metrics.InspectedTraces = uint32(sent)
		out.Metrics.CompletedJobs, out.Metrics.TotalJobs = job, jobs
		if last {
			out.Metrics.CompletedJobs = jobs
			if partial != "" { // of any page
				out.Metrics.TotalJobs++
			}
		}
		if err := s.send(out); err != nil || last {
			return err
		}
		o.Cursor = found.Cursor
	}
	return nil
}

// streamRange sends an empty answer when the question is understood and begun, then
// every series whole: clients keep the first value that they saw of an instant.
func (t *tempo) streamRange(ctx context.Context, a ask, s *sender) error {
	if _, err := t.metricsPlan(a); err != nil {
		return err
	}
	if err := s.send(&rangeAnswer{Metrics: searchMetrics{TotalJobs: 1}}); err != nil {
		return err
	}
	return once(t.queryRange)(ctx, a, s)
}

// streamInstant sends one packet: clients let each replace the one before.
func (t *tempo) streamInstant(ctx context.Context, a ask, s *sender) error {
	found, err := t.queryInstant(ctx, a)
	if err != nil {
		return err
	}
	frame := appendAnswer(make([]byte, rpc.PrefixBytes), found)
	if len(frame)-rpc.PrefixBytes > largestPacket {
		return telemetry.Errorf(telemetry.KindExhausted, "the %d series take over %d bytes, which clients refuse: group by less", found.elements(), largestPacket)
	}
	return s.frame(frame)
}

// sender writes answers as messages of a call.
type sender struct {
	w       http.ResponseWriter
	control *http.ResponseController
	buf     []byte
}

// send sends an answer in packets that end with the element that takes them over
// packetBytes. Each has the figures of the whole, which clients read of the last.
func (s *sender) send(a answer) error {
	s.buf = append(s.buf[:0], make([]byte, rpc.PrefixBytes)...)
	for i := range a.elements() {
		s.buf = a.appendElement(s.buf, i)
		if len(s.buf) >= packetBytes && i < a.elements()-1 {
			if err := s.frame(a.appendRest(s.buf)); err != nil {
				return err
			}
			s.buf = s.buf[:rpc.PrefixBytes]
		}
	}
	return s.frame(a.appendRest(s.buf))
}

// frame sends one message at once. The client may be gone; then the call ends, and
// with its context the question.
func (s *sender) frame(frame []byte) error {
	rpc.Seal(frame)
	if _, err := s.w.Write(frame); err != nil {
		return gone(err)
	}
	if err := s.control.Flush(); err != nil {
		return gone(err)
	}
	return nil
}

func gone(err error) error {
	return telemetry.Errorf(telemetry.KindUnavailable, "send an answer: %w", err)
}

// requestField says which parameter a field of a question is, and how it is written.
type requestField struct {
	name string
	kind fieldKind
}

type fieldKind uint8

const (
	fieldText fieldKind = iota
	fieldNumber
	fieldMillis // a duration
	fieldNanos  // a duration
	fieldPair   // key and value, of tags
)

// Fields of tempopb's questions. What is not listed is for the inside of Tempo, or
// a bound of its work that answers of Clew do not need.
var (
	searchFields = map[protowire.Number]requestField{
		1: {"tags", fieldPair}, 2: {"minDuration", fieldMillis}, 3: {"maxDuration", fieldMillis}, 4: {"limit", fieldNumber},
		5: {"start", fieldNumber}, 6: {"end", fieldNumber}, 8: {"q", fieldText}, 9: {"spss", fieldNumber},
	}
	tagFields = map[protowire.Number]requestField{
		1: {"scope", fieldText}, 2: {"q", fieldText}, 3: {"start", fieldNumber}, 4: {"end", fieldNumber}, 5: {"limit", fieldNumber},
	}
	valueFields = map[protowire.Number]requestField{
		1: {tagParameter, fieldText}, 2: {"q", fieldText}, 4: {"start", fieldNumber}, 5: {"end", fieldNumber}, 6: {"limit", fieldNumber},
	}
	rangeFields = map[protowire.Number]requestField{
		1: {"q", fieldText}, 2: {"start", fieldNumber}, 3: {"end", fieldNumber}, 4: {"step", fieldNanos}, 16: {"exemplars", fieldNumber},
	}
	instantFields = map[protowire.Number]requestField{1: {"q", fieldText}, 2: {"start", fieldNumber}, 3: {"end", fieldNumber}}
)
