package main

import (
	"context"
	"fmt"
	"strings"

	"allclear/notifier"
	"allclear/notifier/api"
	"allclear/store"
)

type noticeEditCmd struct {
	ID        string  `arg:"" help:"The notice."`
	Title     *string `placeholder:"TEXT" help:"What it is about."`
	Template  *string `placeholder:"NAME" help:"restore-started, restore-completed, account-affected, mail-bounced or blank."`
	Incident  *string `placeholder:"ID" help:"The incident it belongs to; an empty one is none."`
	Subject   *string `placeholder:"TEXT" help:"May hold {{column}}; an empty one is the template's own."`
	Body      string  `placeholder:"FILE" help:"Markdown with {{column}}, {{rows}} and {{at \"-20m\"}}; - is standard input, an empty file the template's own words."`
	Approvals *int    `placeholder:"N" help:"How many other people must agree at least; may only be raised."`
	Base
	Linked
}

// Help says what else changes.
func (c *noticeEditCmd) Help() string {
	return `What is left out stays as it is. Only what is not sent yet can be changed: a draft, or what waits for approval, which is a draft again then; what others agreed to falls. "allclear notice audience" changes whom it is for, "allclear notice pause" makes a draft of what is scheduled.`
}

func (c *noticeEditCmd) Run(a *app) error {
	zone, err := c.zone()
	if err != nil {
		return err
	}
	trimmed := func(s *string) *string {
		if s != nil {
			t := strings.TrimSpace(*s)
			s = &t
		}
		return s
	}
	change := notifier.NoticeChange{Title: trimmed(c.Title), Template: c.Template, Subject: trimmed(c.Subject), IncidentID: c.Incident, Approvals: c.Approvals}
	if c.Body != "" {
		body, err := a.text("", c.Body)
		if err != nil {
			return err
		}
		change.Body = &body
	}
	if change == (notifier.NoticeChange{}) {
		return &usageError{"nothing is to be changed; see allclear notice edit --help"}
	}
	return a.with(&c.Base, func(ctx context.Context, db *store.Store) error {
		set, err := c.noticeSet(db)
		if err != nil {
			return err
		}
		n, warnings, err := api.EditNotice(ctx, db, c.ID, change, desk(db.Now(), zone), set)
		if err != nil {
			return noNotice(err, c.ID)
		}
		warn(a.err, warnings)
		_, err = fmt.Fprintf(a.out, "notice %s is %s: %s\n", n.ID, words(string(n.State)), n.Title)
		return err
	})
}
