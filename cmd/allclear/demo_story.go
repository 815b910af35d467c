package main

import (
	"context"
	"fmt"
	"time"

	"allclear/notifier"
	"allclear/store"
	"allclear/subscribers"
)

// The made-up provider. Names below .example belong to nobody (RFC 2606).
const (
	demoName   = "Fjordpost"
	demoDomain = "fjordpost.example"
	demoFrom   = demoName + " status <status@" + demoDomain + ">"
)

func demoComponents() []notifier.Component {
	return []notifier.Component{
		{Key: "incoming", Name: "Incoming mail", Group: "Mail"},
		{Key: "outgoing", Name: "Outgoing mail", Group: "Mail"},
		{Key: "imap6", Name: "Mail store imap6", Group: "Mail stores"},
		{Key: "imap7", Name: "Mail store imap7", Group: "Mail stores"},
		{Key: "web", Name: "Webmail", Group: "On the web"},
		{Key: "dns", Name: "Domain names", Group: "On the web"},
	}
}

// past is something that happened before the demo began.
type past struct {
	ago time.Duration
	a   notifier.Announcement
	say []pastUpdate
}

type pastUpdate struct {
	after  time.Duration // since the beginning
	status notifier.Status
	body   string
}

func number(f float64) *float64 { return &f }

func demoHistory() []past {
	const day = 24 * time.Hour
	return []past{
		{
			ago: 171 * day,
			a: notifier.Announcement{
				Title: "Mail delayed by 5 to 10 minutes", Severity: notifier.SeverityMinor, Components: []string{"incoming"},
				Body:   "Mail that arrives waits 5 to 10 minutes in our queues before you see it. Nothing is lost. We are looking for what holds it up.",
				Impact: notifier.Impact{DelayMinMinutes: number(5), DelayMaxMinutes: number(10)},
			},
			say: []pastUpdate{{64 * time.Minute, notifier.Resolved, "All queues are empty again. A scanner had stopped answering after an update; we went back to the version before."}},
		},
		{
			ago: 122 * day,
			a: notifier.Announcement{
				Title: "Our main database is down", Severity: notifier.SeverityCritical,
				Body: "The machine that holds our main database has stopped, and everything that asks it stopped as well: reading, sending and signing in. Mail sent to you is being kept by the senders' servers meanwhile.",
			},
			say: []pastUpdate{
				{19 * time.Minute, notifier.Identified, "We are moving to the standby. It is complete up to the second of the failure."},
				{47 * time.Minute, notifier.Resolved, "The standby has taken over and everything answers again. Mail that waited elsewhere is coming in now; give it an hour."},
			},
		},
		{
			ago: 86 * day,
			a: notifier.Announcement{
				Title: "Mail to addresses below .club bounces", Severity: notifier.SeverityMinor, Components: []string{"outgoing", "dns"},
				Body: "The name servers of the whole top-level domain answer that none of its names exist. We hold mail to these addresses back in place of returning it to you.",
			},
			say: []pastUpdate{{5 * time.Hour, notifier.Resolved, "The registry has mended its zone. Everything we held back is delivered, and no address was marked as bad."}},
		},
		{
			ago: 40 * day,
			a: notifier.Announcement{
				Title: "More room for attachments", Kind: notifier.KindPost,
				Body: "From today on a mail may weigh **70 MB**. Most other providers still stop at 25 MB: above that we offer to send a link.",
			},
		},
		{
			ago: 23 * day,
			a: notifier.Announcement{
				Title: "Restoring mail after a failed disk shelf", Severity: notifier.SeverityMajor, Components: []string{"imap6"},
				Body: "A shelf of disks behind imap6 has failed. Its users read from the copy; mail of the last few minutes before the failure is being restored from the journal.",
			},
			say: []pastUpdate{
				{3 * time.Hour, notifier.Monitoring, "Two thirds are restored. Restored messages appear in their folders with their own dates."},
				{7 * time.Hour, notifier.Resolved, "Restore completed. Everyone it concerned was told which messages came back."},
			},
		},
		{
			ago: 9 * day,
			a: notifier.Announcement{
				Title: "200 junk mails a second", Severity: notifier.SeverityMinor, Components: []string{"incoming"},
				Body:   "Some 100,000 machines send us junk, 200 a second. It does not reach you, but the mail behind it arrives up to 4 minutes late.",
				Impact: notifier.Impact{DelayMaxMinutes: number(4), PerSecond: number(200)},
			},
			say: []pastUpdate{{110 * time.Minute, notifier.Resolved, "The flood has ended and the queues are empty."}},
		},
	}
}

// settle furnishes the demo's database: components, history, followers.
func settle(ctx context.Context, db *store.Store, n int, progress func(int64)) error {
	for _, c := range demoComponents() {
		c.CreatedAt = db.Now()
		if err := c.Validate(); err != nil {
			return err
		}
		if err := db.AddComponent(ctx, c); err != nil {
			return fmt.Errorf("add component %s: %w", c.Key, err)
		}
	}
	for _, h := range demoHistory() {
		if err := h.write(ctx, db); err != nil {
			return fmt.Errorf("write %q: %w", h.a.Title, err)
		}
	}
	next, batch := followers(), make([]subscribers.Subscriber, 0, 500)
	for i := 1; i <= n; i++ {
		s := next(i)
		s.CreatedAt = joined(i, db.Now())
		s.ConfirmedAt = s.CreatedAt
		if batch = append(batch, s); len(batch) < cap(batch) && i < n {
			continue
		}
		_, errs, err := db.ImportSubscribers(ctx, batch, nil)
		if err != nil {
			return fmt.Errorf("add followers: %w", err)
		}
		for k, err := range errs {
			if err != nil {
				return fmt.Errorf("add follower %d: %w", i-len(batch)+k+1, err)
			}
		}
		batch = batch[:0]
		progress(int64(i))
	}
	return nil
}

func (h past) write(ctx context.Context, db *store.Store) error {
	begin := db.Now().Add(-h.ago)
	h.a.Quiet = true
	p, err := notifier.Open(h.a, desk(begin, nil))
	if err != nil {
		return err
	}
	if p, err = db.OpenIncident(ctx, p); err != nil {
		return err
	}
	for _, u := range h.say {
		say := notifier.Saying{Status: u.status, Body: u.body, Quiet: true}
		_, err := db.ReviseIncident(ctx, p.Incident.ID, func(i notifier.Incident) (notifier.Posting, error) {
			return i.Say(say, desk(begin.Add(u.after), nil))
		})
		if err != nil {
			return err
		}
	}
	return nil
}
