package store_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"

	"allclear/notifier"
	"allclear/store/storetest"
	"allclear/subscribers"
)

func reader(address string, state subscribers.State) subscribers.Subscriber {
	return subscribers.Subscriber{Channel: notifier.Email, Address: address, State: state, Cadence: subscribers.Instant}
}

func (b *box) subscribe(s subscribers.Subscriber) subscribers.Subscriber {
	b.t.Helper()
	out, err := b.AddSubscriber(b.ctx, s, nil)
	b.must(err)
	return out
}

// become changes a subscriber's state.
func (b *box) become(n subscribers.Number, state subscribers.State) subscribers.Subscriber {
	b.t.Helper()
	out, err := b.ChangeSubscriber(b.ctx, n, func(s *subscribers.Subscriber) error { s.State = state; return nil })
	b.must(err)
	return out
}

func TestASubscriberComesBackAsItWasWritten(t *testing.T) {
	eachDesk(t, func(t *testing.T, b *box, d *desk) {
		rapid.Check(t, func(t *rapid.T) {
			s := subscribers.Subscriber{
				Channel: notifier.Email, Address: rapid.StringMatching(`[a-z0-9.+']{1,20}@[a-z]{1,10}\.example`).Draw(t, "address"),
				State: rapid.SampledFrom(subscribers.States).Draw(t, "state"), Cadence: rapid.SampledFrom(subscribers.Cadences).Draw(t, "cadence"),
				Timezone: rapid.SampledFrom([]string{"", "Europe/Oslo"}).Draw(t, "zone"), Language: rapid.SampledFrom([]string{"", "pt-BR"}).Draw(t, "language"),
				Filter: subscribers.Filter{
					Components: rapid.SampledFrom([][]string{nil, {"web"}, {"web", "imap7"}, {"imap7", "web", "imap7"}}).Draw(t, "components"),
					Kinds:      rapid.SampledFrom([][]notifier.Kind{nil, {notifier.KindPost}, {notifier.KindIncident, notifier.KindMaintenance}, notifier.Kinds}).Draw(t, "kinds"),
					Severity:   notifier.Severity(rapid.IntRange(0, 3).Draw(t, "severity")),
					Mine:       rapid.Bool().Draw(t, "mine"),
				},
			}
			made, err := b.AddSubscriber(b.ctx, s, nil)
			if errors.Is(err, notifier.ErrConflict) {
				return // drawn twice
			}
			if err != nil {
				t.Fatal(err)
			}
			got, err := b.Subscriber(b.ctx, made.Number)
			if err != nil {
				t.Fatal(err)
			}
			if fmt.Sprintf("%+v", got) != fmt.Sprintf("%+v", made) {
				t.Fatalf("got  %+v\nwant %+v", got, made)
			}
			if got.Address != s.Address || !got.CreatedAt.Equal(d.Now()) || (got.State == subscribers.Unsubscribed) != got.Unsubscribed.Equal(d.Now()) {
				t.Fatalf("%+v", got)
			}
			for _, c := range []string{"web", "imap7", "other"} {
				e := notifier.Event{Kind: notifier.KindPost, Components: []string{c}}
				if got.Filter.Match(e, nil) != s.Filter.Match(e, nil) {
					t.Fatalf("%+v and %+v let different things through", got.Filter, s.Filter)
				}
			}
		})
	})
}

func TestAnAddressIsSubscribedOnce(t *testing.T) {
	eachDesk(t, func(t *testing.T, b *box, d *desk) {
		for _, state := range []subscribers.State{subscribers.Pending, subscribers.Active, subscribers.Paused, subscribers.Quarantined} {
			address := string(state) + "@example.org"
			b.subscribe(reader(address, state))
			var refusal *notifier.Refusal
			if _, err := b.AddSubscriber(b.ctx, reader(address, subscribers.Pending), nil); !errors.Is(err, notifier.ErrConflict) || !errors.As(err, &refusal) {
				t.Errorf("%s: %v", state, err)
			}
		}
		if n, err := b.Followers(b.ctx); err != nil || n != 1 {
			t.Errorf("%d followers, %v", n, err)
		}
		var invalid *notifier.Invalid
		bad := reader("b@example.org", subscribers.Active)
		bad.Filter.Components = []string{"web", "nothing"}
		if _, err := b.AddSubscriber(b.ctx, bad, nil); !errors.As(err, &invalid) || invalid.Field != "components[1]" {
			t.Errorf("%v", err)
		}
	})
}

