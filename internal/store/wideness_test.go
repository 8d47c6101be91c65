package store

import (
	"math"
	"slices"
	"testing"
	"testing/synctest"
	"time"
)

// Whoever wants to know is told once when it begins and once when nothing was needed for wideFor.
func TestWideness(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		type told struct {
			wide bool
			at   time.Duration
		}
		var got []told
		w := wideness{began: began, set: func(wide bool) { got = append(got, told{wide, time.Since(began)}) }}
		for range 10 {
			w.need()
			time.Sleep(wideFor / 2)
		}
		time.Sleep(wideFor)
		w.need()
		time.Sleep(2 * wideFor)
		synctest.Wait()
		w.during(func() { time.Sleep(10 * wideFor) })
		time.Sleep(2 * wideFor)
		synctest.Wait()
		last := 9*(wideFor/2) + wideFor
		again := 10*(wideFor/2) + wideFor
		if want := []told{{true, 0}, {false, last}, {true, again}, {false, again + wideFor},
			{true, again + 2*wideFor}, {false, again + 13*wideFor}}; !slices.Equal(got, want) {
			t.Errorf("told %v; want %v", got, want)
		}
	})
	new(wideness).need() // nobody wants to know
	ran := false
	(*wideness)(nil).during(func() { ran = true })
	if !ran {
		t.Error("what needs it was not called")
	}
}

// Turns while spans arrive make it wide; questions beside nothing do not.
func TestTurnsAreWide(t *testing.T) {
	turns := startTurns(t, 2, inTime)
	told := make(chan bool, 10)
	turns.wide = &wideness{began: time.Now(), set: func(wide bool) { told <- wide }}
	f := func() error { return nil }
	if err := turns.do(t.Context(), f); err != nil || len(told) > 0 {
		t.Fatalf("told %d times where no spans arrive; %v", len(told), err)
	}
	turns.came.Store(math.MaxInt64 / 2) // spans arrive for as long as the test takes
	if err := turns.do(t.Context(), f); err != nil {
		t.Fatal(err)
	}
	if wide := <-told; !wide {
		t.Error("a turn made it narrow")
	}
}
