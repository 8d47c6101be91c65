// Package wal appends records to a durable log, replays them and drops the old
// ones. It knows bytes, not spans: what a record means is its writer's business.
//
// # Positions
//
// A [Position] counts the bytes of one endless log. It only grows during the
// life of a folder. The log lies in files named after the position of their
// first byte, so that the byte at position p is at offset p − start of the file
// with the largest start that is not over p:
//
//	0000000000000000.log   [0 … 67 108 812)
//	0000000003ffffcc.log   [67 108 812 … 101 000 000)   ← appended to
//	                                              └ End: the next record starts here or later
//
// # Format (version 1, integers little endian)
//
// A file is a header and then frames without space between them.
//
//	file header, 40 bytes                     frame, 32 bytes and the payload
//	 0  7  "CLEWLOG"                           0  3  marker c7 1e 57
//	 7  1  version, 1                          3  1  kind: R record, S seal, V void
//	 8  4  CRC-32C of bytes 0–7                4  4  payload length n, in bytes
//	12  1  'L' log or 'J' journal              8  8  position of this frame
//	13  3  zero                               16  4  distance back to the start of its group
//	16  8  position of the file's first byte  20  4  salt of the file header
//	24  8  end of the file before             24  4  CRC-32C of the payload
//	32  4  salt, random                       28  4  CRC-32C of bytes 0–27
//	36  4  CRC-32C of bytes 0–35              32  n  payload
//
// Bytes 0–11 of the file header keep their place in every version, so that a
// file of a newer version is told from a damaged one. The frame's own checksum
// covers its position, its salt and the checksum of its payload: bytes left
// over from another file, another place or another log never pass, and a length
// is believed only after that checksum has passed.
//
// A group is what one fsync made durable. A frame of group g proves that every
// byte before g was durable, hence acknowledged, when the frame was written.
// That is how reading tells damage to acknowledged records ("corrupt") from the
// rest of a write that a crash interrupted ("torn"). A seal ends a log that was
// closed in good order; it proves the same for the last group. A void frame
// covers a torn hole that recovery found in front of readable frames.
//
// # What is promised
//
//   - [Log.Append] returns without error only after the record, and the folder
//     entry of its file, are fsynced. Readers see durable records only.
//   - After a failed fsync nothing is written or acknowledged any more: the
//     kernel may have dropped the pages, so that a second fsync would lie.
//   - A file belongs to one process life; the next one starts another file. What
//     recovery keeps of the last group it writes again before the fsync, because
//     a process before may have stopped at a failed fsync with pages that are
//     in memory only.
//   - Damage costs the frames that it touches and is counted in [Damage].
//
// The log does not lock its folder, does not know who reads it and keeps no
// cursors: its owner does.
//
// The methods of a [Log] may run concurrently. Each
// [Reader] belongs to one goroutine. [Journal] is one file with the same frames
// for small state that is read whole at the start, such as a manifest.
package wal
