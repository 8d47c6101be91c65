package auth

import (
	"context"
	"regexp"
	"slices"
)

// DefaultTenant is the tenant of who names none while no token was ever made.
const DefaultTenant = "default"

// Role is what a principal may do.
type Role string

// The roles. A token has RoleRead and RoleWrite unless it was made with others.
const (
	RoleRead  Role = "read"  // ask questions about its tenant
	RoleWrite Role = "write" // send telemetry to its tenant
	RoleAdmin Role = "admin" // act on the server as a whole: flush, profiles, the state of all tenants
)

// Roles lists every role.
func Roles() []Role { return []Role{RoleRead, RoleWrite, RoleAdmin} }

// Principal is who is asking.
type Principal struct {
	Tenant string
	Name   string // of the token; "loopback" without one
	Roles  []Role
	Open   bool // let in without a token, because none was ever made
}

// May reports whether the principal has the role.
func (p Principal) May(r Role) bool { return slices.Contains(p.Roles, r) }

var tenantName = regexp.MustCompile(`^[A-Za-z0-9_-]{1,64}$`)

// ValidTenant reports whether name can be a tenant's: 1 to 64 of A-Z a-z 0-9 _ -,
// which is safe in a path.
func ValidTenant(name string) bool { return tenantName.MatchString(name) }

type contextKey struct{}

// NewContext carries the principal of a request to its handlers.
func NewContext(ctx context.Context, p Principal) context.Context {
	return context.WithValue(ctx, contextKey{}, p)
}

// FromContext gives the principal that NewContext put there. Without one it is
// the zero Principal, which has no role and a tenant that no data can have.
func FromContext(ctx context.Context) Principal {
	p, _ := ctx.Value(contextKey{}).(Principal)
	return p
}
