package main

import (
	"context"
	"fmt"
	"net/http"
	"regexp"
	"strings"

	"google.golang.org/grpc/metadata"
)

var headerName = regexp.MustCompile(`^[A-Za-z0-9-]+$`)

// addHeader reads Name:value, which goes to a peer with all that is sent and asked: a
// token, a tenant.
func (p *peer) addHeader(s string) error {
	name, value, ok := strings.Cut(s, ":")
	value = strings.TrimSpace(value)
	if !ok || !headerName.MatchString(name) || value == "" {
		// What stands there may be a secret.
		return fmt.Errorf("peer %s: this is no header; write header=NAME:VALUE, such as header=X-Scope-OrgID:shop", p.name)
	}
	if p.header == nil {
		p.header = http.Header{}
	}
	p.header.Add(name, value)
	return nil
}

// useHeader makes the connections of the peer carry what addHeader took.
func (p *peer) useHeader() {
	if p.header == nil {
		return
	}
	p.query.client.Transport = headed{p.header, p.query.client.Transport}
	p.to = p.to.with(p.header)
}

// with gives a dial whose connections send header with every request.
func (d dial) with(header http.Header) dial {
	return func() (exporter, error) {
		e, err := d()
		if err != nil {
			return nil, err
		}
		if e, ok := e.(httpExporter); ok {
			e.client.Transport = headed{header, e.client.Transport}
			return e, nil
		}
		md := metadata.MD{}
		for name, values := range header {
			md.Append(name, values...)
		}
		return headedCalls{e, md}, nil
	}
}

// headed adds a header to requests over HTTP.
type headed struct {
	header http.Header
	next   http.RoundTripper
}

func (h headed) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context()) // whoever made the request may use it again
	for name, values := range h.header {
		r.Header[name] = values
	}
	return h.next.RoundTrip(r)
}

// headedCalls adds a header to calls of gRPC.
type headedCalls struct {
	exporter
	header metadata.MD
}

func (h headedCalls) send(ctx context.Context, frame []byte) error {
	return h.exporter.send(metadata.NewOutgoingContext(ctx, h.header), frame)
}
