package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"github.com/clew-dev/clew/internal/auth"
	"github.com/clew-dev/clew/internal/backup"
	"github.com/clew-dev/clew/internal/node"
	"github.com/clew-dev/clew/internal/telemetry"
	"github.com/clew-dev/clew/internal/wal"
)

// copyFlags are common to backup, restore and verify.
func copyFlags(more ...flagDef) []flagDef {
	return append(more,
		flagDef{name: "json", kind: toggle, help: "Print the result as JSON instead of text."},
		flagDef{name: "quiet", kind: toggle, help: "No progress on the standard error."})
}

var allowDamagedFlag = flagDef{name: "allow-damaged", kind: toggle, help: "Take files that are damaged already as they are, and list them. Without it the first one ends the command."}

func backupCommand() *command {
	return &command{
		name: "backup", args: "FOLDER|FILE.tar", minArgs: 1, maxArgs: 1,
		short: "copy everything that is stored, while the server runs",
		long: `Asks the running server for a backup and writes it to a folder, or to one file
when the name ends in .tar. It holds every span that was acknowledged before
the command began, the tokens, the charter in force, the key of hashes and the
findings; not the TLS files. The server goes on receiving; merges and retention
wait for nothing.

The files of a folder, or the name of a file, are there only when every byte is
on disk and its checksum was compared; what a run that broke off leaves cannot
be taken for a backup. The target must be empty or not there. Each file is
checked on the way: a damaged one ends the backup and is named.

Use --data for a folder on which no server runs.`,
		flags: append(copyFlags(
			flagDef{name: "data", value: "FOLDER", help: "Back up this data folder, on which no server runs, instead of asking one."},
			allowDamagedFlag), clientFlags()...),
		examples: []example{
			{"clew backup /mnt/backup/$(date +%F).tar", "the local server, into one file"},
			{"clew backup --data /var/lib/clew /mnt/backup/clew", "a server that is stopped, into a folder"},
			{"clew backup - --quiet | zstd > clew.tar.zst", "through a pipe; the exit code tells whether it is whole"},
		},
		run: runBackup,
	}
}

func runBackup(ctx context.Context, in *invocation) error {
	p := newProgress(in, "backed up")
	stream := &lazyStream{open: func() (io.ReadCloser, error) { return backupStream(ctx, in, p) }}
	c, err := keepBackup(in, p.reader(stream))
	p.end()
	if err = errors.Join(err, stream.Close()); err != nil {
		return explainFull(err)
	}
	return printCatalogue(in, "backed up", c)
}

// keepBackup writes the stream to where the operand says.
func keepBackup(in *invocation, r io.Reader) (*backup.Catalogue, error) {
	to := in.args[0]
	switch {
	case to == "-":
		return backup.Pass(in.std.out, r)
	case strings.HasSuffix(to, ".tar"):
		return backup.SaveFile(wal.OS, to, r)
	}
	return backup.SaveFolder(wal.OS, filepath.Clean(to), r)
}

// lazyStream begins with the first read, so that a target that cannot be written
// costs the server nothing.
type lazyStream struct {
	open   func() (io.ReadCloser, error)
	stream io.ReadCloser
	err    error
}

func (l *lazyStream) Read(b []byte) (int, error) {
	if l.stream == nil && l.err == nil {
		l.stream, l.err = l.open()
	}
	if l.err != nil {
		return 0, l.err
	}
	return l.stream.Read(b)
}

func (l *lazyStream) Close() error {
	if l.stream == nil {
		return nil
	}
	return l.stream.Close()
}

// backupStream gives the tar stream of a running server or of a folder.
func backupStream(ctx context.Context, in *invocation, p *progress) (io.ReadCloser, error) {
	if data := in.str("data"); data != "" {
		r, w := io.Pipe()
		go func() {
			w.CloseWithError(node.BackupFolder(ctx, w, data, in.on("allow-damaged")))
		}()
		return r, nil
	}
	c, err := newClient(in)
	if err != nil {
		return nil, err
	}
	q := url.Values{}
	if in.on("allow-damaged") {
		q.Set("damaged", "allow")
	}
	resp, err := c.do(ctx, http.MethodPost, "/api/backup", q)
	if err != nil {
		return nil, err
	}
	if n, err := strconv.ParseInt(resp.Header.Get("Clew-Bytes"), 10, 64); err == nil {
		p.total = n
	}
	return resp.Body, nil
}

