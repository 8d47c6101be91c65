package wire_test

import (
	"bytes"
	"encoding/hex"
	"math"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/clew-dev/clew/kit/go/internal/wire"
)

// TestEncoding pins bytes that were worked out by hand from the wire format. The module stock holds the same functions against the
// generated code.
func TestEncoding(t *testing.T) {
	for _, c := range []struct {
		name string
		got  []byte
		want string
	}{
		{"varint", wire.AppendVarint(nil, 300), "ac02"},
		{"largest varint", wire.AppendVarint(nil, math.MaxUint64), "ffffffffffffffffff01"},
		{"tag over 15", wire.AppendTag(nil, 16, wire.Fixed32), "8501"},
		{"uint", wire.AppendUint(nil, 10, 1), "5001"},
		{"double", wire.AppendDouble(nil, 4, 1), "21000000000000f03f"},
		{"fixed32", wire.AppendFixed32(nil, 2, 0x103), "1503010000"},
		{"string", wire.AppendString(nil, 5, "ab"), "2a026162"},
		{"bytes", wire.AppendBytes(nil, 1, []byte{7}), "0a0107"},
		{"text attribute", wire.AppendStringAttr(nil, 9, "k", "v"), "4a080a016b12030a0176"},
		{"integer attribute", wire.AppendIntAttr(nil, 9, "k", -1), "4a100a016b120b18ffffffffffffffffff01"},
		{"boolean attribute", wire.AppendBoolAttr(nil, 9, "k", true), "4a070a016b12021001"},
		{"float attribute", wire.AppendFloatAttr(nil, 9, "k", 1), "4a0e0a016b120921000000000000f03f"},
		{"bytes attribute", wire.AppendBytesAttr(nil, 9, "k", []byte{0xff}), "4a080a016b12033a01ff"},
		{"texts", wire.AppendStringsAttr(nil, 9, "k", []string{"a", ""}), "4a100a016b120b2a090a030a01610a020a00"},
		{"integers", wire.AppendIntsAttr(nil, 9, "k", []int64{1}), "4a0b0a016b12062a040a021801"},
		{"no integers", wire.AppendIntsAttr(nil, 9, "k", nil), "4a070a016b12022a00"},
		{"floats", wire.AppendFloatsAttr(nil, 9, "k", []float64{0}), "4a120a016b120d2a0b0a09210000000000000000"},
		{"booleans", wire.AppendBoolsAttr(nil, 9, "k", []bool{false}), "4a0b0a016b12062a040a021000"},
	} {
		if got := hex.EncodeToString(c.got); got != c.want {
			t.Errorf("%s: got %s, not %s", c.name, got, c.want)
		}
	}
}

func TestLengthsOfMessagesAreRightAtEverySize(t *testing.T) {
	for _, n := range []int{0, 1, 127, 128, 16383, 16384, 1 << 21} {
		b, mark := wire.Begin([]byte("before"), 3)
		b = append(b, bytes.Repeat([]byte{'x'}, n)...)
		b = append(wire.End(b, mark), "after"...)
		f, rest, ok := wire.Next(b[len("before"):])
		if !ok || f.Number != 3 || len(f.Data) != n || string(rest) != "after" || string(bytes.Trim(f.Data, "x")) != "" {
			t.Errorf("%d bytes: field %d with %d bytes, then %q", n, f.Number, len(f.Data), rest)
		}
		if size := wire.SizeVarint(uint64(n)); size != len(wire.AppendVarint(nil, uint64(n))) {
			t.Errorf("the size of %d is %d", n, size)
		}
	}
}

func TestText(t *testing.T) {
	for _, c := range []struct {
		in   string
		most int
		want string
	}{
		{"", 4, ""},
		{"abcd", 4, "abcd"},
		{"abcde", 4, "abcd"},
		{"abcé", 4, "abc"},
		{"aéé", 4, "aé"},
		{"日本", 5, "日"},
		{"😀😀", 7, "😀"},
		{"a\xffb", 5, "a\uFFFDb"},
		{"a\xffb", 4, "a\uFFFD"},
		{"\xff\xfe\xfd", 9, "\uFFFD"},
		{strings.Repeat("\x80", 10), 8, "\uFFFD"},
		{"abc", 0, ""},
	} {
		if got := wire.Text(c.in, c.most); got != c.want {
			t.Errorf("Text(%q, %d) is %q, not %q", c.in, c.most, got, c.want)
		}
	}
}

func FuzzText(f *testing.F) {
	f.Add("abcé", 4)
	f.Add("\xff\xf0\x9f\x98", 3)
	f.Add("\x8e", 2)
	f.Fuzz(func(t *testing.T, s string, most int) {
		got := wire.Text(s, most)
		if len(got) > max(most, 0) || !utf8.ValidString(got) {
			t.Errorf("Text(%q, %d) is %q", s, most, got)
		}
		if utf8.ValidString(s) && !strings.HasPrefix(s, got) {
			t.Errorf("Text(%q, %d) is %q, no part of it", s, most, got)
		}
	})
}

// FuzzNext reads foreign bytes to their end: nothing panics, and what is read is what is there.
func FuzzNext(f *testing.F) {
	for _, seed := range []string{"", "4a080a016b12030a0176", "08ffffffffffffffffff7f", "0a05", "0b", "00", "1501", "ffffffffffffffffffff"} {
		b, _ := hex.DecodeString(seed)
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		for len(b) > 0 {
			field, rest, ok := wire.Next(b)
			if !ok {
				if len(rest) != len(b) {
					t.Fatal("a refused field was taken")
				}
				return
			}
			if len(rest) >= len(b) || len(field.Data) > len(b)-len(rest) || field.Number < 1 {
				t.Fatalf("field %+v of % x leaves % x", field, b, rest)
			}
			b = rest
		}
	})
}
