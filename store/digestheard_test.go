package store_test

import (
	"testing"
	"time"

	"allclear/notifier"
	"allclear/subscribers"
)

// heardBox has two whom what is critical reaches at once, one of them by every
// update, and an incident that is not critical yet.
func heardBox(t *testing.T, hold time.Duration, test func(b *box, d *desk, id string, ann, bob subscribers.Number)) {
	t.Helper()
	eachBox(t, func(t *testing.T, b *box) {
		ann := b.joins("ann@example.com", func(s *subscribers.Subscriber) { s.Critical = true })
		bob := b.joins("bob@example.com", func(s *subscribers.Subscriber) { s.Cadence = subscribers.Instant })
		b.digests()
		d := b.heldDesk(hold)
		p, err := b.OpenIncident(b.ctx, d.open(t, notifier.Announcement{Title: "Login fails", Severity: notifier.SeverityMinor}))
		b.must(err)
		test(b, d, p.Incident.ID, ann, bob)
	})
}

func (b *box) sendsAll() {
	b.t.Helper()
	b.expand(10)
	b.settle("w", notifier.Sent, b.claim("w", 10)...)
}

func TestADigestLeavesOutAnIncidentOfWhichTheNewestCameAtOnce(t *testing.T) {
	critical := notifier.SeverityCritical
	for _, hold := range []time.Duration{0, 10 * time.Minute} { // within a hold-down all that was said goes as one
		heardBox(t, hold, func(b *box, d *desk, id string, ann, _ subscribers.Number) {
			b.expand(10)
			b.pass(time.Minute)
			worse := b.say(d, id, notifier.Saying{Severity: &critical, Body: "worse"})
			b.sendsAll()
			if seen, err := b.PreviewDigest(b.ctx, ann, b.time()); err != nil || len(seen.Items) != 0 {
				b.t.Errorf("looking ahead: %+v, %v", seen, err)
			}
			b.nextDigest(ann, "")
			over := b.say(d, id, notifier.Saying{Status: notifier.Resolved})
			b.sendsAll()
			b.states(int64(ann), map[int64]notifier.DeliveryState{worse: notifier.Sent, over: notifier.Sent})
			b.nextDigest(ann, "")
		})
	}
}

func TestADigestTellsOfAnIncidentWhatCameAfterTheNewestThatCameAtOnce(t *testing.T) {
	critical, minor := notifier.SeverityCritical, notifier.SeverityMinor
	heardBox(t, 0, func(b *box, d *desk, id string, ann, _ subscribers.Number) {
		b.say(d, id, notifier.Saying{Severity: &critical, Body: "worse"})
		b.sendsAll()
		b.say(d, id, notifier.Saying{Severity: &minor, Body: "better"})
		b.sendsAll()
		b.nextDigest(ann, "3")
	})
}

func TestWhoTurnsToDigestsIsNotToldThatItIsOpenAfterTheEndCameAtOnce(t *testing.T) {
	heardBox(t, 0, func(b *box, d *desk, id string, _, bob subscribers.Number) {
		b.sendsAll()
		b.turns(bob, func(s *subscribers.Subscriber) { s.Cadence = subscribers.Daily })
		b.say(d, id, notifier.Saying{Body: "still looking"})
		over := b.say(d, id, notifier.Saying{Status: notifier.Resolved})
		b.sendsAll()
		b.states(int64(bob), map[int64]notifier.DeliveryState{over: notifier.Sent})
		b.nextDigest(bob, "")
	})
}

// What ends behind what a last digest goes to comes at once, and may be there first.
func TestALastDigestDoesNotTellThatItIsOpenAfterTheEndCameAtOnce(t *testing.T) {
	heardBox(t, 0, func(b *box, d *desk, id string, ann, _ subscribers.Number) {
		b.sendsAll()
		b.turns(ann, func(s *subscribers.Subscriber) { s.Cadence = subscribers.Instant })
		b.say(d, id, notifier.Saying{Status: notifier.Resolved})
		b.sendsAll()
		b.digests()
		b.wantDigests(ann, "")
	})
}

// A reader of what is major was not told that it got better, and not by whom.
func TestADigestShowsTheNewestStateThoughItsReaderWasNotToBeToldOfThat(t *testing.T) {
	quietBox(t, 0, func(b *box, d *desk, p notifier.Posting, wants func(string)) {
		major, minor := notifier.SeverityMajor, notifier.SeverityMinor
		b.pass(time.Minute)
		worse := b.say(d, p.Incident.ID, notifier.Saying{Severity: &major, Body: "worse"})
		b.pass(time.Minute)
		b.say(d, p.Incident.ID, notifier.Saying{Severity: &minor, Body: "better"})
		story, err := b.Standing(b.ctx, worse, b.time().Add(time.Hour))
		if b.must(err); story.Incident.Severity != minor || len(story.Incident.Updates) != 3 {
			b.t.Errorf("%+v", story.Incident)
		}
		if story, err = b.Standing(b.ctx, worse, b.time()); err != nil || story.Incident.Severity != major {
			b.t.Errorf("before that: %+v, %v", story.Incident, err)
		}
		wants("1,2,3")
	})
}