// explainFull adds the mend to an error of a full disk.
func explainFull(err error) error {
	if errors.Is(err, syscall.ENOSPC) {
		return fmt.Errorf("%w: make room, or choose another disk", err)
	}
	return err
}

func printCatalogue(in *invocation, verb string, c *backup.Catalogue) error {
	to := in.std.out
	if in.args[0] == "-" {
		to = in.std.err // the standard output is the backup
	}
	if in.on("json") {
		return json.NewEncoder(to).Encode(c)
	}
	fmt.Fprintf(to, "%s %s, %s: %s, %d spans in %s and %s of the log\n", verb, number(int64(c.Files), "file", "files"), formatBytes(c.Bytes), c.ID,
		c.Spans, number(int64(c.Segments), "segment", "segments"), number(c.Records, "request", "requests"))
	for _, d := range c.Damaged {
		fmt.Fprintf(in.std.err, "clew: %s: damaged as it was: %s\n", in.cmd.name, clean(d.String()))
	}
	return nil
}

func restoreCommand() *command {
	return &command{
		name: "restore", args: "FOLDER|FILE.tar", minArgs: 1, maxArgs: 1,
		short: "make a data folder of a backup",
		long: `Unpacks a backup into a data folder that is empty or not there, then reads
every byte again and compares it with its checksums before it says that it is
done. No server starts on the folder before that; a restore that broke off is
run again on the same folder. Run it as the user who runs the server. The
charter that was in force lies in the folder as charter.zip; start the server
with the path of your own, or of what you unpack from there.`,
		flags: copyFlags(
			flagDef{name: "data", value: "FOLDER", def: "./clew-data", help: "The data folder to make."},
			allowDamagedFlag),
		examples: []example{{"clew restore --data /var/lib/clew /mnt/backup/clew.tar", "then start the server on it"}},
		run: func(_ context.Context, in *invocation) error {
			p := newProgress(in, "restored")
			c, err := backup.Restore(filepath.Clean(in.args[0]), filepath.Clean(in.str("data")), copyOptions(in, p))
			p.end()
			if err != nil {
				return explainFull(err)
			}
			return printCatalogue(in, "restored and checked", c)
		},
	}
}

func copyOptions(in *invocation, p *progress) backup.Options {
	return backup.Options{Progress: p.add, AllowDamaged: in.on("allow-damaged"),
		CheckState: func(path string) error { return auth.Check(context.Background(), path) }}
}

func verifyCommand() *command {
	return &command{
		name: "verify", args: "FOLDER|FILE.tar", minArgs: 1, maxArgs: 1,
		short: "compare every byte of a data folder or a backup with its checksums",
		long: `Reads a data folder, whether a server runs on it or not, or a backup, and lists
every file that is not as it was written, with what to do. It changes nothing.
Exit code 0: all is sound. 1: damage was found. 2: FOLDER or FILE.tar is
neither, or cannot be read.`,
		flags: copyFlags(),
		examples: []example{
			{"clew verify /var/lib/clew", "is everything on the disk still what was written?"},
			{"clew verify --json /mnt/backup/clew.tar | jq .problems", "for a script"},
		},
		run: runVerify,
	}
}

func runVerify(_ context.Context, in *invocation) error {
	p := newProgress(in, "checked")
	r, err := backup.Verify(filepath.Clean(in.args[0]), copyOptions(in, p))
	p.end()
	if err != nil {
		return in.usage("%s", clean(err.Error()))
	}
	if in.on("json") {
		if err := json.NewEncoder(in.std.out).Encode(r); err != nil {
			return err
		}
	} else {
		printReport(in, r)
	}
	if n := len(r.Problems); n > 0 {
		return telemetry.Errorf(telemetry.KindInternal, "%s: %s", r.Path, number(int64(n), "problem", "problems"))
	}
	return nil
}

func printReport(in *invocation, r *backup.Report) {
	for _, p := range r.Problems {
		fmt.Fprintf(in.std.out, "%s\n", clean(p.String()))
	}
	for _, n := range r.Notes {
		fmt.Fprintf(in.std.out, "note: %s\n", clean(n))
	}
	state := "sound"
	if len(r.Problems) > 0 {
		state = "DAMAGED"
	}
	fmt.Fprintf(in.std.out, "%s: %s, %d spans in %s, %s in the log, %s compared: %s\n", r.Path, r.Kind, r.Spans,
		number(int64(r.Segments), "segment", "segments"), number(r.Records, "request", "requests"), formatBytes(r.Bytes), state)
}
