package store_test

import (
	"errors"
	"net/netip"
	"strings"
	"testing"
	"time"

	"allclear/notifier"
	"allclear/subscribers"
)

// ownBox has imap7, on which mail to own.example depends, and a reader there.
func ownBox(t *testing.T, test func(t *testing.T, b *box, first subscribers.Number)) {
	t.Helper()
	eachBox(t, func(t *testing.T, b *box) {
		b.components()
		b.must(b.SetOwnDomains(b.ctx, ownExample))
		test(t, b, b.joins("ann@own.example", func(s *subscribers.Subscriber) {
			s.Cadence, s.Language, s.Timezone, s.Filter.Severity = subscribers.Instant, "de", "Europe/Oslo", notifier.SeverityMajor
		}))
	})
}

func (b *box) namesSecond(first subscribers.Number, channel notifier.Channel, address string) error {
	return b.AskSecond(b.ctx, first, subscribers.SignUp{Subscriber: subscribers.Subscriber{Channel: channel, Address: address}, Consent: subscribers.Consent{Language: "en", Words: "Yes."}})
}

func (b *box) answers() {
	b.t.Helper()
	_, err := b.AnswerSignUps(b.ctx, nil, subscribers.SignUpLimits(), func(s subscribers.Subscriber) notifier.Event {
		return s.ConfirmEvent(notifier.Desk{Now: b.time(), NewID: func() string { return "ask" + s.Number.String() }})
	}, 10)
	b.must(err)
}

func (b *box) second(first subscribers.Number) subscribers.Second {
	b.t.Helper()
	s, err := b.Subscriber(b.ctx, first)
	b.must(err)
	return s.Second
}

func TestASecondAddressIsAskedConfirmedAndLeftByItself(t *testing.T) {
	ownBox(t, func(t *testing.T, b *box, first subscribers.Number) {
		b.must(b.namesSecond(first, notifier.Email, "ann@elsewhere.example"))
		if got := b.second(first); got != (subscribers.Second{Channel: notifier.Email, Address: "ann@elsewhere.example", State: subscribers.Pending}) {
			t.Errorf("%+v", got)
		}
		b.answers()
		got := b.second(first)
		if got.Number == 0 || got.State != subscribers.Pending {
			t.Fatalf("nobody was asked: %+v", got)
		}
		b.expand(10)
		if n := b.number(`SELECT count(*) FROM events AS e JOIN deliveries AS d ON d.event_number = e.number WHERE e.type = 'subscriber.second' AND d.address = 'ann@elsewhere.example' AND d.language = 'de'`); n != 1 {
			t.Errorf("%d questions", n)
		}
		if n, err := b.Followers(b.ctx); err != nil || n != 1 {
			t.Errorf("%d followers, %v", n, err)
		}
		who, err := b.ConfirmSubscriber(b.ctx, got.Number, netip.Prefix{})
		b.must(err)
		if who.SecondOf != first || who.State != subscribers.Active || b.second(first).State != subscribers.Active {
			t.Errorf("%+v", who)
		}
		if n, err := b.Followers(b.ctx); err != nil || n != 1 {
			t.Errorf("%d followers, %v", n, err)
		}
		b.turns(got.Number, func(s *subscribers.Subscriber) { s.Depart(subscribers.ByLink, b.time()) })
		if b.second(first) != (subscribers.Second{}) {
			t.Errorf("%+v", b.second(first))
		}
		if s, err := b.Subscriber(b.ctx, first); err != nil || s.State != subscribers.Active {
			t.Errorf("the first left as well: %+v, %v", s, err)
		}
	})
}

