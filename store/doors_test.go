package store_test

import (
	"errors"
	"strings"
	"testing"

	"allclear/notifier"
	"allclear/subscribers"
)

func TestATelephoneIsNoSecondAddressWhereThereIsNoGateway(t *testing.T) {
	ownBox(t, func(t *testing.T, b *box, first subscribers.Number) {
		phone := subscribers.Second{Channel: notifier.SMS, Address: "+4791234567"}
		refused := func(err error) {
			t.Helper()
			var bad *notifier.Invalid
			if !errors.As(err, &bad) || bad.Field != "second" || !strings.Contains(bad.Message, "gateway") {
				t.Errorf("%v", err)
			}
		}
		asked := phone
		_, err := b.SetSecond(b.ctx, first, asked, nil)
		b.must(err)
		before, err := b.SetDoor(b.ctx, notifier.SMS, false)
		if b.must(err); !before {
			t.Error("it had no way out before anybody said so")
		}
		active := phone
		active.State = subscribers.Active
		_, err = b.SetSecond(b.ctx, first, active, nil) // it was asked while there was one
		refused(err)
		b.must(b.RemoveSecond(b.ctx, first))
		for _, x := range []subscribers.Second{phone, active} {
			_, err := b.SetSecond(b.ctx, first, x, nil)
			refused(err)
		}
		refused(b.namesSecond(first, notifier.SMS, phone.Address))
		report, err := subscribers.Import(b.ctx, b.Store, strings.NewReader("address,state,second_address\nbob@own.example,active,+4791234567\n"), subscribers.ImportOptions{})
		if b.must(err); report.Added != 1 || report.SecondsRefused != 1 || report.Errors[0].Line != 2 || report.Errors[0].Field != "second_address" || !strings.Contains(report.Errors[0].Reason, "gateway") {
			t.Errorf("%+v", report)
		}
		b.must(b.namesSecond(first, notifier.Email, "ann@elsewhere.example"))
		before, err = b.SetDoor(b.ctx, notifier.SMS, true)
		if b.must(err); before {
			t.Error("it had a way out")
		}
		if s, err := b.SetSecond(b.ctx, first, active, nil); err != nil || s.Second.State != subscribers.Active || s.Second.Unused != "" {
			t.Errorf("%+v, %v", s.Second, err)
		}
	})
}

func TestWhereTheGatewayIsTakenAwayTheFirstAddressIsTold(t *testing.T) {
	ownBox(t, func(t *testing.T, b *box, first subscribers.Number) {
		s, err := b.SetSecond(b.ctx, first, subscribers.Second{Channel: notifier.SMS, Address: "+4791234567", State: subscribers.Active}, nil)
		b.must(err)
		phone, own := int64(s.Second.Number), int64(first)
		b.incident("one")
		b.down()
		begun := b.event(notifier.Event{IncidentID: "one", Type: notifier.IncidentCreated, Severity: notifier.SeverityCritical})
		b.expand(10)
		b.states(phone, map[int64]notifier.DeliveryState{begun: notifier.Pending})
		_, err = b.SetDoor(b.ctx, notifier.SMS, false)
		b.must(err)
		for _, want := range []int{1, 0} { // and nothing is left
			if n, err := b.GiveBack(b.ctx, notifier.SMS, 10); n != want || err != nil {
				t.Errorf("%d went back, want %d, %v", n, want, err)
			}
		}
		b.states(phone, map[int64]notifier.DeliveryState{begun: notifier.Cancelled})
		b.states(own, map[int64]notifier.DeliveryState{begun: notifier.Pending})
		update := b.event(notifier.Event{IncidentID: "one", Severity: notifier.SeverityCritical})
		b.expand(10)
		b.states(phone, map[int64]notifier.DeliveryState{update: ""})
		b.states(own, map[int64]notifier.DeliveryState{begun: notifier.Superseded, update: notifier.Pending})
		if got := b.second(first); got.Unused != subscribers.NoGateway || !strings.Contains(got.Words(), "gateway") {
			t.Errorf("%+v", got)
		}
		b.sound()
	})
}

func TestASuppressedSecondAddressIsSaidToBeOne(t *testing.T) {
	ownBox(t, func(t *testing.T, b *box, first subscribers.Number) {
		s, err := b.SetSecond(b.ctx, first, subscribers.Second{Channel: notifier.Email, Address: "ann@elsewhere.example", State: subscribers.Active}, nil)
		b.must(err)
		if words := s.Second.Words(); s.Second.Unused != "" || words != "active" {
			t.Errorf("%q, %s", s.Second.Unused, words)
		}
		b.must(b.Suppress(b.ctx, subscribers.Suppression{Channel: notifier.Email, Address: "ann@elsewhere.example", Reason: subscribers.ReasonComplaint}))
		got := b.second(first)
		if got.State != subscribers.Active || got.Unused != subscribers.ReasonComplaint || got.Words() != "suppressed (complaint): updates go to the first address" {
			t.Errorf("%+v, %s", got, got.Words())
		}
		b.incident("one")
		b.down()
		update := b.event(notifier.Event{IncidentID: "one", Severity: notifier.SeverityCritical})
		b.expand(10)
		b.states(int64(first), map[int64]notifier.DeliveryState{update: notifier.Pending})
		b.states(int64(got.Number), map[int64]notifier.DeliveryState{update: ""})
	})
}
