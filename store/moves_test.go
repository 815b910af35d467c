package store_test

import (
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"allclear/notifier"
	"allclear/store/storetest"
	"allclear/subscribers"
)

func (b *box) at(address string) subscribers.Subscriber {
	b.t.Helper()
	all, _, err := b.Subscribers(b.ctx, subscribers.Query{Address: address, Limit: 1})
	b.must(err)
	if len(all) == 0 {
		return subscribers.Subscriber{}
	}
	return all[0]
}

func TestASubscriptionMovesWhenBothAddressesAgree(t *testing.T) {
	for _, first := range []bool{false, true} {
		t.Run(fmt.Sprintf("new one first %t", first), func(t *testing.T) {
			eachDesk(t, func(t *testing.T, b *box, d *desk) {
				s := reader("old@example.org", subscribers.Active)
				s.Filter = subscribers.Filter{Components: []string{"web"}, Severity: notifier.SeverityMajor, Kinds: []notifier.Kind{notifier.KindIncident}}
				s.Cadence, s.Timezone, s.Language = subscribers.Milestones, "Europe/Oslo", "de"
				s.AllQuiet = true
				old := b.subscribe(s)
				b.opened(d, notifier.Announcement{Title: "Mail is late", Severity: notifier.SeverityMajor})
				b.must(b.AskMove(b.ctx, old.Number, "new@example.org"))
				same(t, "mail", b.mailed(), []string{"new@example.org subscriber.move_to", "old@example.org subscriber.move_from"})
				to := b.at("new@example.org")
				if to.State != subscribers.Pending || b.at("old@example.org").State != subscribers.Active {
					t.Errorf("asked, it is already %s", to.State)
				}
				agree := func(to bool) subscribers.Move {
					t.Helper()
					n := old.Number
					if to {
						n = b.at("new@example.org").Number
					}
					m, err := b.AgreeMove(b.ctx, n, to)
					b.must(err)
					return m
				}
				d.Advance(time.Minute)
				for range 2 { // pressing one button twice is not two
					if m := agree(first); m.Agreed() {
						t.Fatalf("moved: %+v", m)
					}
				}
				if m, err := b.Move(b.ctx, old.Number, false); err != nil || m.FromAddress != "old@example.org" || m.ToAddress != "new@example.org" || m.ToAt.IsZero() == first {
					t.Errorf("%+v, %v", m, err)
				}
				if m := agree(!first); !m.Agreed() {
					t.Fatalf("not moved: %+v", m)
				}
				is, left := b.at("new@example.org"), b.at("old@example.org")
				want := old
				want.Number, want.Address, want.CreatedAt, want.ConfirmedAt = is.Number, is.Address, is.CreatedAt, d.Now()
				same(t, "new", is, want)
				if left.State != subscribers.Unsubscribed || left.Left.By != subscribers.ByMove || left.Unsubscribed != d.Now() {
					t.Errorf("old %+v", left)
				}
				if got := b.row(1, int64(old.Number)).State; got != notifier.Suppressed {
					t.Errorf("what waited for the old address is %s", got)
				}
				for _, n := range []subscribers.Number{old.Number, is.Number} {
					if _, err := b.Move(b.ctx, n, n == is.Number); !errors.Is(err, notifier.ErrNotFound) {
						t.Errorf("still there: %v", err)
					}
				}
				if _, err := b.AgreeMove(b.ctx, is.Number, true); !errors.Is(err, notifier.ErrNotFound) {
					t.Errorf("again: %v", err)
				}
				b.sound()
			})
		})
	}
}

