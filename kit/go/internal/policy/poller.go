package policy

import (
	"context"
	"os"
	"path/filepath"
	"time"
)

// Poller asks Clew for the document again and again and keeps a [Holder] up to date.
// The server holds a question back until the document changes, so a change arrives
// at once and an unchanged one costs two requests a minute.
type Poller struct {
	Holder *Holder
	URL    string        // see [RequestURL]
	Status func() Status // what to say about ourselves
	Cache  string        // file of the last good document; "" for none

	// Do asks once. It must end when the context ends, and read no more than
	// MaxBytes+1 of an answer. See [Fetch].
	Do func(context.Context, Request) (Response, error)
	// Now and Sleep are the clock, Random gives numbers in [0, 1).
	Now    func() time.Time
	Sleep  func(context.Context, time.Duration)
	Random func() float64

	etag     string
	restored bool
}

// Request is one question.
type Request struct {
	URL         string
	IfNoneMatch string // "" for none
	ClewKit     string
}

// Response is the answer to it.
type Response struct {
	Status int
	ETag   string
	Body   []byte
}

// How often is asked.
const (
	// Wait is how long the server may hold a question back.
	Wait = 30 * time.Second
	// AttemptTimeout bounds one question: the wait and what a slow net needs.
	AttemptTimeout = Wait + 10*time.Second

	minGap     = time.Second // between questions, whatever a server that does not wait answers
	firstPause = time.Second // after an error, doubling
	lastPause  = 30 * time.Second
)

// Run asks until the context ends. After a panic it may be called again: what the
// last run of the program knew is older than what is in force then.
func (p *Poller) Run(ctx context.Context) {
	if !p.restored {
		p.restored = true
		p.restore()
	}
	ceiling := firstPause
	for ctx.Err() == nil {
		started := p.Now()
		if p.ask(ctx) {
			ceiling = firstPause
			p.pause(ctx, minGap-p.Now().Sub(started))
			continue
		}
		p.pause(ctx, time.Duration(p.Random()*float64(ceiling)))
		ceiling = min(2*ceiling, lastPause)
	}
}

// ask asks once and reports whether the server answered with a document or with
// none newer. A document that is refused is an answer too: its tag is kept, so that
// the server does not send it again and again.
func (p *Poller) ask(ctx context.Context) bool {
	ctx, cancel := context.WithTimeout(ctx, AttemptTimeout)
	defer cancel()
	answer, err := p.Do(ctx, Request{URL: p.URL, IfNoneMatch: p.etag, ClewKit: string(p.Status().Append(nil))})
	if err != nil {
		return false
	}
	switch answer.Status {
	case 200:
		p.etag = answer.ETag
		if p.Holder.Apply(answer.Body, p.Now()) == nil {
			p.store(answer.Body)
		}
		return true
	case 304:
		p.Holder.Renew(p.Now())
		if p.Cache != "" {
			_ = os.Chtimes(p.Cache, time.Time{}, p.Now())
		}
		return true
	}
	return false
}

// pause sleeps, and lets the document expire on time in between.
func (p *Poller) pause(ctx context.Context, d time.Duration) {
	until := p.Now().Add(d)
	for ctx.Err() == nil {
		now := p.Now()
		expires := p.Holder.Expire(now)
		if !now.Before(until) {
			return
		}
		if !expires.IsZero() && expires.Before(until) {
			p.Sleep(ctx, expires.Sub(now))
		} else {
			p.Sleep(ctx, until.Sub(now))
		}
	}
}

// restore applies the document of the last run as if it had come when the file was
// written. A file that cannot be read is as good as none.
func (p *Poller) restore() {
	if p.Cache == "" {
		return
	}
	info, err := os.Stat(p.Cache)
	if err != nil || !info.Mode().IsRegular() || info.Size() > MaxBytes {
		return
	}
	body, err := os.ReadFile(p.Cache)
	if err != nil {
		return
	}
	at, now := info.ModTime(), p.Now()
	if at.After(now) {
		at = now
	}
	if p.Holder.Apply(body, at) == nil {
		p.Holder.Expire(now)
	}
}

// store writes the file beside and puts it in place in one step. A disk that does
// not take it costs the next start its document, nothing else.
func (p *Poller) store(body []byte) {
	if p.Cache == "" {
		return
	}
	f, err := os.CreateTemp(filepath.Dir(p.Cache), filepath.Base(p.Cache)+".*")
	if err != nil {
		return
	}
	_, err = f.Write(body)
	if closed := f.Close(); err == nil {
		err = closed
	}
	if err == nil {
		err = os.Chtimes(f.Name(), time.Time{}, p.Now())
	}
	if err == nil {
		err = os.Rename(f.Name(), p.Cache)
	}
	if err != nil {
		_ = os.Remove(f.Name())
	}
}
