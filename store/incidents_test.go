package store_test

import (
	"errors"
	"reflect"
	"slices"
	"testing"
	"time"

	"allclear/notifier"
	"allclear/store/storetest"
)

// eachDesk runs a test on a new store of each kind that has the desk's clock
// and the components imap7 and web.
func eachDesk(t *testing.T, test func(t *testing.T, s *box, d *desk)) {
	t.Helper()
	for _, dialect := range storetest.Dialects() {
		t.Run(dialect, func(t *testing.T) {
			d := newDesk()
			b := &box{t: t, ctx: t.Context(), dsn: storetest.DSN(t, dialect)}
			b.Store = storetest.At(t, b.dsn)(storetest.Clock(d.Now))
			b.db = storetest.SQL(t, b.dsn)
			for _, key := range []string{"imap7", "web"} {
				b.must(b.AddComponent(b.ctx, notifier.Component{Key: key, Name: "The " + key}))
			}
			test(t, b, d)
		})
	}
}

func (b *box) opened(d *desk, a notifier.Announcement) notifier.Posting {
	b.t.Helper()
	p, err := b.OpenIncident(b.ctx, d.open(b.t, a))
	b.must(err)
	return p
}

func (b *box) said(d *desk, id string, s notifier.Saying) notifier.Posting {
	b.t.Helper()
	p, err := b.ReviseIncident(b.ctx, id, d.say(s))
	b.must(err)
	return p
}

func number(v float64) *float64 { return &v }

func same(t *testing.T, what string, got, want any) {
	t.Helper()
	if !reflect.DeepEqual(got, want) {
		t.Errorf("%s:\ngot  %+v\nwant %+v", what, got, want)
	}
}

func TestAnIncidentComesBackAsItWasWritten(t *testing.T) {
	eachDesk(t, func(t *testing.T, b *box, d *desk) {
		for _, a := range []notifier.Announcement{
			{Title: "Mail is delayed", Severity: notifier.SeverityMajor, Components: []string{"web", "imap7"}, Body: "It began {{at \"-20m\"}}.\nZażółć “gęślą” jaźń ' ; -- \U0001f4ec",
				Impact: notifier.Impact{DelayMinMinutes: number(5), DelayMaxMinutes: number(10), ErrorRate: number(0.125)}, At: d.Now().Add(-20 * time.Minute)},
			{Title: "New disks", Kind: notifier.KindMaintenance, StartsAt: d.Now().Add(time.Hour), EndsAt: d.Now().Add(2 * time.Hour)},
			{Title: "We moved", Kind: notifier.KindPost, Body: "# Hello"},
			{Title: "Later", State: notifier.Draft, Body: "not yet"},
			{Title: "Quietly", Quiet: true},
		} {
			p := b.opened(d, a)
			got, err := b.Incident(b.ctx, p.Incident.ID)
			b.must(err)
			same(t, a.Title, got, p.Incident)
			if (p.Event == nil) != (a.Quiet || a.State == notifier.Draft) {
				t.Errorf("%s: event %+v", a.Title, p.Event)
			}
			if p.Event != nil && (p.Event.Number == 0 || p.Update.Event != p.Event.Number || got.Updates[0].Event != p.Event.Number) {
				t.Errorf("%s: the event's number %d is not with its update: %+v", a.Title, p.Event.Number, got.Updates[0])
			}
		}
	})
}

func TestAnUnknownComponentIsNamedByItsPlaceAndNothingIsWritten(t *testing.T) {
	eachDesk(t, func(t *testing.T, b *box, d *desk) {
		var invalid *notifier.Invalid
		_, err := b.OpenIncident(b.ctx, d.open(t, notifier.Announcement{Title: "x", Components: []string{"web", "imap8"}}))
		if !errors.As(err, &invalid) || invalid.Field != "components[1]" {
			t.Errorf("%v", err)
		}
		p := b.opened(d, notifier.Announcement{Title: "y"})
		_, err = b.ReviseIncident(b.ctx, p.Incident.ID, d.say(notifier.Saying{Body: "z", Components: &[]string{"imap8"}}))
		if !errors.As(err, &invalid) || invalid.Field != "components[0]" {
			t.Errorf("%v", err)
		}
		if n := b.number(`SELECT count(*) FROM incidents`); n != 1 {
			t.Errorf("%d incidents", n)
		}
		if n := b.number(`SELECT count(*) FROM updates`); n != 1 {
			t.Errorf("%d updates", n)
		}
		if n := b.number(`SELECT value FROM counters WHERE name = 'event'`); n != 1 {
			t.Errorf("%d numbers were taken", n)
		}
	})
}

