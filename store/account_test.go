package store_test

import (
	"errors"
	"fmt"
	"net/netip"
	"testing"
	"time"

	"allclear/notifier"
	"allclear/subscribers"
)

// mailed lists what one reader's events wait to bring, as ADDRESS TYPE, oldest first.
func (b *box) mailed() []string {
	b.t.Helper()
	b.expand(100)
	all, err := b.Claim(b.ctx, notifier.Claim{Worker: "w", Channel: notifier.Email, Lanes: []notifier.Lane{notifier.LaneConfirm}, Limit: 100, Lease: time.Minute})
	b.must(err)
	var out []string
	for _, d := range all {
		story, err := b.Story(b.ctx, d.ID.Event())
		b.must(err)
		out = append(out, d.Address+" "+string(story.Event.Type))
	}
	return out
}

func group(address, contact string) subscribers.Subscriber {
	s := reader(address, subscribers.Active)
	s.Group, s.Contact = true, contact
	return s
}

func TestALinkGoesToWhomItIsAboutOnceADay(t *testing.T) {
	eachDesk(t, func(t *testing.T, b *box, d *desk) {
		for _, state := range subscribers.States {
			b.subscribe(reader(string(state)+"@example.org", state))
		}
		b.subscribe(reader("barred@example.org", subscribers.Active))
		b.must(b.Suppress(b.ctx, subscribers.Suppression{Channel: notifier.Email, Address: "barred@example.org", Reason: subscribers.ReasonManual}))
		for address, want := range map[string]bool{
			"active@example.org": true, "paused@example.org": true, "quarantined@example.org": true, "unsubscribed@example.org": true,
			"pending@example.org": false, "barred@example.org": false, "nobody@example.org": false,
		} {
			for i := range 3 {
				if sent, err := b.SendLink(b.ctx, subscribers.Lost{Address: address}); err != nil || sent != (want && i == 0) {
					t.Errorf("%s, request %d: %t, %v", address, i, sent, err)
				}
			}
		}
		if got := b.mailed(); len(got) != 4 {
			t.Errorf("mailed %v", got)
		}
		d.Advance(24*time.Hour + time.Second)
		if sent, err := b.SendLink(b.ctx, subscribers.Lost{Address: "active@example.org"}); err != nil || !sent {
			t.Errorf("a day later: %t, %v", sent, err)
		}
		b.sound()
	})
}

func TestLinksGoOutWithinTheBudgetsOfWhoAsksForThem(t *testing.T) {
	eachDesk(t, func(t *testing.T, b *box, d *desk) {
		burst := subscribers.SignUpLimits()[subscribers.PerNetwork].Burst
		here, there := netip.MustParsePrefix("192.0.2.0/24"), netip.MustParsePrefix("2001:db8::/64")
		send := func(i int, network netip.Prefix) bool {
			t.Helper()
			sent, err := b.SendLink(b.ctx, subscribers.Lost{Address: fmt.Sprintf("r%d@example.org", i), Network: network})
			b.must(err)
			return sent
		}
		for i := range burst + 2 {
			b.subscribe(reader(fmt.Sprintf("r%d@example.org", i), subscribers.Active))
		}
		for range 3 { // what is not sent costs nothing
			send(99, here)
		}
		for i := range burst {
			if !send(i, here) {
				t.Fatalf("%d of %d", i, burst)
			}
		}
		if send(burst, here) {
			t.Error("a network has more than its share sent")
		}
		if !send(burst, there) {
			t.Error("another network's share is gone, too")
		}
		d.Advance(subscribers.SignUpLimits()[subscribers.PerNetwork].Every)
		if !send(burst+1, here) {
			t.Error("nothing grew back")
		}
	})
}

func TestAboutAGroupItsOwnerIsMailed(t *testing.T) {
	eachDesk(t, func(t *testing.T, b *box, d *desk) {
		g := b.subscribe(group("ops@example.org", "boss@example.org"))
		alone := b.subscribe(reader("ann@example.org", subscribers.Active))
		if sent, err := b.SendOwner(b.ctx, g.Number); err != nil || !sent {
			t.Errorf("%t, %v", sent, err)
		}
		for range 2 { // a link that is asked for by address is the same mail
			if sent, err := b.SendLink(b.ctx, subscribers.Lost{Address: "ops@example.org"}); err != nil || sent {
				t.Errorf("again: %t, %v", sent, err)
			}
		}
		if sent, err := b.SendOwner(b.ctx, alone.Number); err != nil || sent {
			t.Errorf("one who reads alone has an owner: %t, %v", sent, err)
		}
		if _, err := b.SendOwner(b.ctx, 99); !errors.Is(err, notifier.ErrNotFound) {
			t.Errorf("nobody: %v", err)
		}
		same(t, "mail", b.mailed(), []string{"boss@example.org subscriber.owner"})
		b.sound()
	})
}

