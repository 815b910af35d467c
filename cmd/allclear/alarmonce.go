package main

import (
	"context"
	"fmt"
	"time"

	"allclear/notifier"
	"allclear/subscribers"
)

// What staff are reminded of once, by what its finder finds.

// reminders are how long an incident may go on without a word until staff are reminded.
var reminders = []time.Duration{24 * time.Hour, 12 * time.Hour, 6 * time.Hour, 3 * time.Hour}

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

// lately is the audit of some actions since foundAgo, all of it: nobody hides
// an entry behind a thousand others.
func (l *lookout) lately(ctx context.Context, actions string, now time.Time) ([]notifier.AuditEntry, error) {
	q := notifier.AuditQuery{Action: actions, From: now.Add(-foundAgo), Limit: 1000}
	var all []notifier.AuditEntry
	for {
		page, next, err := l.db.AuditLog(ctx, q)
		if err != nil {
			return nil, err
		}
		all = append(all, page...)
		if q.Cursor = next; next == "" {
			return all, nil
		}
	}
}

// staffed finds who was let in, or given another role or a new link: one person
// with two names is two for an approval, so that everybody is to hear of it.
func (l *lookout) staffed(ctx context.Context, now time.Time) ([]notifier.Trouble, error) {
	found, err := l.lately(ctx, "staff.", now)
	if err != nil {
		return nil, err
	}
	list, err := l.db.StaffList(ctx)
	if err != nil {
		return nil, err
	}
	names := notifier.StaffNames(list)
	var out []notifier.Trouble
	for _, e := range found {
		said := e.OfStaff(names)
		if said == "" {
			continue
		}
		out = append(out, notifier.Trouble{
			Key: "staff:" + e.ID, About: "staff:" + e.Subject, Since: e.At, Once: true, URL: l.page("staff"),
			Title: notifier.Clip(e.Actor + " " + said),
			Text:  "Whoever approves is to be another person than whoever sends; where you do not know this one, or that they were to be let in, ask. `allclear staff list` shows everybody.",
		})
	}
	return out, nil
}

// reworded finds who changed a text or took a change back: a notice is approved
// by what it says, and goes out by the files that there are then.
func (l *lookout) reworded(ctx context.Context, now time.Time) ([]notifier.Trouble, error) {
	found, err := l.lately(ctx, "template.", now)
	if err != nil {
		return nil, err
	}
	var out []notifier.Trouble
	for _, e := range found {
		did := "edited the template "
		if e.Action == "template.drop" {
			did = "took back the edit of the template "
		}
		out = append(out, notifier.Trouble{
			Key: "reworded:" + e.ID, About: "reworded:" + e.Subject, Since: e.At, Once: true, URL: l.page("templates"),
			Title: notifier.Clip(e.Actor + " " + did + e.Subject),
			Text:  "What goes out from now on is written by it. Where notices are written by it, too, what was approved before is to be approved again, and what was approved and goes out halts. `allclear templates diff` shows what is not embedded.",
		})
	}
	found, err = l.lately(ctx, "notice.await", now)
	for _, e := range found {
		out = append(out, notifier.Trouble{
			Key: "await:" + e.ID, About: "notice:" + e.Subject, Since: e.At, Once: true, URL: l.page("notices/" + e.Subject),
			Title: "A notice that was scheduled waits for approval again",
			Text:  notifier.Clip(e.Detail) + ". It goes out once others have looked at it and agree.",
		})
	}
	return out, err
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
