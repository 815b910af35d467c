package console

import (
	"crypto/sha256"
	"errors"
	"net/http"
	"strings"

	"allclear/notifier"
)

type tokensPage struct {
	Tokens []notifier.Token
	Roles  []notifier.Role
	Name   string
	Role   notifier.Role
	Wrong  string
	Secret string // just made; shown this once
}

func (c *console) tokens(q *request) (answer, error) { return c.tokensWith(q, tokensPage{}) }

func (c *console) tokensWith(q *request, p tokensPage) (answer, error) {
	var err error
	if p.Tokens, err = c.o.Store.Tokens(q.Context()); err != nil {
		return answer{}, err
	}
	p.Roles = notifier.Roles
	said := answer{page: "tokens", title: "Tokens", data: p}
	if p.Wrong != "" {
		said.status = http.StatusUnprocessableEntity
	}
	return said, nil
}

func (c *console) createToken(q *request) (answer, error) {
	name := strings.TrimSpace(q.form.Get("name"))
	role, err := notifier.ParseRole(q.form.Get("role"))
	if err == nil && (name == "" || len([]rune(name)) > 80 || strings.ContainsFunc(name, func(r rune) bool { return r < 0x20 || r == 0x7f })) {
		err = notifier.Invalidf("name", "must be 1 to 80 characters on one line")
	}
	secret := ""
	if err == nil {
		made, _ := newSecret()
		secret = "actk_" + made
		err = c.o.Store.CreateToken(q.Context(), notifier.Token{ID: c.o.NewID(), Name: name, Role: role, CreatedAt: c.o.Now()}, sha256.Sum256([]byte(secret)))
	}
	var inv *notifier.Invalid
	var refusal *notifier.Refusal
	switch {
	case errors.As(err, &inv), errors.As(err, &refusal):
		return c.tokensWith(q, tokensPage{Name: notifier.Clip(name), Role: role, Wrong: err.Error()})
	case err != nil:
		return answer{}, err
	}
	return c.tokensWith(q, tokensPage{Secret: secret})
}

func (c *console) revokeToken(q *request) (answer, error) {
	return answer{to: Path + "/tokens?done=revoked"}, c.o.Store.RevokeToken(q.Context(), q.PathValue("id"))
}
