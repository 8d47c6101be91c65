package clewredis_test

import (
	"context"
	"errors"
	"net"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	clew "github.com/clew-dev/clew/kit/go"
	"github.com/clew-dev/clew/kit/go/clewtest"
	clewredis "github.com/clew-dev/clew/kit/go/redis"
)

// dial starts a redis-server of its own on a Unix socket and returns an instrumented client.
func dial(t *testing.T) *redis.Client {
	t.Helper()
	binary, err := exec.LookPath("redis-server")
	if err != nil {
		t.Skip("there is no redis-server: install Debian's package redis-server")
	}
	dir := t.TempDir()
	socket := filepath.Join(dir, "s")
	server := exec.Command(binary, "--port", "0", "--unixsocket", socket, "--save", "", "--appendonly", "no", "--dir", dir)
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = server.Process.Kill()
		_ = server.Wait()
	})
	client := redis.NewClient(&redis.Options{Addr: "cache.example.com:6379", DB: 3, MaxRetries: -1, DisableIdentity: true,
		Dialer: func(ctx context.Context, _, _ string) (net.Conn, error) {
			// The server needs a moment for its socket.
			for {
				conn, err := new(net.Dialer).DialContext(ctx, "unix", socket)
				if err == nil || ctx.Err() != nil {
					return conn, err
				}
				time.Sleep(time.Millisecond)
			}
		}})
	t.Cleanup(func() { _ = client.Close() })
	if err := client.Ping(t.Context()).Err(); err != nil {
		t.Fatal(err)
	}
	clewredis.Instrument(client)
	return client
}

func TestCommands(t *testing.T) {
	client := dial(t)
	rec := clewtest.Start(t)
	ctx, root := clew.Span(rec.Context(), "work")
	if err := client.Set(ctx, "user:7", "secret", 0).Err(); err != nil {
		t.Fatal(err)
	}
	if err := client.Get(ctx, "absent").Err(); !errors.Is(err, redis.Nil) {
		t.Fatalf("got %v", err)
	}
	if err := client.LPush(ctx, "user:7", "x").Err(); err == nil {
		t.Fatal("got no error for a list operation on a text")
	}
	pipe := client.Pipeline()
	pipe.Get(ctx, "user:7")
	pipe.Incr(ctx, "n")
	if _, err := pipe.Exec(ctx); err != nil {
		t.Fatal(err)
	}
	tx := client.TxPipeline()
	tx.Incr(ctx, "n")
	tx.Incr(ctx, "n")
	if _, err := tx.Exec(ctx); err != nil {
		t.Fatal(err)
	}
	root.End()
	want := `trace 1
└─ INTERNAL work (test)
   ├─ CLIENT SET db.namespace=3 db.operation.name=SET db.query.text="SET ? ?" db.system.name=redis server.address=cache.example.com server.port=6379
   ├─ CLIENT GET db.namespace=3 db.operation.name=GET db.query.text="GET ?" db.system.name=redis server.address=cache.example.com server.port=6379
   ├─ CLIENT LPUSH db.namespace=3 db.operation.name=LPUSH db.query.text="LPUSH ? ?" db.response.status_code=WRONGTYPE db.system.name=redis error.type=WRONGTYPE server.address=cache.example.com server.port=6379 ERROR "WRONGTYPE Operation against a key holding the wrong kind of value"
   ├─ CLIENT PIPELINE db.namespace=3 db.operation.batch.size=2 db.operation.name=PIPELINE db.query.text="GET ?\nINCR ?" db.system.name=redis server.address=cache.example.com server.port=6379
   └─ CLIENT MULTI db.namespace=3 db.operation.batch.size=2 db.operation.name=MULTI db.query.text="INCR ?\nINCR ?" db.system.name=redis server.address=cache.example.com server.port=6379
`
	if got := rec.Tree("db.namespace", "db.operation.name", "db.operation.batch.size", "db.query.text", "db.system.name", "db.response.status_code", "error.type", "server.address", "server.port"); got != want {
		t.Errorf("got:\n%s\nwant:\n%s", got, want)
	}
}

func TestLevels(t *testing.T) {
	client := dial(t)
	rec := clewtest.Start(t)
	t.Cleanup(func() { clew.SetLevel(clew.ComponentSQL, clew.Standard) })
	ctx, root := clew.Span(rec.Context(), "work")
	clew.SetLevel(clew.ComponentSQL, clew.Edges)
	client.Get(ctx, "a")
	pipe := client.Pipeline()
	pipe.Get(ctx, "a")
	_, _ = pipe.Exec(ctx)
	clew.SetLevel(clew.ComponentSQL, clew.Detailed)
	// A connection of its own: the pool's is taken by the transaction.
	err := client.Watch(ctx, func(*redis.Tx) error { return client.Get(ctx, "b").Err() }, "a")
	if !errors.Is(err, redis.Nil) {
		t.Fatal(err)
	}
	root.End()
	connects := 0
	for _, s := range rec.Spans() {
		if s.Name == "connect" {
			connects++
		}
	}
	// WATCH, GET with the two that set its connection up, UNWATCH.
	if n := len(rec.Spans()); connects != 1 || n != 7 {
		t.Errorf("got %d spans with %d connects, want 7 with 1:\n%s", n, connects, rec.Tree())
	}
}
