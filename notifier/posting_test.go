package notifier

import (
	"errors"
	"fmt"
	"math"
	"strings"
	"testing"
	"time"
)

// desk is a desk whose ids count up, at a fixed moment.
func desk() Desk {
	n := 0
	return Desk{Now: time.Date(2026, 11, 23, 15, 20, 0, 123456789, time.UTC), Zone: time.UTC, NewID: func() string {
		n++
		return fmt.Sprintf("id%d", n)
	}}
}

func ptr[T any](v T) *T { return &v }

// invalid fails unless err is an *Invalid for field.
func invalid(t *testing.T, err error, field string) {
	t.Helper()
	var i *Invalid
	if !errors.As(err, &i) {
		t.Fatalf("want an *Invalid for %s, got %v", field, err)
	}
	if i.Field != field || i.Message == "" {
		t.Errorf("want %s, got %s: %s", field, i.Field, i.Message)
	}
}

func opened(t *testing.T, a Announcement) Incident {
	t.Helper()
	if a.Title == "" {
		a.Title = "Mail is slow"
	}
	p, err := Open(a, desk())
	if err != nil {
		t.Fatal(err)
	}
	p.Incident.Updates = []Update{*p.Update}
	if p.Event != nil {
		p.Incident.Updates[0].Event = 1
	}
	return p.Incident
}

// say applies s and keeps the update, as the store does.
func say(t *testing.T, i *Incident, s Saying) Posting {
	t.Helper()
	p, err := i.Say(s, desk())
	if err != nil {
		t.Fatal(err)
	}
	updates := i.Updates
	*i = p.Incident
	if p.Event != nil {
		p.Update.Event = int64(len(updates) + 1)
	}
	i.Updates = append(updates, *p.Update)
	return p
}

func TestAnAnnouncementNeedsOnlyATitle(t *testing.T) {
	p, err := Open(Announcement{Title: "  Mail is slow "}, desk())
	if err != nil {
		t.Fatal(err)
	}
	i, u, e := p.Incident, p.Update, p.Event
	now := desk().Now.Truncate(time.Microsecond)
	if i.Title != "Mail is slow" || i.Kind != KindIncident || i.Status != Investigating || i.State != Published || i.Severity != SeverityNone {
		t.Errorf("incident %+v", i)
	}
	if !i.OpenedAt.Equal(now) || !i.CreatedAt.Equal(now) || !u.At.Equal(now) || !e.AcceptedAt.Equal(now) || i.OpenedAt.Location() != time.UTC {
		t.Errorf("times are not UTC microseconds of now: %+v", i)
	}
	if i.ID == "" || u.IncidentID != i.ID || e.IncidentID != i.ID || e.UpdateID != u.ID || e.ID == i.ID || e.ID == u.ID {
		t.Errorf("ids do not fit: %+v %+v %+v", i, u, e)
	}
	if e.Type != IncidentCreated || e.Lane != LaneIncident || !e.ExpiresAt.Equal(now.Add(IncidentLife)) || e.Number != 0 {
		t.Errorf("event %+v", e)
	}
	if !i.Open() || !i.ResolvedAt.IsZero() {
		t.Error("it is not open")
	}
}

