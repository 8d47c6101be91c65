package compat

import (
	"net/url"
	"sort"
	"strconv"
	"strings"
	"unicode/utf8"

	"google.golang.org/protobuf/encoding/protowire"

	"github.com/clew-dev/clew/internal/telemetry"
)

// readFields turns a question in protobuf into the parameters of the HTTP
// interface. Of a field that is there twice the last one holds; pairs add up.
func readFields(message []byte, fields map[protowire.Number]requestField) (url.Values, error) {
	form := url.Values{}
	var pairs []tag
	for len(message) > 0 {
		num, typ, n := protowire.ConsumeTag(message)
		if n < 0 {
			return nil, malformed(n)
		}
		message = message[n:]
		f, known := fields[num]
		if !known {
			if n = protowire.ConsumeFieldValue(num, typ, message); n < 0 {
				return nil, malformed(n)
			}
			message = message[n:]
			continue
		}
		if want := f.kind.wire(); typ != want {
			return nil, telemetry.Errorf(telemetry.KindInvalid, "the question is malformed: field %d (%s) has wire type %d, not %d", num, f.name, typ, want)
		}
		if typ == protowire.VarintType {
			v, n := protowire.ConsumeVarint(message)
			if n < 0 {
				return nil, malformed(n)
			}
			form.Set(f.name, f.kind.write(v))
			message = message[n:]
			continue
		}
		v, n := protowire.ConsumeBytes(message)
		if n < 0 {
			return nil, malformed(n)
		}
		message = message[n:]
		if f.kind == fieldPair {
			p, err := readPair(v)
			if err != nil {
				return nil, err
			}
			if pairs = append(pairs, p); len(pairs) > maxTags {
				return nil, tooManyTags()
			}
			continue
		}
		if !utf8.Valid(v) {
			return nil, telemetry.Errorf(telemetry.KindInvalid, "the question is malformed: field %d (%s) is not UTF-8", num, f.name)
		}
		form.Set(f.name, string(v))
	}
	if len(pairs) > 0 {
		form.Set("tags", writeLogfmt(pairs))
	}
	return form, nil
}

func malformed(n int) error {
	return telemetry.Errorf(telemetry.KindInvalid, "the question is malformed: %w", protowire.ParseError(n))
}

func (k fieldKind) wire() protowire.Type {
	if k == fieldText || k == fieldPair {
		return protowire.BytesType
	}
	return protowire.VarintType
}

// write gives a number as the HTTP interface has it; 0 stands for nothing said.
func (k fieldKind) write(v uint64) string {
	text := strconv.FormatUint(v, 10)
	switch {
	case v == 0:
		return ""
	case k == fieldMillis:
		return text + "ms"
	case k == fieldNanos:
		return text + "ns"
	}
	return text
}

// readPair reads an entry of a map of texts.
func readPair(b []byte) (tag, error) {
	var p tag
	for len(b) > 0 {
		num, typ, n := protowire.ConsumeTag(b)
		if n < 0 {
			return p, malformed(n)
		}
		b = b[n:]
		if typ != protowire.BytesType || num > 2 {
			if n = protowire.ConsumeFieldValue(num, typ, b); n < 0 {
				return p, malformed(n)
			}
			b = b[n:]
			continue
		}
		v, n := protowire.ConsumeBytes(b)
		if n < 0 {
			return p, malformed(n)
		}
		if !utf8.Valid(v) {
			return p, telemetry.Errorf(telemetry.KindInvalid, "the question is malformed: a tag is not UTF-8")
		}
		if num == 1 {
			p.key = string(v)
		} else {
			p.value = string(v)
		}
		b = b[n:]
	}
	return p, nil
}

// writeLogfmt is what parseLogfmt reads, in the order of keys: a map has none.
func writeLogfmt(pairs []tag) string {
	sort.SliceStable(pairs, func(i, j int) bool { return pairs[i].key < pairs[j].key })
	var b strings.Builder
	for _, p := range pairs {
		b.WriteString(strconv.Quote(p.key) + "=" + strconv.Quote(p.value) + " ")
	}
	return b.String()
}
