package store_test

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"testing"
	"time"

	"allclear/notifier"
	"allclear/subscribers"
)

func TestAMoveThatIsUnderWayIsNotTakenOver(t *testing.T) {
	eachDesk(t, func(t *testing.T, b *box, d *desk) {
		a, c := b.subscribe(reader("a@example.org", subscribers.Active)), b.subscribe(reader("c@example.org", subscribers.Active))
		b.must(b.AskMove(b.ctx, a.Number, "new@example.org"))
		b.must(b.AskMove(b.ctx, c.Number, "new@example.org")) // answered as if it were new
		to := b.at("new@example.org").Number
		if m, err := b.Move(b.ctx, to, true); err != nil || m.From != a.Number {
			t.Errorf("%+v, %v", m, err)
		}
		// Nothing tells c of a: it is mailed, shown its move and may agree to it.
		if m, err := b.Move(b.ctx, c.Number, false); err != nil || m.ToAddress != "new@example.org" || m.FromAddress != "c@example.org" || m.AskedAt.IsZero() {
			t.Errorf("%+v, %v", m, err)
		}
		if m, err := b.AgreeMove(b.ctx, c.Number, false); err != nil || m.FromAt.IsZero() || m.Agreed() {
			t.Errorf("%+v, %v", m, err)
		}
		if got := b.mailed(); !slices.Contains(got, "c@example.org subscriber.move_from") {
			t.Errorf("mailed %v", got)
		}
		d.Advance(subscribers.MoveLife)
		b.must(b.AskMove(b.ctx, c.Number, "new@example.org"))
		if m, err := b.Move(b.ctx, to, true); err != nil || m.From != c.Number {
			t.Errorf("a week later: %+v, %v", m, err)
		}
	})
}

func TestAMoveThatIsPutOffEndsWhenItIsCalledOffOrItsSubscriptionMovesElsewhere(t *testing.T) {
	eachDesk(t, func(t *testing.T, b *box, d *desk) {
		a, c := b.subscribe(reader("a@example.org", subscribers.Active)), b.subscribe(reader("c@example.org", subscribers.Active))
		b.must(b.AskMove(b.ctx, a.Number, "new@example.org"))
		b.must(b.AskMove(b.ctx, c.Number, "new@example.org"))
		b.must(b.CancelMove(b.ctx, c.Number))
		if _, err := b.Move(b.ctx, c.Number, false); !errors.Is(err, notifier.ErrNotFound) {
			t.Errorf("called off: %v", err)
		}
		d.Advance(time.Second)
		b.must(b.AskMove(b.ctx, c.Number, "new@example.org"))
		d.Advance(time.Second)
		b.must(b.AskMove(b.ctx, c.Number, "other@example.org"))
		if m, err := b.Move(b.ctx, c.Number, false); err != nil || m.ToAddress != "other@example.org" {
			t.Errorf("%+v, %v", m, err)
		}
		to := b.at("other@example.org").Number
		for number, side := range map[subscribers.Number]bool{to: true, c.Number: false} {
			if _, err := b.AgreeMove(b.ctx, number, side); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := b.Move(b.ctx, c.Number, false); !errors.Is(err, notifier.ErrNotFound) {
			t.Errorf("moved elsewhere: %v", err)
		}
		if m, err := b.Move(b.ctx, a.Number, false); err != nil || m.ToAddress != "new@example.org" {
			t.Errorf("the other's: %+v, %v", m, err)
		}
	})
}

func TestAnAddressThatNobodyMovedToIsForgotten(t *testing.T) {
	eachDesk(t, func(t *testing.T, b *box, d *desk) {
		b.subscribe(reader("staff@example.org", subscribers.Pending))
		var asking []subscribers.Number
		for i, address := range []string{"never@example.org", "staff@example.org", "off@example.org", "again@example.org"} {
			asking = append(asking, b.subscribe(reader(fmt.Sprintf("r%d@example.org", i), subscribers.Active)).Number)
			b.must(b.AskMove(b.ctx, asking[i], address))
		}
		b.must(b.CancelMove(b.ctx, asking[2]))
		d.Advance(subscribers.MoveLife + time.Hour)
		b.must(b.AskMove(b.ctx, asking[2], "live@example.org"))
		b.must(b.AskMove(b.ctx, asking[3], "again@example.org"))
		b.expand(10)
		n, err := b.ForgetMoves(b.ctx, d.Now().Add(-subscribers.MoveLife), 10)
		b.must(err)
		if n != 2 || b.number(`SELECT count(*) FROM moves`) != 2 {
			t.Errorf("forgot %d, left are %d moves", n, b.number(`SELECT count(*) FROM moves`))
		}
		for address, stays := range map[string]bool{"never@example.org": false, "off@example.org": false, "staff@example.org": true, "live@example.org": true, "again@example.org": true} {
			if there := b.at(address).Number != 0; there != stays {
				t.Errorf("%s is there: %t", address, there)
			}
		}
		if n := b.number(`SELECT count(*) FROM deliveries WHERE address IN ('never@example.org', 'off@example.org')`); n != 0 {
			t.Errorf("%d deliveries still show their addresses", n)
		}
		b.sound()
	})
}

func TestANewAddressKeepsHowItsOwnerAgreedAtTheOldOne(t *testing.T) {
	eachDesk(t, func(t *testing.T, b *box, d *desk) {
		old := b.subscribe(reader("old@example.org", subscribers.Pending))
		confirmed := d.Now()
		_, err := b.ConfirmSubscriber(b.ctx, old.Number, netip.MustParsePrefix("192.0.2.0/24"))
		b.must(err)
		d.Advance(time.Hour)
		b.must(b.AskMove(b.ctx, old.Number, "new@example.org"))
		to := b.at("new@example.org").Number
		for _, n := range []subscribers.Number{old.Number, to} {
			_, err := b.AgreeMove(b.ctx, n, n == to)
			b.must(err)
		}
		got, err := b.Evidence(b.ctx, to)
		b.must(err)
		same(t, "evidence", got, []subscribers.Evidence{
			{Step: subscribers.StepConfirmed, At: confirmed, Network: "192.0.2.0/24"}, {Step: subscribers.StepConfirmed, At: d.Now()},
		})
	})
}

func TestWhoAsksAgainIsMailedOnceWhetherTheMoveStandsOrIsPutOff(t *testing.T) {
	eachDesk(t, func(t *testing.T, b *box, d *desk) {
		a, c := b.subscribe(reader("a@example.org", subscribers.Active)), b.subscribe(reader("c@example.org", subscribers.Active))
		for range 2 {
			b.must(b.AskMove(b.ctx, a.Number, "new@example.org"))
			b.must(b.AskMove(b.ctx, c.Number, "new@example.org")) // behind a's, which c must not be able to tell
			d.Advance(time.Minute)
		}
		got := b.mailed()
		slices.Sort(got)
		same(t, "mails", got, []string{"a@example.org subscriber.move_from", "c@example.org subscriber.move_from", "new@example.org subscriber.move_to"})
		b.must(b.CancelMove(b.ctx, a.Number)) // then there is something to ask about
		b.must(b.AskMove(b.ctx, c.Number, "new@example.org"))
		if m, err := b.Move(b.ctx, b.at("new@example.org").Number, true); err != nil || m.From != c.Number {
			t.Errorf("%+v, %v", m, err)
		}
	})
}