func TestAnUpdateIsWrittenBehindTheOthers(t *testing.T) {
	eachDesk(t, func(t *testing.T, b *box, d *desk) {
		p := b.opened(d, notifier.Announcement{Title: "Mail is slow", Components: []string{"web"}})
		d.Advance(time.Minute)
		major := notifier.SeverityMajor
		two := b.said(d, p.Incident.ID, notifier.Saying{Body: "worse", Severity: &major, Components: &[]string{"imap7", "web"}, Quiet: true})
		d.Advance(time.Minute)
		three := b.said(d, p.Incident.ID, notifier.Saying{Status: notifier.Identified, Body: "found"})
		got, err := b.Incident(b.ctx, p.Incident.ID)
		b.must(err)
		same(t, "incident", got, three.Incident)
		if two.Event != nil || three.Event.Number != 2 {
			t.Errorf("events %+v and %+v", two.Event, three.Event)
		}
		var bodies []string
		for _, u := range got.Updates {
			bodies = append(bodies, u.Body)
		}
		same(t, "bodies", bodies, []string{"", "worse", "found"})
		same(t, "components", got.Components, []string{"imap7", "web"})
		same(t, "the event's filter", three.Event.Components, []string{"imap7", "web"})
	})
}

func TestARefusedRevisionLeavesNoTrace(t *testing.T) {
	eachDesk(t, func(t *testing.T, b *box, d *desk) {
		p := b.opened(d, notifier.Announcement{Title: "Mail is slow"})
		no := notifier.Refuse(notifier.ErrConflict, "no")
		_, err := b.ReviseIncident(b.ctx, p.Incident.ID, func(notifier.Incident) (notifier.Posting, error) { return notifier.Posting{}, no })
		if !errors.Is(err, no) {
			t.Errorf("%v", err)
		}
		got, err := b.Incident(b.ctx, p.Incident.ID)
		b.must(err)
		same(t, "incident", got, p.Incident)
		for _, id := range []string{"", "nobody", "'; DROP TABLE incidents; --"} {
			if _, err := b.ReviseIncident(b.ctx, id, d.say(notifier.Saying{Body: "x"})); !errors.Is(err, notifier.ErrNotFound) {
				t.Errorf("%q: %v", id, err)
			}
			if _, err := b.Incident(b.ctx, id); !errors.Is(err, notifier.ErrNotFound) {
				t.Errorf("%q: %v", id, err)
			}
		}
	})
}

func TestADraftIsPublishedWithItsLastUpdate(t *testing.T) {
	eachDesk(t, func(t *testing.T, b *box, d *desk) {
		p := b.opened(d, notifier.Announcement{Title: "Mail is slow", State: notifier.Draft, Body: "one"})
		b.said(d, p.Incident.ID, notifier.Saying{Body: "two"})
		d.Advance(time.Hour)
		out, err := b.ReviseIncident(b.ctx, p.Incident.ID, func(i notifier.Incident) (notifier.Posting, error) { return i.Publish(false, d.desk()) })
		b.must(err)
		got, err := b.Incident(b.ctx, p.Incident.ID)
		b.must(err)
		same(t, "incident", got, out.Incident)
		if !got.OpenedAt.Equal(d.Now()) || !got.Updates[0].At.Equal(d.Now()) || !got.Updates[1].At.Equal(d.Now()) || !got.CreatedAt.Before(got.OpenedAt) {
			t.Errorf("it is not of the moment of its publication: %+v", got)
		}
		if got.State != notifier.Published || got.Updates[0].Event != 0 || got.Updates[1].Event != out.Event.Number {
			t.Errorf("%+v", got)
		}
	})
}

func TestACorrectionOfTheFirstAndTheLastUpdateMovesBeginningAndEnd(t *testing.T) {
	eachDesk(t, func(t *testing.T, b *box, d *desk) {
		p := b.opened(d, notifier.Announcement{Title: "Mail is slow"})
		d.Advance(time.Hour)
		end := b.said(d, p.Incident.ID, notifier.Saying{Status: notifier.Resolved})
		began, ended, body := d.Now().Add(-50*time.Minute), d.Now().Add(-10*time.Minute), "It is over."
		correct := func(update string, body *string, at *time.Time) error {
			_, err := b.CorrectUpdate(b.ctx, p.Incident.ID, update, func(_ notifier.Incident, u notifier.Update) (notifier.Update, *notifier.Event, error) {
				is, _, err := u.Correct(body, at, d.desk())
				return is, nil, err
			})
			return err
		}
		b.must(correct(p.Update.ID, nil, &began))
		b.must(correct(end.Update.ID, &body, &ended))
		got, err := b.Incident(b.ctx, p.Incident.ID)
		b.must(err)
		if !got.OpenedAt.Equal(began) || !got.ResolvedAt.Equal(ended) || got.Updates[1].Body != body || got.Updates[1].Event != end.Event.Number {
			t.Errorf("%+v", got)
		}
		var invalid *notifier.Invalid
		before := began.Add(-time.Minute)
		if err := correct(end.Update.ID, nil, &before); !errors.As(err, &invalid) || invalid.Field != "at" {
			t.Errorf("an end before the beginning: %v", err)
		}
		if err := correct("nobody", nil, nil); !errors.Is(err, notifier.ErrNotFound) {
			t.Errorf("%v", err)
		}
		if n := b.number(`SELECT value FROM counters WHERE name = 'event'`); n != 2 {
			t.Errorf("a correction told somebody: %d events", n)
		}
	})
}