func TestBothAddressesMayAgreeAtTheSameTime(t *testing.T) {
	eachDesk(t, func(t *testing.T, b *box, d *desk) {
		old := b.subscribe(reader("old@example.org", subscribers.Active))
		b.must(b.AskMove(b.ctx, old.Number, "new@example.org"))
		to := b.at("new@example.org")
		var wait sync.WaitGroup
		for i := range 6 {
			wait.Go(func() {
				n := old.Number
				if i%2 == 0 {
					n = to.Number
				}
				if _, err := b.AgreeMove(b.ctx, n, i%2 == 0); err != nil && !errors.Is(err, notifier.ErrNotFound) {
					t.Error(err)
				}
			})
		}
		wait.Wait()
		if b.at("new@example.org").State != subscribers.Active || b.at("old@example.org").State != subscribers.Unsubscribed {
			t.Errorf("new %+v, old %+v", b.at("new@example.org"), b.at("old@example.org"))
		}
		b.sound()
	})
}

func TestAMoveIsOverAfterAWeekOrWhenItIsCalledOff(t *testing.T) {
	eachDesk(t, func(t *testing.T, b *box, d *desk) {
		old := b.subscribe(reader("old@example.org", subscribers.Active))
		b.must(b.AskMove(b.ctx, old.Number, "new@example.org"))
		to := b.at("new@example.org")
		if _, err := b.AgreeMove(b.ctx, to.Number, true); err != nil {
			t.Fatal(err)
		}
		b.must(b.CancelMove(b.ctx, old.Number))
		b.must(b.CancelMove(b.ctx, old.Number))
		if _, err := b.AgreeMove(b.ctx, old.Number, false); !errors.Is(err, notifier.ErrNotFound) {
			t.Errorf("called off: %v", err)
		}
		d.Advance(25 * time.Hour)
		b.must(b.AskMove(b.ctx, old.Number, "new@example.org"))
		if _, err := b.AgreeMove(b.ctx, to.Number, true); err != nil {
			t.Fatal(err)
		}
		d.Advance(subscribers.MoveLife)
		if _, err := b.AgreeMove(b.ctx, old.Number, false); !errors.Is(err, notifier.ErrNotFound) {
			t.Errorf("after a week: %v", err)
		}
		if b.at("old@example.org").State != subscribers.Active {
			t.Errorf("old %+v", b.at("old@example.org"))
		}
	})
}

func TestANewAddressIsAskedOnceADayWhoeverWantsToMoveThere(t *testing.T) {
	eachDesk(t, func(t *testing.T, b *box, d *desk) {
		victim := "victim@example.org"
		for i := range 4 {
			s := b.subscribe(reader(fmt.Sprintf("r%d@example.org", i), subscribers.Active))
			b.must(b.AskMove(b.ctx, s.Number, victim))
			b.must(b.CancelMove(b.ctx, s.Number))
		}
		asked := 0
		for _, line := range b.mailed() {
			if line == victim+" subscriber.move_to" {
				asked++
			}
		}
		if asked != 1 {
			t.Errorf("asked %d times", asked)
		}
	})
}

func TestWhoeverIsThereAlreadyTakesOverTheChoices(t *testing.T) {
	for _, state := range []subscribers.State{subscribers.Active, subscribers.Paused, subscribers.Unsubscribed, subscribers.Pending} {
		t.Run(string(state), func(t *testing.T) {
			eachDesk(t, func(t *testing.T, b *box, d *desk) {
				s := reader("old@example.org", subscribers.Active)
				s.Filter.Components = []string{"imap7"}
				old, there := b.subscribe(s), b.subscribe(reader("new@example.org", state))
				b.must(b.AskMove(b.ctx, old.Number, "new@example.org"))
				for _, side := range []subscribers.Number{old.Number, there.Number} {
					if _, err := b.AgreeMove(b.ctx, side, side == there.Number); err != nil {
						t.Fatal(err)
					}
				}
				is := b.at("new@example.org")
				if is.Number != there.Number || is.State != subscribers.Active || fmt.Sprint(is.Filter.Components) != "[imap7]" || !is.Unsubscribed.IsZero() {
					t.Errorf("%+v", is)
				}
				b.sound()
			})
		})
	}
}