func TestAConfirmedSecondAddressStaysInUseUntilTheNextOneIsConfirmed(t *testing.T) {
	ownBox(t, func(t *testing.T, b *box, first subscribers.Number) {
		s, err := b.SetSecond(b.ctx, first, subscribers.Second{Channel: notifier.Email, Address: "ann@elsewhere.example", State: subscribers.Active}, nil)
		b.must(err)
		old := s.Second
		in := func(next string, used subscribers.Second) subscribers.Second {
			t.Helper()
			s, err := b.Subscriber(b.ctx, first)
			b.must(err)
			if s.Second != used || s.SecondNext.Address != next || next != "" && s.SecondNext.State != subscribers.Pending {
				t.Fatalf("%+v, then %+v; want %+v, then %q", s.Second, s.SecondNext, used, next)
			}
			return s.SecondNext
		}
		b.must(b.namesSecond(first, notifier.Email, "typo@elsewhere.example"))
		in("typo@elsewhere.example", old)
		b.answers()
		typo := in("typo@elsewhere.example", old)
		b.must(b.namesSecond(first, notifier.Email, "ann@elsewhere.example")) // the one that there is: nothing is to be asked
		b.answers()
		in("", old)
		if _, err := b.Subscriber(b.ctx, typo.Number); !errors.Is(err, notifier.ErrNotFound) {
			t.Errorf("who was named by mistake is kept: %v", err)
		}
		b.must(b.namesSecond(first, notifier.Email, "next@elsewhere.example"))
		b.answers()
		next := in("next@elsewhere.example", old)
		_, err = b.ConfirmSubscriber(b.ctx, next.Number, netip.Prefix{})
		b.must(err)
		next.State = subscribers.Active
		in("", next)
		if s, err := b.Subscriber(b.ctx, old.Number); err != nil || s.State != subscribers.Unsubscribed {
			t.Errorf("the one before goes on: %+v, %v", s, err)
		}
		b.pass(48 * time.Hour)
		b.must(b.namesSecond(first, notifier.SMS, "+4791234567"))
		b.pass(9 * 24 * time.Hour) // nobody answers
		in("", next)
		b.must(b.namesSecond(first, notifier.SMS, "+4791234567"))
		b.must(b.RemoveSecond(b.ctx, first))
		in("", subscribers.Second{})
	})
}

func TestASecondAddressEndsWithItsFirst(t *testing.T) {
	for how, leave := range map[string]func(b *box, first subscribers.Number) error{
		"by a link": func(b *box, first subscribers.Number) error {
			_, err := b.ChangeSubscriber(b.ctx, first, func(s *subscribers.Subscriber) error { s.Depart(subscribers.ByLink, b.time()); return nil })
			return err
		},
		"suppressed": func(b *box, first subscribers.Number) error {
			return b.Suppress(b.ctx, subscribers.Suppression{Channel: notifier.Email, Address: "ann@own.example", Reason: subscribers.ReasonBounce})
		},
		"by a file": func(b *box, first subscribers.Number) error {
			_, _, err := b.ImportSubscribers(b.ctx, []subscribers.Subscriber{{Channel: notifier.Email, Address: "ann@own.example", State: subscribers.Unsubscribed, Cadence: subscribers.Instant}}, subscribers.Columns())
			return err
		},
	} {
		t.Run(how, func(t *testing.T) {
			ownBox(t, func(t *testing.T, b *box, first subscribers.Number) {
				s, err := b.SetSecond(b.ctx, first, subscribers.Second{Channel: notifier.Email, Address: "ann@elsewhere.example", State: subscribers.Active}, nil)
				b.must(err)
				b.must(b.namesSecond(first, notifier.Email, "next@elsewhere.example"))
				b.incident("one")
				b.down()
				update := b.event(notifier.Event{IncidentID: "one"})
				b.expand(10)
				b.must(leave(b, first))
				b.states(int64(s.Second.Number), map[int64]notifier.DeliveryState{update: notifier.Suppressed})
				b.states(int64(first), map[int64]notifier.DeliveryState{update: ""})
				if x, err := b.Subscriber(b.ctx, s.Second.Number); err != nil || x.State != subscribers.Unsubscribed {
					t.Errorf("%+v, %v", x, err)
				}
				if n := b.number(`SELECT (SELECT count(*) FROM seconds) + (SELECT count(*) FROM signups)`); n != 0 {
					t.Errorf("%d are kept", n)
				}
				b.sound()
			})
		})
	}
}

