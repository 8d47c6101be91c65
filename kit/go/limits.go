package clew

import "github.com/clew-dev/clew/kit/go/internal/wire"

// Limits of the contract, section 4. Those that OTEL_* variables govern are the defaults of limits.
const (
	maxElements = 128
	maxKey      = 256
	maxName     = 256
	// maxSpan bounds the encoded attributes, events and links of one span, so that a span always fits into a batch. What would go over
	// is dropped and counted like what is over the other limits.
	maxSpan = 448 << 10
)

// limits are those of a span that OTEL_SPAN_*_LIMIT and OTEL_ATTRIBUTE_*_LIMIT change.
type limits struct {
	attributes      int
	events          int
	links           int
	eventAttributes int
	linkAttributes  int
	value           int // bytes of a text
}

func defaultLimits() limits {
	return limits{attributes: 128, events: 128, links: 128, eventAttributes: 32, linkAttributes: 32, value: 4096}
}

// appendAttributes encodes the attributes of an event or a link: at most most of them, the last of those with the same key in the place
// of the first. The number of those that are left out goes into the field dropped.
func (k *Kit) appendAttributes(b []byte, field, dropped, most int, attrs []Attr) []byte {
	kept, over := 0, uint32(0)
	for i := range attrs {
		a := &attrs[i]
		if a.kind() == noKind || repeatedBefore(attrs, i) {
			continue
		}
		for j := i + 1; j < len(attrs); j++ {
			if attrs[j].key == a.key && attrs[j].kind() != noKind {
				a = &attrs[j]
			}
		}
		key := wire.Text(a.key, maxKey)
		a, max, ok := k.redact(a, key)
		if !ok {
			continue
		}
		if key == "" || kept >= most {
			over++
			continue
		}
		var cut bool
		b, cut = a.append(b, field, key, max)
		if cut && max == k.limits.value || len(key) < len(a.key) {
			k.counters.SpanLimited.Add(1)
		}
		kept++
	}
	if over > 0 {
		k.counters.SpanLimited.Add(int64(over))
		b = wire.AppendUint(b, dropped, uint64(over))
	}
	return b
}

func repeatedBefore(attrs []Attr, i int) bool {
	for j := range i {
		if attrs[j].key == attrs[i].key && attrs[j].kind() != noKind {
			return true
		}
	}
	return false
}
