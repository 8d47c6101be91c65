// Package testkit holds what tests of several packages share. Nothing but tests
// may import it.
//
//   - [FS] is a file system in memory that forgets at a [FS.Crash] what was not
//     fsynced, runs full, decays, and fails on demand.
//   - [Clock] is a clock that a test moves.
//   - [Golden] and [Diff] compare with a file and with a value.
//
// What FS takes for durable is the least that POSIX promises:
//
//	what                                    durable after
//	content and size of a file              Sync of the file
//	name: creation, rename, remove          SyncDir of the folder that holds it
//	a folder                                SyncDir of its parent
//
// Everything else may or may not reach the disk before a crash, in any order, in
// sectors of 512 bytes; the seed of the crash decides. After a Sync that failed
// the pages in doubt read as written and are never durable, as on Linux.
package testkit
