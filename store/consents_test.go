package store_test

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"allclear/subscribers"
)

const week = 7 * 24 * time.Hour

// askedFor has an address leave by link out of a state, and then be asked for on the form.
func (b *box) askedFor(who subscribers.Subscriber) subscribers.Subscriber {
	b.t.Helper()
	added, err := b.AddSubscriber(b.ctx, who, nil)
	b.must(err)
	left, err := b.ChangeSubscriber(b.ctx, added.Number, func(x *subscribers.Subscriber) error {
		x.Depart(subscribers.ByLink, b.time())
		x.Left.Reason = "too many"
		return nil
	})
	b.must(err)
	b.pass(time.Hour)
	b.asks(signUp(who.Address))
	if did := b.answer(subscribers.SignUpLimits()); did.Fates[subscribers.SignUpAsked] != 1 {
		b.t.Fatalf("%+v", did)
	}
	return left
}

func (b *box) forgetUnconfirmed() int {
	b.t.Helper()
	n, err := b.ForgetUnconfirmed(b.ctx, b.time().Add(-week), 10)
	b.must(err)
	return n
}

// Anybody can fill in the form for anybody: what only its owner may take back
// must outlast that.
func TestTheFormDoesNotWipeOutThatSomebodyLeft(t *testing.T) {
	eachBox(t, func(t *testing.T, b *box) {
		paused := reader("paused@example.com", subscribers.Paused)
		paused.PausedUntil = b.time().Add(30 * 24 * time.Hour)
		for _, who := range []subscribers.Subscriber{reader("ann@example.com", subscribers.Active), paused} {
			left := b.askedFor(who)
			file := func() {
				t.Helper()
				for _, overwrite := range []bool{false, true} {
					_, errs, err := b.ImportSubscribers(b.ctx, []subscribers.Subscriber{reader(who.Address, subscribers.Active)}, columnsIf(overwrite))
					b.must(err)
					b.must(errs[0])
				}
			}
			file()
			is, err := b.Subscriber(b.ctx, left.Number)
			b.must(err)
			if is.State != subscribers.Pending || !is.Unsubscribed.Equal(left.Unsubscribed) || is.Left != left.Left {
				t.Errorf("asked again it is %+v", is)
			}
			b.pass(week + time.Hour)
			if n := b.forgetUnconfirmed(); n != 1 {
				t.Errorf("settled %d", n)
			}
			if n := b.forgetUnconfirmed(); n != 0 {
				t.Errorf("settled %d again", n)
			}
			file()
			is, err = b.Subscriber(b.ctx, left.Number)
			b.must(err)
			if is.State != subscribers.Unsubscribed || !is.Unsubscribed.Equal(left.Unsubscribed) || is.Left != left.Left {
				t.Errorf("a week later it is %+v", is)
			}
		}
		b.sound()
	})
}

func TestWhoLeftAndConfirmsIsBackForGood(t *testing.T) {
	eachBox(t, func(t *testing.T, b *box) {
		left := b.askedFor(reader("ann@example.com", subscribers.Active))
		is, err := b.ConfirmSubscriber(b.ctx, left.Number, netip.Prefix{})
		b.must(err)
		if is.State != subscribers.Active || !is.Unsubscribed.IsZero() || is.Left != (subscribers.Leave{}) {
			t.Errorf("%+v", is)
		}
		b.pass(2 * week)
		if n := b.forgetUnconfirmed(); n != 0 {
			t.Errorf("settled %d", n)
		}
	})
}

func TestWhoLeftAndIsAskedByStaffHasLeftUntilTheyConfirm(t *testing.T) {
	eachBox(t, func(t *testing.T, b *box) {
		left := b.askedFor(reader("ann@example.com", subscribers.Active))
		b.pass(week + time.Hour)
		b.forgetUnconfirmed()
		is, err := b.AddSubscriber(b.ctx, reader("ann@example.com", subscribers.Pending), nil)
		b.must(err)
		if !is.Unsubscribed.Equal(left.Unsubscribed) || is.Left != left.Left {
			t.Errorf("%+v", is)
		}
		b.sound()
	})
}

func TestAGroupIsNeverForgotten(t *testing.T) {
	eachBox(t, func(t *testing.T, b *box) {
		g := group("ops@example.com", "boss@example.com")
		g.State = subscribers.Pending
		_, err := b.AddSubscriber(b.ctx, g, nil)
		b.must(err)
		b.asks(signUp("ops@example.com"))
		b.answer(subscribers.SignUpLimits())
		b.pass(2 * week)
		if n := b.forgetUnconfirmed(); n != 0 {
			t.Errorf("settled %d", n)
		}
		if is, err := b.Subscriber(b.ctx, 1); err != nil || !is.Group || is.Contact != "boss@example.com" {
			t.Errorf("%+v, %v", is, err)
		}
	})
}

func TestWhoNeverConfirmsLeavesNoAddressBehind(t *testing.T) {
	eachBox(t, func(t *testing.T, b *box) {
		b.asks(signUp("zebedee@example.com"))
		b.answer(subscribers.SignUpLimits())
		if b.expand(10) != 1 {
			t.Fatal("nobody is asked")
		}
		b.pass(week + time.Hour)
		if n := b.forgetUnconfirmed(); n != 1 {
			t.Fatalf("forgot %d", n)
		}
		for _, table := range []string{"subscribers", "deliveries", "signups", "audit", "events", "budgets"} {
			for _, row := range b.dump(table) {
				if strings.Contains(row, "zebedee") {
					t.Errorf("%s keeps %s", table, row)
				}
			}
		}
		b.sound()
	})
}
