package main

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	"allclear/notifier"
	"allclear/notifier/console"
	"allclear/notifier/email"
	"allclear/store"
	"allclear/subscribers"
)

// When something is a trouble.
const (
	relayPatience = 10 * time.Second // a relay that is started anew is none
	queuePatience = 5 * time.Minute  // of what is urgent
	foundAgo      = 24 * time.Hour   // endpoints that were disabled longer ago are no news
	foundMost     = 100              // endpoints that one look finds
	seldom        = time.Minute      // between two looks for what takes hours to become a trouble
)

// reminders are how long an incident may go on without a word until staff are reminded.
var reminders = []time.Duration{24 * time.Hour, 12 * time.Hour, 6 * time.Hour, 3 * time.Hour}

// lookout finds the troubles that all processes share.
type lookout struct {
	db     *store.Store
	base   string
	relays func() []email.RelayStatus
	short  *shortOfTexts
	dkim   *dkimWatch

	down   map[string]time.Time // since when a relay does not work
	looked time.Time            // when it was looked for what takes hours
}

func newLookout(p *Program) *lookout {
	return &lookout{
		db: p.db, base: p.base, relays: p.pool.Relays, short: &p.short, down: map[string]time.Time{},
		dkim: &dkimWatch{keys: p.mail.keys, lookup: p.o.lookupTXT},
	}
}

func (l *lookout) look(ctx context.Context) ([]notifier.Trouble, error) {
	now := l.db.Now()
	out := slices.Concat(l.relaysDown(now), l.short.troubles(now), l.dkim.troubles(ctx, now))
	late, err := l.late(ctx, now)
	if err != nil {
		return nil, err
	}
	halted, err := l.halted(ctx)
	if err != nil {
		return nil, err
	}
	out = slices.Concat(out, late, halted)
	if d := now.Sub(l.looked); d >= 0 && d < seldom {
		return out, nil
	}
	for _, find := range []func(context.Context, time.Time) ([]notifier.Trouble, error){l.disabled, l.silent, l.overridden, l.stuck} {
		found, err := find(ctx, now)
		if err != nil {
			return nil, err
		}
		out = append(out, found...)
	}
	l.looked = now
	return out, nil
}

// page is one of the console's.
func (l *lookout) page(path string) string { return l.base + console.Path + "/" + path }

// relaysDown finds relays that have not worked for a while.
func (l *lookout) relaysDown(now time.Time) []notifier.Trouble {
	var out []notifier.Trouble
	all := l.relays()
	for _, r := range all {
		since, known := l.down[r.Name]
		switch {
		case r.State == email.RelayWorking || r.Paused:
			delete(l.down, r.Name)
			continue
		case !known:
			since, l.down[r.Name] = now, now
		}
		if now.Sub(since) < relayPatience {
			continue
		}
		t := notifier.Trouble{Key: "relay:" + r.Name, About: "relay:" + r.Name, Since: since, URL: l.page("queue"), Title: "Relay " + r.Name + " is down", Ended: "relay " + r.Name + " works again"}
		t.Text = relayWhy(r.Cause)
		if len(all) > 1 {
			t.Text += "Mail goes by the others meanwhile, as far as they carry its lanes and work."
		} else {
			t.Text += "Mail waits until it is back; nothing is lost."
		}
		t.Text += " Look at the relay and at the way to it; `allclear send-test ADDRESS` shows the whole conversation. It is tried again by itself."
		out = append(out, t)
	}
	return out
}

// relayWhy is why a relay rests. From RCPT on its words may hold an address.
func relayWhy(cause error) string {
	var e *notifier.SendError
	if !errors.As(cause, &e) {
		return ""
	}
	where := " (stage " + e.Stage + "). "
	switch e.Stage {
	case "dial", "greeting", "tls", "auth", "mail":
		if e.Receipt.Reply != "" {
			return "It answered: " + e.Receipt.Reply + where
		}
		return "It cannot be talked to: " + said(e) + where
	}
	return strings.TrimSpace(fmt.Sprintf("It answered %d %s", e.Code, e.Enhanced)) + where
}

