// Package backup copies a data folder while Clew runs on it, puts the copy back,
// and checks that a folder or a copy is what was written.
//
//	running node ── Write ──► stream (tar) ──┬─ SaveFile ───► FILE.tar
//	stopped folder ── Write ─────┘           └─ SaveFolder ─► FOLDER/
//	FILE.tar or FOLDER/ ── Restore ──► data folder
//	FILE.tar, FOLDER/ or data folder ── Verify ──► Report
//
// A backup holds the files of a data folder under their names there:
//
//	manifest                      what segments there are, and from where on the log counts
//	segments/TENANT/DAY/ID/FILE   every segment that the manifest names
//	log/START.log                 the log that is not in segments yet
//	state.db                      tokens
//	charter.zip, hash.key, findings.json, scores.json where the source had them
//	SHA256SUMS                    a line a file, as sha256sum -c reads it
//	backup.json                   what this is; the last file to be written
//
// It holds every span that was acknowledged before it began: the store pins one
// state of manifest, segments and log, and those files do not change.
//
// A backup without backup.json is none: the stream that broke off, the folder that
// was not finished and the file that was cut are all told by that. Until then a
// folder holds the file "unfinished", with which no node starts and nothing is
// restored; SaveFile writes beside the name and renames. Every file is fsynced
// before it counts.
//
// Bytes of a stream or a folder are foreign: names are held against a closed list
// before they touch a path, nothing is believed before its checksum, and counts
// and sizes have bounds. The package keeps no state; calls on different folders
// may run at once, and the caller sees to it that two do not write one folder.
package backup
