package store_test

import (
	"errors"
	"testing"
	"time"

	"allclear/notifier"
	"allclear/subscribers"
)

func TestAStoryTellsWhatWasKnownAtItsEvent(t *testing.T) {
	share := 0.1
	tenth := notifier.Impact{AffectedShare: &share}
	eachDesk(t, func(t *testing.T, b *box, d *desk) {
		p := b.opened(d, notifier.Announcement{Title: "Mail is slow", Severity: notifier.SeverityMinor, Components: []string{"imap7"}, Body: "one", Impact: tenth})
		d.Advance(time.Minute)
		b.said(d, p.Incident.ID, notifier.Saying{Body: "two", Quiet: true})
		d.Advance(time.Minute)
		critical := notifier.SeverityCritical
		third := b.said(d, p.Incident.ID, notifier.Saying{Body: "three", Impact: &notifier.Impact{PerSecond: &share}, Severity: &critical, Components: &[]string{"imap7", "web"}})
		d.Advance(time.Minute)
		last := b.said(d, p.Incident.ID, notifier.Saying{Status: notifier.Resolved, Body: "four"})

		first, err := b.Story(b.ctx, p.Event.Number)
		b.must(err)
		event := *p.Event
		event.ExpiresAt = last.Event.ExpiresAt // shortened by the resolution
		same(t, "event", first.Event, event)
		if len(first.Incident.Updates) != 1 || first.Incident.Severity != notifier.SeverityMinor || first.Incident.Status != notifier.Investigating ||
			!first.Incident.ResolvedAt.IsZero() || len(first.Previous) != 0 || len(first.Components) != 1 || first.Components["imap7"] != "The imap7" {
			t.Errorf("the first story: %+v", first)
		}
		same(t, "the first figures", first.Incident.Impact, tenth)
		middle, err := b.Story(b.ctx, third.Event.Number)
		b.must(err)
		if len(middle.Incident.Updates) != 3 || middle.Incident.Severity != critical || len(middle.Components) != 2 || len(middle.Previous) != 1 {
			t.Errorf("the middle story: %+v", middle)
		}
		same(t, "the figures by then", middle.Incident.Impact, notifier.Impact{AffectedShare: &share, PerSecond: &share})
		if missed := middle.Missed(third.Event.Number); len(missed) != 2 {
			t.Errorf("missed %+v", missed)
		}
		end, err := b.Story(b.ctx, last.Event.Number)
		b.must(err)
		now, err := b.Incident(b.ctx, p.Incident.ID)
		b.must(err)
		same(t, "the last story's incident", end.Incident, now)
		if len(end.Previous) != 2 || end.Previous[0].ID != p.Event.ID || end.Previous[1].ID != third.Event.ID {
			t.Errorf("previous: %+v", end.Previous)
		}
		if missed := end.Missed(p.Event.Number); len(missed) != 4 {
			t.Errorf("missed %+v", missed)
		}
	})
}

func TestTheStoryOfACorrectionHoldsAllThatWasSaidBeforeIt(t *testing.T) {
	eachDesk(t, func(t *testing.T, b *box, d *desk) {
		p := b.opened(d, notifier.Announcement{Title: "Mail is slow", Body: "wrong"})
		d.Advance(time.Minute)
		second := b.said(d, p.Incident.ID, notifier.Saying{Status: notifier.Identified, Body: "two"})
		d.Advance(time.Minute)
		body, id := "right", ""
		_, err := b.CorrectUpdate(b.ctx, p.Incident.ID, p.Update.ID, func(i notifier.Incident, u notifier.Update) (notifier.Update, *notifier.Event, error) {
			u.Body = body
			e, err := i.Corrected(u.ID, d.desk())
			id = e.ID
			return u, e, err
		})
		b.must(err)
		d.Advance(time.Minute)
		b.said(d, p.Incident.ID, notifier.Saying{Status: notifier.Resolved, Body: "three"})

		progress, err := b.Progress(b.ctx, id)
		b.must(err)
		story, err := b.Story(b.ctx, progress.Event.Number)
		b.must(err)
		if e := story.Event; e.Type != notifier.IncidentCorrected || e.UpdateID != p.Update.ID || e.Number != second.Event.Number+1 {
			t.Errorf("%+v", e)
		}
		if got := story.Incident.Updates; len(got) != 2 || got[0].Body != body || got[0].Event != p.Event.Number || story.Incident.Status != notifier.Identified {
			t.Errorf("%+v", story.Incident)
		}
		if got := story.Missed(story.Event.Number); len(got) != 1 || got[0].ID != p.Update.ID {
			t.Errorf("missed %+v", got)
		}
		first, err := b.Story(b.ctx, p.Event.Number)
		b.must(err)
		if got := first.Incident.Updates; len(got) != 1 || got[0].Body != body {
			t.Errorf("%+v", got)
		}
	})
}

