package store_test

import (
	"testing"
	"time"

	"allclear/notifier"
	"allclear/subscribers"
)

// A quiet end has no event of its own: the digest tells the last one again.
func TestWhoWasToldByADigestThatItIsOpenIsToldByTheNextThatItEndedQuietly(t *testing.T) {
	quietBox(t, 0, func(b *box, d *desk, p notifier.Posting, wants func(string)) {
		ann := subscribers.Number(1)
		bob := b.joins("bob@example.com", func(s *subscribers.Subscriber) { s.Filter.Severity = notifier.SeverityCritical })
		wants("1") // 2 is the digest's
		b.say(d, p.Incident.ID, notifier.Saying{Body: "wait", Quiet: true})
		wants("1")
		b.say(d, p.Incident.ID, notifier.Saying{Status: notifier.Resolved, Body: "over", Quiet: true})
		b.pass(time.Minute)
		b.say(d, p.Incident.ID, notifier.Saying{Body: "a word more", Quiet: true})
		if seen, err := b.PreviewDigest(b.ctx, ann, b.time()); err != nil || len(seen.Items) != 1 {
			b.t.Errorf("looking ahead: %+v, %v", seen, err)
		}
		wants("1|1") // 3
		wants("1|1")
		// It opens again, and ends as quietly.
		b.say(d, p.Incident.ID, notifier.Saying{Status: notifier.Identified, Body: "again"})
		wants("1|1|4") // 5
		b.say(d, p.Incident.ID, notifier.Saying{Status: notifier.Resolved, Quiet: true})
		wants("1|1|4|4")
		wants("1|1|4|4")
		b.wantDigests(bob, "")
	})
}

func TestWhoWasToldThatItIsOpenIsToldThatItWasWithdrawnQuietly(t *testing.T) {
	quietBox(t, 0, func(b *box, d *desk, p notifier.Posting, wants func(string)) {
		wants("1")
		b.withdraw(d, p.Incident.ID)
		wants("1|1")
		b.corrects(d, p.Incident.ID, false)
		wants("1|1")
	})
}

func TestAnEndThatWasToldIsNotToldAgainByAWordAfterIt(t *testing.T) {
	quietBox(t, 0, func(b *box, d *desk, p notifier.Posting, wants func(string)) {
		wants("1") // 2
		b.say(d, p.Incident.ID, notifier.Saying{Status: notifier.Resolved})
		wants("1|3") // 4
		b.say(d, p.Incident.ID, notifier.Saying{Body: "why", Quiet: true})
		wants("1|3")
		b.say(d, p.Incident.ID, notifier.Saying{Body: "loudly"})
		wants("1|3|5")
		wants("1|3|5")
	})
}

// Whom a mail told at once, and whose digests tell the rest.
func TestTheQuietEndOfWhatCameAtOnceIsTheDigests(t *testing.T) {
	eachBox(t, func(t *testing.T, b *box) {
		ann := b.joins("ann@example.com", func(s *subscribers.Subscriber) { s.Critical = true })
		bob := b.joins("bob@example.com", func(s *subscribers.Subscriber) { s.Cadence = subscribers.Instant })
		cyd := b.joins("cyd@example.com", nil)
		b.digests()
		d := b.heldDesk(0)
		p, err := b.OpenIncident(b.ctx, d.open(t, notifier.Announcement{Title: "R1", Severity: notifier.SeverityCritical}))
		b.must(err)
		b.expand(10)
		b.settle("w", notifier.Sent, b.claim("w", 10)...)
		b.turns(bob, func(s *subscribers.Subscriber) { s.Cadence = subscribers.Daily })
		b.pass(time.Minute)
		b.say(d, p.Incident.ID, notifier.Saying{Status: notifier.Resolved, Quiet: true})
		for range 2 {
			b.pass(day)
			b.digests()
			b.wantDigests(ann, "1")
			b.wantDigests(bob, "1")
			b.wantDigests(cyd, "1") // who had not heard of it before
		}
	})
}

// That work was announced says nothing of whether it goes on.
// nextDigest lets a day pass.
func (b *box) nextDigest(reader subscribers.Number, want string) {
	b.t.Helper()
	b.expand(10)
	b.pass(day)
	b.digests()
	b.wantDigests(reader, want)
}

func TestTheQuietEndOfMaintenanceIsToldToWhoWasToldThatItBegan(t *testing.T) {
	eachBox(t, func(t *testing.T, b *box) {
		b.components()
		ann := b.joins("ann@example.com", nil)
		b.digests()
		d := b.heldDesk(0)
		one, two := b.maintain(d, time.Hour), b.maintain(d, time.Hour)
		next := func(want string) { b.nextDigest(ann, want) }
		next("1,2") // 3
		b.say(d, two.ID, notifier.Saying{Status: notifier.InProgress})
		next("1,2|4") // 5
		for _, i := range []notifier.Incident{one, two} {
			b.say(d, i.ID, notifier.Saying{Status: notifier.Completed, Quiet: true})
		}
		next("1,2|4|4")
		next("1,2|4|4")
	})
}

func TestTheQuietEndOfCorrectedMaintenanceIsToldOnce(t *testing.T) {
	eachBox(t, func(t *testing.T, b *box) {
		b.components()
		ann := b.joins("ann@example.com", nil)
		b.digests()
		d := b.heldDesk(0)
		work := b.maintain(d, time.Hour)
		b.say(d, work.ID, notifier.Saying{Status: notifier.InProgress})
		b.corrects(d, work.ID, true)
		next := func(want string) { b.nextDigest(ann, want) }
		next("1,2,3") // 4
		b.say(d, work.ID, notifier.Saying{Status: notifier.Completed, Quiet: true})
		next("1,2,3|3")
		next("1,2,3|3")
		// The correction and the end of another in one period are told as one.
		other := b.maintain(d, time.Hour) // 6
		b.say(d, other.ID, notifier.Saying{Status: notifier.InProgress})
		next("1,2,3|3|6,7") // 8
		b.corrects(d, other.ID, true)
		b.say(d, other.ID, notifier.Saying{Status: notifier.Completed, Quiet: true})
		next("1,2,3|3|6,7|9")
		next("1,2,3|3|6,7|9")
	})
}

func TestWhoTurnsFromDigestsIsToldOfAQuietEndByTheLastOne(t *testing.T) {
	quietBox(t, 0, func(b *box, d *desk, p notifier.Posting, wants func(string)) {
		wants("1")
		b.say(d, p.Incident.ID, notifier.Saying{Status: notifier.Resolved, Quiet: true})
		b.pass(time.Minute)
		b.turns(1, func(s *subscribers.Subscriber) { s.Cadence = subscribers.Instant })
		b.digests()
		b.wantDigests(1, "1|1")
	})
}
