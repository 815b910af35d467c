package api

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"allclear/notifier"
	"allclear/subscribers"
)

// enter finds the token of a request and what it may do. Only the token's
// SHA-256 is ever compared or kept: a token is 256 random bits, so nothing
// slower is needed, and the database's index tells an attacker nothing.
func (a *api) enter(r *http.Request, to route) (notifier.Token, error) {
	scheme, secret, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	secret = strings.TrimSpace(secret)
	if !strings.EqualFold(scheme, "Bearer") || secret == "" {
		return notifier.Token{}, &unauthorised{message: "send the header Authorization: Bearer TOKEN; allclear token create makes a token"}
	}
	if ownersToken(secret) {
		return a.enterAs(r, to, secret)
	}
	token, err := a.gate.TokenByHash(r.Context(), sha256.Sum256([]byte(secret)))
	if errors.Is(err, notifier.ErrNotFound) || err == nil && !token.RevokedAt.IsZero() {
		return notifier.Token{}, &unauthorised{message: "this token is not known, or was revoked", code: "invalid_token"}
	}
	if err != nil {
		return notifier.Token{}, fmt.Errorf("look the token up: %w", err)
	}
	if !token.Role.Can(to.role) {
		return notifier.Token{}, &forbidden{has: token.Role, needs: to.role}
	}
	return token, nil
}

// from is the network that a request comes from, for the audit.
func (a *api) from(r *http.Request) string {
	if a.client == nil {
		return ""
	}
	if network := subscribers.Truncate(a.client(r)); network.IsValid() {
		return network.String()
	}
	return ""
}

// needs is for what only part of a call needs: a role beyond the route's.
func needs(ctx context.Context, least notifier.Role) error {
	if who := notifier.ActorFrom(ctx); !who.Role.Can(least) {
		return &forbidden{has: who.Role, needs: least}
	}
	return nil
}