func TestACorrectionShowsInEveryStory(t *testing.T) {
	eachDesk(t, func(t *testing.T, b *box, d *desk) {
		p := b.opened(d, notifier.Announcement{Title: "Mial is slow", Body: "wrogn"})
		title, body := "Mail is slow", "right"
		_, err := b.ReviseIncident(b.ctx, p.Incident.ID, func(i notifier.Incident) (notifier.Posting, error) {
			return i.Correct(notifier.Correction{Title: &title}, d.desk())
		})
		b.must(err)
		_, err = b.CorrectUpdate(b.ctx, p.Incident.ID, p.Update.ID, func(_ notifier.Incident, u notifier.Update) (notifier.Update, *notifier.Event, error) {
			is, _, err := u.Correct(&body, nil, d.desk())
			return is, nil, err
		})
		b.must(err)
		story, err := b.Story(b.ctx, p.Event.Number)
		b.must(err)
		if story.Incident.Title != title || story.Incident.Updates[0].Body != body {
			t.Errorf("%+v", story.Incident)
		}
	})
}

func TestACorrectedSeverityShowsInEveryStory(t *testing.T) {
	eachDesk(t, func(t *testing.T, b *box, d *desk) {
		d.hold = time.Hour
		p := b.opened(d, notifier.Announcement{Title: "Mail is slow", Severity: notifier.SeverityMinor})
		wrong := b.said(d, p.Incident.ID, notifier.Saying{Body: "two"})
		major := notifier.SeverityMajor
		_, err := b.ReviseIncident(b.ctx, p.Incident.ID, func(i notifier.Incident) (notifier.Posting, error) {
			return i.Correct(notifier.Correction{Severity: &major}, d.desk())
		})
		b.must(err)
		b.said(d, p.Incident.ID, notifier.Saying{Body: "three"})
		for _, event := range []int64{p.Event.Number, wrong.Event.Number, wrong.Event.Number + 1} {
			story, err := b.Story(b.ctx, event)
			b.must(err)
			u := story.Incident.Updates
			if story.Incident.Severity != major || u[len(u)-1].Severity != major || story.Event.Severity != major {
				t.Errorf("event %d: %+v", event, story)
			}
		}
	})
}

func TestAConfirmationsStoryHasNoIncident(t *testing.T) {
	eachDesk(t, func(t *testing.T, b *box, d *desk) {
		var ask *notifier.Event
		who, err := b.AddSubscriber(b.ctx, subscribers.Subscriber{Channel: notifier.Email, Address: "a@example.org", State: subscribers.Pending, Cadence: subscribers.Instant},
			func(s subscribers.Subscriber) *notifier.Event { e := s.ConfirmEvent(d.desk()); ask = &e; return ask })
		b.must(err)
		story, err := b.Story(b.ctx, 1)
		b.must(err)
		ask.Number = 1
		same(t, "event", story.Event, *ask)
		if story.Event.Reader != int64(who.Number) || story.Incident.ID != "" {
			t.Errorf("%+v", story)
		}
		if _, err := b.Story(b.ctx, 2); !errors.Is(err, notifier.ErrNotFound) {
			t.Errorf("%v", err)
		}
	})
}
