package store_test

import (
	"testing"
	"time"

	"allclear/notifier"
	"allclear/subscribers"
)

// What waits by hold-down keeps nothing open of what was handed out behind it:
// readers with "critical at once" would have had all that from the next digest.
func TestADigestTellsWhatIsBehindSomethingHeld(t *testing.T) {
	eachBox(t, func(t *testing.T, b *box) { // the clock stands at noon
		ann := b.joins("ann@example.com", func(s *subscribers.Subscriber) { s.Critical = true })
		bob := b.joins("bob@example.com", nil)
		b.digests()
		b.pass(day - 5*time.Minute)
		d := b.heldDesk(10 * time.Minute)
		held, err := b.OpenIncident(b.ctx, d.open(t, notifier.Announcement{Title: "held", Severity: notifier.SeverityMinor}))
		b.must(err)
		critical := notifier.Event{Kind: notifier.KindIncident, Severity: notifier.SeverityCritical, Type: notifier.IncidentCreated}
		b.happens("two", critical)
		b.happens("three", notifier.Event{Type: notifier.IncidentCreated})
		b.happens("four", notifier.Event{Type: notifier.IncidentResolved})
		b.expand(10)
		b.settle("w", notifier.Sent, b.claim("w", 10)...)
		b.pass(5 * time.Minute) // noon, and the first is held still
		b.digests()
		if held.Event.Number != 1 {
			t.Fatalf("event %d", held.Event.Number)
		}
		b.wantDigests(ann, "1,3,4")
		b.wantDigests(bob, "1,2,3,4")
		b.pass(day)
		b.digests()
		b.wantDigests(ann, "1,3,4")
		b.wantDigests(bob, "1,2,3,4")
	})
}

// What has yet to come at once is still not the digest's.
func TestADigestStopsAtWhatMayStillComeAtOnceBehindSomethingHeld(t *testing.T) {
	eachBox(t, func(t *testing.T, b *box) {
		ann := b.joins("ann@example.com", func(s *subscribers.Subscriber) { s.Critical = true })
		b.digests()
		b.pass(day - 5*time.Minute)
		d := b.heldDesk(10 * time.Minute)
		_, err := b.OpenIncident(b.ctx, d.open(t, notifier.Announcement{Title: "held", Severity: notifier.SeverityMinor}))
		b.must(err)
		critical := notifier.Event{Kind: notifier.KindIncident, Severity: notifier.SeverityCritical, Type: notifier.IncidentCreated}
		b.happens("two", critical)
		b.expand(10)
		b.happens("three", critical)
		b.happens("four", notifier.Event{Type: notifier.IncidentCreated})
		b.pass(5 * time.Minute)
		b.digests()
		b.wantDigests(ann, "1")
		b.expand(10)
		b.pass(day)
		b.digests()
		b.wantDigests(ann, "1|4")
		b.states(int64(ann), map[int64]notifier.DeliveryState{2: notifier.Pending, 3: notifier.Pending})
	})
}

func TestALastDigestDoesNotWaitForWhatIsHeldAndDoesNotTellIt(t *testing.T) {
	eachBox(t, func(t *testing.T, b *box) {
		ann := b.joins("ann@example.com", nil)
		b.digests()
		b.happens("one", notifier.Event{Type: notifier.IncidentCreated})
		d := b.heldDesk(10 * time.Minute)
		held, err := b.OpenIncident(b.ctx, d.open(t, notifier.Announcement{Title: "held", Severity: notifier.SeverityMinor}))
		b.must(err)
		b.happens("three", notifier.Event{Type: notifier.IncidentCreated})
		b.expand(10)
		b.turns(ann, func(s *subscribers.Subscriber) { s.Cadence = subscribers.Instant })
		b.digests()
		b.wantDigests(ann, "1,3")
		b.settle("w", notifier.Sent, b.claim("w", 10)...)
		b.pass(10 * time.Minute)
		b.out(held.Event.Number, held.Event.Number, int64(ann))
		b.digests()
		b.wantDigests(ann, "1,3")
	})
}
