package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"os"
	"slices"

	"allclear/notifier"
	"allclear/store"
	"allclear/subscribers"
)

type subscriberCmd struct {
	Add    subscriberAddCmd    `cmd:"" help:"Add one; it is asked to confirm unless --active."`
	Import subscriberImportCmd `cmd:"" help:"Add many from a CSV file."`
	Export subscriberExportCmd `cmd:"" help:"Write all as CSV, as import reads it."`
	Show   subscriberShowCmd   `cmd:"" help:"Show one."`
	List   subscriberListCmd   `cmd:"" help:"List them."`
	Data   subscriberDataCmd   `cmd:"" help:"Everything kept about an address, as JSON, for its owner."`
	Erase  subscriberEraseCmd  `cmd:"" help:"Forget an address and everything about it, as its owner asked."`
}

type subscriberAddCmd struct {
	Address   string   `arg:"" help:"An email address, the URL of a webhook, or a telephone number with its + and country code."`
	Component []string `short:"c" sep:"," placeholder:"KEY,..." help:"Wants to hear of these only."`
	Severity  string   `placeholder:"LEVEL" help:"Wants incidents from this severity on: none (default), minor, major, critical."`
	Kinds     []string `sep:"," placeholder:"KIND,..." help:"Wants these only: incident, maintenance, post."`
	Cadence   string   `placeholder:"CADENCE" help:"instant (default), milestones (it began, got worse, ended), or by mail daily, weekly, monthly."`
	Zone      string   `placeholder:"ZONE" help:"Time zone, such as Europe/Oslo."`
	Lang      string   `placeholder:"CODE" help:"Language, such as en or pt-BR."`
	Active    bool     `help:"It has agreed already: no confirmation is asked."`
	Again     bool     `help:"With --active: it left once and has asked to come back."`
	Contact   string   `placeholder:"ADDRESS" help:"Who looks after a webhook; or, many read the address: who alone may change or end its subscription."`
	Format    string   `placeholder:"FORMAT" help:"What a webhook is posted: standard, statuspage, slack, teams, discord; guessed from the URL unless named."`
	Types     []string `sep:"," placeholder:"TYPE,..." help:"Events a webhook is posted, such as incident.created; all unless named."`
	Quiet     string   `placeholder:"HH:MM-HH:MM" help:"When a phone does not ring, in its zone; critical incidents pass."`
	Hour      string   `placeholder:"HOUR" help:"When its digests come, 0 to 23 by its clock; else the service's hour."`
	Weekday   string   `placeholder:"DAY" help:"On what day its weekly digests come: monday (default), tuesday and so on."`
	Critical  bool     `help:"With digests: what is critical comes at once all the same."`
	AllQuiet  bool     `help:"With digests: one comes although there is nothing new."`
	Mine      bool     `help:"Wants to hear only of what touches it: of components on whose lists of members it is, or that have none."`
	Second    string   `placeholder:"ADDRESS" help:"Where it is told while mail to its own domain (ALLCLEAR_OWN_DOMAINS) is down: mail elsewhere, a telephone number or an endpoint; asked to confirm unless --active."`
	JSON      bool     `name:"json" help:"Print one JSON object."`
	Allow     string   `name:"webhook-allow" setting:"WEBHOOK_ALLOW" group:"settings" placeholder:"CIDR,..." help:"Private networks that webhooks may be posted to; for the warning of one that is in none."`
	Base
	Seconding
}

