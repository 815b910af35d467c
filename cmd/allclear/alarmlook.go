package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"
	"time"

	"allclear/notifier"
	"allclear/notifier/console"
	"allclear/notifier/email"
	"allclear/store"
)

// When something is a trouble.
const (
	relayPatience = 10 * time.Second // a relay that is started anew is none
	queuePatience = 5 * time.Minute  // of what is urgent
	foundAgo      = 24 * time.Hour   // endpoints that were disabled longer ago are no news
	foundMost     = 100              // endpoints that one look finds
	seldom        = time.Minute      // between two looks for what takes hours to become a trouble
)

// lookout finds the troubles that all processes share.
type lookout struct {
	db     *store.Store
	base   string
	relays func() []email.RelayStatus
	short  *shortOfTexts
	words  *wording
	dkim   *dkimWatch

	down   map[string]time.Time        // since when a relay does not work
	looked time.Time                   // when it was looked for what takes hours
	blind  map[string]notifier.Trouble // looks that fail, by what for

	waits  string    // the event that is not handed out for longest
	waited time.Time // since when it is seen
}

func newLookout(p *Program) *lookout {
	return &lookout{
		db: p.db, base: p.base, relays: p.pool.Relays, short: &p.short, words: p.words, down: map[string]time.Time{}, blind: map[string]notifier.Trouble{},
		dkim: &dkimWatch{keys: p.mail.keys, lookup: p.o.lookupTXT},
	}
}

func (l *lookout) look(ctx context.Context) ([]notifier.Trouble, error) {
	now := l.db.Now()
	out := slices.Concat(l.relaysDown(now), l.short.troubles(now), l.words.troubles(now, l.page("templates")), l.dkim.troubles(ctx, now))
	late, err := l.late(ctx, now)
	if err != nil {
		return nil, err // it is the database that fails
	}
	out = append(out, late...)
	finders := map[string]finder{"halted notices": l.halted, "events that are not handed out": l.unexpanded}
	if d := now.Sub(l.looked); d < 0 || d >= seldom {
		finders["disabled endpoints"], finders["silent incidents"], finders["overrides"], finders["held updates"], finders["changes of the staff"] =
			l.disabled, l.silent, l.overridden, l.stuck, l.staffed
		finders["edits of templates"] = l.reworded
		l.looked = now
	}
	for _, what := range slices.Sorted(maps.Keys(finders)) {
		found, err := finders[what](ctx, now)
		switch {
		case ctx.Err() != nil || errors.Is(err, notifier.ErrUnavailable):
			return nil, err
		case err == nil:
			delete(l.blind, what)
			out = append(out, found...)
		default: // a row that cannot be read, say: it hides what is of its kind, and nothing else
			l.blind[what] = notifier.Trouble{
				Key: "look:" + what, About: "look:" + what, Title: "The look for " + what + " fails", Ended: "the look for " + what + " works again",
				Text: "Whether there are any is not known; all other trouble is told of as ever. It said: " + notifier.Clip(err.Error()) + ".",
			}
		}
	}
	for _, t := range l.blind {
		out = append(out, t)
	}
	return out, nil
}

// finder finds troubles of one kind.
type finder func(context.Context, time.Time) ([]notifier.Trouble, error)

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

// unexpanded finds announcements that do not get as far as the queue.
func (l *lookout) unexpanded(ctx context.Context, now time.Time) ([]notifier.Trouble, error) {
	found, err := l.db.StuckEvents(ctx, now.Add(-queuePatience), foundMost)
	if err != nil || len(found) == 0 {
		l.waits = ""
		return nil, err
	}
	oldest := found[0]
	for _, e := range found {
		if e.AcceptedAt.Before(oldest.AcceptedAt) {
			oldest = e
		}
	}
	// A clock that was put forward, or a machine that slept, makes everything old at once.
	if l.waits != oldest.ID {
		l.waits, l.waited = oldest.ID, now
	}
	if now.Sub(l.waited) < relayPatience {
		return nil, nil
	}
	return []notifier.Trouble{{
		Key: "fanout", About: "fanout", Since: oldest.AcceptedAt, URL: l.page("events/" + oldest.ID),
		Title: fmt.Sprintf("What was announced is not handed out: %s, for more than %s", plural(int64(len(found)), "event"), plural(int64(queuePatience.Minutes()), "minute")),
		Text:  fmt.Sprintf("The oldest was accepted at %s; its readers have nothing in the queue yet. Look whether a process works (`serve` or `worker`) and what its log says of the fan-out; it goes on by itself from where it is.", stamp(oldest.AcceptedAt)),
		Ended: "what was announced is handed out again",
	}}, nil
}

// halted finds notices that stopped by themselves.
func (l *lookout) halted(ctx context.Context, _ time.Time) ([]notifier.Trouble, error) {
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

// hostOf is the host of an endpoint's URL, whose other parts may be secrets.
func hostOf(raw string) string {
	u, err := url.Parse(raw)
	if err != nil {
		return "an address that is none"
	}
	return u.Host
}
