package otlp

import (
	"bytes"
	"unicode/utf8"

	"github.com/clew-dev/clew/internal/telemetry"
)

// attr is an attribute that waits for its row.
type attr struct {
	key  int32 // entry of attrList.keys
	typ  uint8 // index of types
	num  uint64
	text []byte
}

var types = [...]telemetry.Type{
	telemetry.TypeString, telemetry.TypeInt, telemetry.TypeDouble,
	telemetry.TypeBool, telemetry.TypeBytes, telemetry.TypeValue,
}

// Indexes of types.
const (
	typeString = iota
	typeInt
	typeDouble
	typeBool
	typeBytes
	typeValue
)

// attrList collects the attributes of one table's rows. Its keys are remembered for the
// request, each with the key that followed it last time: senders write attributes in
// the same order again and again, so that most keys are found with one comparison.
type attrList struct {
	table   *telemetry.TableBuilder
	scope   telemetry.Scope
	limit   int  // attributes of an owner
	columns int  // columns, and keys, of the request
	made    int  // keys with a type so far, each of which is a column or an entry of the table's Rest
	sparse  bool // a key is an entry of Rest until a second row has it
	cols    []*telemetry.ColumnBuilder

	items   []attr
	first   int // of the present owner
	dropped int // of the present owner

	keys  []keyEntry // entry 0 stands for "before the first"
	slots []int32    // open addressing over keys; 0 is free
	last  int32
	stamp uint32 // number of the present owner
}

type keyEntry struct {
	key   []byte // aliases the request, or is a copy when mended
	hash  uint64
	next  int32  // the entry that followed last time
	at    int32  // index of items when stamp is that of the present owner
	stamp uint32 // last owner that has the key
	place [len(types)]place
}

// place says where the values of a key with a type are: nowhere yet (0), in column
// number place−1 of the list, or in entry −place−1 of the table's Rest.
type place int32

// Sizes that a list keeps from request to request.
const (
	firstSlots = 64
	keepSlots  = 1 << 11
)

func (l *attrList) start(t *telemetry.TableBuilder, s telemetry.Scope, limit, columns int, sparse bool) {
	l.table, l.scope, l.limit, l.columns, l.made, l.sparse = t, s, limit, columns, 0, sparse
	if len(l.slots) == 0 {
		l.slots = make([]int32, firstSlots)
	}
	l.keys = append(l.keys[:0], keyEntry{})
	l.last, l.stamp = 0, 0
}

func (l *attrList) finish() {
	l.table = nil
	clear(l.items[:cap(l.items)])
	clear(l.keys)
	clear(l.cols)
	l.cols = l.cols[:0]
	if len(l.slots) > keepSlots || cap(l.items) > keepItems {
		*l = attrList{}
		return
	}
	clear(l.slots)
}

// clear forgets the attributes of all owners.
func (l *attrList) clear() { l.items = l.items[:0] }

// begin starts a new owner: a span, an event.
func (l *attrList) begin() {
	l.stamp++
	l.first, l.dropped, l.last = len(l.items), 0, 0
}

// add reads a KeyValue and adds it to the present owner. The last value of a key wins.
func (l *attrList) add(d *Decoder, body []byte, marks *uint8) error {
	key, value, err := keyValue(body)
	if err != nil {
		return err
	}
	entry, reason, ok := l.find(d, key, marks)
	if !ok {
		// The value is read like any other: what is dropped must be well formed too.
		counts, scratch, nested := d.report.Counts, len(d.scratch), d.nested
		var a attr
		var ignored uint8
		err := d.value(value, &a, &ignored)
		d.report.Counts, d.scratch, d.nested = counts, d.scratch[:scratch], nested
		d.report.Counts[reason]++
		l.dropped++
		return err
	}
	k := &l.keys[entry]
	if k.stamp == l.stamp {
		return d.value(value, &l.items[k.at], marks)
	}
	a := attr{key: entry}
	if err := d.value(value, &a, marks); err != nil {
		return err
	}
	k.stamp, k.at = l.stamp, int32(len(l.items))
	l.items = append(l.items, a)
	return nil
}