func TestASuppressedOwnerIsNotMailedAndNothingStartsAfterwards(t *testing.T) {
	eachDesk(t, func(t *testing.T, b *box, d *desk) {
		first := b.subscribe(group("ops@example.org", "boss@example.org"))
		second := b.subscribe(group("dev@example.org", "boss@example.org"))
		if sent, err := b.SendOwner(b.ctx, first.Number); err != nil || !sent {
			t.Fatalf("%t, %v", sent, err)
		}
		b.expand(10)
		b.must(b.Suppress(b.ctx, subscribers.Suppression{Channel: notifier.Email, Address: "boss@example.org", Reason: subscribers.ReasonManual}))
		if got := b.row(1, int64(first.Number)); got.State != notifier.Suppressed || got.Address != "boss@example.org" {
			t.Errorf("what waited is %+v", got)
		}
		if sent, err := b.SendOwner(b.ctx, second.Number); err != nil || sent {
			t.Errorf("%t, %v", sent, err)
		}
		if got := b.mailed(); len(got) != 0 {
			t.Errorf("mailed %v", got)
		}
		b.sound()
	})
}

func TestAPauseEndsByItselfAtItsTime(t *testing.T) {
	eachDesk(t, func(t *testing.T, b *box, d *desk) {
		pause := func(address string, until time.Time) subscribers.Number {
			s := b.subscribe(reader(address, subscribers.Active))
			_, err := b.ChangeSubscriber(b.ctx, s.Number, func(x *subscribers.Subscriber) error {
				x.State, x.PausedUntil = subscribers.Paused, until
				return nil
			})
			b.must(err)
			return s.Number
		}
		soon, late, never := pause("a@example.org", d.Now().Add(time.Hour)), pause("b@example.org", d.Now().Add(48*time.Hour)), pause("c@example.org", time.Time{})
		left := pause("d@example.org", d.Now().Add(time.Hour))
		b.become(left, subscribers.Unsubscribed)
		is := func(want map[subscribers.Number]subscribers.State) {
			t.Helper()
			for n, state := range want {
				s, err := b.Subscriber(b.ctx, n)
				b.must(err)
				if s.State != state || (state == subscribers.Active) != s.PausedUntil.IsZero() && n != never && n != left {
					t.Errorf("%s is %s until %v, want %s", n, s.State, s.PausedUntil, state)
				}
			}
		}
		resumed := func(want int) {
			t.Helper()
			if n, err := b.ResumeSubscribers(b.ctx, 10); err != nil || n != want {
				t.Errorf("resumed %d, %v; want %d", n, err, want)
			}
		}
		d.Advance(time.Hour - time.Second)
		resumed(0)
		d.Advance(time.Second)
		resumed(1)
		resumed(0)
		is(map[subscribers.Number]subscribers.State{soon: subscribers.Active, late: subscribers.Paused, never: subscribers.Paused, left: subscribers.Unsubscribed})
		b.opened(d, notifier.Announcement{Title: "Mail is late"})
		if n := b.expand(10); n != 1 {
			t.Errorf("%d were told", n)
		}
		d.Advance(48 * time.Hour)
		resumed(1)
		is(map[subscribers.Number]subscribers.State{late: subscribers.Active, never: subscribers.Paused, left: subscribers.Unsubscribed})
		b.sound()
	})
}

func TestManyPausesEndInSteps(t *testing.T) {
	eachDesk(t, func(t *testing.T, b *box, d *desk) {
		for i := range 7 {
			s := b.subscribe(reader(fmt.Sprintf("r%d@example.org", i), subscribers.Active))
			_, err := b.ChangeSubscriber(b.ctx, s.Number, func(x *subscribers.Subscriber) error {
				x.State, x.PausedUntil = subscribers.Paused, d.Now().Add(time.Minute)
				return nil
			})
			b.must(err)
		}
		d.Advance(time.Minute)
		for _, want := range []int{3, 3, 1, 0} {
			if n, err := b.ResumeSubscribers(b.ctx, 3); err != nil || n != want {
				t.Errorf("%d, %v; want %d", n, err, want)
			}
		}
		if n, err := b.Followers(b.ctx); err != nil || n != 7 {
			t.Errorf("%d followers, %v", n, err)
		}
	})
}

