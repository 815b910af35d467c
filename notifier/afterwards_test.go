package notifier

import (
	"errors"
	"fmt"
	"testing"
	"time"
)

func TestPublishingADraftTellsOfItOnce(t *testing.T) {
	i := opened(t, Announcement{State: Draft, Severity: SeverityMajor})
	say(t, &i, Saying{Body: "second thoughts"})
	p, err := i.Publish(false, desk())
	if err != nil {
		t.Fatal(err)
	}
	if p.Incident.State != Published || p.Update != nil || p.Event.Type != IncidentCreated || p.Event.Severity != SeverityMajor {
		t.Errorf("%+v %+v", p.Incident, p.Event)
	}
	if p.Event.UpdateID != i.Updates[1].ID {
		t.Errorf("the event tells of %s, not of the last update", p.Event.UpdateID)
	}
	if _, err := p.Incident.Publish(false, desk()); !errors.Is(err, ErrConflict) {
		t.Errorf("published twice: %v", err)
	}
	if p, _ := i.Publish(true, desk()); p.Event != nil || p.Incident.State != Published {
		t.Error("a quiet publication told somebody")
	}
}

func TestARetractionTellsThoseWhoWereTold(t *testing.T) {
	i := opened(t, Announcement{Severity: SeverityCritical})
	p, err := i.Retract("wrong service", true, desk())
	if err != nil {
		t.Fatal(err)
	}
	if p.Incident.State != Retracted || p.Incident.Open() || p.Event.Type != IncidentRetracted || !p.Event.Type.Closing() || p.Event.UpdateID != p.Update.ID {
		t.Errorf("%+v %+v", p.Incident, p.Event)
	}
	if !p.Event.ExpiresAt.Equal(p.Event.AcceptedAt.Add(ResolvedLife)) {
		t.Error("a retraction lives as long as an incident")
	}
	if _, err := p.Incident.Retract("again", true, desk()); !errors.Is(err, ErrConflict) {
		t.Errorf("retracted twice: %v", err)
	}
	if _, err := p.Incident.Say(Saying{Body: "x"}, desk()); !errors.Is(err, ErrConflict) {
		t.Errorf("an update to what was retracted: %v", err)
	}
	if _, err := p.Incident.Publish(false, desk()); !errors.Is(err, ErrConflict) {
		t.Errorf("a retracted one was published: %v", err)
	}
}

func TestARetractionOfADraftOrAQuietOneMailsNobody(t *testing.T) {
	draft := opened(t, Announcement{State: Draft})
	if p, err := draft.Retract("never mind", true, desk()); err != nil || p.Event != nil {
		t.Errorf("%v %v", p.Event, err)
	}
	i := opened(t, Announcement{})
	if p, err := i.Retract("", false, desk()); err != nil || p.Event != nil || p.Update != nil {
		t.Errorf("%v %v %v", p.Event, p.Update, err)
	}
	if p, err := i.Retract("for the page", false, desk()); err != nil || p.Event != nil || p.Update == nil {
		t.Errorf("%v %v %v", p.Event, p.Update, err)
	}
	_, err := i.Retract(`{{at "soon"}}`, true, desk())
	invalid(t, err, "body")
}

func TestACorrectionChangesTheRecordAndTellsNobody(t *testing.T) {
	i := opened(t, Announcement{Severity: SeverityMajor, Impact: Impact{DelayMaxMinutes: ptr(90.0)}})
	p, err := i.Correct(Correction{Title: ptr(" Mail was slow "), Severity: ptr(SeverityMinor), Components: &[]string{"smtp"}, Impact: &Impact{DelayMaxMinutes: ptr(9.0)}}, desk())
	if err != nil || p.Event != nil || p.Update != nil {
		t.Fatalf("%+v %v", p, err)
	}
	if c := p.Incident; c.Title != "Mail was slow" || c.Severity != SeverityMinor || c.Components[0] != "smtp" || *c.Impact.DelayMaxMinutes != 9 {
		t.Errorf("%+v", c)
	}
	for field, c := range map[string]Correction{
		"title": {Title: ptr("")}, "severity": {Severity: ptr(Severity(7))}, "components[0]": {Components: &[]string{"A"}},
		"starts_at": {StartsAt: ptr(desk().Now)}, "ends_at": {EndsAt: ptr(desk().Now)}, "impact.error_rate": {Impact: &Impact{ErrorRate: ptr(7.0)}},
	} {
		p, err := i.Correct(c, desk())
		invalid(t, err, field)
		if p.Incident.ID != "" {
			t.Errorf("%s: half of it was made", field)
		}
	}
}