// find gives the entry of a key, made when it is new, or the reason why the attribute must be dropped.
func (l *attrList) find(d *Decoder, key []byte, marks *uint8) (int32, Reason, bool) {
	var hash uint64
	mended := false
	entry := l.keys[l.last].next
	if entry == 0 || !bytes.Equal(l.keys[entry].key, key) {
		if len(key) > d.lim.KeyBytes {
			return 0, LongKey, false
		}
		hash = telemetry.HashBytes(key)
		entry = l.look(key, hash)
		if entry == 0 && !utf8.Valid(key) {
			mended = true
			key = appendValid(nil, key)
			hash = telemetry.HashBytes(key)
			entry = l.look(key, hash)
		}
	}
	if len(l.items)-l.first >= l.limit && (entry == 0 || l.keys[entry].stamp != l.stamp) {
		return 0, ManyAttributes, false
	}
	if entry == 0 {
		if len(l.keys) > l.columns {
			return 0, ManyColumns, false
		}
		entry = l.insert(key, hash)
	}
	if mended {
		d.report.Counts[MendedText]++
		*marks |= telemetry.MarkTextMended
	}
	l.keys[l.last].next = entry
	l.last = entry
	return entry, 0, true
}

func (l *attrList) look(key []byte, hash uint64) int32 {
	mask := uint64(len(l.slots) - 1)
	for i := hash & mask; l.slots[i] != 0; i = (i + 1) & mask {
		if k := &l.keys[l.slots[i]]; k.hash == hash && bytes.Equal(k.key, key) {
			return l.slots[i]
		}
	}
	return 0
}

func (l *attrList) insert(key []byte, hash uint64) int32 {
	if 2*len(l.keys) >= len(l.slots) {
		l.slots = make([]int32, 2*len(l.slots))
		for i := 1; i < len(l.keys); i++ {
			l.place(int32(i))
		}
	}
	entry := int32(len(l.keys))
	l.keys = append(l.keys, keyEntry{key: key, hash: hash})
	l.place(entry)
	return entry
}

func (l *attrList) place(entry int32) {
	mask := uint64(len(l.slots) - 1)
	i := l.keys[entry].hash & mask
	for l.slots[i] != 0 {
		i = (i + 1) & mask
	}
	l.slots[i] = entry
}

// put copies attributes into the columns of a row and returns how many had to be
// dropped because the table has too many columns.
func (l *attrList) put(d *Decoder, items []attr, row uint32) (dropped int) {
	for i := range items {
		a := &items[i]
		k := &l.keys[a.key]
		at := &k.place[a.typ]
		if *at == 0 {
			if l.made >= l.columns {
				d.report.Counts[ManyColumns]++
				dropped++
				continue
			}
			l.made++
			if l.sparse {
				*at = place(-1 - l.table.AddRest(l.scope, row, types[a.typ], k.key, a.num, a.text))
				continue
			}
		}
		col := l.column(k, a.typ)
		switch a.typ {
		case typeString, typeBytes, typeValue:
			col.AddText(row, a.text)
		default:
			col.AddNum(row, a.num)
		}
	}
	return dropped
}

// column gives the column of a key with a type, made when it has none yet.
func (l *attrList) column(k *keyEntry, typ uint8) *telemetry.ColumnBuilder {
	at := &k.place[typ]
	if *at > 0 {
		return l.cols[*at-1]
	}
	var col *telemetry.ColumnBuilder
	if *at < 0 {
		col = l.table.Promote(int(-1 - *at))
	} else {
		col = l.table.Col(l.scope, k.key, types[typ])
	}
	l.cols = append(l.cols, col)
	*at = place(len(l.cols))
	return col
}

// shortField reads the length-delimited field at the beginning of b if it has the tag
// and a length of one or two bytes; otherwise data is nil and nothing is known.
func shortField(b []byte, tag byte) (data, rest []byte) {
	if len(b) < 2 || b[0] != tag {
		return nil, nil
	}
	n, from := int(b[1]), 2
	if n >= 0x80 {
		if len(b) < 3 || b[2] >= 0x80 {
			return nil, nil
		}
		n, from = n&0x7f|int(b[2])<<7, 3
	}
	if n > len(b)-from {
		return nil, nil
	}
	return b[from : from+n], b[from+n:]
}

// keyValue reads the two fields of a KeyValue. No value is the same as an empty one.
func keyValue(body []byte) (key, value []byte, err error) {
	// Nearly every attribute is a short key and then a value, and nothing else.
	if key, rest := shortField(body, 0x0a); key != nil {
		if value, rest = shortField(rest, 0x12); value != nil && len(rest) == 0 {
			return key, value, nil
		}
	}
	c := cursor{rest: body}
	have := false
	for c.next() {
		switch c.num {
		case 1:
			if c.is(wireBytes) {
				key = c.data
			}
		case 2:
			if !c.is(wireBytes) {
				break
			}
			if have {
				return nil, nil, twice("value")
			}
			have, value = true, c.data
		}
	}
	return key, value, c.err
}
