package main

import (
	"context"
	"fmt"
	"io"
	"time"

	"allclear/notifier"
	"allclear/notifier/api"
	"allclear/notifier/console"
	"allclear/subscribers"
	"allclear/templates"
)

// consoleNotices does on the console what the API does for programs.
func (p *Program) consoleNotices(tools api.NoticeDesk, zone *time.Location) console.NoticeDesk {
	desk := func() notifier.Desk { return notifier.Desk{Now: p.db.Now(), Zone: zone, NewID: newID} }
	look := func(ctx context.Context, n notifier.Notice, at console.Looking) (console.Copy, error) {
		r, err := api.Choosing{Which: at.Which, Address: at.Address, Language: at.Language, Timezone: at.Timezone}.Choose(ctx, p.db, n)
		if err != nil {
			return console.Copy{}, err
		}
		mail, sms, err := api.NoticeCopies(p.set, n, r)
		return console.Copy{To: r, Mail: mail, SMS: sms}, err
	}
	return console.NoticeDesk{
		Draft: func(n notifier.Notice, by notifier.Actor) (notifier.Notice, []string, error) {
			return api.DraftNotice(n, desk(), by, p.set)
		},
		Event: func(id string) notifier.Event { return api.NoticeEvent(id, desk()) },
		Load:  tools.Audiences.LoadAudience,
		Look:  look,
		Test: func(ctx context.Context, n notifier.Notice, which, to string) (string, error) {
			to, err := subscribers.ParseAddress(to)
			if err != nil {
				return "", err
			}
			c, err := look(ctx, n, console.Looking{Which: which})
			if err != nil {
				return "", err
			}
			if err := api.LetTest(ctx, p.db, n, c.To, to); err != nil {
				return "", err
			}
			receipt, err := tools.Mailer.MailNow(ctx, to, api.AsTest(c.Mail, newID()))
			return fmt.Sprintf("%s answered %q", receipt.Relay, receipt.Reply), err
		},
		Flight: func(ctx context.Context, n notifier.Notice) (console.Flight, error) {
			f, err := api.CheckFlight(ctx, p.db, n, tools)
			if err != nil {
				return console.Flight{}, err
			}
			out := console.Flight{Warnings: f.Warnings, Missing: f.Missing}
			out.Suppressed, out.Channels, out.Languages, out.Domains = f.Suppressed, sharesOf(f.Channels), sharesOf(f.Languages), sharesOf(f.Domains)
			for _, c := range f.Checks {
				out.Checks = append(out.Checks, notifier.Finding{About: c.Name, OK: c.OK, Text: c.Text})
			}
			for _, c := range f.Columns {
				out.Columns = append(out.Columns, notifier.Share{Name: c.Name, Count: c.Missing})
			}
			if f.Estimate != nil {
				out.Takes, out.Guessed = time.Duration(f.Estimate.Seconds)*time.Second, f.Estimate.From == "guess"
			}
			return out, nil
		},
		Report: func(ctx context.Context, n notifier.Notice, w io.Writer) error {
			return api.WriteReport(ctx, p.db, n, tools.MessageID, w)
		},
		Rejects: func(ctx context.Context, id string, w io.Writer) error { return api.WriteRejects(ctx, p.db, id, w) },
		Columns: templates.NoticeColumns,
		Above:   tools.Above,
	}
}

// careful sends no notice from the console that could be written to nobody.
type careful struct {
	accepting
	tools api.NoticeDesk
}

// OrderNotice judges a notice as the API does.
func (c careful) OrderNotice(ctx context.Context, id string, o notifier.NoticeOrder, above int64, e notifier.Event) (notifier.Notice, error) {
	n, err := c.Notice(ctx, id)
	if err != nil {
		return n, err
	}
	if err := api.Sendable(ctx, c.Store, n, o, c.tools); err != nil {
		return n, err
	}
	o.Version = n.Mark()
	return c.accepting.OrderNotice(ctx, id, o, above, e)
}

func sharesOf(in []api.Share) []notifier.Share {
	out := make([]notifier.Share, len(in))
	for i, s := range in {
		out[i] = notifier.Share{Name: s.Name, Count: s.Recipients}
	}
	return out
}
