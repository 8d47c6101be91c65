package node

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"sync"
	"time"

	"github.com/clew-dev/clew/internal/api"
	"github.com/clew-dev/clew/internal/query"
	"github.com/clew-dev/clew/internal/score"
	"github.com/clew-dev/clew/internal/store"
	"github.com/clew-dev/clew/internal/telemetry"
)

// Bounds of one evaluation. Traces are taken from the newest to the older ones, so
// that the same store gives the same answer.
const (
	scoreTraces  = 2000
	scoreSpans   = 200_000
	scorePage    = 500
	scoreEvery   = 5 * time.Minute
	scoreFresh   = 30 * time.Second
	scoreSettled = time.Minute // newer traces may still be arriving
	scoreKept    = 64          // answers
	scoreWindow  = 30 * 24 * time.Hour
)

// scores evaluates stored traces, keeps the answers for a while and the history for good.
type scores struct {
	store   *store.Embedded
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

func openScores(st *store.Embedded, file string, log *slog.Logger) *scores {
	s := &scores{store: st, file: file, log: log, history: score.NewHistory(), turn: make(chan struct{}, 1), kept: map[scoreKey]keptScore{}}
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
		for _, r := range out.Evaluation.Results() {
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

// evaluate judges the newest traces that have a span within r and none after it.
func (s *scores) evaluate(ctx context.Context, tenant string, r store.Range) (*api.Scores, error) {
	out := &api.Scores{Evaluation: score.NewEvaluation(), From: time.Unix(0, r.Start), To: time.Unix(0, r.End)}
	p, err := query.Compile("{}")
	if err != nil {
		return nil, err
	}
	o := store.SearchOptions{Range: r, Limit: scorePage}
	for {
		page, err := s.store.Search(ctx, tenant, p, o)
		if err != nil {
			return nil, err
		}
		out.OfTraces += int64(len(page.Traces))
		for i, found := range page.Traces {
			if out.Evaluation.Traces >= scoreTraces || out.Evaluation.Spans+int64(found.Spans) > scoreSpans {
				out.More = out.More || i < len(page.Traces)
				return out, nil
			}
			if query.SaturatingAdd(found.Start, found.Duration) > r.End {
				continue
			}
			if err := s.add(ctx, tenant, found.TraceID, out.Evaluation); err != nil {
				return nil, err
			}
		}
		if page.Cursor == "" {
			return out, nil
		}
		o.Cursor = page.Cursor
	}
}

func (s *scores) add(ctx context.Context, tenant string, id telemetry.TraceID, e *score.Evaluation) error {
	t, err := s.store.Trace(ctx, tenant, id, store.TraceOptions{})
	switch kind := telemetry.KindOf(err); {
	case err == nil:
		defer t.Release()
	case kind == telemetry.KindNotFound || kind == telemetry.KindExhausted:
		return ctx.Err() // it expired since, or is too long to be judged
	default:
		return err
	}
	if t.Partial == "" { // else a span would seem an orphan
		e.Add(t.Batch)
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