func TestABarredAddressIsNeitherAskedNorMovedTo(t *testing.T) {
	eachDesk(t, func(t *testing.T, b *box, d *desk) {
		old := b.subscribe(reader("old@example.org", subscribers.Active))
		b.must(b.Suppress(b.ctx, subscribers.Suppression{Channel: notifier.Email, Address: "new@example.org", Reason: subscribers.ReasonBounce}))
		b.must(b.AskMove(b.ctx, old.Number, "new@example.org"))
		same(t, "mail", b.mailed(), []string{"old@example.org subscriber.move_from"})
		if _, err := b.AgreeMove(b.ctx, old.Number, false); err != nil {
			t.Fatal(err)
		}
		if _, err := b.AgreeMove(b.ctx, b.at("new@example.org").Number, true); !errors.Is(err, notifier.ErrNotFound) {
			t.Errorf("%v", err)
		}
		if b.at("old@example.org").State != subscribers.Active {
			t.Error("the old address has left")
		}
		b.sound()
	})
}

func TestAMoveToAnAddressDoesNotHideTheOneAwayFromIt(t *testing.T) {
	eachDesk(t, func(t *testing.T, b *box, d *desk) {
		other, mine := b.subscribe(reader("other@example.org", subscribers.Active)), b.subscribe(reader("old@example.org", subscribers.Active))
		b.must(b.AskMove(b.ctx, other.Number, "old@example.org"))
		b.must(b.AskMove(b.ctx, mine.Number, "new@example.org"))
		to := b.at("new@example.org").Number
		if m, err := b.Move(b.ctx, mine.Number, true); err != nil || m.From != other.Number || m.To != mine.Number {
			t.Errorf("to it: %+v, %v", m, err)
		}
		if m, err := b.Move(b.ctx, mine.Number, false); err != nil || m.From != mine.Number || m.To != to {
			t.Errorf("away from it: %+v, %v", m, err)
		}
		for _, n := range []subscribers.Number{mine.Number, to} {
			if _, err := b.AgreeMove(b.ctx, n, n == to); err != nil {
				t.Fatal(err)
			}
		}
		if b.at("new@example.org").State != subscribers.Active || b.at("old@example.org").State != subscribers.Unsubscribed {
			t.Errorf("new %+v, old %+v", b.at("new@example.org"), b.at("old@example.org"))
		}
		b.sound()
	})
}

func TestTheQuestionOfAMoveIsPaidForAsASignUpsIs(t *testing.T) {
	for scope, key := range map[subscribers.Scope]string{subscribers.ForAll: "", subscribers.PerDomain: "gmail.com", subscribers.PerAddress: ""} {
		t.Run(string(scope), func(t *testing.T) {
			eachDesk(t, func(t *testing.T, b *box, d *desk) {
				if scope == subscribers.PerAddress {
					other := b.subscribe(reader("other@example.org", subscribers.Active))
					b.must(b.AskMove(b.ctx, other.Number, "ne.w+tag@gmail.com"))
					same(t, "mail", b.mailed(), []string{"ne.w+tag@gmail.com subscriber.move_to", "other@example.org subscriber.move_from"})
				} else {
					b.exec(`INSERT INTO budgets (scope, key, whole_at) VALUES ('%s', '%s', %d)`, scope, key, d.Now().Add(24*time.Hour).UnixMicro())
				}
				mine := b.subscribe(reader("old@example.org", subscribers.Active))
				b.must(b.AskMove(b.ctx, mine.Number, "new@gmail.com")) // answered as any other
				same(t, "mail", b.mailed(), []string{"old@example.org subscriber.move_from"})
				if m, err := b.Move(b.ctx, mine.Number, false); err != nil || m.ToAddress != "new@gmail.com" {
					t.Errorf("%+v, %v", m, err)
				}
			})
		})
	}
}

