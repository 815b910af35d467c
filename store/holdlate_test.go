package store_test

import (
	"testing"
	"time"

	"allclear/notifier"
)

// patience is how long something urgent may wait before staff hear of it.
const patience = 5 * time.Minute

// wantLate fails unless so many events are stuck, and the oldest delivery of
// incidents has been due for so long; -1: nothing is due.
func (b *box) wantLate(when string, stuck int, due time.Duration) {
	b.t.Helper()
	events, err := b.StuckEvents(b.ctx, b.time().Add(-patience), 10)
	b.must(err)
	if len(events) != stuck {
		b.t.Errorf("%s %d events are not handed out, want %d: %+v", when, len(events), stuck, events)
	}
	depths, err := b.Depths(b.ctx)
	b.must(err)
	got := time.Duration(-1)
	for _, d := range depths {
		if d.Lane == notifier.LaneIncident && !d.Oldest.IsZero() {
			got = b.time().Sub(d.Oldest)
		}
	}
	if got != due {
		b.t.Errorf("%s the oldest has been due for %s, want %s", when, got, due)
	}
}

// However long a hold is: that it lasts is no trouble, and neither is its end.
func TestWhatIsHeldIsLateOnlyByWhenItsHoldEnded(t *testing.T) {
	heldBox(t, func(t *testing.T, b *box, d *desk, p notifier.Posting) {
		b.pass(6 * time.Minute)
		b.say(d, p.Incident.ID, notifier.Saying{Body: "still"}) // and this waits as long
		b.wantLate("while it is held", 0, -1)
		b.pass(4*time.Minute - time.Second)
		b.wantLate("just before its end", 0, -1)
		b.pass(time.Second)
		b.wantLate("at its end", 0, -1)
		b.pass(patience)
		b.wantLate("as long behind it as may be", 0, -1)
		b.pass(time.Second)
		b.wantLate("longer than that", 2, -1)
		b.expand(10)
		b.wantLate("once it is handed out", 0, patience+time.Second)
	})
}

func TestWhatIsReleasedIsDueFromThenOn(t *testing.T) {
	heldBox(t, func(t *testing.T, b *box, d *desk, p notifier.Posting) {
		b.pass(10 * time.Minute)
		b.expand(10)
		b.wantLate("at the end of its hold", 0, 0)
		for _, c := range b.claim("w", 10) {
			if !c.DueAt.Equal(p.Event.HeldUntil) || !c.AcceptedAt.Equal(p.Event.AcceptedAt) {
				t.Errorf("%s is due at %s, accepted at %s", c.ID, c.DueAt, c.AcceptedAt)
			}
		}
	})
	heldBox(t, func(t *testing.T, b *box, d *desk, p notifier.Posting) {
		b.pass(8 * time.Minute)
		b.must(b.ReleaseHold(b.ctx, p.Incident.ID))
		b.expand(10)
		b.wantLate("once staff sent it", 0, 0)
		b.pass(time.Minute)
		b.wantLate("a minute later", 0, time.Minute)
	})
	heldBox(t, func(t *testing.T, b *box, d *desk, p notifier.Posting) {
		b.pass(8 * time.Minute)
		b.say(d, p.Incident.ID, notifier.Saying{Status: notifier.Resolved})
		b.expand(10)
		b.wantLate("once it is over", 0, 0)
	})
}

// What was held lies in the queue where it was due, not where it was accepted.
func TestAClaimLeapsOverWhatWasWithdrawnAfterItsHold(t *testing.T) {
	heldBox(t, func(t *testing.T, b *box, d *desk, p notifier.Posting) {
		b.pass(5 * time.Minute)
		b.incident("other")
		between := b.event(notifier.Event{IncidentID: "other"})
		b.pass(10 * time.Minute)
		b.incident("later")
		behind := b.event(notifier.Event{IncidentID: "later"})
		b.expand(10)
		if n := b.DueOf(t, p.Event.Number); n != 2 {
			t.Errorf("%d of it are due", n)
		}
		b.withdrawQuietly(p.Incident.ID)
		if n := b.DueOf(t, p.Event.Number); n != 0 {
			t.Errorf("a claim walks past %d of what was withdrawn", n)
		}
		seen := map[int64]int{}
		for _, c := range b.claim("w", 10) {
			seen[c.ID.Event()]++
		}
		if len(seen) != 2 || seen[between] != 2 || seen[behind] != 2 {
			t.Errorf("claimed of %v", seen)
		}
		b.expand(10)
	})
}
