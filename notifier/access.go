package notifier

import (
	"context"
	"slices"
	"time"
)

// Role is what a token or a person of the staff may do; each may do what those before it may.
type Role string

// The roles, least first.
const (
	RoleViewer   Role = "viewer"
	RolePoster   Role = "poster"   // incidents, updates, posts
	RoleSender   Role = "sender"   // notices
	RoleApprover Role = "approver" // somebody else's notices
	RoleAdmin    Role = "admin"
)

// Roles lists them, least first.
var Roles = []Role{RoleViewer, RolePoster, RoleSender, RoleApprover, RoleAdmin}

// Can reports whether r may do what needs the role least. A role that does not
// exist can do nothing, and nobody can do what needs one.
func (r Role) Can(least Role) bool {
	have, need := slices.Index(Roles, r), slices.Index(Roles, least)
	return need >= 0 && have >= need
}

// ParseRole reads a role's name.
func ParseRole(s string) (Role, error) {
	if !slices.Contains(Roles, Role(s)) {
		return "", Invalidf("role", "%q is not one of viewer, poster, sender, approver, admin", s)
	}
	return Role(s), nil
}

// Token lets a program use the API. The secret itself is never kept, only its hash.
type Token struct {
	ID        string
	Name      string
	Role      Role
	CreatedAt time.Time
	RevokedAt time.Time // zero while it is good
}

// Actor is who is doing something, for the audit.
type Actor struct {
	Name    string // "local:USER", "token:NAME", "staff:NAME"
	Role    Role
	Network string // where they are, truncated to a /24 or /64; "" where that is not known
}

type actorKey struct{}

// WithActor notes in ctx who is acting.
func WithActor(ctx context.Context, a Actor) context.Context {
	return context.WithValue(ctx, actorKey{}, a)
}

// ActorFrom tells who is acting; "system" where nobody was noted.
func ActorFrom(ctx context.Context) Actor {
	if a, ok := ctx.Value(actorKey{}).(Actor); ok {
		return a
	}
	return Actor{Name: "system"}
}