func (c *subscriberAddCmd) Run(a *app) error {
	severity, err := notifier.ParseSeverity(c.Severity)
	if err != nil {
		return err
	}
	hour, err := subscribers.ParseHour(c.Hour)
	if err != nil {
		return err
	}
	s := subscribers.Subscriber{
		Hour: hour, Weekday: subscribers.Weekday(c.Weekday), Critical: c.Critical, AllQuiet: c.AllQuiet,
		Channel: subscribers.ChannelOf(c.Address), Address: c.Address, Cadence: subscribers.Cadence(c.Cadence), Timezone: c.Zone, Language: c.Lang,
		Filter: subscribers.Filter{Components: c.Component, Severity: severity, Mine: c.Mine}, Contact: c.Contact,
		Format: notifier.Format(c.Format), Quiet: notifier.Quiet(c.Quiet),
	}
	s.Group = c.Contact != "" && s.Channel == notifier.Email
	for _, t := range c.Types {
		s.Filter.Types = append(s.Filter.Types, notifier.EventType(t))
	}
	for _, k := range c.Kinds {
		s.Filter.Kinds = append(s.Filter.Kinds, notifier.Kind(k))
	}
	if c.Active {
		s.State = subscribers.Active
	}
	if err := s.Validate(); err != nil {
		return err
	}
	if !c.Active {
		if err := s.Confirmable(); err != nil {
			return err
		}
	}
	return a.with(&c.Base, func(ctx context.Context, db *store.Store) error {
		if c.Second != "" {
			if err := c.keptIn(ctx, db); err != nil {
				return err
			}
		}
		s.CreatedAt = db.Now()
		if c.Active {
			s.ConfirmedAt = s.CreatedAt
		}
		err := db.Atomic(ctx, func(ctx context.Context) error {
			if err := c.mayReturn(ctx, db, s); err != nil {
				return err
			}
			var err error
			s.Second.Address = c.Second
			if s, err = db.AddSubscriber(ctx, s, confirmation(db)); err != nil {
				return err
			}
			if s, err = c.second(ctx, db, s); err != nil || !c.Active {
				return err
			}
			said := subscribers.Consent{Language: "en", Words: "Added by " + notifier.ActorFrom(ctx).Name + ", who said that this address agreed."}
			if err := db.KeepImported(ctx, s.Channel, []string{s.Address}, said); err != nil || s.Second.Address == "" {
				return err
			}
			return db.KeepImported(ctx, s.Second.Channel, []string{s.Second.Address}, said)
		})
		if err != nil {
			return conflict(err, "%s is a subscriber already; allclear subscriber show %s shows it", s.Address, s.Address)
		}
		if err := c.warn(a, s); err != nil {
			return err
		}
		if c.JSON {
			return printJSON(a.out, subscriberJSON(s))
		}
		what := "active"
		if s.State == subscribers.Pending {
			what = "asked to confirm"
		}
		fmt.Fprintf(a.out, "added %s %s, %s\n", s.Number, s.Address, what)
		if s.Second.Address != "" {
			fmt.Fprintf(a.out, "its second address is %s, %s\n", s.Second.Address, s.Second.Words())
		}
		for _, x := range []subscribers.Second{{Channel: s.Channel, Number: s.Number}, s.Second} {
			if x.Channel == notifier.Webhook && x.Number > 0 {
				fmt.Fprintln(a.out, "the endpoint's secret is shown once: to its contact on the endpoint's page, or to you by POST /api/v1/subscribers/"+x.Number.String()+"/rotate-secret")
			}
		}
		return nil
	})
}

// second gives it the second address that was named.
func (c *subscriberAddCmd) second(ctx context.Context, db *store.Store, s subscribers.Subscriber) (subscribers.Subscriber, error) {
	if c.Second == "" {
		return s, nil
	}
	second, err := subscribers.ParseSecond("", c.Second)
	if err != nil {
		return s, err
	}
	second.Again = !c.Active // who left may be asked
	if c.Active {
		second.State = subscribers.Active
	}
	return db.SetSecond(ctx, s.Number, second, confirmation(db))
}

// warn says that a webhook is at an address that is not called. What a name
// leads to is looked at by allclear webhook check, and before every post.
func (c *subscriberAddCmd) warn(a *app, s subscribers.Subscriber) error {
	u, err := url.Parse(s.Address)
	if s.Channel != notifier.Webhook || err != nil {
		return nil //nolint:nilerr // it was read before
	}
	if _, err := netip.ParseAddr(u.Hostname()); err != nil && u.Hostname() != "localhost" {
		return nil // a name
	}
	d := Doors{WebhookAllow: c.Allow}
	guard, err := d.guard("")
	if err != nil {
		return err
	}
	if v := guard.Check(a.ctx, s.Address); !v.Allowed {
		fmt.Fprintf(a.err, "warning: nothing is posted there: %s\n", v.Why)
	}
	return nil
}

// mayReturn holds back whoever left, unless it is said that they want to come
// back: a list of those who once agreed does not know who left since.
func (c *subscriberAddCmd) mayReturn(ctx context.Context, db *store.Store, s subscribers.Subscriber) error {
	if !c.Active || c.Again {
		return nil
	}
	there, _, err := db.Subscribers(ctx, subscribers.Query{Channel: s.Channel, Address: s.Address, Limit: 1})
	if err != nil || len(there) == 0 || there[0].Unsubscribed.IsZero() {
		return err
	}
	return notifier.Refuse(notifier.ErrConflict, "%s left on %s; add --again if it has asked to come back, or leave --active out and it is asked to confirm", s.Address, stamp(there[0].Unsubscribed))
}

