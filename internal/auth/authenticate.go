package auth

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"net"

	"github.com/clew-dev/clew/internal/telemetry"
)

// known gives the tokens as they were at most Freshness ago.
func (s *State) known() (map[[sha256.Size]byte]entry, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if since := s.now().Sub(s.checked); since >= Freshness || since < 0 {
		if err := s.refresh(context.Background(), false); err != nil {
			return nil, telemetry.Errorf(telemetry.KindUnavailable, "nobody can be let in: read tokens: %w", err)
		}
	}
	return s.tokens, nil
}

// HasTokens reports whether a token was ever made, so that one is needed.
func (s *State) HasTokens() (bool, error) {
	tokens, err := s.known()
	return len(tokens) > 0, err
}

// Authenticate says who presents token (empty: none) and asks for the tenant
// orgID (empty: none) from remote. Its errors are of kind invalid (orgID is not
// a tenant's name), unauthenticated, forbidden or unavailable.
func (s *State) Authenticate(token, orgID string, remote net.Addr) (Principal, error) {
	if orgID != "" && !ValidTenant(orgID) {
		return Principal{}, telemetry.Errorf(telemetry.KindInvalid, "X-Scope-OrgID %q is not a tenant's name; write 1 to 64 of A-Z a-z 0-9 _ -", telemetry.Clip(orgID))
	}
	tokens, err := s.known()
	if err != nil {
		return Principal{}, err
	}
	if len(tokens) == 0 {
		return open(token, orgID, remote)
	}
	if token == "" {
		return Principal{}, telemetry.Errorf(telemetry.KindUnauthenticated, "a token is needed: send Authorization: Bearer clew_…")
	}
	hash := sha256.Sum256([]byte(token))
	e, ok := tokens[hash]
	if !ok || subtle.ConstantTimeCompare(e.hash[:], hash[:]) != 1 {
		return Principal{}, telemetry.Errorf(telemetry.KindUnauthenticated, "the token is not known here")
	}
	if !e.token.Revoked.IsZero() {
		return Principal{}, telemetry.Errorf(telemetry.KindUnauthenticated, "the token %q was revoked", e.token.Name)
	}
	if orgID != "" && orgID != e.token.Tenant {
		return Principal{}, telemetry.Errorf(telemetry.KindForbidden, "X-Scope-OrgID names tenant %q and the token is for another; leave the header out", orgID)
	}
	return Principal{Tenant: e.token.Tenant, Name: e.token.Name, Roles: e.token.Roles}, nil
}

// open is the rule while no token was ever made.
func open(token, orgID string, remote net.Addr) (Principal, error) {
	if token != "" {
		return Principal{}, telemetry.Errorf(telemetry.KindUnauthenticated, "the token is not known here: no token was ever made")
	}
	if !IsLoopback(remote) {
		return Principal{}, telemetry.Errorf(telemetry.KindUnauthenticated,
			"without tokens only this machine is let in; run clew token create --tenant %s --name NAME there and send its token", DefaultTenant)
	}
	if orgID == "" {
		orgID = DefaultTenant
	}
	return Principal{Tenant: orgID, Name: "loopback", Roles: Roles(), Open: true}, nil
}

// IsLoopback reports whether the address is of this machine's loopback interface
// or a Unix socket.
func IsLoopback(a net.Addr) bool {
	switch a := a.(type) {
	case *net.TCPAddr:
		return a.IP.IsLoopback()
	case *net.UnixAddr:
		return true
	case nil:
		return false
	}
	host, _, err := net.SplitHostPort(a.String())
	if err != nil {
		return false
	}
	ip := net.ParseIP(host)
	return ip != nil && ip.IsLoopback()
}
