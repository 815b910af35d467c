package web_test

import (
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	ics "github.com/arran4/golang-ical"

	"allclear/notifier"
)

func (h *house) calendar() (*ics.Calendar, string) {
	h.t.Helper()
	got := h.ask(http.MethodGet, "/maintenance.ics", "").says(http.StatusOK)
	if kind := got.header.Get("Content-Type"); kind != "text/calendar; charset=utf-8" {
		h.t.Errorf("Content-Type %q", kind)
	}
	for _, line := range strings.Split(strings.TrimSuffix(got.text, "\r\n"), "\r\n") {
		if len(line) > 75 || strings.ContainsAny(line, "\r\n") {
			h.t.Errorf("the line is not as RFC 5545 wants it: %q", line)
		}
	}
	c, err := ics.ParseCalendar(strings.NewReader(got.text))
	if err != nil {
		h.t.Fatal(err)
	}
	return c, got.text
}

func value(e *ics.VEvent, p ics.ComponentProperty) string {
	if v := e.GetProperty(p); v != nil {
		return v.Value
	}
	return ""
}

func TestEveryMaintenanceIsAnEventOfTheCalendar(t *testing.T) {
	h := newHouse(t)
	if err := h.store.AddComponent(t.Context(), notifier.Component{Key: "imap7", Name: "IMAP, seven; \\eight"}); err != nil {
		t.Fatal(err)
	}
	starts := time.Date(2026, 11, 24, 2, 0, 0, 0, time.FixedZone("", 3600))
	body := "First; second, third \\ fourth.\n\n" + strings.Repeat("Eine sehr lange Zeile mit Ümläuten und 日本語. ", 10)
	i := h.post(notifier.Announcement{Title: "New shelf; imap7, imap8", Kind: notifier.KindMaintenance, Components: []string{"imap7"}, StartsAt: starts, EndsAt: starts.Add(2 * time.Hour), Body: body})
	h.post(notifier.Announcement{Title: "Not in a calendar"})
	h.post(notifier.Announcement{Title: "Open end", Kind: notifier.KindMaintenance, StartsAt: starts, Body: "x"})
	h.post(notifier.Announcement{Title: "Draft", Kind: notifier.KindMaintenance, StartsAt: starts, State: notifier.Draft})
	c, raw := h.calendar()
	if len(c.Events()) != 2 {
		t.Fatalf("%d events:\n%s", len(c.Events()), raw)
	}
	for _, want := range []string{"BEGIN:VCALENDAR\r\nVERSION:2.0\r\n", "DTSTART:20261124T010000Z", "DTEND:20261124T030000Z", "DTSTAMP:20261123T161100Z", "STATUS:CONFIRMED", "REFRESH-INTERVAL;VALUE=DURATION:PT1H\r\n", "X-WR-CALNAME:Example Status: maintenance", `SUMMARY:New shelf\; imap7\, imap8`} {
		if !strings.Contains(raw, want) {
			t.Errorf("%q is missing in\n%s", want, raw)
		}
	}
	e := c.Events()[1]
	if strings.Contains(e.Id(), "example") || len(e.Id()) != 36 || value(e, ics.ComponentPropertySummary) != i.Title || value(e, ics.ComponentPropertyCategories) != "IMAP, seven; \\eight" ||
		value(e, ics.ComponentPropertyUrl) != "https://status.example.com/incidents/"+i.ID || value(e, ics.ComponentPropertySequence) != "0" {
		t.Errorf("%+v", e)
	}
	if d := value(e, ics.ComponentPropertyDescription); !strings.Contains(d, "First; second, third \\ fourth.") || !strings.Contains(d, "Ümläuten und 日本語") || !strings.HasPrefix(d, "Planned maintenance\n") {
		t.Errorf("description %q", d)
	}
}

func TestAMaintenanceThatChangesKeepsItsNameAndCountsUp(t *testing.T) {
	h := newHouse(t)
	starts := h.clock().Add(10 * time.Hour)
	id := h.post(notifier.Announcement{Title: "New shelf", Kind: notifier.KindMaintenance, StartsAt: starts, EndsAt: starts.Add(time.Hour), Body: "x"}).ID
	uid, last := "", -1
	look := func(what, status string) {
		t.Helper()
		c, raw := h.calendar()
		if len(c.Events()) != 1 {
			t.Fatalf("%s: %s", what, raw)
		}
		e := c.Events()[0]
		n, err := strconv.Atoi(value(e, ics.ComponentPropertySequence))
		if uid == "" {
			uid = e.Id()
		}
		if err != nil || n <= last || e.Id() != uid || value(e, ics.ComponentPropertyStatus) != status {
			t.Errorf("%s: sequence %d after %d, %v:\n%s", what, n, last, err, raw)
		}
		last = n
	}
	look("announced", "CONFIRMED")
	h.say(id, notifier.Saying{Body: "Said within the same second."})
	look("said", "CONFIRMED")
	h.pass(time.Minute)
	h.revise(id, func(i notifier.Incident) (notifier.Posting, error) {
		later := starts.Add(time.Hour)
		return i.Correct(notifier.Correction{StartsAt: &later, EndsAt: ptr(later.Add(time.Hour))}, h.desk())
	})
	look("moved", "CONFIRMED")
	h.pass(time.Hour)
	h.say(id, notifier.Saying{Status: notifier.Extended, EndsAt: ptr(starts.Add(9 * time.Hour))})
	look("extended", "CONFIRMED")
	h.pass(time.Minute)
	h.revise(id, func(i notifier.Incident) (notifier.Posting, error) { return i.Retract("", false, h.desk()) })
	look("withdrawn", "CANCELLED")
}

func ptr[T any](v T) *T { return &v }
