package otlp

// Response is an ExportTraceServiceResponse. The zero value is a full success.
type Response struct {
	RejectedSpans int
	Message       string // for the sender's developer; may be set with no rejected span
}

var (
	fieldPartial  = field{1, "partialSuccess"}
	fieldRejected = field{1, "rejectedSpans"}
	fieldMessage  = field{2, "errorMessage"}
)

// Append appends the response in protobuf form.
func (r Response) Append(dst []byte) []byte {
	w := protoWriter{pieces: pieces{b: dst}}
	r.write(&w)
	return w.b
}

// AppendJSON appends the response in JSON form.
func (r Response) AppendJSON(dst []byte) []byte {
	w := jsonWriter{pieces{b: append(dst, '{')}}
	r.write(&w)
	return append(w.b, '}')
}

func (r Response) write(o writer) {
	if r.RejectedSpans == 0 && r.Message == "" {
		return
	}
	o.message(fieldPartial)
	if r.RejectedSpans != 0 {
		o.int(fieldRejected, int64(r.RejectedSpans))
	}
	if r.Message != "" {
		o.text(fieldMessage, []byte(r.Message))
	}
	o.end()
}
