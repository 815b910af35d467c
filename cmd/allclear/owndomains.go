package main

import (
	"context"
	"errors"
	"slices"

	"allclear/notifier"
	"allclear/store"
	"allclear/subscribers"
)

// domains reads whose mail depends on what.
func (s *Owning) domains() ([]subscribers.OwnDomain, error) {
	own, err := subscribers.ParseOwnDomains(s.OwnDomains)
	var bad *notifier.Invalid
	if errors.As(err, &bad) {
		return nil, wrong("OWN_DOMAINS", "%s; write domain=component, several by comma", bad.Message)
	}
	return own, err
}

// keptIn keeps the own domains, and whether there is a gateway of text messages,
// where no service said anything of either yet, so that a command on a new database
// knows which second addresses are taken.
func (s *Seconding) keptIn(ctx context.Context, db *store.Store) error {
	own, err := s.domains()
	if err != nil || len(own) == 0 {
		return err
	}
	return db.Atomic(ctx, func(ctx context.Context) error {
		if there, err := db.OwnDomains(ctx); err != nil || len(there) > 0 {
			return err
		}
		if unsaid, err := db.InitDoor(ctx, notifier.SMS, s.SMS != ""); err != nil || !unsaid {
			return err
		}
		return db.SetOwnDomains(ctx, own)
	})
}

// tried is a store in whose every transaction, all of which a dry run takes back,
// the settings of a command are kept first.
type tried struct {
	*store.Store
	settings *Seconding
}

// Atomic keeps the settings, and then is the store's.
func (t tried) Atomic(ctx context.Context, do func(ctx context.Context) error) error {
	return t.Store.Atomic(ctx, func(ctx context.Context) error {
		if err := t.settings.keptIn(ctx, t.Store); err != nil {
			return err
		}
		return do(ctx)
	})
}

// openOwn keeps the own domains in the database, where every process and command
// finds them; a worker says nothing about them. One whose component is not there
// (yet) never counts as down.
func (p *Program) openOwn(ctx context.Context) error {
	if p.o.worker {
		return nil
	}
	own, err := p.o.settings.domains()
	if err != nil {
		return err
	}
	if err := p.db.SetOwnDomains(ctx, own); err != nil {
		return err
	}
	if len(own) == 0 {
		return nil
	}
	parts, err := p.db.Components(ctx)
	if err != nil {
		return err
	}
	for _, o := range own {
		if !slices.ContainsFunc(parts, func(c notifier.Component) bool { return c.Key == o.Component }) {
			p.o.log.Warn("an own domain names a component that there is not; until it is added, its mail is never thought to be down", "domain", o.Domain, "component", o.Component)
		}
	}
	return nil
}