func TestWhoTakesLeavingBackHasTheSecondAddressAgain(t *testing.T) {
	ownBox(t, func(t *testing.T, b *box, first subscribers.Number) {
		s, err := b.SetSecond(b.ctx, first, subscribers.Second{Channel: notifier.SMS, Address: "+4791234567", State: subscribers.Active}, nil)
		b.must(err)
		b.pass(time.Minute)
		for _, removed := range []bool{false, true} { // before they left: that stays so
			want := s.Second
			if removed {
				b.must(b.RemoveSecond(b.ctx, first))
				want = subscribers.Second{}
				b.pass(time.Minute)
			}
			b.turns(first, func(s *subscribers.Subscriber) { s.Depart(subscribers.ByLink, b.time()) })
			b.pass(time.Minute)
			if back, err := b.Return(b.ctx, first); err != nil || back.State != subscribers.Active || back.Second != want {
				t.Errorf("%+v, want %+v, %v", back.Second, want, err)
			}
		}
	})
}

func TestWhoAsksForTheLinkByTheSecondAddressIsToldWhoseItIs(t *testing.T) {
	ownBox(t, func(t *testing.T, b *box, first subscribers.Number) {
		s, err := b.SetSecond(b.ctx, first, subscribers.Second{Channel: notifier.Email, Address: "bob@elsewhere.example", State: subscribers.Active}, nil)
		b.must(err)
		for i := range 2 {
			if sent, err := b.SendLink(b.ctx, subscribers.Lost{Address: s.Second.Address}); err != nil || sent != (i == 0) {
				t.Errorf("request %d: %t, %v", i, sent, err)
			}
		}
		if got := strings.Join(b.mailed(), ", "); got != "bob@elsewhere.example subscriber.link, ann@own.example subscriber.link" {
			t.Errorf("mailed %s", got)
		}
		for event, want := range map[int64]string{1: "a…@own.example", 2: ""} {
			if story, err := b.Story(b.ctx, event); err != nil || story.First != want {
				t.Errorf("%q, want %q, %v", story.First, want, err)
			}
		}
		b.must(b.namesSecond(first, notifier.Email, "eve@elsewhere.example")) // who did not confirm has no say
		b.answers()
		if sent, err := b.SendLink(b.ctx, subscribers.Lost{Address: "eve@elsewhere.example"}); err != nil || sent {
			t.Errorf("%t, %v", sent, err)
		}
	})
}

func TestNamingAnAddressTellsNothingAboutIt(t *testing.T) {
	ownBox(t, func(t *testing.T, b *box, first subscribers.Number) {
		own := b.joins("has@its.example", func(s *subscribers.Subscriber) { s.Cadence = subscribers.Weekly })
		b.must(b.Suppress(b.ctx, subscribers.Suppression{Channel: notifier.Email, Address: "barred@elsewhere.example", Reason: subscribers.ReasonManual}))
		for _, address := range []string{"has@its.example", "barred@elsewhere.example"} {
			b.must(b.namesSecond(first, notifier.Email, address))
			b.answers()
			if got := b.second(first); got != (subscribers.Second{Channel: notifier.Email, Address: address, State: subscribers.Pending}) {
				t.Errorf("%+v", got)
			}
		}
		if s, err := b.Subscriber(b.ctx, own); err != nil || s.SecondOf != 0 || s.State != subscribers.Active || s.Cadence != subscribers.Weekly {
			t.Errorf("%+v, %v", s, err)
		}
		if n := b.number(`SELECT count(*) FROM events`); n != 0 {
			t.Errorf("%d questions", n)
		}
		b.pass(9 * 24 * time.Hour)
		if b.second(first) != (subscribers.Second{}) {
			t.Error("it waits for ever")
		}
	})
}

