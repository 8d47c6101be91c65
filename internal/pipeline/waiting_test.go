package pipeline

import (
	"context"
	"testing"
	"time"

	"github.com/clew-dev/clew/internal/telemetry"
	"github.com/clew-dev/clew/internal/wal"
)

// stuck appends when it is let.
type stuck struct{ in, out chan struct{} }

func (s stuck) End() wal.Position { return 0 }

func (s stuck) Append(context.Context, ...[]byte) (start, end wal.Position, err error) {
	s.in <- struct{}{}
	<-s.out
	return 0, 1, nil
}

func TestWaiting(t *testing.T) {
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	for name, last := range map[string]time.Time{"usual": now.Add(-time.Second), "a clock that was set back": now.Add(time.Hour)} {
		t.Run(name, func(t *testing.T) {
			clock := now
			s := stuck{make(chan struct{}), make(chan struct{})}
			l := NewLog(s, LogOptions{LastSeq: last.UnixNano(), Now: func() time.Time { return clock }})
			if w := l.Waiting(); w != 0 {
				t.Errorf("without a write %v are waited", w)
			}
			done := make(chan error)
			write := func() {
				b := telemetry.NewBuilder()
				b.Reset("t")
				b.Resources.AddRow()
				b.Scopes.AddRow()
				b.AddSpan(telemetry.Span{}, nil)
				done <- l.Write(&b.Batch)
			}
			go write()
			<-s.in
			clock = clock.Add(200 * time.Millisecond)
			go write()
			<-s.in
			clock = clock.Add(time.Second)
			if w := l.Waiting(); w != 1200*time.Millisecond {
				t.Errorf("the first of two writes waits %v, want 1.2 s", w)
			}
			for range 2 {
				s.out <- struct{}{}
				if err := <-done; err != nil {
					t.Fatal(err)
				}
			}
			if w := l.Waiting(); w != 0 {
				t.Errorf("after all writes %v are waited", w)
			}
		})
	}
}