func TestABadAnnouncementNamesItsField(t *testing.T) {
	now := desk().Now
	for field, cases := range map[string][]Announcement{
		"title": {{}, {Title: " \t"}, {Title: strings.Repeat("é", 201)}, {Title: "a\r\nBcc: x@y.example"}, {Title: "a\x00"}, {Title: "a\xff"}, {Title: "a\u2028b"}},
		"kind":  {{Title: "x", Kind: "outage"}},
		"state": {{Title: "x", State: Retracted}, {Title: "x", State: "hidden"}},
		"status": {
			{Title: "x", Status: "broken"}, {Title: "x", Status: Scheduled}, {Title: "x", Kind: KindMaintenance, StartsAt: now, Status: Resolved},
			{Title: "x", Kind: KindPost, Body: "b", Status: Resolved},
		},
		"severity":                 {{Title: "x", Severity: 4}, {Title: "x", Severity: -1}},
		"body":                     {{Title: "x", Kind: KindPost, Body: " \n"}, {Title: "x", Body: strings.Repeat("é", 20_001)}, {Title: "x", Body: "a\x07"}, {Title: "x", Body: "a\rb"}, {Title: "x", Body: `{{at "soon"}}`}},
		"at":                       {{Title: "x", At: now.Add(10*time.Minute + time.Second)}, {Title: "x", Status: Resolved, At: now.Add(time.Hour)}},
		"starts_at":                {{Title: "x", StartsAt: now}, {Title: "x", Kind: KindMaintenance}, {Title: "x", Kind: KindPost, Body: "b", StartsAt: now}},
		"ends_at":                  {{Title: "x", EndsAt: now}, {Title: "x", Kind: KindMaintenance, StartsAt: now, EndsAt: now}, {Title: "x", Kind: KindMaintenance, StartsAt: now, EndsAt: now.Add(-time.Hour)}},
		"components[0]":            {{Title: "x", Components: []string{"IMAP"}}, {Title: "x", Components: []string{""}}, {Title: "x", Components: []string{"a,b"}}},
		"components[1]":            {{Title: "x", Components: []string{"imap", "imap"}}, {Title: "x", Components: []string{"imap", "-"}}},
		"impact.error_rate":        {{Title: "x", Impact: Impact{ErrorRate: ptr(1.1)}}, {Title: "x", Impact: Impact{ErrorRate: ptr(-0.1)}}, {Title: "x", Impact: Impact{ErrorRate: ptr(math.NaN())}}},
		"impact.per_second":        {{Title: "x", Impact: Impact{PerSecond: ptr(math.Inf(1))}}},
		"impact.delay_min_minutes": {{Title: "x", Impact: Impact{DelayMinMinutes: ptr(9.0), DelayMaxMinutes: ptr(5.0)}}},
	} {
		for n, a := range cases {
			t.Run(fmt.Sprintf("%s/%d", field, n), func(t *testing.T) {
				p, err := Open(a, desk())
				invalid(t, err, field)
				if p.Update != nil || p.Event != nil {
					t.Error("half of it was made")
				}
			})
		}
	}
}

func TestTheLimitsThemselvesAreAllowed(t *testing.T) {
	now := desk().Now
	for n, a := range []Announcement{
		{Title: strings.Repeat("é", 200)},
		{Title: "x", Body: strings.Repeat("é", 20_000)},
		{Title: "x", Body: "a\tb\nc\r\nd"},
		{Title: "x", At: now.Add(10 * time.Minute)},
		{Title: "x", At: now.AddDate(-1, 0, 0)},
		{Title: "x", Components: []string{"imap7", "mx-2.eu_west"}},
		{Title: "x", Impact: Impact{ErrorRate: ptr(0.0), AffectedShare: ptr(1.0), DelayMinMinutes: ptr(5.0), DelayMaxMinutes: ptr(5.0)}},
		{Title: "x", Kind: KindMaintenance, StartsAt: now.AddDate(1, 0, 0)},
		{Title: "x", Kind: KindPost, Body: "b"},
	} {
		if _, err := Open(a, desk()); err != nil {
			t.Errorf("%d: %v", n, err)
		}
	}
}

func TestBodiesAreKeptWithPlainLineEnds(t *testing.T) {
	p, err := Open(Announcement{Title: "x", Body: "one\r\ntwo\r\n"}, desk())
	if err != nil || p.Update.Body != "one\ntwo\n" {
		t.Errorf("%q, %v", p.Update.Body, err)
	}
}

