package clewredis

import (
	"context"
	"net"
	"strconv"
	"testing"

	"github.com/redis/go-redis/v9"

	"github.com/clew-dev/clew/kit/go/clewtest"
	"github.com/clew-dev/clew/kit/go/internal/semconvtest"
)

type scenario struct {
	Command         []any
	Namespace, Host string
	Port            int
}

// TestSemconv runs the scenarios of kit/contract through the hook as go-redis calls it; the other tests do so with a server.
func TestSemconv(t *testing.T) {
	semconvtest.Run(t, "../../contract/semconv.json", []string{"redis"}, func(t *testing.T, rec *clewtest.Recorder, s scenario) {
		db, err := strconv.Atoi(s.Namespace)
		if err != nil {
			t.Fatal(err)
		}
		h := newHook(net.JoinHostPort(s.Host, strconv.Itoa(s.Port)), db)
		next := h.ProcessHook(func(context.Context, redis.Cmder) error { return redis.Nil })
		if err := next(rec.Context(), redis.NewCmd(rec.Context(), s.Command...)); err != redis.Nil {
			t.Errorf("got %v, want what the command answers", err)
		}
	})
}