func TestOfManyWhoAddOneAddressAtOnceOneDoes(t *testing.T) {
	for _, dialect := range storetest.Dialects() {
		t.Run(dialect, func(t *testing.T) {
			open := storetest.Open(t, dialect)
			s := open()
			var all sync.WaitGroup
			results := make([]error, 8)
			for i := range results {
				all.Go(func() {
					_, results[i] = s.AddSubscriber(t.Context(), reader("a@example.org", subscribers.Pending), nil)
				})
			}
			all.Wait()
			added := 0
			for _, err := range results {
				if err == nil {
					added++
				} else if !errors.Is(err, notifier.ErrConflict) {
					t.Error(err)
				}
			}
			if added != 1 {
				t.Errorf("%d were added", added)
			}
		})
	}
}

func TestWhoLeftMayAskAgainUnderTheOldNumber(t *testing.T) {
	eachDesk(t, func(t *testing.T, b *box, d *desk) {
		first := reader("a@example.org", subscribers.Active)
		first.Filter.Components, first.ConfirmedAt = []string{"web"}, d.Now()
		was := b.subscribe(first)
		d.Advance(time.Minute)
		left := b.become(was.Number, subscribers.Unsubscribed)
		if left.Unsubscribed != d.Now() {
			t.Errorf("left %v", left.Unsubscribed)
		}
		asked := 0
		is, err := b.AddSubscriber(b.ctx, reader("a@example.org", subscribers.Pending), func(s subscribers.Subscriber) *notifier.Event {
			asked++
			e := s.ConfirmEvent(d.desk())
			return &e
		})
		b.must(err)
		got, err := b.Subscriber(b.ctx, was.Number)
		b.must(err)
		same(t, "subscriber", got, is)
		if is.Number != was.Number || is.State != subscribers.Pending || !is.ConfirmedAt.IsZero() || !is.Unsubscribed.Equal(left.Unsubscribed) || is.Filter.Components != nil || asked != 1 {
			t.Errorf("%+v, asked %d times", is, asked)
		}
		if b.expand(10) != 1 {
			t.Error("nobody is asked to confirm")
		}
		b.sound()
	})
}

func TestOnlyPendingOnesAreAskedToConfirm(t *testing.T) {
	eachDesk(t, func(t *testing.T, b *box, d *desk) {
		never := func(subscribers.Subscriber) *notifier.Event { t.Error("asked"); return nil }
		_, err := b.AddSubscriber(b.ctx, reader("a@example.org", subscribers.Active), never)
		b.must(err)
		_, err = b.AddSubscriber(b.ctx, reader("b@example.org", subscribers.Pending), func(subscribers.Subscriber) *notifier.Event { return nil })
		b.must(err)
		if n := b.number(`SELECT count(*) FROM events`); n != 0 {
			t.Errorf("%d events", n)
		}
	})
}

func TestWhoStopsIsNotSentWhatWaits(t *testing.T) {
	for _, state := range []subscribers.State{subscribers.Unsubscribed, subscribers.Paused, subscribers.Quarantined} {
		eachDesk(t, func(t *testing.T, b *box, d *desk) {
			stays, goes := b.subscribe(reader("stays@example.org", subscribers.Active)), b.subscribe(reader("goes@example.org", subscribers.Active))
			p := b.opened(d, notifier.Announcement{Title: "Mail is slow"})
			b.expand(10)
			halts := b.number(`SELECT value FROM counters WHERE name = 'halts'`)
			b.become(goes.Number, state)
			if got := b.row(p.Event.Number, int64(goes.Number)).State; got != notifier.Suppressed {
				t.Errorf("%s: what waits is %s", state, got)
			}
			if got := b.row(p.Event.Number, int64(stays.Number)).State; got != notifier.Pending {
				t.Errorf("another's is %s", got)
			}
			if b.number(`SELECT value FROM counters WHERE name = 'halts'`) == halts {
				t.Error("workers were not told to look again")
			}
			b.sound()
		})
	}
}

