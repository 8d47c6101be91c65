package ledger

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
)

// cutter is a proxy between sender and backend that cuts every connection, in the
// middle of what it carries, and lets none through until it is mended.
type cutter struct {
	to     string
	listen net.Listener
	work   sync.WaitGroup

	mu    sync.Mutex
	conns map[net.Conn]bool
	down  bool
}

// newCutter listens on a free port of this machine.
func newCutter(to string) (*cutter, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("start the proxy: %w", err)
	}
	c := &cutter{to: to, listen: l, conns: map[net.Conn]bool{}}
	c.work.Go(c.accept)
	return c, nil
}

func (c *cutter) address() string { return c.listen.Addr().String() }

func (c *cutter) accept() {
	for {
		in, err := c.listen.Accept()
		if err != nil {
			return // closed
		}
		if !c.hold(in) {
			continue
		}
		c.work.Go(func() { c.carry(in) })
	}
}

// hold takes a connection into the list of those that a cut ends; while cut off,
// it is reset instead.
func (c *cutter) hold(conn net.Conn) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.down {
		reset(conn)
		return false
	}
	c.conns[conn] = true
	return true
}

func (c *cutter) carry(in net.Conn) {
	var dialer net.Dialer
	ctx, cancel := context.WithTimeout(context.Background(), sendTimeout)
	out, err := dialer.DialContext(ctx, "tcp", c.to)
	cancel()
	if err != nil || !c.hold(out) {
		c.drop(in)
		return
	}
	var both sync.WaitGroup
	for _, way := range [][2]net.Conn{{in, out}, {out, in}} {
		both.Go(func() {
			_, _ = io.Copy(way[1], way[0]) // however it ends, both ends are done
			c.drop(way[0])
			c.drop(way[1])
		})
	}
	both.Wait()
}

func (c *cutter) drop(conn net.Conn) {
	c.mu.Lock()
	known := c.conns[conn]
	delete(c.conns, conn)
	c.mu.Unlock()
	if known {
		_ = conn.Close() // the other end went first
	}
}

// cut ends everything at once.
func (c *cutter) cut() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.down = true
	for conn := range c.conns {
		reset(conn)
	}
	clear(c.conns)
}

// reset closes without a goodbye: what is on its way is lost.
func reset(conn net.Conn) {
	if t, ok := conn.(*net.TCPConn); ok {
		_ = t.SetLinger(0)
	}
	_ = conn.Close()
}

// mend lets connections through again.
func (c *cutter) mend() {
	c.mu.Lock()
	c.down = false
	c.mu.Unlock()
}

func (c *cutter) close() error {
	err := c.listen.Close()
	c.cut()
	c.work.Wait()
	if errors.Is(err, net.ErrClosed) {
		return nil
	}
	return err
}
