package main

import (
	"context"
	"fmt"
	"io"
	"strings"
	"time"

	"allclear/notifier"
	"allclear/notifier/api"
	"allclear/store"
	"allclear/subscribers"
	"allclear/templates"
)

// choiceFlags say whose copy is looked at, and as whom.
type choiceFlags struct {
	Which   string `placeholder:"NAME" help:"smallest (default), median or largest recipient, by the number of rows."`
	Address string `placeholder:"ADDRESS" help:"This recipient's."`
	Channel string `placeholder:"NAME" help:"Of the address: email or sms; default: what it looks like."`
	Lang    string `placeholder:"CODE" help:"As somebody who reads this language."`
	Zone    string `placeholder:"ZONE" help:"As somebody in this time zone."`
}

func (f choiceFlags) choosing() api.Choosing {
	return api.Choosing{Which: f.Which, Address: f.Address, Channel: notifier.Channel(f.Channel), Language: f.Lang, Timezone: f.Zone}
}

// copies writes what the chosen recipient gets.
func (f choiceFlags) copies(ctx context.Context, db *store.Store, s *Linked, id string) (r notifier.Recipient, mail, sms *notifier.Letter, err error) {
	n, err := db.Notice(ctx, id)
	if err != nil {
		return r, nil, nil, noNotice(err, id)
	}
	if r, err = f.choosing().Choose(ctx, db, n); err != nil {
		return r, nil, nil, err
	}
	set, err := s.noticeSet(db)
	if err != nil {
		return r, nil, nil, err
	}
	mail, sms, err = api.NoticeCopies(set, n, r)
	return r, mail, sms, err
}

// start is what links begin with.
func (s *Linked) start() (string, error) {
	if s.BaseURL != "" {
		return s.base("")
	}
	return listenURL(s.Listen)
}

// noticeSet writes the letters of a command, which need no links of one reader.
func (s *Linked) noticeSet(db *store.Store) (*templates.Set, error) {
	if err := s.check(); err != nil {
		return nil, err
	}
	base, err := s.start()
	if err != nil {
		return nil, err
	}
	o, err := s.options(base, db, nil, db.Now)
	if err != nil {
		return nil, err
	}
	return editedSet(db, o)
}

type noticePreviewCmd struct {
	ID string `arg:"" help:"The notice."`
	choiceFlags
	As   string `default:"text" enum:"text,html,sms" placeholder:"text|html|sms" help:"What to print (default: text)."`
	JSON bool   `name:"json" help:"Print one JSON object."`
	Base
	Linked
}

func (c *noticePreviewCmd) Run(a *app) error {
	return a.with(&c.Base, func(ctx context.Context, db *store.Store) error {
		r, mail, sms, err := c.copies(ctx, db, &c.Linked, c.ID)
		if err != nil {
			return err
		}
		if c.JSON {
			return printJSON(a.out, api.NoticePreview(r, mail, sms))
		}
		switch c.As {
		case "html":
			_, err = fmt.Fprintln(a.out, mail.HTML)
		case "sms":
			_, err = fmt.Fprintln(a.out, sms.Text)
		default:
			_, err = fmt.Fprintf(a.out, "To: %s (%s)\nSubject: %s\n\n%s\n", r.Address, plural(int64(len(r.Rows))+r.More, "row"), mail.Subject, strings.TrimRight(mail.Text, "\n"))
		}
		return err
	})
}

type noticeTestCmd struct {
	ID string `arg:"" help:"The notice."`
	To string `arg:"" name:"address" help:"Where the test goes."`
	choiceFlags
	Base
	Linked
	Mail
}

func (c *noticeTestCmd) Run(a *app) error {
	to, err := subscribers.ParseAddress(c.To)
	if err != nil {
		return err
	}
	log, err := a.logger(&c.Base)
	if err != nil {
		return err
	}
	m, err := c.readMail(c.Name, log)
	if err != nil {
		return err
	}
	if c.Relay == mailboxRelay {
		return wrong("RELAY", "is mailbox:, which lives inside serve; name the relay, as smtp://host:587, or test by POST /api/v1/notices/ID/test")
	}
	compositor, err := m.compositor(nil, c.Name, a.now)
	if err != nil {
		return err
	}
	return a.with(&c.Base, func(ctx context.Context, db *store.Store) error {
		r, mail, _, err := c.copies(ctx, db, &c.Linked, c.ID)
		if err != nil {
			return err
		}
		if err := api.LetTest(ctx, db, notifier.Notice{ID: c.ID}, r, to); err != nil {
			return err
		}
		ctx, cancel := context.WithTimeout(ctx, 2*time.Minute)
		defer cancel()
		receipt, err := sendOnce(ctx, m, compositor, testOf(to, api.AsTest(mail, newID())), io.Discard, a.now)
		if err != nil {
			return notSent(err)
		}
		_, err = fmt.Fprintf(a.out, "taken by %s: %s\n", receipt.Relay, receipt.Reply)
		return err
	})
}