func TestAChangeOfChoicesLeavesWhatWaits(t *testing.T) {
	eachDesk(t, func(t *testing.T, b *box, d *desk) {
		who := b.subscribe(reader("a@example.org", subscribers.Active))
		p := b.opened(d, notifier.Announcement{Title: "Mail is slow"})
		b.expand(10)
		is, err := b.ChangeSubscriber(b.ctx, who.Number, func(s *subscribers.Subscriber) error {
			s.Filter.Components, s.Timezone, s.Cadence = []string{"web", "imap7", "web"}, "Europe/Oslo", subscribers.Milestones
			return nil
		})
		b.must(err)
		got, err := b.Subscriber(b.ctx, who.Number)
		b.must(err)
		same(t, "subscriber", got, is)
		same(t, "components", got.Filter.Components, []string{"imap7", "web"})
		if got := b.row(p.Event.Number, int64(who.Number)).State; got != notifier.Pending {
			t.Errorf("what waits is %s", got)
		}
		is, err = b.ChangeSubscriber(b.ctx, who.Number, func(s *subscribers.Subscriber) error { s.Filter = subscribers.Filter{}; return nil })
		b.must(err)
		if n := b.number(`SELECT count(*) FROM subscriber_components`); n != 0 || is.Filter.Components != nil {
			t.Errorf("%d choices are left, %+v", n, is)
		}
	})
}

func TestARefusedChangeOfASubscriberLeavesNoTrace(t *testing.T) {
	eachDesk(t, func(t *testing.T, b *box, d *desk) {
		who := b.subscribe(reader("a@example.org", subscribers.Active))
		p := b.opened(d, notifier.Announcement{Title: "Mail is slow"})
		b.expand(10)
		var invalid *notifier.Invalid
		for field, change := range map[string]func(*subscribers.Subscriber){
			"address":       func(s *subscribers.Subscriber) { s.Address = "b@example.org" },
			"components[0]": func(s *subscribers.Subscriber) { s.State, s.Filter.Components = subscribers.Paused, []string{"none"} },
		} {
			_, err := b.ChangeSubscriber(b.ctx, who.Number, func(s *subscribers.Subscriber) error { change(s); return nil })
			if !errors.As(err, &invalid) || invalid.Field != field {
				t.Errorf("%s: %v", field, err)
			}
		}
		no := errors.New("no")
		if _, err := b.ChangeSubscriber(b.ctx, who.Number, func(s *subscribers.Subscriber) error { s.State = subscribers.Paused; return no }); !errors.Is(err, no) {
			t.Errorf("%v", err)
		}
		got, err := b.Subscriber(b.ctx, who.Number)
		b.must(err)
		same(t, "subscriber", got, who)
		if got := b.row(p.Event.Number, int64(who.Number)).State; got != notifier.Pending {
			t.Errorf("what waits is %s", got)
		}
		if _, err := b.ChangeSubscriber(b.ctx, 4711, func(*subscribers.Subscriber) error { return nil }); !errors.Is(err, notifier.ErrNotFound) {
			t.Errorf("%v", err)
		}
	})
}

func TestSubscribersArePagedByNumber(t *testing.T) {
	eachDesk(t, func(t *testing.T, b *box, d *desk) {
		for i := range 25 {
			s := reader(fmt.Sprintf("r%d@example.org", i), subscribers.States[i%2])
			if i%5 == 0 {
				s.Filter.Components = []string{"web"}
			}
			b.subscribe(s)
		}
		seen := 0
		q := subscribers.Query{Limit: 10}
		for pages := 1; ; pages++ {
			page, next, err := b.Subscribers(b.ctx, q)
			b.must(err)
			for _, s := range page {
				seen++
				if int(s.Number) != seen || (len(s.Filter.Components) == 1) != ((seen-1)%5 == 0) {
					t.Errorf("%+v in place %d", s, seen)
				}
			}
			if q.Cursor = next; next == "" {
				if pages != 3 {
					t.Errorf("%d pages", pages)
				}
				break
			}
		}
		if seen != 25 {
			t.Errorf("%d were seen", seen)
		}
		active, _, err := b.Subscribers(b.ctx, subscribers.Query{Limit: 1000, State: subscribers.Active, Channel: notifier.Email})
		b.must(err)
		one, _, err := b.Subscribers(b.ctx, subscribers.Query{Limit: 1, Address: "r3@example.org"})
		b.must(err)
		none, _, err := b.Subscribers(b.ctx, subscribers.Query{Limit: 1, Channel: notifier.SMS})
		b.must(err)
		if len(active) != 12 || len(one) != 1 || one[0].Address != "r3@example.org" || len(none) != 0 {
			t.Errorf("%d active, %+v, %+v", len(active), one, nil)
		}
		var invalid *notifier.Invalid
		if _, _, err := b.Subscribers(b.ctx, subscribers.Query{Cursor: "MSB4", Limit: 1}); !errors.As(err, &invalid) {
			t.Errorf("%v", err)
		}
	})
}

