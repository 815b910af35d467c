package store_test

import (
	"context"
	"errors"
	"net/netip"
	"strings"
	"testing"
	"time"

	"allclear/notifier"
	"allclear/subscribers"
)

const bobElsewhere = "bob@elsewhere.example"

// bobLeft has bob's own address, which left by a link.
func (b *box) bobLeft() subscribers.Number {
	b.t.Helper()
	n := b.joins(bobElsewhere, nil)
	b.turns(n, func(s *subscribers.Subscriber) { s.Depart(subscribers.ByLink, b.time()) })
	return n
}

func TestNobodyButTheirOwnWordBringsBackWhoLeftAsASecondAddress(t *testing.T) {
	ownBox(t, func(t *testing.T, b *box, first subscribers.Number) {
		bob := b.bobLeft()
		phone := subscribers.Second{Channel: notifier.SMS, Address: "+4791234567", State: subscribers.Active}
		s, err := b.SetSecond(b.ctx, first, phone, nil)
		b.must(err)
		gone := func(what string, err error) {
			t.Helper()
			if x, e := b.Subscriber(b.ctx, bob); !errors.Is(err, notifier.ErrConflict) || !strings.Contains(err.Error(), "left on") || e != nil || x.State == subscribers.Active || x.Unsubscribed.IsZero() || b.second(first) != s.Second {
				t.Errorf("%s: %v; %+v, %v; the one before is %+v", what, err, x, e, b.second(first))
			}
		}
		second := subscribers.Second{Channel: notifier.Email, Address: bobElsewhere, State: subscribers.Active}
		_, err = b.SetSecond(b.ctx, first, second, nil)
		gone("active", err)
		gone("active, by a file", b.SetSecondAt(b.ctx, subscribers.Subscriber{Channel: notifier.Email, Address: "ann@own.example"}, second, nil))
		second.State = subscribers.Pending
		gone("asked by a file", b.SetSecondAt(b.ctx, subscribers.Subscriber{Channel: notifier.Email, Address: "ann@own.example"}, second, nil))
		// Who is asked once more has left until they say so themselves.
		second.Again = true
		_, err = b.SetSecond(b.ctx, first, second, nil)
		b.must(err)
		second.State, second.Again = subscribers.Active, false
		_, err = b.SetSecond(b.ctx, first, second, nil)
		gone("active while asked", err)
		if _, err = b.ConfirmSubscriber(b.ctx, bob, netip.Prefix{}); err != nil || b.second(first).Number != bob {
			t.Errorf("%+v, %v", b.second(first), err)
		}
		b.turns(bob, func(s *subscribers.Subscriber) { s.Depart(subscribers.ByLink, b.time()) })
		second.Again = true
		if s, err = b.SetSecond(b.ctx, first, second, nil); err != nil || s.Second.Number != bob || s.Second.State != subscribers.Active {
			t.Errorf("%+v, %v", s.Second, err)
		}
	})
}

func TestWhoTakesLeavingBackHasNoSecondAddressWhoseOwnerLeftMeanwhile(t *testing.T) {
	ownBox(t, func(t *testing.T, b *box, first subscribers.Number) {
		for how, leave := range map[string]func(ctx context.Context, n subscribers.Number) error{
			"by a link": func(ctx context.Context, n subscribers.Number) error {
				_, err := b.ChangeSubscriber(ctx, n, func(s *subscribers.Subscriber) error { s.Depart(subscribers.ByLink, b.time()); return nil })
				return err
			},
			"by staff": func(ctx context.Context, n subscribers.Number) error {
				_, err := b.ChangeSubscriber(ctx, n, func(s *subscribers.Subscriber) error { s.Depart("", b.time()); return nil })
				return err
			},
			"by a file": func(ctx context.Context, _ subscribers.Number) error {
				_, _, err := b.ImportSubscribers(ctx, []subscribers.Subscriber{{Channel: notifier.Email, Address: bobElsewhere, State: subscribers.Unsubscribed, Cadence: subscribers.Instant}}, subscribers.Columns())
				return err
			},
		} {
			s, err := b.SetSecond(b.ctx, first, subscribers.Second{Channel: notifier.Email, Address: bobElsewhere, State: subscribers.Active, Again: true}, nil)
			b.must(err)
			b.turns(first, func(s *subscribers.Subscriber) { s.Depart(subscribers.ByLink, b.time()) })
			b.pass(time.Minute)
			b.must(leave(b.ctx, s.Second.Number))
			b.pass(time.Minute)
			back, err := b.Return(b.ctx, first)
			b.must(err)
			bob, err := b.Subscriber(b.ctx, s.Second.Number)
			if err != nil || bob.State != subscribers.Unsubscribed || bob.EndedWithFirst() || bob.Return(b.time()) || back.State != subscribers.Active || back.Second != (subscribers.Second{}) {
				t.Errorf("%s: %+v, %v; the first has %+v", how, bob, err, back.Second)
			}
		}
	})
}
