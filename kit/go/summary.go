package clew

import (
	"sync/atomic"
	"time"
)

// summariesPerSecond bounds the spans that unsampled roots send when they fail.
const summariesPerSecond = 10

// summaryRate counts summaries in the current second: the second in the upper bits, the count in the lowest eight.
type summaryRate struct{ state atomic.Int64 }

// left says whether a summary could be sent now. It takes nothing.
func (r *summaryRate) left() bool {
	v := r.state.Load()
	return v&0xff < summariesPerSecond || v>>8 != time.Now().Unix()
}

// take takes one of the summaries of this second.
func (r *summaryRate) take(now time.Time) bool {
	for {
		v := r.state.Load()
		next := now.Unix()<<8 | 1
		if v>>8 == now.Unix() {
			if v&0xff >= summariesPerSecond {
				return false
			}
			next = v + 1
		}
		if r.state.CompareAndSwap(v, next) {
			return true
		}
	}
}