// late finds express lanes in which something has been due for long.
func (l *lookout) late(ctx context.Context, now time.Time) ([]notifier.Trouble, error) {
	depths, err := l.db.Depths(ctx)
	if err != nil {
		return nil, err
	}
	var out []notifier.Trouble
	for _, d := range depths {
		if !d.Lane.Express() || d.Oldest.IsZero() || now.Sub(d.Oldest) <= queuePatience {
			continue
		}
		about := fmt.Sprintf("queue:%s:%s", d.Channel, d.Lane)
		out = append(out, notifier.Trouble{
			Key: about, About: about, Since: d.Oldest, URL: l.page("queue"),
			Title: fmt.Sprintf("What is urgent is late: %s of the lane %s waits for more than %s", d.Channel, d.Lane, plural(int64(queuePatience.Minutes()), "minute")),
			Text:  fmt.Sprintf("%s there, the oldest due since %s. `allclear queue status` says why, and whether somebody paused it.", plural(d.Pending, "message"), stamp(d.Oldest)),
			Ended: fmt.Sprintf("%s of the lane %s is on time again", d.Channel, d.Lane),
		})
	}
	return out, nil
}

// halted finds notices that stopped by themselves.
func (l *lookout) halted(ctx context.Context) ([]notifier.Trouble, error) {
	found, err := l.db.HaltedNotices(ctx)
	if err != nil {
		return nil, err
	}
	var out []notifier.Trouble
	for _, n := range found {
		title := notifier.Clip(n.Title)
		out = append(out, notifier.Trouble{
			Key: "notice:" + n.ID, About: "notice:" + n.ID, URL: l.page("notices/" + n.ID),
			Title: fmt.Sprintf("The notice %q halted by itself", title),
			Text:  fmt.Sprintf("%s. Nothing more of it goes out. Look at it with `allclear notice status %s`; then `allclear notice resume %s` goes on with everybody else, and `allclear notice cancel %s` ends it.", notifier.Clip(n.Halted), n.ID, n.ID, n.ID),
			Ended: fmt.Sprintf("the notice %q is halted no more", title),
		})
	}
	return out, nil
}

// disabled finds endpoints that were disabled lately.
func (l *lookout) disabled(ctx context.Context, now time.Time) ([]notifier.Trouble, error) {
	found, err := l.db.DisabledEndpoints(ctx, now.Add(-foundAgo), foundMost)
	if err != nil {
		return nil, err
	}
	var out []notifier.Trouble
	for _, h := range found {
		why := "it has done nothing but fail for days"
		if h.DisabledWhy == subscribers.DisabledGone {
			why = "it answered 410: it wants nothing more"
		}
		out = append(out, notifier.Trouble{
			Key: fmt.Sprintf("endpoint:%s:%d", h.Number, h.DisabledAt.UnixMicro()), About: "endpoint:" + h.Number.String(), Since: h.DisabledAt, Once: true, URL: l.page("subscribers/" + h.Number.String()),
			Title: fmt.Sprintf("The endpoint %s at %s was disabled", h.Number, hostOf(h.Address)),
			Text:  "The reason: " + why + ". Its contact was told, and can call it again from its page; what it missed can be recovered then.",
		})
	}
	return out, nil
}

// silent finds incidents that go on without a word.
func (l *lookout) silent(ctx context.Context, now time.Time) ([]notifier.Trouble, error) {
	var out []notifier.Trouble
	for cursor := ""; ; {
		found, next, err := l.db.Incidents(ctx, notifier.IncidentQuery{Open: true, Updates: true, Limit: 50, Cursor: cursor})
		if err != nil {
			return nil, err
		}
		for i := range found {
			t, err := l.silence(ctx, &found[i], now)
			if err != nil {
				return nil, err
			}
			out = append(out, t...)
		}
		if cursor = next; cursor == "" {
			return out, nil
		}
	}
}

