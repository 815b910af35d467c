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

func down(b *box) notifier.Trouble {
	return notifier.Trouble{
		Key: "relay:mail.example.com:587", About: "relay:mail.example.com:587", Title: "Relay mail.example.com:587 is down", Text: "Look at it.",
		Ended: "It works again", Since: b.time(),
	}
}

func (b *box) noted(seen ...notifier.Trouble) {
	b.t.Helper()
	b.must(b.NoteTroubles(b.ctx, seen))
}

func (b *box) alarms() []notifier.Alarm {
	b.t.Helper()
	a, err := b.TakeAlarms(b.ctx, true)
	b.must(err)
	return a
}

// alarm is the only one that is due.
func (b *box) alarm() notifier.Alarm {
	b.t.Helper()
	a := b.alarms()
	if len(a) != 1 {
		b.t.Fatalf("%d alarms: %+v", len(a), a)
	}
	return a[0]
}

func (b *box) calm(when string) {
	b.t.Helper()
	if a := b.alarms(); len(a) > 0 {
		b.t.Fatalf("%s: %+v", when, a)
	}
}

func TestStaffAreToldOfATroubleWhenItBeginsWhileItLastsAndWhenItIsOver(t *testing.T) {
	eachBox(t, func(t *testing.T, b *box) {
		began := b.time()
		b.calm("at first")
		b.noted(down(b))
		a := b.alarm()
		if a.Over || !a.Told.IsZero() || !a.Since.Equal(began) || a.Title != "Relay mail.example.com:587 is down" || a.Text != "Look at it." {
			t.Errorf("%+v", a)
		}
		b.calm("while somebody tells")
		b.must(b.AlarmTold(b.ctx, a))
		for range 20 {
			b.pass(10 * time.Second)
			b.noted(down(b))
			b.calm("staff know")
		}
		b.pass(notifier.AlarmAgain)
		b.noted(down(b))
		if a = b.alarm(); a.Over || a.Told.IsZero() || !a.Since.Equal(began) {
			t.Errorf("again: %+v", a)
		}
		b.must(b.AlarmTold(b.ctx, a))
		last := b.time()
		b.pass(notifier.AlarmCalm)
		b.calm("it may come back")
		b.pass(time.Second)
		if a = b.alarm(); !a.Over || !a.Since.Equal(began) || !a.Seen.Equal(last) {
			t.Errorf("over: %+v", a)
		}
		b.must(b.AlarmTold(b.ctx, a))
		b.pass(time.Hour)
		b.calm("it is over")
		b.noted(down(b))
		if a = b.alarm(); a.Over || !a.Told.IsZero() || !a.Since.Equal(b.time()) {
			t.Errorf("anew: %+v", a)
		}
	})
}

func TestWhatIsDueIsTakenHoweverMuchElseIsOpen(t *testing.T) {
	eachBox(t, func(t *testing.T, b *box) {
		var many []notifier.Trouble
		for i := range 150 {
			x := down(b)
			x.Key = fmt.Sprintf("a%03d", i)
			many = append(many, x)
		}
		b.noted(many...)
		for range 2 {
			for _, a := range b.alarms() {
				b.must(b.AlarmTold(b.ctx, a))
			}
		}
		last := down(b)
		last.Key = "z"
		b.noted(last)
		if a := b.alarm(); a.Key != "z" {
			t.Errorf("%+v", a)
		}
	})
}

func TestATroubleThatCannotBeKeptHoldsUpNoOther(t *testing.T) {
	eachBox(t, func(t *testing.T, b *box) {
		bad := down(b)
		bad.Key, bad.About = "a", ""
		b.noted(bad, down(b))
		if a := b.alarm(); a.Key != "relay:mail.example.com:587" {
			t.Errorf("%+v", a)
		}
	})
}

