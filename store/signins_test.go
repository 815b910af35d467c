package store_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"allclear/notifier"
)

// tries counts how often somebody may try until it is too often.
func (b *box) tries(try func() error) (n int, wait time.Duration) {
	b.t.Helper()
	var often *notifier.TooOften
	for ; n < 100; n++ {
		if err := try(); errors.As(err, &often) {
			return n, often.Wait
		} else if err != nil {
			b.t.Fatal(err)
		}
	}
	return n, 0
}

func TestGuessingIsSlowedByNameAndByNetworkWhetherAnybodyHasTheName(t *testing.T) {
	eachStaff(t, func(t *testing.T, b *box, ann notifier.Staff) {
		from := func(name, network string) func() error {
			return func() error { return b.TakeSignIn(b.ctx, name, network, "") }
		}
		if n, wait := b.tries(from("nobody", "192.0.2.0/24")); n != 10 || wait <= 0 || wait > time.Minute {
			t.Errorf("%d tries from one network, then to wait %s", n, wait)
		}
		for _, name := range []string{"ann", "nobody2"} {
			total := 0
			for i := range 10 {
				n, _ := b.tries(from(name, fmt.Sprintf("%s-%d", name, i)))
				total += n
			}
			if total != 20+8*3 { // the first two spend what the name has, the others have three each
				t.Errorf("%d tries as %s from ten networks", total, name)
			}
		}
		b.signIn(ann, 1, 101)
		if err := b.TakeSignIn(b.ctx, "ann", "192.0.2.0/24", ""); err != nil {
			t.Errorf("after she signed in: %v", err)
		}
		b.pass(2 * time.Hour)
		b.must(b.TakeSignIn(b.ctx, "x", "y", ""))
		if n := b.number(`SELECT count(*) FROM sign_ins`); n != 2 {
			t.Errorf("%d rows are kept", n)
		}
	})
}

func TestWhoKnowsANameKeepsItsOwnerOutNeitherOfAKnownBrowserNorOfAnotherNetwork(t *testing.T) {
	eachStaff(t, func(t *testing.T, b *box, ann notifier.Staff) {
		for hour := range 3 {
			for i := range 40 {
				b.tries(func() error { return b.TakeSignIn(b.ctx, "ann", fmt.Sprintf("10.%d.%d.0/24", hour, i), "") })
			}
			if err := b.TakeSignIn(b.ctx, "ann", "192.0.2.0/24", ""); err != nil {
				t.Errorf("from her own network: %v", err)
			}
			if err := b.TakeSignIn(b.ctx, "ann", "10.0.1.0/24", "hers"); err != nil {
				t.Errorf("in her own browser, in the attacker's network: %v", err)
			}
			b.pass(time.Hour)
		}
		if n, _ := b.tries(func() error { return b.TakeSignIn(b.ctx, "ann", "192.0.2.0/24", "stolen") }); n != 10 {
			t.Errorf("a known browser has %d tries", n)
		}
	})
}

func TestWhoKnowsThePasswordGuessesFewCodes(t *testing.T) {
	eachStaff(t, func(t *testing.T, b *box, ann notifier.Staff) {
		guess := func() error { return b.TakeCode(b.ctx, ann.ID) }
		if n, wait := b.tries(guess); n != 8 || wait > 15*time.Minute {
			t.Errorf("%d codes, then to wait %s", n, wait)
		}
		n := 0
		for range 24 {
			b.pass(time.Hour)
			more, _ := b.tries(guess)
			n += more
		}
		if n != 24*4 {
			t.Errorf("%d codes on a day", n)
		}
		if more, _ := b.tries(func() error { return b.TakeCode(b.ctx, "somebody else") }); more != 8 {
			t.Errorf("another person has %d", more)
		}
		b.signIn(ann, 1, 101)
		if more, _ := b.tries(guess); more != 8 {
			t.Errorf("after a right code she has %d", more)
		}
	})
}
