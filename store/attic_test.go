package store_test

import (
	"errors"
	"sync"
	"testing"
	"time"

	"allclear/notifier"
	"allclear/store/storetest"
	"allclear/subscribers"
)

// Whoever forgets and whoever starts again meet in the same old event: each
// delivery is either the one's or the other's.
func TestNothingForgottenIsStartedAgainAndNothingStartedAgainIsForgotten(t *testing.T) {
	eachBox(t, func(t *testing.T, b *box) {
		const readers = 40
		b.readers(readers)
		forgets := storetest.At(t, b.dsn)(storetest.Clock(b.time))
		for _, id := range []string{"one", "two", "three", "four"} {
			b.incident(id)
			e := b.event(notifier.Event{IncidentID: id, ExpiresAt: b.time().Add(400 * day)})
			b.expand(100)
			b.settle("w", notifier.Failed, b.claim("w", readers)...)
			b.over(id)
			b.pass(91 * day / 90)
			var all sync.WaitGroup
			var whole, single int
			begin := make(chan struct{})
			all.Go(func() {
				<-begin
				for range readers {
					if _, err := forgets.Prune(b.ctx, b.time(), 7); err != nil {
						t.Error(err)
					}
				}
			})
			all.Go(func() {
				<-begin
				var err error
				if whole, err = b.RetryFailed(b.ctx, eventID(b, e)); err != nil {
					t.Error(err)
				}
			})
			all.Go(func() {
				<-begin
				for n := int64(1); n <= readers; n += 3 {
					switch err := b.RetryDelivery(b.ctx, notifier.MakeDeliveryID(e, n)); {
					case err == nil:
						single++
					case !errors.Is(err, notifier.ErrNotFound) && !errors.Is(err, notifier.ErrConflict):
						t.Error(err)
					}
				}
			})
			close(begin)
			all.Wait()
			pending := b.number(`SELECT count(*) FROM deliveries WHERE event_number = %d AND state = 'pending'`, e)
			p := b.progress(e)
			if p.Total != readers || p.Counts[notifier.Pending] != pending || p.Counts[notifier.Failed] != readers-pending {
				t.Errorf("%d wait, and the account says %v of %d", pending, p.Counts, p.Total)
			}
			if int64(whole) > pending || int64(whole+single) < pending {
				t.Errorf("%d were started together and %d one by one, and %d wait", whole, single, pending)
			}
			b.settle("w", notifier.Sent, b.claim("w", readers)...)
		}
	})
}

// A delivery's key is its event and its reader, and nothing else says that an
// address gets an event once.
func TestANumberNeverComesBack(t *testing.T) {
	eachBox(t, func(t *testing.T, b *box) {
		seen := map[subscribers.Number]bool{}
		for range 3 {
			who := b.subscribe(reader("a@example.org", subscribers.Active))
			fates, errs := b.imported(false, reader("b@example.org", subscribers.Active))
			if fates[0] != subscribers.ImportAdded || errs[0] != nil {
				t.Fatalf("%v, %v", fates, errs)
			}
			other := subscribers.Number(b.number(`SELECT number FROM subscribers WHERE address = 'b@example.org'`))
			if seen[who.Number] || seen[other] || who.Number == other {
				t.Errorf("%d or %d was somebody's before: %v", who.Number, other, seen)
			}
			seen[who.Number], seen[other] = true, true
			b.exec(`DELETE FROM subscribers`)
			if b.Dialect() == "sqlite" {
				b.exec(`VACUUM`) // which gives the rows of a table without a key of its own new numbers
			}
			b.pass(time.Second)
		}
	})
}