func TestQuietAndDraftsNotifyNobody(t *testing.T) {
	for _, a := range []Announcement{{Title: "x", Quiet: true}, {Title: "x", State: Draft}} {
		p, err := Open(a, desk())
		if err != nil || p.Event != nil || p.Update == nil {
			t.Errorf("%+v: event %v, update %v, %v", a, p.Event, p.Update, err)
		}
	}
	i := opened(t, Announcement{State: Draft})
	if p := say(t, &i, Saying{Body: "more"}); p.Event != nil {
		t.Error("an update to a draft was told")
	}
	i = opened(t, Announcement{})
	if p := say(t, &i, Saying{Body: "more", Quiet: true}); p.Event != nil {
		t.Error("a quiet update was told")
	}
}

func TestEachKindHasItsEventsAndLane(t *testing.T) {
	start := desk().Now.Add(time.Hour)
	for _, c := range []struct {
		kind  Kind
		first EventType
		lane  Lane
		then  []Status
		types []EventType
	}{
		{KindIncident, IncidentCreated, LaneIncident, []Status{Identified, "", Monitoring, Resolved}, []EventType{IncidentUpdated, IncidentUpdated, IncidentUpdated, IncidentResolved}},
		{KindMaintenance, MaintenanceScheduled, LaneRoutine, []Status{InProgress, Extended, Completed}, []EventType{MaintenanceStarted, MaintenanceExtended, MaintenanceCompleted}},
		{KindPost, PostPublished, LaneRoutine, []Status{""}, []EventType{PostPublished}},
	} {
		a := Announcement{Title: "x", Kind: c.kind, Body: "b"}
		if c.kind == KindMaintenance {
			a.StartsAt = start
		}
		i := opened(t, a)
		if p, _ := Open(a, desk()); p.Event.Type != c.first || p.Event.Lane != c.lane || p.Event.Kind != c.kind {
			t.Errorf("%s opens with %+v", c.kind, p.Event)
		}
		for n, s := range c.then {
			p := say(t, &i, Saying{Status: s, Body: "b"})
			if p.Event.Type != c.types[n] || p.Event.Lane != c.lane {
				t.Errorf("%s %q: %s in lane %s, want %s", c.kind, s, p.Event.Type, p.Event.Lane, c.types[n])
			}
		}
		if i.Open() {
			t.Errorf("%s is still open", c.kind)
		}
	}
}

func TestAnUpdateChangesOnlyWhatItNames(t *testing.T) {
	i := opened(t, Announcement{Severity: SeverityMinor, Components: []string{"imap"}, Impact: Impact{ErrorRate: ptr(0.5)}})
	p := say(t, &i, Saying{Body: "still looking"})
	if i.Status != Investigating || i.Severity != SeverityMinor || len(i.Components) != 1 || *i.Impact.ErrorRate != 0.5 {
		t.Errorf("%+v", i)
	}
	if !p.Update.Impact.IsZero() {
		t.Errorf("the update repeats figures it was not given: %+v", p.Update.Impact)
	}
	p = say(t, &i, Saying{Status: Identified, Severity: ptr(SeverityCritical), Components: &[]string{"imap", "smtp"}, Impact: &Impact{ErrorRate: ptr(0.9)}})
	if i.Status != Identified || i.Severity != SeverityCritical || len(i.Components) != 2 || *i.Impact.ErrorRate != 0.9 {
		t.Errorf("%+v", i)
	}
	if p.Event.Severity != SeverityCritical || len(p.Event.Components) != 2 || p.Update.Severity != SeverityCritical {
		t.Errorf("event %+v", p.Event)
	}
	say(t, &i, Saying{Body: "all of it", Components: &[]string{}})
	if len(i.Components) != 0 {
		t.Error("an empty list does not mean all")
	}
}

