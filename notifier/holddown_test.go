package notifier

import (
	"testing"
	"time"
)

func holdDesk() Desk {
	return Desk{Now: time.Date(2026, 11, 23, 16, 11, 0, 0, time.UTC), Zone: time.UTC, NewID: func() string { return "id" }, HoldDown: 10 * time.Minute}
}

func openedAt(t *testing.T, a Announcement, d Desk) Posting {
	t.Helper()
	p, err := Open(a, d)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestOnlyTheNewsThatSomethingBrokeIsHeldDown(t *testing.T) {
	d := holdDesk()
	for _, c := range []struct {
		name string
		a    Announcement
		held bool
	}{
		{"an incident", Announcement{Title: "x"}, true},
		{"a major one", Announcement{Title: "x", Severity: SeverityMajor}, true},
		{"one that happened before", Announcement{Title: "x", At: d.Now.Add(-time.Hour)}, true},
		{"a critical one", Announcement{Title: "x", Severity: SeverityCritical}, false},
		{"one that is over", Announcement{Title: "x", Status: Resolved}, false},
		{"a post", Announcement{Title: "x", Kind: KindPost, Body: "x"}, false},
		{"maintenance", Announcement{Title: "x", Kind: KindMaintenance, StartsAt: d.Now.Add(time.Hour), EndsAt: d.Now.Add(2 * time.Hour)}, false},
	} {
		e := openedAt(t, c.a, d).Event
		if want := d.Now.Add(d.HoldDown); c.held && !e.HeldUntil.Equal(want) || !c.held && !e.HeldUntil.IsZero() {
			t.Errorf("%s is held until %s", c.name, e.HeldUntil)
		}
		if e.Held(d.Now) != c.held || e.Held(d.Now.Add(d.HoldDown)) || e.Unsaid() {
			t.Errorf("%s: %+v", c.name, e)
		}
	}
	d.HoldDown = 0
	if e := openedAt(t, Announcement{Title: "x"}, d).Event; !e.HeldUntil.IsZero() {
		t.Errorf("held until %s, though it is off", e.HeldUntil)
	}
	p := openedAt(t, Announcement{Title: "x", Quiet: true}, holdDesk())
	say, err := p.Incident.Say(Saying{Body: "first that anybody hears"}, holdDesk())
	if err != nil || !say.Event.HeldUntil.IsZero() {
		t.Errorf("an update: %+v, %v", say.Event, err)
	}
}

func TestWhatBecomesOfWhatIsHeld(t *testing.T) {
	d, worse, title := holdDesk(), SeverityCritical, "y"
	was := openedAt(t, Announcement{Title: "x", Severity: SeverityMinor}, d).Incident
	say := func(s Saying) func() (Posting, error) {
		return func() (Posting, error) { return was.Say(s, d) }
	}
	for name, c := range map[string]struct {
		do   func() (Posting, error)
		want HoldFate
	}{
		"an update":                    {say(Saying{Body: "still"}), HoldLasts},
		"a quiet one":                  {say(Saying{Body: "still", Quiet: true}), HoldLasts},
		"the all-clear":                {say(Saying{Status: Resolved}), HoldEnds},
		"the all-clear without a word": {say(Saying{Status: Resolved, Quiet: true}), HoldDropped},
		"it is critical":               {say(Saying{Body: "worse", Severity: &worse}), HoldEnds},
		"critical, without a word":     {say(Saying{Body: "worse", Severity: &worse, Quiet: true}), HoldEnds},
		"corrected to critical":        {func() (Posting, error) { return was.Correct(Correction{Severity: &worse}, d) }, HoldEnds},
		"corrected otherwise":          {func() (Posting, error) { return was.Correct(Correction{Title: &title, Tell: true}, d) }, HoldLasts},
		"retracted":                    {func() (Posting, error) { return was.Retract("", false, d) }, HoldDropped},
		"retracted with a word":        {func() (Posting, error) { return was.Retract("sorry", true, d) }, HoldDropped},
	} {
		p, err := c.do()
		if err != nil {
			t.Fatal(err)
		}
		if got := p.HoldFate(was); got != c.want {
			t.Errorf("%s: %d, want %d", name, got, c.want)
		}
	}
}

func TestWhatWasTakenBackBeforeItsTimeIsUnsaid(t *testing.T) {
	e := Event{HeldUntil: holdDesk().Now}
	for expanded, want := range map[time.Time]bool{{}: false, e.HeldUntil.Add(-time.Second): true, e.HeldUntil: false, e.HeldUntil.Add(time.Second): false} {
		if e.ExpandedAt = expanded; e.Unsaid() != want {
			t.Errorf("expanded at %s: %v", expanded, e.Unsaid())
		}
	}
}
