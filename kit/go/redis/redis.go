// Package clewredis instruments go-redis for Clew: one CLIENT span and one duration for each command, pipeline and transaction.
//
//	client := redis.NewClient(options)
//	clewredis.Instrument(client)
//
// Arguments are not recorded: db.query.text is GET ?. At level detailed connecting is a span too. What it records is section 8 of
// kit/contract.
package clewredis

import (
	"context"
	"errors"
	"net"
	"strconv"
	"strings"

	"github.com/redis/go-redis/v9"

	clew "github.com/clew-dev/clew/kit/go"
)

// Instrument adds the hook to a client: a *redis.Client, or the *redis.ClusterClient or *redis.Ring whose nodes are known by themselves.
func Instrument(client redis.UniversalClient) {
	switch c := client.(type) {
	case *redis.Client:
		o := c.Options()
		c.AddHook(newHook(o.Addr, o.DB))
	case *redis.ClusterClient:
		c.AddHook(newHook("", 0))
	case *redis.Ring:
		c.AddHook(newHook("", 0))
	default:
		client.AddHook(newHook("", 0))
	}
}

type hook struct{ database *clew.Database }

func newHook(address string, db int) *hook {
	host, text, err := net.SplitHostPort(address)
	if err != nil {
		host = address
	}
	port, _ := strconv.ParseUint(text, 10, 16)
	return &hook{clew.NewDatabase("redis", strconv.Itoa(db), host, int(port))}
}

// DialHook records connecting, at level detailed.
func (h *hook) DialHook(next redis.DialHook) redis.DialHook {
	return func(ctx context.Context, network, addr string) (net.Conn, error) {
		if !clew.On(clew.ComponentSQL, clew.Detailed) {
			return next(ctx, network, addr)
		}
		ctx, call := h.database.Start(ctx, clew.Statement{Summary: "connect"})
		conn, err := next(ctx, network, addr)
		call.End(err)
		return conn, err
	}
}

// insideKey marks the context inside a command. What go-redis sends with it are the commands that set a new connection up (HELLO, SELECT),
// a phase of the command that waits for the connection.
type insideKey struct{}

func (h *hook) records(ctx context.Context) bool {
	if ctx.Value(insideKey{}) != nil {
		return clew.On(clew.ComponentSQL, clew.Detailed)
	}
	return clew.On(clew.ComponentSQL, clew.Standard)
}

// ProcessHook records one command.
func (h *hook) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		if !h.records(ctx) {
			return next(ctx, cmd)
		}
		name := strings.ToUpper(cmd.FullName())
		ctx, call := h.database.Start(ctx, clew.Statement{Text: masked(name, cmd), Summary: name, Operation: name})
		err := next(context.WithValue(ctx, insideKey{}, true), cmd)
		call.End(real(err))
		return err
	}
}

// ProcessPipelineHook records a pipeline, or a transaction, as one call.
func (h *hook) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(ctx context.Context, cmds []redis.Cmder) error {
		if !h.records(ctx) {
			return next(ctx, cmds)
		}
		st, count := batch(cmds)
		ctx, call := h.database.Start(ctx, st)
		if count > 1 {
			call.Span().Set(clew.Int("db.operation.batch.size", count))
		}
		err := next(context.WithValue(ctx, insideKey{}, true), cmds)
		call.End(real(err))
		return err
	}
}

// real leaves out the answer that there is no such key, which is no error.
func real(err error) error {
	if errors.Is(err, redis.Nil) {
		return nil
	}
	return err
}

// batch describes several commands: PIPELINE, or MULTI for a transaction, whose own two commands do not count.
func batch(cmds []redis.Cmder) (st clew.Statement, count int) {
	operation := "PIPELINE"
	if len(cmds) > 1 && strings.EqualFold(cmds[0].Name(), "multi") {
		operation = "MULTI"
		cmds = cmds[1 : len(cmds)-1]
	}
	var text strings.Builder
	for i, cmd := range cmds {
		if text.Len() > maxText {
			break
		}
		if i > 0 {
			text.WriteByte('\n')
		}
		text.WriteString(masked(strings.ToUpper(cmd.FullName()), cmd))
	}
	return clew.Statement{Text: text.String(), Summary: operation, Operation: operation}, len(cmds)
}

const (
	maxText = 4_096
	// maxArgs bounds the question marks of one command.
	maxArgs = 64
)

// masked writes a command with each argument as a question mark.
func masked(name string, cmd redis.Cmder) string {
	args := len(cmd.Args()) - 1 - strings.Count(name, " ")
	return name + strings.Repeat(" ?", max(0, min(args, maxArgs)))
}
