package receive

import (
	"net"
	"sync"
	"sync/atomic"
)

// limited is a listener that closes connections over a limit at once: a sender sees a
// failure and tries again, where a connection that waits unseen would seem to hang.
type limited struct {
	net.Listener
	max  int64
	open atomic.Int64
	over Counter
}

func (s *Server) limit(l net.Listener) net.Listener {
	return &limited{Listener: l, max: int64(s.o.MaxConnections), over: s.m.refused[tooManyConnections]}
}

func (l *limited) Accept() (net.Conn, error) {
	for {
		c, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		if l.open.Add(1) <= l.max {
			return &limitedConn{Conn: c, l: l}, nil
		}
		l.open.Add(-1)
		l.over.Add(1)
		c.Close()
	}
}

type limitedConn struct {
	net.Conn
	l    *limited
	once sync.Once
}

func (c *limitedConn) Close() error {
	c.once.Do(func() { c.l.open.Add(-1) })
	return c.Conn.Close()
}
