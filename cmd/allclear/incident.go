package main

import (
	"context"
	"fmt"
	"io"

	"allclear/notifier"
	"allclear/store"
)

type incidentCmd struct {
	Open    incidentOpenCmd    `cmd:"" help:"Announce something and tell everyone who asked."`
	Update  incidentUpdateCmd  `cmd:"" help:"Say what is new."`
	Resolve incidentResolveCmd `cmd:"" help:"Give the all-clear."`
	Correct incidentCorrectCmd `cmd:"" help:"Correct what was written; tells nobody."`
	Publish incidentPublishCmd `cmd:"" help:"Let a draft go out."`
	Retract incidentRetractCmd `cmd:"" help:"Withdraw a mistake."`
	Release incidentReleaseCmd `cmd:"" help:"Send what waits for the all-clear now."`
	List    incidentListCmd    `cmd:"" help:"List incidents, maintenance and posts, newest first."`
	Show    incidentShowCmd    `cmd:"" help:"Show one with its updates and how its mails fare."`
}

// bodyFlags is the text of an update.
type bodyFlags struct {
	Body     string `short:"m" placeholder:"TEXT" help:"Markdown; {{at \"-20m\"}} and {{at \"16:11\"}} become times that every reader understands."`
	BodyFile string `placeholder:"FILE" help:"Read the text from a file; - is standard input."`
}

// impactFlags are what readers felt, in numbers.
type impactFlags struct {
	DelayMin      *float64 `placeholder:"MINUTES" help:"Least delay that was felt."`
	DelayMax      *float64 `placeholder:"MINUTES" help:"Most delay that was felt."`
	ErrorRate     *float64 `placeholder:"SHARE" help:"Of requests that failed, 0 to 1."`
	AffectedShare *float64 `placeholder:"SHARE" help:"Of users who felt it, 0 to 1."`
	PerSecond     *float64 `placeholder:"N" help:"How many a second; the text says of what."`
}

func (f impactFlags) impact() notifier.Impact {
	return notifier.Impact{DelayMinMinutes: f.DelayMin, DelayMaxMinutes: f.DelayMax, ErrorRate: f.ErrorRate, AffectedShare: f.AffectedShare, PerSecond: f.PerSecond}
}

// whenFlags are the times of an update.
type whenFlags struct {
	At       string `placeholder:"TIME" help:"When it happened: now (default), -20m, 16:11, \"2026-11-23 16:11 Europe/Oslo\"."`
	StartsAt string `placeholder:"TIME" help:"Maintenance: when it is to begin."`
	EndsAt   string `placeholder:"TIME" help:"Maintenance: when it is to end."`
}

type incidentOpenCmd struct {
	Title     string   `arg:"" help:"What happened, in a line."`
	Kind      string   `default:"incident" placeholder:"KIND" help:"incident, maintenance or post (default: incident)."`
	Severity  string   `placeholder:"LEVEL" help:"none (default), minor, major or critical."`
	Status    string   `placeholder:"STATUS" help:"Default: investigating; for maintenance: scheduled."`
	Component []string `short:"c" sep:"," placeholder:"KEY,..." help:"What it touches; default: everything."`
	bodyFlags
	whenFlags
	impactFlags
	Quiet bool `help:"Mail nobody."`
	Draft bool `help:"Keep it to the staff until it is published."`
	JSON  bool `name:"json" help:"Print one JSON object."`
	Clock
	Holding
	Base
}

func (c *incidentOpenCmd) Run(a *app) error {
	zone, err := c.zone()
	if err != nil {
		return err
	}
	body, err := a.text(c.Body, c.BodyFile)
	if err != nil {
		return err
	}
	severity, err := notifier.ParseSeverity(c.Severity)
	if err != nil {
		return err
	}
	hold, err := c.holdDown()
	if err != nil {
		return err
	}
	ann := notifier.Announcement{
		Title: c.Title, Kind: notifier.Kind(c.Kind), Severity: severity, Status: notifier.Status(c.Status),
		Components: c.Component, Body: body, Quiet: c.Quiet, Impact: c.impact(),
	}
	if c.Draft {
		ann.State = notifier.Draft
	}
	return a.with(&c.Base, func(ctx context.Context, db *store.Store) error {
		d := desk(db.Now(), zone)
		d.HoldDown = hold
		if ann.At, err = instant("at", c.At, d); err != nil {
			return err
		}
		if ann.StartsAt, err = instant("starts-at", c.StartsAt, d); err != nil {
			return err
		}
		if ann.EndsAt, err = instant("ends-at", c.EndsAt, d); err != nil {
			return err
		}
		p, err := notifier.Open(ann, d)
		if err != nil {
			return err
		}
		if p, err = db.OpenIncident(ctx, p); err != nil {
			return err
		}
		return a.posted("opened", p, c.JSON)
	})
}

// afterFlags let an update wait for a notice.
type afterFlags struct {
	AfterNotice string `placeholder:"ID" help:"Hold it back until this notice has come so far; {{notice.sent}}, {{notice.bounced}}, {{notice.failed}}, {{notice.retrying}}, {{notice.suppressed}} and {{notice.without_address}} become its figures."`
	When        string `default:"tried" enum:"tried,final" placeholder:"tried|final" help:"How far: everyone was tried once (default), or all is final."`
}

func (f afterFlags) after() *notifier.AfterNotice {
	if f.AfterNotice == "" {
		return nil
	}
	return &notifier.AfterNotice{ID: f.AfterNotice, When: notifier.NoticeMoment(f.When)}
}