func TestASecondAddressThatIsNoHelpOrAskedTooOftenIsRefused(t *testing.T) {
	ownBox(t, func(t *testing.T, b *box, first subscribers.Number) {
		var wrong *notifier.Invalid
		if err := b.namesSecond(first, notifier.Email, "bob@own.example"); !errors.As(err, &wrong) || wrong.Field != "second" {
			t.Error(err)
		}
		other := b.joins("not@ours.example", nil)
		if err := b.namesSecond(other, notifier.Email, "bob@elsewhere.example"); !errors.As(err, &wrong) {
			t.Error(err)
		}
		var err error
		for range 9 {
			if err = b.namesSecond(first, notifier.Email, "bob@elsewhere.example"); err != nil {
				break
			}
		}
		if !errors.Is(err, notifier.ErrConflict) {
			t.Error(err)
		}
		b.turns(first, func(s *subscribers.Subscriber) { s.Depart(subscribers.ByLink, b.time()) })
		if err := b.namesSecond(first, notifier.Email, "cec@elsewhere.example"); !errors.Is(err, notifier.ErrConflict) {
			t.Error(err)
		}
	})
}

func TestStaffSetChangeAndEndASecondAddress(t *testing.T) {
	ownBox(t, func(t *testing.T, b *box, first subscribers.Number) {
		s, err := b.SetSecond(b.ctx, first, subscribers.Second{Channel: notifier.SMS, Address: "+4791234567", State: subscribers.Active}, nil)
		b.must(err)
		phone := s.Second
		if phone.State != subscribers.Active || phone.Number == 0 {
			t.Errorf("%+v", phone)
		}
		s, err = b.SetSecond(b.ctx, first, subscribers.Second{Channel: notifier.Webhook, Address: "https://hooks.example.com/x"}, nil)
		b.must(err)
		if s.Second != phone || s.SecondNext.State != subscribers.Pending || s.SecondNext.Channel != notifier.Webhook {
			t.Errorf("%+v, then %+v", s.Second, s.SecondNext)
		}
		s, err = b.SetSecond(b.ctx, first, subscribers.Second{Channel: notifier.Webhook, Address: "https://hooks.example.com/x", State: subscribers.Active}, nil)
		b.must(err)
		if s.Second.State != subscribers.Active || s.Second.Channel != notifier.Webhook || s.SecondNext != (subscribers.Second{}) {
			t.Errorf("%+v, then %+v", s.Second, s.SecondNext)
		}
		if old, err := b.Subscriber(b.ctx, phone.Number); err != nil || old.State != subscribers.Unsubscribed {
			t.Errorf("%+v, %v", old, err)
		}
		_, err = b.ChangeSubscriber(b.ctx, s.Second.Number, func(s *subscribers.Subscriber) error { s.Filter.Severity = notifier.SeverityCritical; return nil })
		var wrong *notifier.Invalid
		if !errors.As(err, &wrong) {
			t.Errorf("a second address chooses for itself: %v", err)
		}
		if _, err = b.SetSecond(b.ctx, first, subscribers.Second{Channel: notifier.Email, Address: "ann@own.example"}, nil); !errors.As(err, &wrong) {
			t.Error(err)
		}
		b.must(b.RemoveSecond(b.ctx, first))
		b.must(b.RemoveSecond(b.ctx, first))
		if b.second(first) != (subscribers.Second{}) {
			t.Errorf("%+v", b.second(first))
		}
		b.joins("has@its.example", nil)
		if _, err = b.SetSecond(b.ctx, first, subscribers.Second{Channel: notifier.Email, Address: "has@its.example"}, nil); !errors.Is(err, notifier.ErrConflict) {
			t.Error(err)
		}
	})
}

func TestToForgetTheFirstAddressIsToForgetTheSecond(t *testing.T) {
	ownBox(t, func(t *testing.T, b *box, first subscribers.Number) {
		s, err := b.SetSecond(b.ctx, first, subscribers.Second{Channel: notifier.Email, Address: "ann@elsewhere.example", State: subscribers.Active}, nil)
		b.must(err)
		b.must(b.EraseSubscriber(b.ctx, first))
		if _, err := b.Subscriber(b.ctx, s.Second.Number); !errors.Is(err, notifier.ErrNotFound) {
			t.Error(err)
		}
		if n := b.number(`SELECT count(*) FROM seconds`); n != 0 {
			t.Errorf("%d are kept", n)
		}
	})
}