func TestLeavingByLinkIsTakenBackWhileItIsFresh(t *testing.T) {
	eachDesk(t, func(t *testing.T, b *box, d *desk) {
		leave := func(address string, state subscribers.State, by subscribers.Way) subscribers.Number {
			s := b.subscribe(reader(address, state))
			_, err := b.ChangeSubscriber(b.ctx, s.Number, func(x *subscribers.Subscriber) error { x.Depart(by, d.Now()); return nil })
			b.must(err)
			return s.Number
		}
		for _, state := range []subscribers.State{subscribers.Pending, subscribers.Active, subscribers.Paused, subscribers.Quarantined} {
			n := leave(string(state)+"@example.org", state, subscribers.ByLink)
			if s, err := b.Return(b.ctx, n); err != nil || s.State != state || !s.Unsubscribed.IsZero() || s.Left != (subscribers.Leave{}) {
				t.Errorf("%s came back as %+v, %v", state, s, err)
			}
		}
		barred := leave("barred@example.org", subscribers.Active, subscribers.ByLink)
		b.must(b.Suppress(b.ctx, subscribers.Suppression{Channel: notifier.Email, Address: "barred@example.org", Reason: subscribers.ReasonComplaint}))
		old := leave("old@example.org", subscribers.Active, subscribers.ByLink)
		staff := b.subscribe(reader("staff@example.org", subscribers.Active)).Number
		b.become(staff, subscribers.Unsubscribed)
		there := b.subscribe(reader("there@example.org", subscribers.Active)).Number
		d.Advance(2*subscribers.UndoLife + time.Second)
		for what, n := range map[string]subscribers.Number{"barred": barred, "old": old, "by staff": staff, "never left": there, "moved": leave("m@example.org", subscribers.Active, subscribers.ByMove)} {
			before, err := b.Subscriber(b.ctx, n)
			b.must(err)
			if _, err := b.Return(b.ctx, n); !errors.Is(err, notifier.ErrConflict) {
				t.Errorf("%s: %v", what, err)
			}
			after, err := b.Subscriber(b.ctx, n)
			b.must(err)
			same(t, what, after, before)
		}
		fresh := leave("fresh@example.org", subscribers.Active, subscribers.ByLink)
		b.must(b.Suppress(b.ctx, subscribers.Suppression{Channel: notifier.Email, Address: "fresh@example.org", Reason: subscribers.ReasonComplaint}))
		if _, err := b.Return(b.ctx, fresh); !errors.Is(err, notifier.ErrConflict) {
			t.Errorf("suppressed: %v", err)
		}
		if s, err := b.Subscriber(b.ctx, fresh); err != nil || s.State != subscribers.Unsubscribed {
			t.Errorf("suppressed: %+v, %v", s, err)
		}
	})
}

func TestWhatIsToldOfASubscriberIsTheNewestFirstAndNobodyElses(t *testing.T) {
	eachDesk(t, func(t *testing.T, b *box, d *desk) {
		who := b.subscribe(reader("a@example.org", subscribers.Active))
		b.subscribe(reader("b@example.org", subscribers.Active))
		first := b.opened(d, notifier.Announcement{Title: "First"})
		if _, err := b.SendLink(b.ctx, subscribers.Lost{Address: "a@example.org"}); err != nil {
			t.Fatal(err)
		}
		if _, err := b.SendLink(b.ctx, subscribers.Lost{Address: "b@example.org"}); err != nil {
			t.Fatal(err)
		}
		b.opened(d, notifier.Announcement{Title: "Last", Kind: notifier.KindPost, Body: "x"})
		b.expand(10)
		got, err := b.Told(b.ctx, who.Number, 10)
		b.must(err)
		var lines []string
		for _, x := range got {
			lines = append(lines, fmt.Sprintf("%s %s %q %s", x.Type, x.Address, x.Title, x.State))
			if x.AcceptedAt.IsZero() || x.ID.Reader() != int64(who.Number) {
				t.Errorf("%+v", x)
			}
		}
		same(t, "told", lines, []string{
			`post.published a@example.org "Last" pending`, `subscriber.link a@example.org "" pending`, `incident.created a@example.org "First" pending`,
		})
		if got[2].IncidentID != first.Incident.ID {
			t.Errorf("about %q", got[2].IncidentID)
		}
		if two, err := b.Told(b.ctx, who.Number, 2); err != nil || len(two) != 2 || two[0].Title != "Last" {
			t.Errorf("two: %+v, %v", two, err)
		}
		if none, err := b.Told(b.ctx, 99, 10); err != nil || len(none) != 0 {
			t.Errorf("of nobody: %+v, %v", none, err)
		}
	})
}

func TestAGroupStaysOneWhateverAFormOrAFileSays(t *testing.T) {
	eachDesk(t, func(t *testing.T, b *box, d *desk) {
		g := b.subscribe(group("ops@example.org", "boss@example.org"))
		if _, _, err := b.ImportSubscribers(b.ctx, []subscribers.Subscriber{reader("ops@example.org", subscribers.Active)}, subscribers.Columns()); err != nil {
			t.Fatal(err)
		}
		b.become(g.Number, subscribers.Unsubscribed)
		back := b.subscribe(reader("ops@example.org", subscribers.Pending))
		if !back.Group || back.Contact != "boss@example.org" {
			t.Errorf("came back as %+v", back)
		}
		other := group("ops@example.org", "chief@example.org")
		if _, _, err := b.ImportSubscribers(b.ctx, []subscribers.Subscriber{other}, subscribers.Columns()); err != nil {
			t.Fatal(err)
		}
		if s, err := b.Subscriber(b.ctx, g.Number); err != nil || s.Contact != "chief@example.org" {
			t.Errorf("%+v, %v", s, err)
		}
	})
}
