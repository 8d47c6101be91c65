package node

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"strconv"
	"sync"
	"time"

	"github.com/clew-dev/clew/internal/api"
	"github.com/clew-dev/clew/internal/query"
	"github.com/clew-dev/clew/internal/score"
	"github.com/clew-dev/clew/internal/store"
	"github.com/clew-dev/clew/internal/telemetry"
)

// Bounds of one evaluation. The window is cut into parts and the newest traces of each
// are judged, so that the newest minutes do not stand for a month; services that the
// parts hardly show are looked for by name. The same store gives the same answer.
const (
	scoreParts   = 20
	scoreTraces  = 100    // judged of a part
	scoreFound   = 200    // found for it, with those that are passed over
	scoreSpans   = 10_000 // judged of a part; a trace of more is passed over
	scoreByName  = 20     // traces that a service is judged by at the least, if it has them
	scoreMore    = 50_000 // spans judged of services that are looked for by name
	scoreEvery   = 5 * time.Minute
	scoreFresh   = 30 * time.Second
	scoreSettled = time.Minute // newer traces may still be arriving
	scoreKept    = 16          // answers
	scoreWindow  = 30 * 24 * time.Hour
)

// scores evaluates stored traces, keeps the answers for a while and the history for good.
type scores struct {
	store   *store.Embedded
	known   func(service string) bool // by the charter
	file    string
	log     *slog.Logger
	history *score.History
	saved   []byte

	turn chan struct{} // held by the evaluation that runs: one at a time leaves the others' slots free
	mu   sync.Mutex
	kept map[scoreKey]keptScore
}

type scoreKey struct {
	tenant string
	window time.Duration
}

type keptScore struct {
	at     time.Time
	answer *api.Scores
}

func openScores(st *store.Embedded, known func(service string) bool, file string, log *slog.Logger) *scores {
	s := &scores{store: st, known: known, file: file, log: log, history: score.NewHistory(known), turn: make(chan struct{}, 1), kept: map[scoreKey]keptScore{}}
	text, err := os.ReadFile(file)
	if err == nil {
		err = s.history.Restore(text)
		s.saved = text
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		// Scores of today come again; what is gone is their past, which stops nothing.
		log.Warn("history of scores begins anew", "file", file, "err", err)
	}
	return s
}

// of implements api.ScoreFunc.
func (s *scores) of(ctx context.Context, tenant string, window time.Duration) (*api.Scores, error) {
	select {
	case s.turn <- struct{}{}:
	case <-ctx.Done():
		return nil, telemetry.Errorf(telemetry.KindExhausted, "scores: another evaluation did not end in time: ask again, or for a shorter window")
	}
	defer func() { <-s.turn }()
	key, now := scoreKey{tenant, window}, time.Now()
	s.mu.Lock()
	k, ok := s.kept[key]
	s.mu.Unlock()
	if ok && now.Sub(k.at) < scoreFresh {
		return k.answer, nil
	}
	out, err := s.evaluate(ctx, tenant, store.Range{Start: now.Add(-window).UnixNano(), End: now.Add(-scoreSettled).UnixNano()})
	if err != nil {
		return nil, err
	}
	if window == scoreWindow {
		for _, r := range out.Results {
			s.history.Put(tenant, r.Service, r.Score, now)
		}
	}
	out.History = func(service string) []score.Point { return s.history.Of(tenant, service) }
	out.NoRoomHistory = s.history.Overflow(tenant)
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.kept) >= scoreKept {
		clear(s.kept)
	}
	s.kept[key] = keptScore{now, out}
	return out, nil
}

// evaluate judges traces that began within r and ended before its end.
func (s *scores) evaluate(ctx context.Context, tenant string, r store.Range) (*api.Scores, error) {
	j := &judge{scores: s, tenant: tenant, seen: map[telemetry.TraceID]struct{}{},
		e: score.NewEvaluation(s.known), out: &api.Scores{From: time.Unix(0, r.Start), To: time.Unix(0, r.End)}}
	if err := j.all(ctx, r); err != nil {
		return nil, err
	}
	// What the evaluation remembers of instances goes; only its results are kept.
	j.out.Results, j.out.Spans, j.out.Traces, j.out.LeftOut = j.e.Results(), j.e.Spans, j.e.Traces, j.e.LeftOut
	return j.out, nil
}