// silence reminds of one incident: what is said of it last, by when it was
// written and not by when it happened. A maintenance begins at its time.
func (l *lookout) silence(ctx context.Context, i *notifier.Incident, now time.Time) ([]notifier.Trouble, error) {
	last, word := i.CreatedAt, ""
	for _, u := range i.Updates {
		if !u.CreatedAt.Before(last) {
			last, word = u.CreatedAt, u.ID
		}
	}
	if i.StartsAt.After(last) {
		last = i.StartsAt
	}
	if now.Sub(last) < reminders[len(reminders)-1] {
		return nil, nil
	}
	// A draft may have been written long before it was published.
	events, err := l.db.LatestEvents(ctx, i.ID, 1)
	if err != nil {
		return nil, err
	}
	if len(events) > 0 && events[0].AcceptedAt.After(last) {
		last = events[0].AcceptedAt
	}
	for _, after := range reminders {
		if now.Sub(last) < after {
			continue
		}
		hours := plural(int64(after.Hours()), "hour")
		return []notifier.Trouble{{
			Key: fmt.Sprintf("incident:%s:%s:%d:%s", i.ID, word, last.UnixMicro(), after), About: "incident:" + i.ID, Since: last, Once: true, URL: l.page("incidents/" + i.ID),
			Title: fmt.Sprintf("%q is open, and nothing was said of it for %s", notifier.Clip(i.Title), hours),
			Text:  fmt.Sprintf("Readers last heard at %s that it is %q. Say where it stands, even if nothing is new, or resolve it: `allclear incident update %s`, `allclear incident resolve %s`.", stamp(last), i.Status, i.ID, i.ID),
		}}, nil
	}
	return nil, nil
}

// overridden finds notices that one person alone sent, so that all hear of it.
func (l *lookout) overridden(ctx context.Context, now time.Time) ([]notifier.Trouble, error) {
	found, err := l.db.OverriddenNotices(ctx, now.Add(-foundAgo))
	if err != nil {
		return nil, err
	}
	var out []notifier.Trouble
	for _, n := range found {
		for _, a := range n.Approved {
			if a.Reason == "" || a.At.Before(now.Add(-foundAgo)) {
				continue
			}
			out = append(out, notifier.Trouble{
				Key: fmt.Sprintf("notice:%s:override:%d", n.ID, a.At.UnixMicro()), About: "notice:" + n.ID, Since: a.At, Once: true, URL: l.page("notices/" + n.ID),
				Title: fmt.Sprintf("%s sends the notice %q without a second person", notifier.Clip(a.By), notifier.Clip(n.Title)),
				Text:  fmt.Sprintf("The reason: %s. It goes to %s; `allclear notice status %s` shows it, and `allclear notice pause %s` stops it within a second.", notifier.Clip(a.Reason), plural(n.Recipients, "recipient"), n.ID, n.ID),
			})
		}
	}
	return out, nil
}

// stuck finds updates that wait for a notice and that nothing will publish.
func (l *lookout) stuck(ctx context.Context, _ time.Time) ([]notifier.Trouble, error) {
	found, err := l.db.StuckUpdates(ctx)
	if err != nil {
		return nil, err
	}
	var out []notifier.Trouble
	for _, h := range found {
		why := h.Trouble
		if why == "" {
			why = "the notice was cancelled"
		}
		out = append(out, notifier.Trouble{
			Key: "update:" + h.ID, About: "incident:" + h.IncidentID, Once: true, URL: l.page("incidents/" + h.IncidentID),
			Title: "An update that waits for the notice " + h.After.ID + " cannot be published",
			Text:  fmt.Sprintf("The reason: %s. Say by hand what is to be said: `allclear incident update %s`.", notifier.Clip(why), h.IncidentID),
		})
	}
	return out, nil
}

// hostOf is the host of an endpoint's URL, whose other parts may be secrets.
func hostOf(raw string) string {
	u, err := url.Parse(raw)
	if err != nil {
		return "an address that is none"
	}
	return u.Host
}
