package segment

import "github.com/clew-dev/clew/internal/telemetry"

// The decoders of foreign bytes, for the fuzz targets of segment_test.

// OpenTail parses a tail as if the spans of a segment without attributes lay before it.
func OpenTail(tail []byte, info *FileInfo) error {
	_, err := openTail(tail, info, tableSpecs(nil, TableSpans))
	return err
}

// DecodePage decodes a whole data page and its dictionary, neither of which is checked before.
func DecodePage(header, page, dict []byte, entries int, phys int32, optional bool) (values int, err error) {
	h, err := parsePageHeader(append(header[:len(header):len(header)], page...))
	if err != nil {
		return 0, err
	}
	const most = 1 << 16
	if h.values > most || entries < 0 {
		return 0, errPage // the reader compares it with the rows of the row group
	}
	sc := scratches.Get().(*scratch)
	defer sc.release()
	t := &tableReader{scratch: sc, body: page, page: h}
	var d *dictionary
	if h.enc == encDict {
		if d, err = parseDict(dict, phys, entries); err != nil {
			return 0, err
		}
		sc.startRemap(d.texts.Len())
	}
	out := &cells{}
	if err := t.decode(&colSpec{phys: phys, optional: optional}, d, 0, int(h.values), 0, out); err != nil {
		return 0, err
	}
	for _, c := range out.codes {
		_ = out.texts.At(c)
	}
	return max(len(out.nums), len(out.codes), len(out.ids)), nil
}

// ParseFilter parses the file of a filter.
func ParseFilter(p []byte) error {
	f, err := parseFilter(p)
	if err == nil {
		f.has(telemetry.TraceID{1})
	}
	return err
}

// NewFilter makes a filter of ids and tells which of others it would let through.
func NewFilter(ids, others []telemetry.TraceID) (missed, passed int) {
	f := newFilter(len(ids))
	for _, id := range ids {
		f.add(id)
	}
	back, err := parseFilter(f.append(nil))
	if err != nil {
		return len(ids), len(others)
	}
	for _, id := range ids {
		if !back.has(id) {
			missed++
		}
	}
	for _, id := range others {
		if back.has(id) {
			passed++
		}
	}
	return missed, passed
}

// Codecs of integers, for round trips.
var (
	AppendHybrid = appendHybrid
	DecodeHybrid = decodeHybrid
	AppendLevels = appendLevels
	CountLevels  = countLevels
	AppendDelta  = appendDelta
	DecodeDelta  = decodeDelta
)