// all judges the parts of r, and then services that they hardly show.
func (j *judge) all(ctx context.Context, r store.Range) error {
	// Parts of a time that has no traces show nothing: what is left of the window is cut again.
	for from := r.Start; ; {
		oldest, err := j.parts(ctx, store.Range{Start: from, End: r.End}, r)
		if err != nil {
			return err
		}
		if oldest <= from || j.e.Traces >= scoreParts*scoreTraces/2 || r.End-oldest < int64(scoreParts*time.Second) {
			break
		}
		from = oldest
	}
	all, err := j.store.Services(ctx, j.tenant, r)
	switch {
	case telemetry.KindOf(err) == telemetry.KindExhausted && ctx.Err() == nil:
		j.out.More = true // too much to be listed: what the parts show has to do
		return nil
	case err != nil:
		return err
	}
	most := j.e.Spans + scoreMore
	for _, service := range all.Services {
		lacking, left := scoreByName-j.e.Judged(service.Name), most-j.e.Spans
		if lacking <= 0 {
			continue
		}
		if left <= 0 {
			j.out.More = true
			break
		}
		if _, err := j.newest(ctx, "{ resource.service.name = "+strconv.Quote(service.Name)+" }", r, r, lacking, 2*scoreByName, min(left, scoreSpans)); err != nil {
			return err
		}
	}
	return nil
}

// judge adds traces to one evaluation, none twice.
type judge struct {
	*scores
	tenant string
	seen   map[telemetry.TraceID]struct{}
	e      *score.Evaluation
	out    *api.Scores
}

// parts judges the newest traces of each part of r, the newest part first, and gives
// the start of the oldest part that has any.
func (j *judge) parts(ctx context.Context, r, window store.Range) (oldest int64, err error) {
	oldest, j.out.More = r.Start, false
	for part, width := int64(scoreParts-1), (r.End-r.Start)/scoreParts; part >= 0; part-- {
		of := store.Range{Start: r.Start + part*width, End: r.Start + (part+1)*width}
		if part == scoreParts-1 {
			of.End = r.End
		}
		found, err := j.newest(ctx, "{}", of, window, scoreTraces, scoreFound, scoreSpans)
		if err != nil {
			return 0, err
		}
		if found {
			oldest = of.Start
		}
	}
	return oldest, nil
}

// newest judges the newest traces that match q and began within part, until it judged
// as many as said, found as many, or judged as many spans. any says that there are some.
func (j *judge) newest(ctx context.Context, q string, part, window store.Range, traces int64, found int, spans int64) (any bool, err error) {
	p, err := query.Compile(q)
	if err != nil {
		return false, err
	}
	e := j.e
	most, mostSpans := e.Traces+traces, e.Spans+spans
	page, err := j.store.Search(ctx, j.tenant, p, store.SearchOptions{Range: part, Limit: found})
	if err != nil {
		return false, err
	}
	any = len(page.Traces) > 0
	for _, t := range page.Traces {
		if e.Traces >= most || e.Spans >= mostSpans {
			j.out.More = true
			return any, nil
		}
		if _, twice := j.seen[t.TraceID]; twice || t.Start < part.Start || query.SaturatingAdd(t.Start, t.Duration) > window.End {
			continue
		}
		j.seen[t.TraceID] = struct{}{}
		if int64(t.Spans) > scoreSpans {
			j.out.TooLong++
			continue
		}
		if err := j.add(ctx, t.TraceID); err != nil {
			return false, err
		}
	}
	j.out.More = j.out.More || page.Cursor != "" || page.Partial != ""
	return any, nil
}

func (j *judge) add(ctx context.Context, id telemetry.TraceID) error {
	t, err := j.store.Trace(ctx, j.tenant, id, store.TraceOptions{})
	switch kind := telemetry.KindOf(err); {
	case err == nil:
		defer t.Release()
	case kind == telemetry.KindNotFound || kind == telemetry.KindExhausted:
		return ctx.Err() // it expired since, or is too long to be judged
	default:
		return err
	}
	if t.Partial == "" { // else a span would seem an orphan
		j.e.Add(t.Batch)
	}
	return nil
}

// run records a point of every tenant now and then, until ctx ends.
func (s *scores) run(ctx context.Context) {
	t := time.NewTicker(scoreEvery)
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			s.save()
			return
		case <-t.C:
		}
		for _, tenant := range s.store.Status().Tenants {
			if _, err := s.of(ctx, tenant.Tenant, scoreWindow); err != nil && ctx.Err() == nil {
				s.log.Warn("scores not computed", "tenant", tenant.Tenant, "err", err)
			}
		}
		s.save()
	}
}

// save writes the history when it is another than the one on disk.
func (s *scores) save() {
	text, err := s.history.Snapshot()
	if err == nil && bytes.Equal(text, s.saved) {
		return
	}
	if err == nil {
		err = replaceFile(s.file, text)
	}
	if err != nil {
		s.log.Warn("history of scores not written", "file", s.file, "err", err)
		return
	}
	s.saved = text
}
