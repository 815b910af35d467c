package store_test

import (
	"testing"
	"time"

	"allclear/notifier"
)

// quietBox has a reader of digests and an incident that is open.
func quietBox(t *testing.T, hold time.Duration, test func(b *box, d *desk, p notifier.Posting, wants func(string))) {
	t.Helper()
	eachBox(t, func(t *testing.T, b *box) {
		ann := b.joins("ann@example.com", nil)
		b.digests()
		d := b.heldDesk(hold)
		p, err := b.OpenIncident(b.ctx, d.open(t, notifier.Announcement{Title: "R1", Severity: notifier.SeverityMinor, Body: "old"}))
		b.must(err)
		test(b, d, p, func(want string) {
			t.Helper()
			b.expand(10)
			b.pass(day)
			b.digests()
			b.wantDigests(ann, want)
		})
	})
}

func (b *box) withdraw(d *desk, id string) {
	b.t.Helper()
	p, err := b.ReviseIncident(b.ctx, id, func(i notifier.Incident) (notifier.Posting, error) { return i.Retract("", false, d.desk()) })
	b.must(err)
	if p.Event != nil {
		b.t.Fatal("it was not quiet")
	}
}

// corrects changes the title.
func (b *box) corrects(d *desk, id string, tell bool) {
	b.t.Helper()
	d.Advance(time.Minute)
	title := "Corrected at " + d.Now().String()
	_, err := b.ReviseIncident(b.ctx, id, func(i notifier.Incident) (notifier.Posting, error) {
		return i.Correct(notifier.Correction{Title: &title, Tell: tell}, d.desk())
	})
	b.must(err)
}

func TestADigestSaysNothingOfWhatWasQuietlyWithdrawnBeforeIt(t *testing.T) {
	for _, hold := range []time.Duration{0, 10 * time.Minute} {
		quietBox(t, hold, func(b *box, d *desk, p notifier.Posting, wants func(string)) {
			b.pass(time.Minute)
			b.withdraw(d, p.Incident.ID)
			wants("")
		})
	}
}

func TestADigestShowsAnIncidentAsItStandsAndNotAsItsLastEventLeftIt(t *testing.T) {
	worse := notifier.SeverityMajor
	quietBox(t, 0, func(b *box, d *desk, p notifier.Posting, wants func(string)) {
		first := p.Event.Number
		b.pass(time.Minute)
		b.say(d, p.Incident.ID, notifier.Saying{Body: "new", Severity: &worse, Quiet: true})
		story, err := b.Standing(b.ctx, first, b.time().Add(time.Hour))
		b.must(err)
		if n := len(story.Missed(first)); n != 2 || story.Incident.Severity != worse || story.Event.Type != notifier.IncidentUpdated {
			b.t.Errorf("%d updates, %s, %s", n, story.Incident.Severity, story.Event.Type)
		}
		if story, err = b.Story(b.ctx, first); err != nil || story.Event.Type != notifier.IncidentCreated || len(story.Incident.Updates) != 1 {
			b.t.Errorf("the event's own story: %+v, %v", story, err)
		}
		b.pass(time.Minute)
		b.say(d, p.Incident.ID, notifier.Saying{Status: notifier.Resolved, Quiet: true})
		story, err = b.Standing(b.ctx, first, b.time().Add(time.Hour))
		b.must(err)
		if story.Event.Type != notifier.IncidentResolved || !story.Incident.Status.Final() || story.Incident.ResolvedAt.IsZero() || len(story.Missed(first)) != 3 {
			b.t.Errorf("%s, %+v", story.Event.Type, story.Incident)
		}
		wants("1")
	})
}

func TestADigestShowsWhatWasSaidToOthersToo(t *testing.T) {
	quietBox(t, 0, func(b *box, d *desk, p notifier.Posting, wants func(string)) {
		b.say(d, p.Incident.ID, notifier.Saying{Body: "quiet", Quiet: true})
		loud := b.say(d, p.Incident.ID, notifier.Saying{Status: notifier.Resolved, Body: "over"})
		story, err := b.Standing(b.ctx, p.Event.Number, b.time().Add(time.Hour))
		b.must(err)
		if len(story.Incident.Updates) != 3 || story.Event.Type != notifier.IncidentResolved || len(story.Missed(p.Event.Number)) != 3 {
			b.t.Errorf("%s, %+v", story.Event.Type, story.Incident)
		}
		b.withdraw(d, p.Incident.ID)
		if story, err = b.Standing(b.ctx, loud, b.time().Add(time.Hour)); err != nil || story.Event.Type != notifier.IncidentRetracted {
			b.t.Errorf("%s, %v", story.Event.Type, err)
		}
		wants("")
	})
}
