package main

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"strings"

	"allclear/notifier"
	"allclear/store"
)

type tokenCmd struct {
	Create tokenCreateCmd `cmd:"" help:"Make a token and print it; it is shown this once."`
	List   tokenListCmd   `cmd:"" help:"List the tokens (not their secrets)."`
	Revoke tokenRevokeCmd `cmd:"" help:"End a token at once."`
}

type tokenCreateCmd struct {
	Role string `required:"" placeholder:"ROLE" help:"viewer, poster, sender, approver or admin; each may do what those before it may."`
	Name string `required:"" placeholder:"TEXT" help:"Who or what uses it; the audit names it."`
	Base
}

func (c *tokenCreateCmd) Run(a *app) error {
	role, err := notifier.ParseRole(c.Role)
	if err != nil {
		return err
	}
	name := strings.TrimSpace(c.Name)
	if name == "" || len([]rune(name)) > 80 || strings.ContainsFunc(name, func(r rune) bool { return r < 0x20 || r == 0x7f }) {
		return notifier.Invalidf("name", "must be 1 to 80 characters on one line")
	}
	return a.with(&c.Base, func(ctx context.Context, db *store.Store) error {
		secret, err := createToken(ctx, db, name, role)
		if err != nil {
			return err
		}
		_, err = fmt.Fprintln(a.out, secret)
		return err
	})
}

// createToken makes a token and keeps its SHA-256: 256 random bits need nothing slower.
func createToken(ctx context.Context, db *store.Store, name string, role notifier.Role) (string, error) {
	raw := make([]byte, 32)
	_, _ = rand.Read(raw) // never fails since Go 1.24
	secret := "actk_" + base64.RawURLEncoding.EncodeToString(raw)
	t := notifier.Token{ID: newID(), Name: name, Role: role, CreatedAt: db.Now()}
	if err := db.CreateToken(ctx, t, sha256.Sum256([]byte(secret))); err != nil {
		return "", fmt.Errorf("create token: %w", err)
	}
	return secret, nil
}

type tokenListCmd struct {
	JSON bool `name:"json" help:"Print a JSON array."`
	Base
}

func (c *tokenListCmd) Run(a *app) error {
	return a.with(&c.Base, func(ctx context.Context, db *store.Store) error {
		list, err := db.Tokens(ctx)
		if err != nil {
			return err
		}
		if c.JSON {
			out := []any{}
			for _, t := range list {
				out = append(out, map[string]any{
					"id": t.ID, "name": t.Name, "role": t.Role, "created_at": jsonTime(t.CreatedAt), "revoked_at": jsonTime(t.RevokedAt),
				})
			}
			return printJSON(a.out, out)
		}
		if len(list) == 0 {
			fmt.Fprintln(a.out, "no tokens; allclear token create --role poster --name monitor makes one")
			return nil
		}
		t := newTable("id", "role", "state", "created", "name")
		for _, k := range list {
			state := "good"
			if !k.RevokedAt.IsZero() {
				state = "revoked"
			}
			t.add(k.ID, k.Role, state, k.CreatedAt.UTC().Format("2006-01-02 15:04Z"), k.Name)
		}
		return t.print(a.out)
	})
}

type tokenRevokeCmd struct {
	ID string `arg:"" help:"The token's id, as allclear token list shows it."`
	Base
}

func (c *tokenRevokeCmd) Run(a *app) error {
	return a.with(&c.Base, func(ctx context.Context, db *store.Store) error {
		if err := db.RevokeToken(ctx, c.ID); err != nil {
			return missing(err, "no token %q; allclear token list shows them", c.ID)
		}
		fmt.Fprintf(a.out, "revoked token %s\n", c.ID)
		return nil
	})
}