func TestABadUpdateNamesItsField(t *testing.T) {
	i := opened(t, Announcement{})
	for field, cases := range map[string][]Saying{
		"body":                     {{}, {Body: " \n"}, {Body: "a\x00"}},
		"status":                   {{Status: Completed}, {Status: "fixed"}},
		"at":                       {{Body: "x", At: i.OpenedAt.Add(11 * time.Minute)}, {Status: Resolved, At: i.OpenedAt.Add(time.Hour)}, {Status: Resolved, At: i.OpenedAt.Add(-time.Hour)}},
		"severity":                 {{Body: "x", Severity: ptr(Severity(9))}},
		"starts_at":                {{Body: "x", StartsAt: ptr(i.OpenedAt)}},
		"ends_at":                  {{Body: "x", EndsAt: ptr(i.OpenedAt)}},
		"components[0]":            {{Body: "x", Components: &[]string{"?"}}},
		"impact.affected_share":    {{Body: "x", Impact: &Impact{AffectedShare: ptr(2.0)}}},
		"impact.delay_min_minutes": {{Body: "x", Impact: &Impact{DelayMinMinutes: ptr(9.0), DelayMaxMinutes: ptr(5.0)}}},
	} {
		for _, s := range cases {
			_, err := i.Say(s, desk())
			invalid(t, err, field)
		}
	}
	post := opened(t, Announcement{Kind: KindPost, Body: "b"})
	_, err := post.Say(Saying{Status: Resolved, Body: "x"}, desk())
	invalid(t, err, "status")
}

func TestAContradictoryRangeIsRefusedEvenWhereTheWidestRangeWouldHideIt(t *testing.T) {
	i := opened(t, Announcement{Impact: Impact{DelayMinMinutes: ptr(1.0), DelayMaxMinutes: ptr(100.0)}})
	_, err := i.Say(Saying{Body: "x", Impact: &Impact{DelayMinMinutes: ptr(50.0), DelayMaxMinutes: ptr(20.0)}}, desk())
	invalid(t, err, "impact.delay_min_minutes")
}

func TestAResolutionEndsAndReopeningBeginsAgain(t *testing.T) {
	i := opened(t, Announcement{At: desk().Now.Add(-2 * time.Hour)})
	p := say(t, &i, Saying{Status: Resolved, At: desk().Now.Add(-time.Hour)})
	if i.Open() || i.ResolvedAt.Sub(i.OpenedAt) != time.Hour || !p.Event.ExpiresAt.Equal(p.Event.AcceptedAt.Add(ResolvedLife)) {
		t.Errorf("resolved %s after opening; event %+v", i.ResolvedAt.Sub(i.OpenedAt), p.Event)
	}
	p = say(t, &i, Saying{Status: Investigating, Body: "it is back"})
	if !i.Open() || !i.ResolvedAt.IsZero() || p.Event.Type != IncidentUpdated || !p.Event.ExpiresAt.Equal(p.Event.AcceptedAt.Add(IncidentLife)) {
		t.Errorf("reopened: %+v %+v", i, p.Event)
	}
	if p = say(t, &i, Saying{Status: Resolved}); p.Event.Type != IncidentResolved || i.ResolvedAt.IsZero() {
		t.Errorf("resolved again: %+v", p.Event)
	}
}

// An afterword must not go to everyone who was told as if it were over only now.
func TestAnAfterwordIsNoSecondResolution(t *testing.T) {
	i := opened(t, Announcement{})
	say(t, &i, Saying{Status: Resolved})
	when := i.ResolvedAt
	p := say(t, &i, Saying{Body: "what we learned"})
	if p.Event.Type != IncidentUpdated || p.Event.Type.Closing() {
		t.Errorf("type %s", p.Event.Type)
	}
	if !p.Event.ExpiresAt.Equal(p.Event.AcceptedAt.Add(ResolvedLife)) {
		t.Error("an update after the end lives longer than a day")
	}
	if !i.ResolvedAt.Equal(when) {
		t.Error("the end moved")
	}
}

func TestAResolutionThatWasKeptQuietIsStillToBeTold(t *testing.T) {
	i := opened(t, Announcement{})
	say(t, &i, Saying{Status: Resolved, Quiet: true})
	if p := say(t, &i, Saying{Body: "it is over"}); p.Event.Type != IncidentResolved {
		t.Errorf("type %s", p.Event.Type)
	}
	// Of an earlier end, before it came back, nothing follows.
	i = opened(t, Announcement{})
	say(t, &i, Saying{Status: Resolved})
	say(t, &i, Saying{Status: Investigating})
	if p := say(t, &i, Saying{Status: Resolved}); p.Event.Type != IncidentResolved {
		t.Errorf("type %s", p.Event.Type)
	}
}

