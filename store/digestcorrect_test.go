package store_test

import (
	"testing"
	"time"

	"allclear/notifier"
	"allclear/subscribers"
)

// Between being made and being sent a digest may wait for long.
func TestADigestShowsHowThingsStoodWhenItWasMadeAndTheNextOneWhatEndedSince(t *testing.T) {
	quietBox(t, 0, func(b *box, d *desk, p notifier.Posting, wants func(string)) {
		wants("1")
		made := b.number(`SELECT accepted_at FROM events WHERE type = 'digest'`)
		b.pass(time.Minute)
		b.say(d, p.Incident.ID, notifier.Saying{Status: notifier.Resolved, Body: "over", Quiet: true})
		for until, over := range map[time.Time]bool{time.UnixMicro(made): false, b.time().Add(time.Hour): true} {
			story, err := b.Standing(b.ctx, p.Event.Number, until)
			if b.must(err); story.Incident.Status.Final() != over || (story.Event.Type == notifier.IncidentResolved) != over {
				b.t.Errorf("until %s: %s, %s", until, story.Incident.Status, story.Event.Type)
			}
		}
		wants("1|1")
		wants("1|1")
	})
}

func TestADigestGoesByTheSeverityAsItWasCorrected(t *testing.T) {
	quietBox(t, 0, func(b *box, d *desk, p notifier.Posting, wants func(string)) {
		careful := b.joins("bob@example.com", func(s *subscribers.Subscriber) { s.Filter.Severity = notifier.SeverityMajor })
		regrade := func(id string, to notifier.Severity) {
			_, err := b.ReviseIncident(b.ctx, id, func(i notifier.Incident) (notifier.Posting, error) {
				return i.Correct(notifier.Correction{Severity: &to}, d.desk())
			})
			b.must(err)
		}
		worse, err := b.OpenIncident(b.ctx, d.open(b.t, notifier.Announcement{Title: "R2", Severity: notifier.SeverityMinor}))
		b.must(err)
		better, err := b.OpenIncident(b.ctx, d.open(b.t, notifier.Announcement{Title: "R3", Severity: notifier.SeverityCritical}))
		b.must(err)
		b.expand(10)
		regrade(worse.Incident.ID, notifier.SeverityMajor)
		regrade(better.Incident.ID, notifier.SeverityMinor)
		wants("1,2,3")
		b.wantDigests(careful, "2")
	})
}
