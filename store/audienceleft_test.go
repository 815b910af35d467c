package store_test

import (
	"errors"
	"testing"
	"time"

	"allclear/notifier"
)

// left are the uploads for a notice that could be gone on with.
func (b *box) left(notice string, replace bool) []notifier.Left {
	b.t.Helper()
	left, err := b.LeftAudiences(b.ctx, notice, replace)
	b.must(err)
	return left
}

// breaksOff brings a part of a file.
func (b *box) breaksOff(notice string, replace bool, taken string, rows ...notifier.AudienceRow) notifier.Upload {
	b.t.Helper()
	u, err := b.BeginAudience(b.ctx, notice, replace)
	b.must(err)
	b.must(b.TakeUp(b.ctx, u, rows, []notifier.Reject{{Line: 7, Reason: "why", Text: "zebedee@example.com;x"}}, taken))
	return u
}

func TestAnUploadThatBrokeOffIsGoneOnWithByOneAlone(t *testing.T) {
	eachBox(t, func(t *testing.T, b *box) {
		b.draft("n")
		b.draft("other")
		first := b.breaksOff("n", true, "two", people(2)...)
		left := b.left("n", true)
		if len(left) != 1 || left[0] != (notifier.Left{Upload: first, Taken: "two"}) || len(b.left("n", false))+len(b.left("other", true)) != 0 {
			t.Fatalf("left %+v", left)
		}
		b.must(b.TakeUp(b.ctx, first, people(4)[2:], nil, "four"))
		if _, err := b.ResumeAudience(b.ctx, left[0]); !errors.Is(err, notifier.ErrNotFound) {
			t.Errorf("went on with what has moved: %v", err)
		}
		second, err := b.ResumeAudience(b.ctx, b.left("n", true)[0])
		b.must(err)
		for what, err := range map[string]error{
			"added": b.TakeUp(b.ctx, first, people(9)[8:], nil, "x"), "dropped": b.DropAudience(b.ctx, first),
			"finished": func() error { _, err := b.FinishAudience(b.ctx, first, 0, [32]byte{1}); return err }(),
		} {
			if !errors.Is(err, notifier.ErrConflict) {
				t.Errorf("who had it before %s: %v", what, err)
			}
		}
		b.must(b.TakeUp(b.ctx, second, people(5)[4:], nil, "five"))
		n, err := b.FinishAudience(b.ctx, second, 3, [32]byte{1})
		if err != nil || n.Recipients != 5 || n.Rows != 5 || n.Rejected != 1 || n.WithoutAddress != 3 || len(b.left("n", true)) != 0 {
			t.Errorf("%+v, %v", n, err)
		}
		if _, err := b.ResumeAudience(b.ctx, left[0]); !errors.Is(err, notifier.ErrNotFound) {
			t.Errorf("went on with what is over: %v", err)
		}
	})
}

func TestRowsThatWereToBeAddedAreNotGoneOnWithWhereTheAudienceIsAnother(t *testing.T) {
	eachBox(t, func(t *testing.T, b *box) {
		b.draft("n")
		b.upload("n", true, 10, 1, people(3)...)
		b.breaksOff("n", false, "one", people(4)[3:]...)
		b.breaksOff("n", true, "all", people(4)...)
		if added, whole := b.left("n", false), b.left("n", true); len(added) != 1 || added[0].Taken != "one" || len(whole) != 1 || whole[0].Taken != "all" {
			t.Errorf("left %+v and %+v", added, whole)
		}
		b.upload("n", true, 10, 2, people(2)...)
		if added, whole := b.left("n", false), b.left("n", true); len(added) != 0 || len(whole) != 1 {
			t.Errorf("left %+v and %+v", added, whole)
		}
		b.order("n", notifier.NoticeOrder{})
		if _, err := b.ResumeAudience(b.ctx, b.left("n", true)[0]); !errors.Is(err, notifier.ErrConflict) {
			t.Errorf("of a notice that was sent: %v", err)
		}
	})
}

// Their rows would be found by a recipient of a file that is gone by then.
func TestWhoIsErasedIsNotLeftInRowsThatWereToBeAddedToAnotherAudience(t *testing.T) {
	eachBox(t, func(t *testing.T, b *box) {
		for id, change := range map[string]func(id string){
			"replaced": func(id string) { b.upload(id, true, 10, 2, people(2)...) },
			"added to": func(id string) { b.upload(id, false, 10, 2, people(2)...) },
		} {
			b.draft(id)
			b.upload(id, true, 10, 1, rowFor("zebedee@example.com", "z1"), rowFor("ann@example.com", "a1"))
			u := b.breaksOff(id, false, "two", rowFor("zebedee@example.com", "z2"), rowFor("zebedee@example.com", "zebedee again"))
			whole := b.breaksOff(id, true, "one", rowFor("bob@example.com", "b1"))
			change(id)
			if err := b.TakeUp(b.ctx, u, people(1), nil, "three"); !errors.Is(err, notifier.ErrConflict) {
				t.Errorf("%s: added to what it is not any more: %v", id, err)
			}
			if left := b.left(id, true); len(left) != 1 || left[0].Upload != whole {
				t.Errorf("%s: left is %+v", id, left)
			}
		}
		if _, err := b.EraseAddress(b.ctx, notifier.Email, "zebedee@example.com"); err != nil {
			t.Fatal(err)
		}
		b.tend()
		b.forgot("zebedee", withPeople...)
		b.forgot("z2", "recipient_rows")
	})
}

func TestWhatBrokeOffIsKeptForADayAndForgetsWhoIsErased(t *testing.T) {
	eachBox(t, func(t *testing.T, b *box) {
		b.draft("n")
		b.breaksOff("n", true, "three", rowFor("Zebedee@example.com", "z1"), rowFor("ann@example.com", "a1"), rowFor("Zebedee@example.com", "z2"))
		if _, err := b.EraseAddress(b.ctx, notifier.Email, "zebedee@example.com"); err != nil {
			t.Fatal(err)
		}
		b.forgot("zebedee", withPeople...)
		u, err := b.ResumeAudience(b.ctx, b.left("n", true)[0])
		b.must(err)
		b.must(b.TakeUp(b.ctx, u, []notifier.AudienceRow{rowFor("bob@example.com", "b1")}, nil, "four"))
		b.pass(23 * time.Hour)
		sweep := func() {
			for range 10 {
				_, err := b.TendNotices(b.ctx)
				b.must(err)
			}
		}
		if sweep(); len(b.left("n", true)) != 1 {
			t.Error("it was not kept for a day")
		}
		b.forgot("zebedee", withPeople...)
		b.pass(2 * time.Hour)
		if sweep(); len(b.left("n", true)) != 0 || b.number(`SELECT count(*) FROM recipients`)+b.number(`SELECT count(*) FROM rejects`)+b.number(`SELECT count(*) FROM audiences`) != 0 {
			t.Error("it is kept for longer than a day")
		}
		if _, err := b.FinishAudience(b.ctx, u, 0, [32]byte{1}); !errors.Is(err, notifier.ErrNotFound) {
			t.Errorf("finished what was given up: %v", err)
		}
	})
}
