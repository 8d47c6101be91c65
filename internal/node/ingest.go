package node

import (
	"net"

	"github.com/clew-dev/clew/internal/auth"
	"github.com/clew-dev/clew/internal/charter"
	"github.com/clew-dev/clew/internal/otlp"
	"github.com/clew-dev/clew/internal/receive"
	"github.com/clew-dev/clew/internal/telemetry"
)

// receiveOptions joins limits of the charter with the share of memory.
func (n *Node) receiveOptions(sink telemetry.Sink, limits charter.Limits, mem memory) receive.Options {
	return receive.Options{
		GRPC: n.grpc, HTTP: n.otlp, Zipkin: n.zipkin, TLS: n.tls, Sink: sink, Logger: n.log,
		Authenticate: n.mayWrite, Guarded: n.guarded,
		Counter: func(name, help string, labels ...string) receive.Counter {
			return n.registry.Counter(name, help, labels...)
		},
		Limits: otlp.Limits{
			Attributes: limits.Attributes, ValueBytes: limits.AttributeValueBytes,
			ClockSkew: n.charter.Current().Retention().ClockSkew,
		},
		// A request holds its compressed and its inflated bytes at once.
		MaxRequestBytes:  min(limits.RequestBytes, mem.inflight/2),
		MaxInflightBytes: mem.inflight,
	}
}

// mayWrite names the tenant of a sender whose token may write.
func (n *Node) mayWrite(token, orgID string, remote net.Addr) (string, error) {
	p, err := n.state.Authenticate(token, orgID, remote)
	if err != nil {
		return "", err
	}
	if !p.May(auth.RoleWrite) {
		return "", telemetry.Errorf(telemetry.KindForbidden, "the token %q may not write: send one with the role %s", p.Name, auth.RoleWrite)
	}
	return p.Tenant, nil
}
