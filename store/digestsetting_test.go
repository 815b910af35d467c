package store_test

import (
	"testing"

	"allclear/notifier"
)

func TestTheSettingOfDigestsIsTheLastOnesAndTellsOfTheOneBefore(t *testing.T) {
	eachBox(t, func(t *testing.T, b *box) {
		for _, c := range []struct{ set, before string }{{"9 UTC", ""}, {"9 UTC", "9 UTC"}, {"17 Europe/Oslo", "9 UTC"}, {"9 UTC", "17 Europe/Oslo"}} {
			before, err := b.SetDigests(b.ctx, c.set)
			b.must(err)
			is, err := b.DigestSetting(b.ctx)
			b.must(err)
			if before != c.before || is != c.set {
				t.Errorf("set %q: %q before, want %q; now %q", c.set, before, c.before, is)
			}
		}
	})
}

func TestByAnotherSettingThanTheDatabasesNothingIsPlannedOrMade(t *testing.T) {
	eachBox(t, func(t *testing.T, b *box) {
		ann := b.joins("ann@example.com", nil)
		_, err := b.SetDigests(b.ctx, "noon")
		b.must(err)
		b.digests()
		b.happens("one", notifier.Event{})
		b.expand(10)
		b.pass(day)
		step, err := b.MakeDigests(b.ctx, noons{"other"}, b.time(), 3)
		if err != nil || !step.Idle || step.Setting != "noon" {
			t.Errorf("%+v, %v", step, err)
		}
		if n := b.number(`SELECT count(*) FROM digest_runs WHERE planned <> 'noon'`); n != 0 {
			t.Error("planned by a setting that does not count")
		}
		b.wantDigests(ann, "")
		b.digests()
		b.wantDigests(ann, "1")
	})
}
