package policy

import (
	"context"
	"sync"
)

// Source holds the policy in force and those who wait for another.
type Source struct {
	mu      sync.Mutex
	policy  *Policy
	changed chan struct{} // closed when policy is replaced
}

// NewSource gives a source that hands out p.
func NewSource(p *Policy) *Source { return &Source{policy: p, changed: make(chan struct{})} }

// Set puts a policy in force and wakes all for whom it is another.
func (s *Source) Set(p *Policy) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.policy = p
	close(s.changed)
	s.changed = make(chan struct{})
}

// Current names the document that a service is told now.
func (s *Source) Current(service string) Tag {
	p, _ := s.now()
	return p.For(service).Tag
}

func (s *Source) now() (*Policy, <-chan struct{}) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.policy, s.changed
}

// Wait gives the document of a service as soon as its tag is another than etag.
// When ctx ends before, changed is false and the document has its tag only.
func (s *Source) Wait(ctx context.Context, service, etag string) (d Document, changed bool) {
	for {
		p, replaced := s.now()
		d = p.For(service)
		if d.ETag != etag {
			return d, true
		}
		select {
		case <-ctx.Done():
			return Document{Tag: d.Tag}, false
		case <-replaced:
		}
	}
}