type noticePreflightCmd struct {
	ID   string `arg:"" help:"The notice."`
	JSON bool   `name:"json" help:"Print what GET /api/v1/notices/ID/preflight answers."`
	Base
	Linked
	Mail
	Approving
}

func (c *noticePreflightCmd) Run(a *app) error {
	above, err := c.above()
	if err != nil {
		return err
	}
	return a.with(&c.Base, func(ctx context.Context, db *store.Store) error {
		n, err := db.Notice(ctx, c.ID)
		if err != nil {
			return noNotice(err, c.ID)
		}
		p, err := preflight(ctx, db, &c.Linked, n, above, func(ctx context.Context) []notifier.Finding { return a.checkMail(ctx, &c.Base, &c.Mail, c.Name) })
		switch {
		case err != nil:
			return err
		case c.JSON:
			return printJSON(a.out, p)
		}
		return printPreflight(a.out, n, p)
	})
}

// preflight looks a notice over for somebody at the command line.
func preflight(ctx context.Context, db *store.Store, s *Linked, n notifier.Notice, above int64, checks func(context.Context) []notifier.Finding) (api.Preflight, error) {
	set, err := s.noticeSet(db)
	if err != nil {
		return api.Preflight{}, err
	}
	return api.CheckFlight(ctx, db, n, api.NoticeDesk{
		Letters: set, Above: above, Needs: needs, Speaks: set.Speaks, Checks: checks, Open: db.DoorOpen, Warnings: func(ctx context.Context) []string { return flightWarnings(ctx, db, "") },
	})
}

// printPreflight shows what to look at before a notice goes out.
func printPreflight(w io.Writer, n notifier.Notice, p api.Preflight) error {
	var b strings.Builder
	fmt.Fprintf(&b, "%s  %s\n%s\n", n.ID, n.Title, audienceWords(n))
	for _, part := range []struct {
		name string
		of   []api.Share
	}{{"channels", p.Channels}, {"languages", p.Languages}, {"domains", p.Domains}} {
		var shares []string
		for i, s := range part.of {
			if i == 5 {
				shares = append(shares, fmt.Sprintf("and %d more", len(part.of)-i))
				break
			}
			name := s.Name
			if name == "" {
				name = "the service's own"
			}
			shares = append(shares, name+" "+count(s.Recipients))
		}
		fmt.Fprintf(&b, "%-12s%s\n", part.name, all(shares, "-"))
	}
	if p.Estimate != nil {
		took := (time.Duration(p.Estimate.Seconds) * time.Second).String()
		fmt.Fprintf(&b, "%-12sabout %s, at %g a second (%s)\n", "takes", took, p.Estimate.PerSecond, rateWords(p.Estimate.From))
	}
	if p.Missing > 0 {
		fmt.Fprintf(&b, "%-12s%s (--accept-missing %d)\n", "get nothing", lackWords(p.Missing), p.Missing)
	}
	var bad []string
	for _, c := range p.Checks {
		if c.OK {
			fmt.Fprintf(&b, "%-12sok: %s\n", c.Name, c.Text)
		} else {
			bad = append(bad, c.Name+": "+c.Text)
		}
	}
	for _, x := range p.Warnings {
		fmt.Fprintf(&b, "warning: %s\n", asFlags(x))
	}
	for _, x := range bad {
		fmt.Fprintf(&b, "warning: %s\n", x)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// rateWords says what an estimate rests on.
func rateWords(from string) string {
	switch from {
	case "limit":
		return "its own limit"
	case "recent":
		return "as the last large notice went out"
	}
	return "a guess: no large notice went out lately"
}

// lackWords says how many recipients are sent nothing.
func lackWords(n int64) string {
	if n == 1 {
		return "1 recipient, who lacks what the mail needs"
	}
	return count(n) + " recipients, who lack what the mail needs"
}