func TestAnUpdateFromBeforeTheBeginningIsWarnedOf(t *testing.T) {
	i := opened(t, Announcement{})
	if p := say(t, &i, Saying{Body: "x", At: i.OpenedAt.Add(-time.Minute)}); len(p.Warnings) != 1 || !strings.Contains(p.Warnings[0], "before the incident began") {
		t.Errorf("%q", p.Warnings)
	}
	if p := say(t, &i, Saying{Body: "x", At: i.OpenedAt}); len(p.Warnings) != 0 {
		t.Errorf("%q", p.Warnings)
	}
}

func TestATextThatSpeaksOfEarlierThanTheBeginningIsWarnedOf(t *testing.T) {
	now := desk().Now
	for about, c := range map[string]struct {
		a    Announcement
		want bool
	}{
		"an hour ago":                 {Announcement{Body: `Next {{at "+1h"}}, since {{at "-1h"}}`}, true},
		"in a draft":                  {Announcement{Body: `Since {{at "-1h"}}`, State: Draft}, true},
		"just now":                    {Announcement{Body: `Since {{at "-2m"}}`}, false},
		"what is to come":             {Announcement{Body: `Next {{at "+1h"}}`}, false},
		"with a time of its own":      {Announcement{Body: `Since {{at "-1h"}}`, At: now.Add(-time.Hour)}, false},
		"no time in it":               {Announcement{Body: "Mail is late"}, false},
		"a post says nothing of that": {Announcement{Body: `Since {{at "-1h"}}`, Kind: KindPost}, false},
	} {
		c.a.Title = "x"
		p, err := Open(c.a, desk())
		if err != nil {
			t.Fatal(err)
		}
		if got := len(p.Warnings) == 1 && strings.Contains(p.Warnings[0], "2026-11-23 14:20 UTC") && strings.Contains(p.Warnings[0], "--at"); got != c.want || !got && len(p.Warnings) > 0 {
			t.Errorf("%s: %q", about, p.Warnings)
		}
	}
}

func TestADraftHappensWhenItIsPublishedUnlessItSaidWhen(t *testing.T) {
	later := desk()
	later.Now = later.Now.Add(48 * time.Hour)
	now, before := later.Now.Truncate(time.Microsecond), desk().Now.Add(-time.Hour).Truncate(time.Microsecond)
	i := opened(t, Announcement{Kind: KindPost, Body: "b", State: Draft})
	was := i.OpenedAt
	p, err := i.Publish(false, later)
	if err != nil || !p.Incident.OpenedAt.Equal(now) || !p.Incident.Updates[0].At.Equal(now) || !p.Incident.CreatedAt.Equal(was) {
		t.Errorf("%+v, %v", p.Incident, err)
	}
	if !i.Updates[0].At.Equal(was) {
		t.Error("what was handed in has changed")
	}
	i = opened(t, Announcement{State: Draft, At: before})
	if p, err = i.Publish(false, later); err != nil || !p.Incident.OpenedAt.Equal(before) || !p.Incident.Updates[0].At.Equal(before) {
		t.Errorf("with a time of its own: %+v, %v", p.Incident, err)
	}
	i = opened(t, Announcement{State: Draft})
	say(t, &i, Saying{Body: "x", At: was.Add(time.Minute)})
	if p, err = i.Publish(true, later); err != nil || !p.Incident.Updates[0].At.Equal(now) || !p.Incident.Updates[1].At.Equal(was.Add(time.Minute)) {
		t.Errorf("an update with a time of its own: %+v, %v", p.Incident.Updates, err)
	}
	i = opened(t, Announcement{State: Draft, Status: Resolved})
	if p, err = i.Publish(true, later); err != nil || p.Incident.ResolvedAt.Before(p.Incident.OpenedAt) {
		t.Errorf("it ends before it begins: %+v, %v", p.Incident, err)
	}
}