func TestAlarmsAreListedWithWhoWasToldAndStayForAWhileWhenTheyAreOver(t *testing.T) {
	eachBox(t, func(t *testing.T, b *box) {
		list := func() []notifier.Alarm {
			b.t.Helper()
			all, err := b.AlarmLog(b.ctx, 10)
			b.must(err)
			return all
		}
		b.noted(down(b))
		if all := list(); len(all) != 1 || all[0].Over || len(all[0].To) != 0 || !all[0].Told.IsZero() {
			t.Errorf("%+v", all)
		}
		a := b.alarm()
		for _, to := range []string{"endpoint 1", "mail address 1"} {
			a.To = []string{to}
			b.must(b.AlarmTold(b.ctx, a))
		}
		b.pass(notifier.AlarmCalm + time.Second)
		a = b.alarm()
		a.To = []string{"endpoint 1"}
		b.must(b.AlarmTold(b.ctx, a))
		other := down(b)
		other.Key = "queue"
		b.noted(other)
		all := list()
		if len(all) != 2 || all[0].Key != "queue" || !all[1].Over || fmt.Sprint(all[1].To) != "[endpoint 1 mail address 1]" || !all[1].Told.Equal(b.time()) {
			t.Errorf("%+v", all)
		}
		b.pass(notifier.AlarmKept + time.Second)
		b.must(b.AlarmTold(b.ctx, b.alarm()))
		if all = list(); len(all) != 1 {
			t.Errorf("%+v", all)
		}
	})
}

func TestATroubleThatNobodyCouldBeToldOfIsTakenAgainByWhoever(t *testing.T) {
	eachBox(t, func(t *testing.T, b *box) {
		b.noted(down(b))
		b.alarm()
		b.pass(notifier.AlarmTry)
		b.noted(down(b))
		b.alarm()
		b.pass(notifier.AlarmTry + time.Second)
		if a := b.alarm(); !a.Over || !a.Told.IsZero() {
			t.Errorf("staff hear of it though it is over: %+v", a)
		}
	})
}

func TestWhoHasOnlyBegunToLookDoesNotSayThatATroubleIsOver(t *testing.T) {
	eachBox(t, func(t *testing.T, b *box) {
		b.noted(down(b))
		b.must(b.AlarmTold(b.ctx, b.alarm()))
		b.pass(time.Hour)
		if a, err := b.TakeAlarms(b.ctx, false); err != nil || len(a) > 0 {
			t.Fatalf("%+v, %v", a, err)
		}
		b.noted(down(b))
		b.calm("it lasted all the while")
	})
}

func TestATroubleThatComesBackWhileItsEndIsToldBeginsAnew(t *testing.T) {
	eachBox(t, func(t *testing.T, b *box) {
		b.noted(down(b))
		b.must(b.AlarmTold(b.ctx, b.alarm()))
		b.pass(notifier.AlarmCalm + time.Second)
		over := b.alarm()
		b.noted(down(b))
		b.must(b.AlarmTold(b.ctx, over))
		if a := b.alarm(); a.Over || !a.Told.IsZero() || !a.Since.Equal(b.time()) {
			t.Errorf("%+v", a)
		}
	})
}

func TestWhatIsToldOnceIsRememberedAndHasNoEnd(t *testing.T) {
	eachBox(t, func(t *testing.T, b *box) {
		once := notifier.Trouble{Key: "incident:1:2:3h", About: "incident:1", Title: "No word for 3 hours", Once: true}
		b.noted(once)
		b.must(b.AlarmTold(b.ctx, b.alarm()))
		for range 3 {
			b.pass(notifier.AlarmKept - time.Hour)
			b.calm("it has no end")
			b.noted(once)
			b.calm("it was told")
		}
		b.pass(notifier.AlarmKept + time.Hour)
		b.noted(down(b))
		b.must(b.AlarmTold(b.ctx, b.alarm()))
		if n := b.number(`SELECT count(*) FROM alarms`); n != 1 {
			t.Errorf("%d alarms are kept", n)
		}
	})
}

