package main

import (
	"fmt"
	"io"
	"os"
	"time"

	"golang.org/x/term"
)

// How often progress is written: a terminal's line is replaced, a log gets lines.
const (
	progressOnTerminal = 200 * time.Millisecond
	progressElsewhere  = 10 * time.Second
)

// progress writes how far long work has come to the standard error.
type progress struct {
	w        io.Writer
	verb     string
	total    int64 // about; 0: not known
	done     int64
	terminal bool
	quiet    bool
	now      func() time.Time
	began    time.Time
	last     time.Time
}

func newProgress(in *invocation, verb string) *progress {
	f, isFile := in.std.err.(*os.File)
	p := &progress{w: in.std.err, verb: verb, terminal: isFile && term.IsTerminal(int(f.Fd())), quiet: in.on("quiet"), now: time.Now}
	p.began = p.now()
	p.last = p.began
	return p
}

// add notes bytes. It belongs to one goroutine.
func (p *progress) add(n int64) {
	p.done += n
	every := progressElsewhere
	if p.terminal {
		every = progressOnTerminal
	}
	now := p.now()
	if p.quiet || now.Sub(p.last) < every {
		return
	}
	p.last = now
	line := fmt.Sprintf("%s %s", p.verb, formatBytes(p.done))
	if p.total > 0 {
		line += fmt.Sprintf(" of about %s", formatBytes(max(p.total, p.done)))
	}
	if took := now.Sub(p.began).Seconds(); took > 0 {
		line += fmt.Sprintf(", %s a second", formatBytes(int64(float64(p.done)/took)))
	}
	if p.terminal {
		fmt.Fprintf(p.w, "\r\x1b[K%s", line)
		return
	}
	fmt.Fprintln(p.w, line)
}

// end clears the line of a terminal.
func (p *progress) end() {
	if p.terminal && !p.quiet && p.last != p.began {
		fmt.Fprint(p.w, "\r\x1b[K")
	}
}

// reader counts what is read of r.
func (p *progress) reader(r io.Reader) io.Reader { return &progressReader{r, p} }

type progressReader struct {
	r io.Reader
	p *progress
}

func (r *progressReader) Read(b []byte) (int, error) {
	n, err := r.r.Read(b)
	r.p.add(int64(n))
	return n, err
}