func TestACorrectionIsToldWhereThatIsAskedFor(t *testing.T) {
	i := opened(t, Announcement{Severity: SeverityMajor, Components: []string{"imap"}})
	p, err := i.Correct(Correction{Severity: ptr(SeverityMinor), Tell: true}, desk())
	if err != nil || p.Update != nil || p.Event == nil {
		t.Fatalf("%+v %v", p, err)
	}
	if e := p.Event; e.Type != IncidentCorrected || e.Lane != LaneIncident || e.UpdateID != i.Updates[0].ID || e.Severity != SeverityMinor || e.Components[0] != "imap" {
		t.Errorf("%+v", e)
	}
	var bad *Invalid
	if _, err := i.Correct(Correction{Tell: true}, desk()); !errors.As(err, &bad) || bad.Field != "notify" {
		t.Errorf("of nothing: %v", err)
	}
	i.State = Draft
	if p, err := i.Correct(Correction{Title: ptr("Mail"), Tell: true}, desk()); err != nil || p.Event != nil {
		t.Errorf("of a draft: %+v %v", p.Event, err)
	}
	i.State = Retracted
	if _, err := i.Correct(Correction{Title: ptr("Mail"), Tell: true}, desk()); !errors.Is(err, ErrConflict) {
		t.Errorf("of what was retracted: %v", err)
	}
	if _, err := i.Correct(Correction{}, desk()); err != nil {
		t.Error(err)
	}
}

func TestACorrectedUpdateIsCheckedLikeANewOne(t *testing.T) {
	u := opened(t, Announcement{Body: "at first"}).Updates[0]
	got, warnings, err := u.Correct(ptr("since 16:11\r\n{{at \"-5m\"}}"), ptr(desk().Now.Add(-time.Hour)), desk())
	if err != nil || len(warnings) != 1 || got.Body != "since 16:11\n{{at \"2026-11-23T15:15:00.123456Z\"}}" || !got.At.Before(u.At) {
		t.Errorf("%+v %q %v", got, warnings, err)
	}
	for field, try := range map[string]func() (Update, []string, error){
		"body": func() (Update, []string, error) { return u.Correct(ptr("\x00"), ptr(desk().Now), desk()) },
		"at": func() (Update, []string, error) {
			return u.Correct(ptr("fine"), ptr(desk().Now.Add(48*time.Hour)), desk())
		},
	} {
		got, _, err := try()
		invalid(t, err, field)
		if got.Body != u.Body || !got.At.Equal(u.At) {
			t.Errorf("%s: half of it was changed", field)
		}
	}
	if same, _, err := u.Correct(nil, nil, desk()); err != nil || same != u {
		t.Errorf("%+v %v", same, err)
	}
}

func TestWarningsReachThePersonWhoPosts(t *testing.T) {
	p, err := Open(Announcement{Title: "x", Body: "since 16:11"}, desk())
	if err != nil || len(p.Warnings) != 1 {
		t.Errorf("%q %v", p.Warnings, err)
	}
}

func TestNoPostingChangesTheIncidentItCameFrom(t *testing.T) {
	i := opened(t, Announcement{Components: []string{"imap"}, Severity: SeverityMinor})
	before := fmt.Sprintf("%+v", i)
	_, _ = i.Say(Saying{Status: Resolved, Severity: ptr(SeverityMajor), Components: &[]string{"smtp"}, Impact: &Impact{ErrorRate: ptr(0.1)}}, desk())
	_, _ = i.Retract("x", true, desk())
	_, _ = i.Correct(Correction{Title: ptr("y")}, desk())
	if after := fmt.Sprintf("%+v", i); after != before {
		t.Errorf("before %s\nafter  %s", before, after)
	}
}
