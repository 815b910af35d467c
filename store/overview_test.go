package store_test

import (
	"errors"
	"testing"
	"time"

	"allclear/notifier"
	"allclear/subscribers"
)

func TestDomainsThatMailWaitsForAreFoundAmongWhatWasTriedOrIsHeld(t *testing.T) {
	eachBox(t, func(t *testing.T, b *box) {
		d := newDesk()
		for _, address := range []string{"a@slow.example", "b@slow.example", "c@down.example", "d@fine.example"} {
			_, err := b.AddSubscriber(b.ctx, reader(address, subscribers.Active), nil)
			b.must(err)
		}
		_, err := b.OpenIncident(b.ctx, d.open(t, notifier.Announcement{Title: "x"}))
		b.must(err)
		b.expand(100)
		if found, err := b.HeldDomains(b.ctx, 10); err != nil || len(found) != 0 {
			t.Errorf("before anything was tried: %+v, %v", found, err)
		}
		var settled []notifier.Settlement
		claimed := b.claim("w", 10)
		b.must(b.Pause(b.ctx, notifier.Pause{Scope: notifier.PauseDomain, Key: "down.example"}))
		for _, c := range claimed {
			s := notifier.Settlement{ID: c.ID, State: notifier.Sent, Tried: true, At: b.time(), Worker: "w"}
			switch subscribers.Domain(c.Address) {
			case "slow.example":
				s.State, s.DueAt, s.Receipt = notifier.Pending, b.time().Add(time.Minute), notifier.Receipt{Relay: "r", Reply: "451 later"}
			case "down.example":
				s.State, s.DueAt = notifier.Held, notifier.UntilResumed
			}
			settled = append(settled, s)
		}
		b.must(b.Settle(b.ctx, settled))
		found, err := b.HeldDomains(b.ctx, 10)
		b.must(err)
		same(t, "domains", found, []notifier.HeldDomain{
			{Domain: "slow.example", N: 2, Reply: "451 later", Due: b.time().Add(time.Minute)}, {Domain: "down.example", N: 1, Due: notifier.UntilResumed},
		})
		if one, err := b.HeldDomains(b.ctx, 1); err != nil || len(one) != 1 {
			t.Errorf("%+v, %v", one, err)
		}
	})
}

func TestTheLatestEventsAreThoseThatManyAreTold(t *testing.T) {
	eachBox(t, func(t *testing.T, b *box) {
		d := newDesk()
		first, err := b.OpenIncident(b.ctx, d.open(t, notifier.Announcement{Title: "first"}))
		b.must(err)
		_, err = b.AddSubscriber(b.ctx, reader("new@example.com", subscribers.Pending), func(s subscribers.Subscriber) *notifier.Event {
			e := s.ConfirmEvent(d.desk())
			return &e
		})
		b.must(err)
		second, err := b.OpenIncident(b.ctx, d.open(t, notifier.Announcement{Title: "second"}))
		b.must(err)
		all, err := b.LatestEvents(b.ctx, "", 10)
		b.must(err)
		if len(all) != 2 || all[0].ID != second.Event.ID || all[1].ID != first.Event.ID {
			t.Errorf("%+v", all)
		}
		one, err := b.LatestEvents(b.ctx, first.Incident.ID, 10)
		b.must(err)
		if len(one) != 1 || one[0].ID != first.Event.ID {
			t.Errorf("%+v", one)
		}
	})
}

func TestASuppressionIsFoundByItsAddress(t *testing.T) {
	eachBox(t, func(t *testing.T, b *box) {
		b.must(b.Suppress(b.ctx, subscribers.Suppression{Channel: notifier.Email, Address: "x@example.com", Reason: subscribers.ReasonBounce, Note: "550"}))
		got, err := b.Suppression(b.ctx, notifier.Email, "x@example.com")
		b.must(err)
		if got.Reason != subscribers.ReasonBounce || got.Note != "550" || !got.CreatedAt.Equal(b.time()) {
			t.Errorf("%+v", got)
		}
		if _, err := b.Suppression(b.ctx, notifier.SMS, "x@example.com"); !errors.Is(err, notifier.ErrNotFound) {
			t.Errorf("%v", err)
		}
		b.exec(`DELETE FROM suppressions`)
		b.must(b.EraseSubscriber(b.ctx, b.subscribe(reader("gone@example.com", subscribers.Active)).Number))
		if got, err = b.Suppression(b.ctx, notifier.Email, "gone@example.com"); err != nil || got.Reason != subscribers.ReasonErased {
			t.Errorf("of an erased address: %+v, %v", got, err)
		}
	})
}

func TestEndpointsThatFailAreListedLongestFirst(t *testing.T) {
	eachBox(t, func(t *testing.T, b *box) {
		for n, url := range []string{"https://example.com/1", "https://example.com/2", "https://example.com/3"} {
			b.addHook(url, subscribers.Active)
			b.exec(`UPDATE endpoints SET failing_since = %d WHERE subscriber = %d`, []int64{20, 0, 10}[n], n+1)
		}
		found, err := b.TroubledEndpoints(b.ctx, 10)
		b.must(err)
		if len(found) != 2 || found[0].Number != 3 || found[1].Number != 1 || found[0].FailingSince.IsZero() {
			t.Errorf("%+v", found)
		}
	})
}