// Changes from two sides must never wait for each other in a circle, and none may be lost.
func TestChangesFromManySidesAllCount(t *testing.T) {
	eachDesk(t, func(t *testing.T, b *box, d *desk) {
		var numbers []subscribers.Number
		for i := range 4 {
			numbers = append(numbers, b.subscribe(reader(fmt.Sprintf("r%d@example.org", i), subscribers.Active)).Number)
		}
		b.opened(d, notifier.Announcement{Title: "Mail is slow"})
		var all sync.WaitGroup
		run := func(what func(round int) error) {
			all.Go(func() {
				for round := range 10 {
					if err := what(round); err != nil {
						t.Error(err)
						return
					}
				}
			})
		}
		for _, n := range numbers {
			run(func(round int) error {
				_, err := b.ChangeSubscriber(b.ctx, n, func(s *subscribers.Subscriber) error {
					s.State = []subscribers.State{subscribers.Paused, subscribers.Active}[round%2]
					return nil
				})
				return err
			})
		}
		run(func(int) error { _, err := b.ExpandSlice(b.ctx, 2); return err })
		run(func(round int) error {
			x := subscribers.Suppression{Channel: notifier.Email, Address: fmt.Sprintf("r%d@example.org", round%4), Reason: subscribers.ReasonBounce}
			return b.Suppress(b.ctx, x)
		})
		run(func(int) error {
			_, _, err := b.ImportSubscribers(b.ctx, []subscribers.Subscriber{reader("r1@example.org", subscribers.Active), reader("r0@example.org", subscribers.Active)}, subscribers.Columns())
			return err
		})
		run(func(int) error {
			_, err := b.OpenIncident(b.ctx, d.open(t, notifier.Announcement{Title: "Another"}))
			return err
		})
		all.Wait()
		if n := b.number(`SELECT count(*) FROM audit WHERE action = 'subscriber.change'`); n != 40 {
			t.Errorf("%d changes", n)
		}
		b.expand(10)
		b.sound()
	})
}

func TestASubscriberMayBeAddedWithinAnotherTransaction(t *testing.T) {
	eachDesk(t, func(t *testing.T, b *box, d *desk) {
		no := errors.New("no")
		for _, end := range []error{no, nil} {
			err := b.Atomic(b.ctx, func(ctx context.Context) error {
				s, err := b.AddSubscriber(ctx, reader("a@example.org", subscribers.Pending), nil)
				if err != nil {
					return err
				}
				if _, err := b.AddSubscriber(ctx, reader("a@example.org", subscribers.Pending), nil); !errors.Is(err, notifier.ErrConflict) {
					t.Errorf("within the transaction: %v", err)
				}
				if _, err := b.Subscriber(ctx, s.Number); err != nil {
					t.Errorf("within the transaction: %v", err)
				}
				return end
			})
			if !errors.Is(err, end) {
				t.Error(err)
			}
		}
		if n := b.number(`SELECT count(*) FROM subscribers WHERE number = 1`); n != 1 {
			t.Errorf("%d subscribers", n)
		}
	})
}

func TestAChangeThatChangesNothingIsNoEntryInTheAudit(t *testing.T) {
	eachBox(t, func(t *testing.T, b *box) {
		who := b.subscribe(reader("ann@example.com", subscribers.Active))
		for _, language := range []string{"de", "de", "de", "fr"} {
			got, err := b.ChangeSubscriber(b.ctx, who.Number, func(s *subscribers.Subscriber) error { s.Language = language; return nil })
			b.must(err)
			if got.Language != language {
				t.Errorf("it speaks %q, want %q", got.Language, language)
			}
		}
		if n := b.number(`SELECT count(*) FROM audit WHERE action = 'subscriber.change'`); n != 2 {
			t.Errorf("%d entries of two changes", n)
		}
	})
}
