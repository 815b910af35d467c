package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"allclear/notifier"
	"allclear/notifier/outbox"
	"allclear/notifier/webhook"
	"allclear/subscribers"
	"allclear/subscribers/web"
	"allclear/templates"
)

// door is a channel's way out. Each has a journal of its own, and so a worker's
// name of its own: at the end one gives back all that its worker holds, while
// another may still be sending.
type door struct {
	out     *outbox.Outbox
	journal *outbox.Journal
}

// openHooks opens the way of webhooks.
func (p *Program) openHooks(ctx context.Context) error {
	guard, err := p.o.settings.guard(p.base)
	if err != nil {
		return err
	}
	p.guard = guard
	p.hooks = webhook.New(webhook.Options{Endpoints: p.db, Guard: guard, Now: p.db.Now, Version: thisBuild().Version, Link: p.base, Within: p.o.within})
	return p.openDoor(ctx, notifier.Webhook, p.hooks, webhook.Workers)
}

// prober posts the signed test of an endpoint.
type prober struct {
	sender *webhook.Sender
	set    *templates.Live
	now    func() time.Time
}

// Probe posts it and waits.
func (x prober) Probe(ctx context.Context, e notifier.Endpoint) (notifier.Attempt, error) {
	return x.sender.Test(ctx, e, "test_"+newID(), x.set.EndpointTest(e.Format, x.now(), "", "")), nil
}

// endpointPages is what the pages of endpoints need.
func (p *Program) endpointPages() *web.Endpoints {
	probe := prober{p.hooks, p.set, p.db.Now}
	return &web.Endpoints{
		Hooks: p.db, Secrets: p.db, Attempts: p.db,
		Allowed: func(ctx context.Context, url string) bool { return p.guard.Check(ctx, url).Allowed },
		Probe: func(ctx context.Context, n subscribers.Number, f notifier.Format) (notifier.Attempt, error) {
			e, err := p.db.Endpoint(ctx, int64(n))
			if err != nil {
				return notifier.Attempt{}, err
			}
			e.Format = f
			return probe.Probe(ctx, e)
		},
	}
}

// phonePages is what the pages of phones need; nil where there is no gateway.
func (p *Program) phonePages() *web.Phones {
	if p.phones == nil {
		return nil
	}
	return &web.Phones{Codes: p.db, Barred: p.db, Short: p.links.OpenShort, Countries: p.phones.Countries}
}

// openDoor adds a way out for what a sender carries.
func (p *Program) openDoor(ctx context.Context, channel notifier.Channel, sender notifier.Sender, workers int) error {
	folder, err := p.o.settings.stateFolder(p.o.env)
	if err != nil {
		return err
	}
	identity, err := p.db.Identity(ctx)
	if err != nil {
		return err
	}
	journal, err := outbox.OpenJournal(folder, identity)
	if err != nil {
		return err
	}
	p.doors = append(p.doors, &door{journal: journal, out: outbox.New(outbox.Options{
		Channel: channel, Queue: p.db, Leases: p.db, Renderer: p.set.Renderer(), Sender: sender,
		Journal: journal, Now: p.db.Now, Log: p.o.log, Workers: workers, Drain: drainFlights, Observe: p.metrics.settled,
	})})
	return nil
}

// recoverDoors makes good what earlier processes left.
func (p *Program) recoverDoors(ctx context.Context) error {
	for _, d := range p.doors {
		if err := d.out.Recover(ctx); err != nil {
			return fmt.Errorf("recover what an earlier process left: %w", err)
		}
	}
	return nil
}

// nudgeDoors says that there may be something new to claim.
func (p *Program) nudgeDoors() {
	for _, d := range p.doors {
		d.out.Nudge()
	}
}

// pulseDoors passes the database's answer on. One door that cannot take it does not keep the others shut.
func (p *Program) pulseDoors(ctx context.Context, pulse notifier.Pulse, asked time.Time) error {
	var errs []error
	for _, d := range p.doors {
		errs = append(errs, d.out.Pulse(ctx, pulse, asked))
	}
	return errors.Join(errs...)
}

func (p *Program) closeDoors() error {
	var errs []error
	for _, d := range p.doors {
		errs = append(errs, d.journal.Close())
	}
	return errors.Join(errs...)
}