func TestASecondAddressThatIsErasedIsNamedNowhere(t *testing.T) {
	ownBox(t, func(t *testing.T, b *box, first subscribers.Number) {
		s, err := b.SetSecond(b.ctx, first, subscribers.Second{Channel: notifier.Email, Address: "ann@elsewhere.example", State: subscribers.Active}, nil)
		b.must(err)
		b.must(b.EraseSubscriber(b.ctx, s.Second.Number))
		if b.second(first) != (subscribers.Second{}) || b.number(`SELECT count(*) FROM seconds`) != 0 {
			t.Errorf("%+v", b.second(first))
		}
	})
}

func TestASubscriptionThatMovesKeepsItsSecondAddress(t *testing.T) {
	ownBox(t, func(t *testing.T, b *box, first subscribers.Number) {
		_, err := b.SetSecond(b.ctx, first, subscribers.Second{Channel: notifier.Email, Address: "ann@elsewhere.example", State: subscribers.Active}, nil)
		b.must(err)
		b.must(b.AskMove(b.ctx, first, "anna@own.example"))
		m, err := b.Move(b.ctx, first, false)
		b.must(err)
		_, err = b.AgreeMove(b.ctx, m.From, false)
		b.must(err)
		_, err = b.AgreeMove(b.ctx, m.To, true)
		b.must(err)
		if got := b.second(m.To); got.State != subscribers.Active || got.Address != "ann@elsewhere.example" {
			t.Errorf("%+v", got)
		}
		if err := b.AskMove(b.ctx, b.second(m.To).Number, "x@elsewhere.example"); !errors.Is(err, notifier.ErrConflict) {
			t.Errorf("a second address moves by itself: %v", err)
		}
	})
}

func TestAnImportLeavesASecondAddressAloneButForEndingIt(t *testing.T) {
	ownBox(t, func(t *testing.T, b *box, first subscribers.Number) {
		_, err := b.SetSecond(b.ctx, first, subscribers.Second{Channel: notifier.Email, Address: "ann@elsewhere.example", State: subscribers.Active}, nil)
		b.must(err)
		fates, _, err := b.ImportSubscribers(b.ctx, []subscribers.Subscriber{{Channel: notifier.Email, Address: "ann@elsewhere.example", State: subscribers.Active, Cadence: subscribers.Daily}}, subscribers.Columns())
		b.must(err)
		if fates[0] != subscribers.ImportUnchanged || b.second(first).State != subscribers.Active {
			t.Errorf("%v, %+v", fates, b.second(first))
		}
		fates, _, err = b.ImportSubscribers(b.ctx, []subscribers.Subscriber{{Channel: notifier.Email, Address: "ann@elsewhere.example", State: subscribers.Unsubscribed, Cadence: subscribers.Daily}}, subscribers.Columns())
		b.must(err)
		if fates[0] != subscribers.ImportChanged || b.second(first) != (subscribers.Second{}) {
			t.Errorf("%v, %+v", fates, b.second(first))
		}
	})
}

func TestEndingASecondAddressLeavesWhatElseGoesToIt(t *testing.T) {
	for _, state := range []subscribers.State{subscribers.Pending, subscribers.Active} {
		ownBox(t, func(t *testing.T, b *box, first subscribers.Number) {
			const address = "user1@example.com"
			b.ready("n", 2)
			b.order("n", notifier.NoticeOrder{})
			b.must(b.namesSecond(first, notifier.Email, address))
			b.answers()
			second := b.second(first).Number
			if second == 0 {
				t.Fatal("nobody was asked")
			}
			if state == subscribers.Active {
				_, err := b.ConfirmSubscriber(b.ctx, second, netip.Prefix{})
				b.must(err)
			}
			b.expand(100)
			b.must(b.RemoveSecond(b.ctx, first))
			if n := b.number(`SELECT count(*) FROM deliveries WHERE state = 'pending' AND address = '` + address + `' AND event_number = (SELECT number FROM events WHERE type = 'subscriber.second')`); n != 0 {
				t.Errorf("%d questions still wait", n)
			}
			sent := map[notifier.DeliveryID]int{}
			b.sendAll(sent)
			if n := b.in("n", notifier.NoticeDone); n.Counts[notifier.Sent] != 2 {
				t.Errorf("the notice of who was named a second while %s: %v", state, n.Counts)
			}
			b.sound()
		})
	}
}