func TestAfterTheResolutionWhatWaitsLivesForADay(t *testing.T) {
	eachDesk(t, func(t *testing.T, b *box, d *desk) {
		p := b.opened(d, notifier.Announcement{Title: "Mail is slow"})
		other := b.opened(d, notifier.Announcement{Title: "Another"})
		d.Advance(time.Hour)
		longAgo := d.Now().Add(-30 * time.Minute)
		b.said(d, p.Incident.ID, notifier.Saying{Status: notifier.Resolved, At: longAgo, Quiet: true})
		want := d.Now().Add(notifier.ResolvedLife).UnixMicro()
		if got := b.number(`SELECT expires_at FROM events WHERE number = %d`, p.Event.Number); got != want {
			t.Errorf("expires %d, want %d", got, want)
		}
		if got := b.number(`SELECT expires_at FROM events WHERE number = %d`, other.Event.Number); got != other.Event.ExpiresAt.UnixMicro() {
			t.Errorf("another incident's event expires %d", got)
		}
		d.Advance(time.Hour) // an afterword gives nothing a longer life
		b.said(d, p.Incident.ID, notifier.Saying{Body: "thanks for waiting"})
		if got := b.number(`SELECT expires_at FROM events WHERE number = %d`, p.Event.Number); got != want {
			t.Errorf("expires %d, want %d", got, want)
		}
	})
}

func TestIncidentsArePagedNewestFirstAndEachOnce(t *testing.T) {
	eachDesk(t, func(t *testing.T, b *box, d *desk) {
		var want []string
		for i := range 11 {
			kind := notifier.KindIncident
			if i%3 == 0 {
				kind = notifier.KindPost
			}
			p := b.opened(d, notifier.Announcement{Title: "x", Body: "y", Kind: kind, Components: []string{"web"}})
			want = append([]string{p.Incident.ID}, want...)
			if i%2 == 0 { // two at the same instant
				d.Advance(time.Second)
			}
		}
		var got []string
		q := notifier.IncidentQuery{Limit: 4, Updates: true}
		for {
			page, next, err := b.Incidents(b.ctx, q)
			b.must(err)
			for _, i := range page {
				got = append(got, i.ID)
				if len(i.Updates) != 1 || !slices.Equal(i.Components, []string{"web"}) {
					t.Errorf("%+v", i)
				}
			}
			if q.Cursor = next; next == "" {
				break
			}
		}
		same(t, "ids", got, want)
		posts, _, err := b.Incidents(b.ctx, notifier.IncidentQuery{Limit: 200, Kind: notifier.KindPost})
		b.must(err)
		if len(posts) != 4 || posts[0].Updates != nil {
			t.Errorf("%d posts, %v", len(posts), posts[0].Updates)
		}
		b.said(d, want[0], notifier.Saying{Status: notifier.Resolved})
		open, _, err := b.Incidents(b.ctx, notifier.IncidentQuery{Limit: 200, Open: true})
		b.must(err)
		for _, i := range open {
			if !i.Open() {
				t.Errorf("not open: %+v", i)
			}
		}
		if len(open) != 6 {
			t.Errorf("%d are open", len(open))
		}
		began, _, err := b.Incidents(b.ctx, notifier.IncidentQuery{Limit: 200, From: posts[2].OpenedAt, Until: posts[0].OpenedAt})
		b.must(err)
		for _, i := range began {
			if i.OpenedAt.Before(posts[2].OpenedAt) || !i.OpenedAt.Before(posts[0].OpenedAt) {
				t.Errorf("began %s, outside of %s to %s", i.OpenedAt, posts[2].OpenedAt, posts[0].OpenedAt)
			}
		}
		if len(began) != 6 {
			t.Errorf("%d began between two instants", len(began))
		}
		for _, bad := range []string{"x", "AAAA", "MTIz", "!", "MSAA"} {
			var invalid *notifier.Invalid
			if _, _, err := b.Incidents(b.ctx, notifier.IncidentQuery{Cursor: bad, Limit: 1}); !errors.As(err, &invalid) {
				t.Errorf("%q: %v", bad, err)
			}
		}
	})
}