type incidentUpdateCmd struct {
	ID        string   `arg:"" help:"The incident."`
	Status    string   `placeholder:"STATUS" help:"investigating, identified, monitoring, resolved; maintenance: scheduled, in_progress, extended, completed."`
	Severity  *string  `placeholder:"LEVEL" help:"none, minor, major or critical."`
	Component []string `short:"c" sep:"," placeholder:"KEY,..." help:"What it touches by now."`
	bodyFlags
	whenFlags
	impactFlags
	afterFlags
	Quiet bool `help:"Mail nobody."`
	JSON  bool `name:"json" help:"Print one JSON object."`
	Clock
	Base
}

func (c *incidentUpdateCmd) Run(a *app) error {
	say := notifier.Saying{Status: notifier.Status(c.Status), Quiet: c.Quiet, AfterNotice: c.after()}
	if c.Severity != nil {
		s, err := notifier.ParseSeverity(*c.Severity)
		if err != nil {
			return err
		}
		say.Severity = &s
	}
	if c.Component != nil {
		say.Components = &c.Component
	}
	return a.say(&c.Base, &c.Clock, c.ID, say, c.bodyFlags, c.whenFlags, c.impactFlags, c.JSON)
}

type incidentResolveCmd struct {
	ID string `arg:"" help:"The incident or maintenance."`
	bodyFlags
	At string `placeholder:"TIME" help:"When it was over: now (default), -20m, 16:11."`
	impactFlags
	afterFlags
	Quiet bool `help:"Mail nobody."`
	JSON  bool `name:"json" help:"Print one JSON object."`
	Clock
	Base
}

func (c *incidentResolveCmd) Run(a *app) error {
	return a.say(&c.Base, &c.Clock, c.ID, notifier.Saying{Status: notifier.Resolved, Quiet: c.Quiet, AfterNotice: c.after()}, c.bodyFlags, whenFlags{At: c.At}, c.impactFlags, c.JSON)
}

// say writes an update. A maintenance that is resolved is completed.
func (a *app) say(s *Base, clock *Clock, id string, say notifier.Saying, b bodyFlags, w whenFlags, f impactFlags, asJSON bool) error {
	zone, err := clock.zone()
	if err != nil {
		return err
	}
	if say.Body, err = a.text(b.Body, b.BodyFile); err != nil {
		return err
	}
	if impact := f.impact(); !impact.IsZero() {
		say.Impact = &impact
	}
	return a.with(s, func(ctx context.Context, db *store.Store) error {
		d := desk(db.Now(), zone)
		if say.At, err = instant("at", w.At, d); err != nil {
			return err
		}
		if say.StartsAt, err = given("starts-at", w.StartsAt, d); err != nil {
			return err
		}
		if say.EndsAt, err = given("ends-at", w.EndsAt, d); err != nil {
			return err
		}
		p, err := db.ReviseIncident(ctx, id, func(i notifier.Incident) (notifier.Posting, error) {
			if i.Kind == notifier.KindMaintenance && say.Status == notifier.Resolved {
				say.Status = notifier.Completed
			}
			return i.Say(say, d)
		})
		if err != nil {
			return noIncident(err, id)
		}
		did := "updated"
		if say.Status == notifier.Resolved || say.Status == notifier.Completed {
			did = words(string(say.Status))
		}
		return a.posted(did, p, asJSON)
	})
}

// posted reports a posting, and on standard error what its writer should look at again.
func (a *app) posted(did string, p notifier.Posting, asJSON bool) error {
	update, event := "", ""
	if p.Update != nil {
		update = p.Update.ID
	}
	if p.Event != nil {
		event = p.Event.ID
	}
	if asJSON {
		return printJSON(a.out, struct {
			ID       string                `json:"id"`
			Status   notifier.Status       `json:"status"`
			State    notifier.PublishState `json:"state"`
			UpdateID *string               `json:"update_id"`
			EventID  *string               `json:"event_id"`
			Warnings []string              `json:"warnings"`
		}{p.Incident.ID, p.Incident.Status, p.Incident.State, orNull(update), orNull(event), append([]string{}, p.Warnings...)})
	}
	warn(a.err, p.Warnings)
	if p.Held != nil {
		moment := "everyone was tried"
		if p.Held.After.When == notifier.WhenFinal {
			moment = "every delivery is final"
		}
		_, err := fmt.Fprintf(a.out, "update %s of incident %s waits until %s of notice %s\n", p.Held.ID, p.Incident.ID, moment, p.Held.After.ID)
		return err
	}
	fmt.Fprintf(a.out, "%s %s %s: %s\n", did, p.Incident.Kind, p.Incident.ID, p.Incident.Title)
	switch {
	case p.Event != nil && p.Event.Held(p.Event.AcceptedAt):
		fmt.Fprintf(a.out, "held until %s, so that an all-clear before goes out with it (event %s); allclear incident release %s sends it now\n", stamp(p.Event.HeldUntil), event, p.Incident.ID)
	case event != "":
		fmt.Fprintf(a.out, "telling everyone who asked (event %s); allclear incident show %s follows it\n", event, p.Incident.ID)
	case p.Incident.State == notifier.Draft:
		fmt.Fprintf(a.out, "a draft; allclear incident publish %s lets it go out\n", p.Incident.ID)
	case p.Released:
		fmt.Fprintf(a.out, "what was held goes out now; allclear incident show %s follows it\n", p.Incident.ID)
	default:
		fmt.Fprintln(a.out, "nobody is mailed")
	}
	return nil
}

func orNull(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}

func warn(w io.Writer, warnings []string) {
	for _, s := range warnings {
		fmt.Fprintln(w, "warning: "+s)
	}
}

func noIncident(err error, id string) error {
	return missing(err, "no incident %q; allclear incident list shows them", id)
}
