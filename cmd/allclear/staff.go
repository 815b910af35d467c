package main

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"fmt"

	"allclear/notifier"
	"allclear/store"
)

type staffCmd struct {
	Add    staffAddCmd    `cmd:"" help:"Add a person to the console's staff and print the link with which they set a password."`
	Reset  staffResetCmd  `cmd:"" help:"Take a person's password and second factor, end their sessions, and print a new link."`
	List   staffListCmd   `cmd:"" help:"List the staff."`
	Remove staffRemoveCmd `cmd:"" help:"Remove a person and end their sessions at once."`
}

// Origin is where the console's links lead.
type Origin struct {
	BaseURL string `name:"base-url" setting:"BASE_URL" group:"settings" placeholder:"URL" help:"What the link begins with; default: http:// and the address listened on."`
	Listen  string `default:"127.0.0.1:8080" setting:"LISTEN" group:"settings" placeholder:"HOST:PORT" help:"Where serve listens."`
}

// link makes a link to set up, and what is kept of it.
func (o *Origin) link() (url string, hash [32]byte, err error) {
	base, err := (&Linked{Site: Site{BaseURL: o.BaseURL}, Listen: o.Listen}).start()
	if err != nil {
		return "", hash, err
	}
	path, hash := newSetUp()
	return base + path, hash, nil
}

// newSetUp is the path of a link to set up, and the SHA-256 that is kept of
// its token: 256 random bits need nothing slower.
func newSetUp() (path string, hash [32]byte) {
	raw := make([]byte, 32)
	_, _ = rand.Read(raw) // never fails since Go 1.24
	token := base64.RawURLEncoding.EncodeToString(raw)
	return "/console/set-up/" + token, sha256.Sum256([]byte(token))
}

type staffAddCmd struct {
	Name string `arg:"" help:"What the person signs in with: a-z, 0-9 and . _ - @ +."`
	Role string `required:"" placeholder:"ROLE" help:"viewer, poster, sender, approver or admin; each may do what those before it may."`
	Base
	Origin
}

func (c *staffAddCmd) Run(a *app) error {
	role, err := notifier.ParseRole(c.Role)
	if err != nil {
		return err
	}
	if err := notifier.CheckStaffName(c.Name); err != nil {
		return err
	}
	url, hash, err := c.link()
	if err != nil {
		return err
	}
	return a.with(&c.Base, func(ctx context.Context, db *store.Store) error {
		if _, err := db.AddStaff(ctx, notifier.Staff{Name: c.Name, Role: role, LinkUntil: db.Now().Add(notifier.SetUpLife)}, hash); err != nil {
			return err
		}
		return a.hand(c.Name, url)
	})
}

// hand prints the link alone, so that a program can pass it on; people are told
// what it is for.
func (a *app) hand(name, url string) error {
	if a.interactive(a.err) {
		fmt.Fprintf(a.err, "%s sets a password and a second factor there, once, within 24 hours:\n", name)
	}
	_, err := fmt.Fprintln(a.out, url)
	return err
}

type staffResetCmd struct {
	Name string `arg:"" help:"Whose."`
	Base
	Origin
}

func (c *staffResetCmd) Run(a *app) error {
	url, hash, err := c.link()
	if err != nil {
		return err
	}
	return a.with(&c.Base, func(ctx context.Context, db *store.Store) error {
		if _, err := db.ResetStaff(ctx, c.Name, hash, db.Now().Add(notifier.SetUpLife)); err != nil {
			return missing(err, "no member of staff is named %q; allclear staff list shows them", c.Name)
		}
		return a.hand(c.Name, url)
	})
}

type staffListCmd struct {
	JSON bool `name:"json" help:"Print a JSON array."`
	Base
}

func (c *staffListCmd) Run(a *app) error {
	return a.with(&c.Base, func(ctx context.Context, db *store.Store) error {
		list, err := db.StaffList(ctx)
		if err != nil {
			return err
		}
		if c.JSON {
			out := []any{}
			for _, p := range list {
				out = append(out, map[string]any{
					"name": p.Name, "role": p.Role, "created_at": jsonTime(p.CreatedAt), "ready_at": jsonTime(p.ReadyAt),
					"link_until": jsonTime(p.LinkUntil), "signed_in_at": jsonTime(p.SignedIn),
				})
			}
			return printJSON(a.out, out)
		}
		if len(list) == 0 {
			fmt.Fprintln(a.out, "nobody; allclear staff add NAME --role admin adds the first")
			return nil
		}
		t := newTable("name", "role", "state", "last signed in")
		for _, p := range list {
			state, last := "ready", "never"
			switch {
			case p.ReadyAt.IsZero() && p.LinkUntil.After(db.Now()):
				state = "has a link until " + p.LinkUntil.Format("2006-01-02 15:04Z")
			case p.ReadyAt.IsZero():
				state = "the link's time is up: allclear staff reset"
			}
			if !p.SignedIn.IsZero() {
				last = p.SignedIn.Format("2006-01-02 15:04Z")
			}
			t.add(p.Name, p.Role, state, last)
		}
		return t.print(a.out)
	})
}

type staffRemoveCmd struct {
	Name string `arg:"" help:"Whom."`
	Base
}

func (c *staffRemoveCmd) Run(a *app) error {
	return a.with(&c.Base, func(ctx context.Context, db *store.Store) error {
		if err := db.RemoveStaff(ctx, c.Name); err != nil {
			return missing(err, "no member of staff is named %q; allclear staff list shows them", c.Name)
		}
		fmt.Fprintf(a.out, "removed %s, and ended their sessions\n", c.Name)
		return nil
	})
}
