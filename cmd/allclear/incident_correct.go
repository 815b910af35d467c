package main

import (
	"context"
	"fmt"

	"allclear/notifier"
	"allclear/store"
)

type incidentCorrectCmd struct {
	ID        string   `arg:"" help:"The incident."`
	Update    string   `placeholder:"ID" help:"Correct this update's text or time in place of the incident."`
	Title     *string  `placeholder:"TEXT" help:"What happened, in a line."`
	Severity  *string  `placeholder:"LEVEL" help:"none, minor, major or critical."`
	Component []string `short:"c" sep:"," placeholder:"KEY,..." help:"What it touched."`
	Tell      bool     `help:"Tell everyone who asked that this was wrong."`
	bodyFlags
	whenFlags
	impactFlags
	Clock
	Base
}

func (c *incidentCorrectCmd) Run(a *app) error {
	zone, err := c.zone()
	if err != nil {
		return err
	}
	if c.Update == "" && (c.Body != "" || c.BodyFile != "" || c.At != "") {
		return &usageError{"--body and --at belong to one update; name it with --update (allclear incident show " + c.ID + " lists them)"}
	}
	return a.with(&c.Base, func(ctx context.Context, db *store.Store) error {
		d := desk(db.Now(), zone)
		if c.Update != "" {
			return c.correctUpdate(ctx, a, db, d)
		}
		var fix notifier.Correction
		fix.Title = c.Title
		if c.Severity != nil {
			s, err := notifier.ParseSeverity(*c.Severity)
			if err != nil {
				return err
			}
			fix.Severity = &s
		}
		if c.Component != nil {
			fix.Components = &c.Component
		}
		if impact := c.impact(); !impact.IsZero() {
			fix.Impact = &impact
		}
		if fix.StartsAt, err = given("starts-at", c.StartsAt, d); err != nil {
			return err
		}
		if fix.EndsAt, err = given("ends-at", c.EndsAt, d); err != nil {
			return err
		}
		if fix == (notifier.Correction{}) {
			return &usageError{"nothing to correct; allclear incident correct --help lists what can be"}
		}
		fix.Tell = c.Tell
		p, err := db.ReviseIncident(ctx, c.ID, func(i notifier.Incident) (notifier.Posting, error) { return i.Correct(fix, d) })
		if err != nil {
			return noIncident(err, c.ID)
		}
		return a.posted("corrected", p, false)
	})
}

func (c *incidentCorrectCmd) correctUpdate(ctx context.Context, a *app, db *store.Store, d notifier.Desk) error {
	text, err := a.text(c.Body, c.BodyFile)
	if err != nil {
		return err
	}
	at, err := instant("at", c.At, d)
	if err != nil {
		return err
	}
	body, when := &text, &at
	if text == "" {
		body = nil
	}
	if at.IsZero() {
		when = nil
	}
	if body == nil && when == nil {
		return &usageError{"nothing to correct; an update has --body and --at"}
	}
	var warnings []string
	var event *notifier.Event
	_, err = db.CorrectUpdate(ctx, c.ID, c.Update, func(i notifier.Incident, u notifier.Update) (out notifier.Update, _ *notifier.Event, err error) {
		if out, warnings, err = u.Correct(body, when, d); err == nil && c.Tell {
			event, err = i.Corrected(u.ID, d)
		}
		return out, event, err
	})
	if err != nil {
		return missing(err, "no update %q of an incident %q", c.Update, c.ID)
	}
	warn(a.err, warnings)
	if event != nil {
		fmt.Fprintf(a.out, "corrected update %s; telling everyone who asked (event %s)\n", c.Update, event.ID)
		return nil
	}
	fmt.Fprintf(a.out, "corrected update %s; nobody was mailed\n", c.Update)
	return nil
}

type incidentPublishCmd struct {
	ID    string `arg:"" help:"The draft."`
	Quiet bool   `help:"Mail nobody."`
	JSON  bool   `name:"json" help:"Print one JSON object."`
	Holding
	Base
}

func (c *incidentPublishCmd) Run(a *app) error {
	hold, err := c.holdDown()
	if err != nil {
		return err
	}
	return a.with(&c.Base, func(ctx context.Context, db *store.Store) error {
		p, err := db.ReviseIncident(ctx, c.ID, func(i notifier.Incident) (notifier.Posting, error) {
			d := desk(db.Now(), nil)
			d.HoldDown = hold
			return i.Publish(c.Quiet, d)
		})
		if err != nil {
			return noIncident(err, c.ID)
		}
		return a.posted("published", p, c.JSON)
	})
}

type incidentReleaseCmd struct {
	ID string `arg:"" help:"The incident."`
	Base
}

func (c *incidentReleaseCmd) Run(a *app) error {
	return a.with(&c.Base, func(ctx context.Context, db *store.Store) error {
		if err := db.ReleaseHold(ctx, c.ID); err != nil {
			return noIncident(err, c.ID)
		}
		fmt.Fprintf(a.out, "what was held goes out now; allclear incident show %s follows it\n", c.ID)
		return nil
	})
}

type incidentRetractCmd struct {
	ID string `arg:"" help:"The mistake."`
	bodyFlags
	Tell bool `help:"Mail those who were told."`
	JSON bool `name:"json" help:"Print one JSON object."`
	Clock
	Base
}

func (c *incidentRetractCmd) Run(a *app) error {
	zone, err := c.zone()
	if err != nil {
		return err
	}
	body, err := a.text(c.Body, c.BodyFile)
	if err != nil {
		return err
	}
	return a.with(&c.Base, func(ctx context.Context, db *store.Store) error {
		p, err := db.ReviseIncident(ctx, c.ID, func(i notifier.Incident) (notifier.Posting, error) {
			return i.Retract(body, c.Tell, desk(db.Now(), zone))
		})
		if err != nil {
			return noIncident(err, c.ID)
		}
		return a.posted("retracted", p, c.JSON)
	})
}