// confirmation makes the event that asks a new subscriber to confirm.
func confirmation(db *store.Store) func(subscribers.Subscriber) *notifier.Event {
	return func(s subscribers.Subscriber) *notifier.Event {
		e := s.ConfirmEvent(desk(db.Now(), nil))
		return &e
	}
}

type subscriberExportCmd struct {
	Out string `placeholder:"FILE" help:"Write to this file (readable by its owner only) in place of standard output."`
	Base
}

func (c *subscriberExportCmd) Run(a *app) error {
	return a.with(&c.Base, func(ctx context.Context, db *store.Store) (err error) {
		w := a.out
		if c.Out != "" {
			f, err := os.OpenFile(c.Out, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
			if err != nil {
				return err
			}
			defer func() { err = errors.Join(err, f.Close()) }()
			w = f
		}
		out := subscribers.WriteCSV(w)
		err = eachSubscriber(ctx, db, subscribers.Query{}, 0, func(s subscribers.Subscriber) error { return out.Write(s) })
		return errors.Join(err, out.Flush())
	})
}

// eachSubscriber pages by number, at most most of them (0: all).
func eachSubscriber(ctx context.Context, db *store.Store, q subscribers.Query, most int, do func(subscribers.Subscriber) error) error {
	for n := 0; ; {
		q.Limit = 1000
		page, next, err := db.Subscribers(ctx, q)
		if err != nil {
			return err
		}
		for _, s := range page {
			if n++; most > 0 && n > most {
				return nil
			}
			if err := do(s); err != nil {
				return err
			}
		}
		if next == "" {
			return nil
		}
		q.Cursor = next
	}
}

// findSubscriber looks one up by address or number.
func findSubscriber(ctx context.Context, db *store.Store, who string) (subscribers.Subscriber, error) {
	if n, err := subscribers.ParseNumber(who); err == nil {
		s, err := db.Subscriber(ctx, n)
		return s, missing(err, "no subscriber %s", who)
	}
	channel, address, err := subscribers.ParseAny(who)
	if err != nil {
		return subscribers.Subscriber{}, err
	}
	page, _, err := db.Subscribers(ctx, subscribers.Query{Channel: channel, Address: address, Limit: 1})
	if err == nil && len(page) == 0 {
		return subscribers.Subscriber{}, notifier.Refuse(notifier.ErrNotFound, "no subscriber %s", address)
	}
	if err != nil {
		return subscribers.Subscriber{}, err
	}
	return page[0], nil
}

type subscriberListCmd struct {
	State string `placeholder:"STATE" help:"Only pending, active, paused, quarantined or unsubscribed."`
	Limit int    `default:"100" placeholder:"N" help:"How many, 0 for all (default: 100)."`
	JSON  bool   `name:"json" help:"Print one JSON object a line."`
	Base
}

func (c *subscriberListCmd) Run(a *app) error {
	if c.State != "" && !slices.Contains(subscribers.States, subscribers.State(c.State)) {
		return notifier.Invalidf("state", "%q is not one of %s", c.State, all(subscribers.States, ""))
	}
	return a.with(&c.Base, func(ctx context.Context, db *store.Store) error {
		t, enc := newTable("id", "state", "cadence", "components", "address"), json.NewEncoder(a.out)
		q := subscribers.Query{State: subscribers.State(c.State)}
		err := eachSubscriber(ctx, db, q, c.Limit, func(s subscribers.Subscriber) error {
			if c.JSON {
				return enc.Encode(subscriberJSON(s))
			}
			t.add(s.Number, s.State, s.Cadence, all(s.Filter.Components, "all"), s.Address)
			return nil
		})
		if err != nil || c.JSON {
			return err
		}
		if len(t.rows) == 0 {
			fmt.Fprintln(a.out, "none; allclear subscriber add ADDRESS adds one")
			return nil
		}
		if err := t.print(a.out); err != nil {
			return err
		}
		if len(t.rows) == c.Limit {
			fmt.Fprintln(a.out, "there may be more; --limit 0 shows all")
		}
		return nil
	})
}
