package node

import (
	"errors"
	"fmt"
	"net"
	"syscall"

	"github.com/clew-dev/clew/internal/auth"
)

// listener opens an address or says in one sentence why it cannot and what to do.
func listener(flag, address string, tokens bool) (net.Listener, error) {
	l, err := net.Listen("tcp", address)
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return nil, fmt.Errorf("--%s %s: the port is in use: stop what listens there, or choose another", flag, address)
	case errors.Is(err, syscall.EACCES):
		return nil, fmt.Errorf("--%s %s: this user may not listen there: choose a port from 1024 on", flag, address)
	case err != nil:
		return nil, fmt.Errorf("--%s %s: %w: write host:port, such as 127.0.0.1:7700", flag, address, err)
	}
	if !tokens && !auth.IsLoopback(l.Addr()) {
		l.Close()
		return nil, fmt.Errorf("--%s %s: others than this machine could connect and no token exists: run clew token create first, or listen on 127.0.0.1", flag, address)
	}
	return l, nil
}