func TestWhatWaitsForAnAddressIsNotSentWhenAPausedSubscriptionMovesThere(t *testing.T) {
	eachDesk(t, func(t *testing.T, b *box, d *desk) {
		old, there := b.subscribe(reader("old@example.org", subscribers.Paused)), b.subscribe(reader("new@example.org", subscribers.Active))
		b.opened(d, notifier.Announcement{Title: "Mail is late"})
		b.must(b.AskMove(b.ctx, old.Number, "new@example.org"))
		b.expand(10)
		for _, side := range []subscribers.Number{old.Number, there.Number} {
			if moved, err := b.Moved(b.ctx, there.Number); err != nil || moved {
				t.Errorf("moved %t, %v", moved, err)
			}
			if _, err := b.AgreeMove(b.ctx, side, side == there.Number); err != nil {
				t.Fatal(err)
			}
		}
		if moved, err := b.Moved(b.ctx, there.Number); err != nil || !moved {
			t.Errorf("moved %t, %v", moved, err)
		}
		if got := b.row(1, int64(there.Number)).State; got != notifier.Suppressed || b.at("new@example.org").State != subscribers.Paused {
			t.Errorf("what waited is %s", got)
		}
		b.sound()
	})
}

func TestNoMoveTakesAGroupsAddressFromItsOwner(t *testing.T) {
	eachDesk(t, func(t *testing.T, b *box, d *desk) {
		team := b.subscribe(group("team@example.org", "owner@example.org"))
		mine := b.subscribe(reader("old@example.org", subscribers.Active))
		b.must(b.AskMove(b.ctx, mine.Number, "team@example.org")) // answered as any other
		same(t, "mail", b.mailed(), []string{"old@example.org subscriber.move_from"})
		if _, err := b.AgreeMove(b.ctx, mine.Number, false); err != nil {
			t.Fatal(err)
		}
		if _, err := b.AgreeMove(b.ctx, team.Number, true); !errors.Is(err, notifier.ErrNotFound) {
			t.Errorf("moved: %v", err)
		}
		same(t, "group", b.at("team@example.org"), team)
		same(t, "reader", b.at("old@example.org"), mine)
		b.sound()
	})
}

func TestNotEveryMoveCanBeAskedFor(t *testing.T) {
	eachDesk(t, func(t *testing.T, b *box, d *desk) {
		s := b.subscribe(reader("a@example.org", subscribers.Active))
		var invalid *notifier.Invalid
		if err := b.AskMove(b.ctx, s.Number, "a@example.org"); !errors.As(err, &invalid) || invalid.Field != "address" {
			t.Errorf("to itself: %v", err)
		}
		for _, state := range []subscribers.State{subscribers.Pending, subscribers.Unsubscribed} {
			n := b.subscribe(reader(string(state)+"@example.org", state)).Number
			if err := b.AskMove(b.ctx, n, "x@example.org"); !errors.Is(err, notifier.ErrConflict) {
				t.Errorf("%s: %v", state, err)
			}
		}
		if err := b.AskMove(b.ctx, 99, "x@example.org"); !errors.Is(err, notifier.ErrNotFound) {
			t.Errorf("nobody: %v", err)
		}
		for i := range 4 {
			err := b.AskMove(b.ctx, s.Number, fmt.Sprintf("n%d@example.org", i))
			if i < 3 && err != nil || i == 3 && !errors.Is(err, notifier.ErrConflict) {
				t.Errorf("request %d: %v", i, err)
			}
		}
		if m, err := b.Move(b.ctx, s.Number, false); err != nil || m.ToAddress != "n2@example.org" {
			t.Errorf("%+v, %v", m, err)
		}
	})
}

func TestOfManyWhoMoveToOneAddressAtOnceOneDoes(t *testing.T) {
	for _, dialect := range storetest.Dialects() {
		t.Run(dialect, func(t *testing.T) {
			b := newBox(t, dialect)
			b.readers(4)
			var wait sync.WaitGroup
			for n := range 4 {
				wait.Go(func() {
					if err := b.AskMove(b.ctx, subscribers.Number(n+1), "new@example.org"); err != nil {
						t.Error(err)
					}
				})
			}
			wait.Wait()
			if n := b.number(`SELECT count(*) FROM moves`); n != 1 {
				t.Errorf("%d moves", n)
			}
			if n := b.number(`SELECT count(*) FROM events WHERE type = 'subscriber.move_to'`); n != 1 {
				t.Errorf("asked %d times", n)
			}
		})
	}
}
