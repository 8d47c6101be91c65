package export

import (
	"encoding/binary"
	"unicode/utf8"
)

// maxText bounds a collector's explanation, in bytes.
const maxText = 256

// fields calls each for every field of a protobuf message until it returns false.
// It is false when the message is malformed. Numbers come in n, bytes in data.
func fields(message []byte, each func(field uint64, n uint64, data []byte) bool) bool {
	for len(message) > 0 {
		tag, size := binary.Uvarint(message)
		if size <= 0 || tag>>3 == 0 {
			return false
		}
		message = message[size:]
		var n uint64
		var data []byte
		switch tag & 7 {
		case 0:
			if n, size = binary.Uvarint(message); size <= 0 {
				return false
			}
		case 1:
			size = 8
		case 2:
			length, prefix := binary.Uvarint(message)
			if prefix <= 0 || length > uint64(len(message)-prefix) {
				return false
			}
			size = prefix + int(length)
			data = message[prefix:size]
		case 5:
			size = 4
		default:
			return false
		}
		if size > len(message) {
			return false
		}
		message = message[size:]
		if !each(tag>>3, n, data) {
			return true
		}
	}
	return true
}

// partialSuccess reads field 1 of an Export…ServiceResponse: how many records
// were rejected, and why. A body that is no such message says nothing.
func partialSuccess(content []byte) (rejected int64, text string) {
	ok := fields(content, func(field, _ uint64, data []byte) bool {
		if field != 1 {
			return true
		}
		inner := fields(data, func(field, n uint64, data []byte) bool {
			switch field {
			case 1:
				rejected = int64(n)
			case 2:
				text = readText(data)
			}
			return true
		})
		if !inner {
			rejected, text = 0, ""
		}
		return inner
	})
	if !ok || rejected < 0 {
		return 0, ""
	}
	return rejected, text
}

// readText cuts a text on a character's border; what is no UTF-8 says nothing.
func readText(data []byte) string {
	if !utf8.Valid(data) {
		return ""
	}
	n := len(data)
	if n > maxText {
		for n = maxText; !utf8.RuneStart(data[n]); {
			n--
		}
	}
	return string(data[:n])
}
