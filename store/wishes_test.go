package store_test

import (
	"errors"
	"fmt"
	"net/netip"
	"testing"

	"allclear/notifier"
	"allclear/subscribers"
)

// wishes has the form filled in for an address that is somebody's second one.
func (b *box) wishes(channel notifier.Channel, address string) {
	b.t.Helper()
	b.must(b.QueueSignUp(b.ctx, subscribers.SignUp{
		Subscriber: subscribers.Subscriber{Channel: channel, Address: address, State: subscribers.Pending, Cadence: subscribers.Milestones, CreatedAt: b.time(), Filter: subscribers.Filter{Components: []string{"imap7"}}},
		Consent:    subscribers.Consent{Language: "en", Words: "Yes."}, Solved: true,
	}))
	b.answers()
}

func TestWhoeverHasASecondAddressSubscribesOnTheirOwn(t *testing.T) {
	ownBox(t, func(t *testing.T, b *box, first subscribers.Number) {
		s, err := b.SetSecond(b.ctx, first, subscribers.Second{Channel: notifier.Email, Address: "bob@elsewhere.example", State: subscribers.Active}, nil)
		b.must(err)
		second := s.Second
		b.incident("one")
		b.down()
		update := b.event(notifier.Event{IncidentID: "one"})
		b.expand(10)
		b.wishes(notifier.Email, second.Address)
		if got := b.second(first); got != second {
			t.Errorf("anybody ends it by the form: %+v", got)
		}
		b.expand(10)
		if n := b.number(`SELECT count(*) FROM events AS e JOIN deliveries AS d ON d.event_number = e.number WHERE e.type = 'subscriber.confirm' AND d.address = 'bob@elsewhere.example'`); n != 1 {
			t.Errorf("%d questions", n)
		}
		who, err := b.ConfirmSubscriber(b.ctx, second.Number, netip.Prefix{})
		b.must(err)
		if who.SecondOf != 0 || who.State != subscribers.Active || who.Cadence != subscribers.Milestones || fmt.Sprint(who.Filter.Components) != "[imap7]" || who.Wishes {
			t.Errorf("%+v", who)
		}
		if got := b.second(first); got != (subscribers.Second{}) {
			t.Errorf("it is still the second: %+v", got)
		}
		b.states(int64(second.Number), map[int64]notifier.DeliveryState{update: notifier.Cancelled})
		b.states(int64(first), map[int64]notifier.DeliveryState{update: notifier.Pending})
		if proof, err := b.Evidence(b.ctx, second.Number); err != nil || len(proof) != 2 {
			t.Errorf("the evidence: %+v, %v", proof, err)
		}
		next := b.event(notifier.Event{IncidentID: "one", Type: notifier.IncidentResolved, Components: []string{"imap7"}})
		b.expand(10)
		b.states(int64(second.Number), map[int64]notifier.DeliveryState{next: notifier.Pending})
		b.sound()
	})
}

func TestAWishForOnesOwnSubscriptionOutlivesTheSecondAddress(t *testing.T) {
	ownBox(t, func(t *testing.T, b *box, first subscribers.Number) {
		s, err := b.SetSecond(b.ctx, first, subscribers.Second{Channel: notifier.Email, Address: "bob@elsewhere.example", State: subscribers.Active}, nil)
		b.must(err)
		b.wishes(notifier.Email, "bob@elsewhere.example")
		b.must(b.RemoveSecond(b.ctx, first))
		who, err := b.Subscriber(b.ctx, s.Second.Number)
		b.must(err)
		if who.SecondOf != 0 || who.State != subscribers.Pending || b.second(first) != (subscribers.Second{}) {
			t.Errorf("%+v", who)
		}
		if who, err = b.ConfirmSubscriber(b.ctx, who.Number, netip.Prefix{}); err != nil || who.State != subscribers.Active || who.Cadence != subscribers.Milestones {
			t.Errorf("%+v, %v", who, err)
		}
	})
}

func TestAWishForAComponentThatWasRemovedIsNoWishForEverything(t *testing.T) {
	ownBox(t, func(t *testing.T, b *box, first subscribers.Number) {
		s, err := b.SetSecond(b.ctx, first, subscribers.Second{Channel: notifier.Email, Address: "bob@elsewhere.example", State: subscribers.Active}, nil)
		b.must(err)
		b.wishes(notifier.Email, "bob@elsewhere.example")
		b.must(b.SetOwnDomains(b.ctx, nil))
		b.must(b.RemoveComponent(b.ctx, "imap7"))
		if who, err := b.ConfirmSubscriber(b.ctx, s.Second.Number, netip.Prefix{}); err != nil || who.SecondOf != first || who.Wishes || b.second(first) != s.Second {
			t.Errorf("%+v, %v", who, err)
		}
		b.must(b.RemoveSecond(b.ctx, first))
		if who, err := b.Subscriber(b.ctx, s.Second.Number); err != nil || who.State != subscribers.Unsubscribed {
			t.Errorf("%+v, %v", who, err)
		}
	})
}

func TestAWishThatNobodyConfirmsLeavesTheSecondAddressAsItIs(t *testing.T) {
	ownBox(t, func(t *testing.T, b *box, first subscribers.Number) {
		s, err := b.SetSecond(b.ctx, first, subscribers.Second{Channel: notifier.Email, Address: "bob@elsewhere.example", State: subscribers.Active}, nil)
		b.must(err)
		b.wishes(notifier.Email, "bob@elsewhere.example")
		b.forgetUnconfirmed()
		if n := b.number(`SELECT count(*) FROM wishes`); n != 1 {
			t.Error("it is forgotten before its time")
		}
		b.pass(9 * 24 * 3600e9)
		if who, err := b.ConfirmSubscriber(b.ctx, s.Second.Number, netip.Prefix{}); err != nil || who.SecondOf != first || b.second(first) != s.Second {
			t.Errorf("%+v, %v", who, err)
		}
		b.forgetUnconfirmed()
		if n := b.number(`SELECT count(*) FROM wishes`); n != 0 {
			t.Error("it is kept for good")
		}
		// Staff, who say that they agreed elsewhere, make it their own; else it is to be asked by the form.
		own := subscribers.Subscriber{Channel: notifier.Email, Address: "bob@elsewhere.example", State: subscribers.Pending, Cadence: subscribers.Daily}
		if _, err := b.AddSubscriber(b.ctx, own, nil); !errors.Is(err, notifier.ErrConflict) {
			t.Error(err)
		}
		own.State = subscribers.Active
		if who, err := b.AddSubscriber(b.ctx, own, nil); err != nil || who.Number != s.Second.Number || who.SecondOf != 0 || b.second(first) != (subscribers.Second{}) {
			t.Errorf("%+v, %v", who, err)
		}
	})
}
