package store_test

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"allclear/notifier"
	"allclear/store/storetest"
	"allclear/subscribers"
)

func TestTheFirstAddressIsToldOnceWhatTheSecondWasSent(t *testing.T) {
	eachBox(t, func(t *testing.T, b *box) {
		first, second := b.pair("ann")
		quiet, _ := b.pair("bob")
		b.exec(`UPDATE subscribers SET severity = 3 WHERE number = %d`, quiet) // nothing of this concerns them
		daily, _ := b.pair("cec")
		b.exec(`UPDATE subscribers SET cadence = 'daily' WHERE number = %d`, daily) // whose digest tells it
		plain := b.addRaw(subscribers.Subscriber{Channel: notifier.Email, Address: "dan@own.example", State: subscribers.Active, Cadence: subscribers.Instant})
		before := b.happens("one", notifier.Event{Type: notifier.IncidentCreated})
		b.expand(10)
		b.pass(1)
		for _, d := range b.claim("w", 10) { // the first address' server does not answer
			state := notifier.Sent
			if d.ID.Reader() == first {
				state = notifier.Pending
			}
			b.settle("w", state, d)
		}
		b.down()
		update := b.happens("one", notifier.Event{})
		post := b.happens("two", notifier.Event{Type: notifier.PostPublished, Lane: notifier.LaneRoutine})
		over := b.happens("one", notifier.Event{Type: notifier.IncidentResolved})
		b.expand(10)
		if b.digests() != 0 {
			t.Error("summed up while it is down")
		}
		b.back()
		after := b.happens("three", notifier.Event{})
		if made := b.digests(); made != 1 {
			t.Errorf("%d summaries", made)
		}
		b.expand(10)
		b.digests()
		b.wantDigests(subscribers.Number(first), fmt.Sprintf("%d,%d,%d,%d", before, update, post, over))
		b.states(first, map[int64]notifier.DeliveryState{before: notifier.Superseded, after: notifier.Pending})
		b.states(second, map[int64]notifier.DeliveryState{update: notifier.Superseded, post: notifier.Pending, over: notifier.Pending})
		for _, n := range []int64{second, quiet, daily, plain} {
			b.wantDigests(subscribers.Number(n), "")
		}
		d, err := b.Digest(b.ctx, b.number(`SELECT event_number FROM outages`), 1)
		b.must(err)
		if d.Domain != "own.example" || len(d.Items) != 2 || d.Items[0] != (notifier.DigestItem{Since: before, Event: over}) {
			t.Errorf("%+v", d)
		}
		b.sound()
	})
}

func TestWhereNothingWasSentElsewhereThereIsNoSummary(t *testing.T) {
	eachBox(t, func(t *testing.T, b *box) {
		first, _ := b.pair("ann")
		b.exec(`UPDATE subscribers SET severity = 3 WHERE number = %d`, first)
		b.down()
		b.happens("one", notifier.Event{})
		b.expand(10)
		b.back()
		if made := b.digests(); made != 0 {
			t.Errorf("%d summaries", made)
		}
		if n := b.number(`SELECT count(*) FROM outages WHERE told_at = 0`) + b.number(`SELECT count(*) FROM events WHERE type = 'digest'`); n != 0 {
			t.Errorf("%d left", n)
		}
	})
}

func TestASummaryWaitsUntilAllThatHappenedIsExpanded(t *testing.T) {
	eachBox(t, func(t *testing.T, b *box) {
		first, _ := b.pair("ann")
		b.down()
		e := b.happens("one", notifier.Event{})
		b.back()
		if made := b.digests(); made != 0 {
			t.Errorf("%d summaries", made)
		}
		b.expand(10)
		b.digests()
		b.wantDigests(subscribers.Number(first), fmt.Sprint(e))
	})
}

func TestWhoNamedAnotherSecondAddressMeanwhileIsToldOfBoth(t *testing.T) {
	eachBox(t, func(t *testing.T, b *box) {
		b.exec(`INSERT INTO components (key, name, state, created_at) VALUES ('imap7', 'imap7', 'operational', 1)`)
		b.must(b.SetOwnDomains(b.ctx, ownExample))
		first, _ := b.pair("ann")
		b.down()
		one := b.happens("one", notifier.Event{})
		b.expand(10)
		b.pass(1)
		b.settle("w", notifier.Sent, b.claim("w", 10)...)
		_, err := b.SetSecond(b.ctx, subscribers.Number(first), subscribers.Second{Channel: notifier.SMS, Address: "+4791234567", State: subscribers.Active}, nil)
		b.must(err)
		two := b.happens("two", notifier.Event{})
		b.expand(10)
		b.back()
		b.digests()
		b.wantDigests(subscribers.Number(first), fmt.Sprintf("%d,%d", one, two))
	})
}

func TestManyProcessesSumUpTogetherWithoutTellingAnybodyTwice(t *testing.T) {
	eachBox(t, func(t *testing.T, b *box) {
		var firsts []int64
		for i := range 12 {
			first, _ := b.pair(fmt.Sprintf("reader%d", i))
			firsts = append(firsts, first)
		}
		b.down()
		e := b.happens("one", notifier.Event{})
		b.expand(5)
		b.back()
		var all sync.WaitGroup
		others := []*box{b, {Store: storetest.At(t, b.dsn)(storetest.Clock(b.time))}, {Store: storetest.At(t, b.dsn)(storetest.Clock(b.time))}}
		for _, o := range others {
			all.Go(func() {
				for b.number(`SELECT count(*) FROM outages WHERE told_at = 0`) > 0 {
					if _, err := o.MakeDigests(b.ctx, noons{"noon"}, b.time(), 5); err != nil {
						t.Error(err)
						return
					}
				}
			})
		}
		all.Wait()
		for _, n := range firsts {
			b.wantDigests(subscribers.Number(n), fmt.Sprint(e))
		}
		b.sound()
	})
}

// What is held down until mail is back is news at the first address, and not what
// the second one was sent.
func TestASummaryDoesNotWaitForWhatIsHeldDownAndThatComesToTheFirstAddress(t *testing.T) {
	eachBox(t, func(t *testing.T, b *box) {
		first, second := b.pair("ann")
		d := b.heldDesk(10 * time.Minute)
		b.down()
		post := b.happens("one", notifier.Event{})
		held, err := b.OpenIncident(b.ctx, d.open(t, notifier.Announcement{Title: "held", Severity: notifier.SeverityMinor}))
		b.must(err)
		b.expand(10)
		b.back()
		if made := b.digests(); made != 1 {
			t.Errorf("%d summaries", made)
		}
		b.wantDigests(subscribers.Number(first), fmt.Sprint(post))
		b.pass(10 * time.Minute)
		b.expand(10)
		b.digests()
		b.states(first, map[int64]notifier.DeliveryState{held.Event.Number: notifier.Pending})
		b.states(second, map[int64]notifier.DeliveryState{held.Event.Number: ""})
		b.wantDigests(subscribers.Number(first), fmt.Sprint(post))
		b.sound()
	})
}
