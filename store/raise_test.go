package store_test

import (
	"testing"

	"allclear/notifier"
)

// gently is a box with a reader of every word, one of milestones, and an incident
// that both were told of.
func gently(t *testing.T, test func(t *testing.T, b *box, d *desk, id string)) {
	t.Helper()
	eachBox(t, func(t *testing.T, b *box) {
		b.readers(2)
		b.exec(`UPDATE subscribers SET cadence = 'milestones' WHERE number = 2`)
		d := b.heldDesk(0)
		p, err := b.OpenIncident(b.ctx, d.open(t, notifier.Announcement{Title: "Mail is slow", Severity: notifier.SeverityMinor}))
		b.must(err)
		b.out(p.Event.Number, p.Event.Number, 1, 2)
		test(t, b, d, p.Incident.ID)
		b.sound()
	})
}

// goes says it, and fails unless it goes to the readers.
func (b *box) goes(d *desk, id string, s notifier.Saying, readers ...int64) (event int64) {
	b.t.Helper()
	event = b.say(d, id, s)
	b.expand(10)
	got := b.claim("w", 10)
	if len(got) != len(readers) {
		b.t.Errorf("%q goes to %v, want %v", s.Body, ids(got), readers)
	}
	for i, c := range got {
		if i < len(readers) && (c.ID.Reader() != readers[i] || c.ID.Event() != event || c.Since != event || c.Told == 0) {
			b.t.Errorf("%q goes by %+v, want reader %d", s.Body, c, readers[i])
		}
	}
	b.settle("w", notifier.Sent, got...)
	return event
}

func TestReadersOfMilestonesHearThatItGotWorse(t *testing.T) {
	minor, major, critical := notifier.SeverityMinor, notifier.SeverityMajor, notifier.SeverityCritical
	gently(t, func(t *testing.T, b *box, d *desk, id string) {
		b.goes(d, id, notifier.Saying{Body: "we look"}, 1)
		b.goes(d, id, notifier.Saying{Body: "as before", Severity: &minor}, 1)
		b.goes(d, id, notifier.Saying{Body: "worse", Severity: &major}, 1, 2)
		b.goes(d, id, notifier.Saying{Body: "still", Severity: &major}, 1)
		b.goes(d, id, notifier.Saying{Body: "better", Severity: &minor}, 1)
		b.goes(d, id, notifier.Saying{Body: "as bad as they know it", Severity: &major}, 1)
		b.goes(d, id, notifier.Saying{Body: "better again", Severity: &minor}, 1)
		b.goes(d, id, notifier.Saying{Body: "worse than ever", Severity: &critical}, 1, 2)
		b.goes(d, id, notifier.Saying{Body: "over", Status: notifier.Resolved}, 1, 2)
	})
}

func TestWhatGotWorseWithoutAWordIsAMilestoneOnceSomethingIsSaid(t *testing.T) {
	major, critical := notifier.SeverityMajor, notifier.SeverityCritical
	correct := func(b *box, d *desk, id string, c notifier.Correction) {
		_, err := b.ReviseIncident(b.ctx, id, func(i notifier.Incident) (notifier.Posting, error) { return i.Correct(c, d.desk()) })
		b.must(err)
	}
	gently(t, func(t *testing.T, b *box, d *desk, id string) {
		b.say(d, id, notifier.Saying{Body: "worse", Severity: &major, Quiet: true})
		b.goes(d, id, notifier.Saying{Body: "we look"}, 1, 2)
		correct(b, d, id, notifier.Correction{Severity: &critical})
		b.goes(d, id, notifier.Saying{Body: "we look on"}, 1, 2)
		b.goes(d, id, notifier.Saying{Body: "and on"}, 1)
	})
	gently(t, func(t *testing.T, b *box, d *desk, id string) {
		correct(b, d, id, notifier.Correction{Severity: &major, Tell: true})
		b.expand(10)
		if got := b.claim("w", 10); len(got) != 2 {
			t.Errorf("a correction that says it goes to %v", ids(got))
		} else {
			b.settle("w", notifier.Sent, got...)
		}
		b.goes(d, id, notifier.Saying{Body: "we look"}, 1) // that was told
	})
}

// What waits for a reader is told with it, from its first event on.
func TestWhatMakesItWorseTakesThePlaceOfWhatWaits(t *testing.T) {
	major := notifier.SeverityMajor
	heldBox(t, func(t *testing.T, b *box, d *desk, p notifier.Posting) {
		b.exec(`UPDATE subscribers SET cadence = 'milestones' WHERE number = 2`)
		b.say(d, p.Incident.ID, notifier.Saying{Body: "still"})
		worse := b.say(d, p.Incident.ID, notifier.Saying{Body: "worse", Severity: &major})
		b.silent("within the hold-down")
		b.must(b.ReleaseHold(b.ctx, p.Incident.ID))
		b.out(worse, p.Event.Number, 1, 2)
	})
}