func TestManyProcessesTellOnce(t *testing.T) {
	eachBox(t, func(t *testing.T, b *box) {
		var told sync.Map
		var going sync.WaitGroup
		for range 4 {
			other := storetest.At(t, b.dsn)(storetest.Clock(b.time))
			going.Go(func() {
				for range 5 {
					if err := other.NoteTroubles(b.ctx, []notifier.Trouble{{Key: "b", About: "b", Title: "b"}, down(b)}); err != nil {
						t.Error(err)
					}
					alarms, err := other.TakeAlarms(b.ctx, true)
					if err != nil {
						t.Error(err)
					}
					for _, a := range alarms {
						if _, twice := told.LoadOrStore(a.Key, true); twice {
							t.Errorf("%s was told twice", a.Key)
						}
						if err := other.AlarmTold(b.ctx, a); err != nil {
							t.Error(err)
						}
					}
				}
			})
		}
		going.Wait()
		for _, key := range []string{"b", "relay:mail.example.com:587"} {
			if _, ok := told.Load(key); !ok {
				t.Errorf("%s was never told", key)
			}
		}
	})
}

func TestNoticesWithoutASecondPersonAndUpdatesThatStayHeldAreFound(t *testing.T) {
	eachBox(t, func(t *testing.T, b *box) {
		storetest.Exec(t, b.dsn, sample(t, b.Dialect())...)
		at := time.UnixMicro(1795447210000000)
		if n, err := b.OverriddenNotices(b.ctx, at); err != nil || len(n) > 0 {
			t.Errorf("%+v, %v", n, err)
		}
		if h, err := b.StuckUpdates(b.ctx); err != nil || len(h) > 0 {
			t.Errorf("%+v, %v", h, err)
		}
		storetest.Exec(t, b.dsn, `UPDATE notices SET ordered_at = 5, approved = '[{"By":"ann","At":"`+at.UTC().Format(time.RFC3339Nano)+`","Reason":"alone on shift"}]' WHERE id = 'not1'`, `UPDATE held_updates SET trouble = 'it is resolved'`)
		if n, err := b.OverriddenNotices(b.ctx, at); err != nil || len(n) != 1 || n[0].ID != "not1" || n[0].Approved[0].Reason != "alone on shift" {
			t.Errorf("%+v, %v", n, err)
		}
		if n, err := b.OverriddenNotices(b.ctx, at.Add(time.Second)); err != nil || len(n) > 0 {
			t.Errorf("%+v, %v", n, err)
		}
		if h, err := b.StuckUpdates(b.ctx); err != nil || len(h) != 1 || h[0].ID != "upd3" || h[0].Trouble != "it is resolved" {
			t.Errorf("%+v, %v", h, err)
		}
		storetest.Exec(t, b.dsn, `UPDATE held_updates SET trouble = ''`, `UPDATE notices SET state = 'cancelled' WHERE id = 'not1'`)
		if h, err := b.StuckUpdates(b.ctx); err != nil || len(h) != 1 || h[0].Notice != notifier.NoticeCancelled {
			t.Errorf("%+v, %v", h, err)
		}
	})
}

func TestHaltedNoticesAndDisabledEndpointsAreFound(t *testing.T) {
	eachBox(t, func(t *testing.T, b *box) {
		if n, err := b.HaltedNotices(b.ctx); err != nil || len(n) > 0 {
			t.Errorf("%v, %v", n, err)
		}
		if h, err := b.DisabledEndpoints(b.ctx, b.time().Add(-time.Hour), 10); err != nil || len(h) > 0 {
			t.Errorf("%v, %v", h, err)
		}
		storetest.Exec(t, b.dsn, sample(t, b.Dialect())...)
		storetest.Exec(t, b.dsn,
			`UPDATE notices SET state = 'halted', halted = '9 of 100 failed' WHERE id = 'not1'`,
			`UPDATE endpoints SET disabled_at = 1795447200000000, disabled_why = 'failing', failing_since = 1795447100000000`)
		if n, err := b.HaltedNotices(b.ctx); err != nil || len(n) != 1 || n[0].ID != "not1" || n[0].Halted != "9 of 100 failed" || n[0].Title != "Your mail was restored" {
			t.Errorf("%+v, %v", n, err)
		}
		at := time.UnixMicro(1795447200000000)
		if h, err := b.DisabledEndpoints(b.ctx, at, 10); err != nil || len(h) != 1 || h[0].DisabledWhy != subscribers.DisabledFailing {
			t.Errorf("%+v, %v", h, err)
		}
		if h, err := b.DisabledEndpoints(b.ctx, at.Add(time.Second), 10); err != nil || len(h) > 0 {
			t.Errorf("%+v, %v", h, err)
		}
	})
}
