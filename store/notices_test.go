package store_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"allclear/notifier"
	"allclear/store/storetest"
)

// draft makes a notice by ann.
func (b *box) draft(id string) {
	b.t.Helper()
	b.must(b.CreateNotice(notifier.WithActor(b.ctx, notifier.Actor{Name: "staff:ann", Role: notifier.RoleSender}),
		notifier.Notice{ID: id, Title: "Your mail was restored", Template: notifier.RestoreCompleted, Body: "Hello {{account}}"}))
}

// rowFor is a row of a file: who, and what it says of them.
func rowFor(address, text string) notifier.AudienceRow {
	return notifier.AudienceRow{Channel: notifier.Email, Address: address, Account: "acc " + address, Fields: []notifier.Field{{Name: "subject", Text: text}, {Name: "folder", Text: ""}}}
}

// upload brings a file in batches of the size.
func (b *box) upload(notice string, replace bool, size int, sum byte, rows ...notifier.AudienceRow) notifier.Notice {
	b.t.Helper()
	e, err := b.BeginAudience(b.ctx, notice, replace)
	b.must(err)
	for i := 0; i < len(rows); i += size {
		b.must(b.AddToAudience(b.ctx, e, rows[i:min(i+size, len(rows))], nil))
	}
	n, err := b.FinishAudience(b.ctx, e, 0, [32]byte{sum})
	b.must(err)
	return n
}

// people are n rows, one each.
func people(n int) (out []notifier.AudienceRow) {
	for i := range n {
		out = append(out, rowFor(fmt.Sprintf("user%d@example.com", i+1), fmt.Sprintf("mail %d", i+1)))
	}
	return out
}

func TestRowsOfAnAddressAreOneRecipientsInTheOrderOfTheFile(t *testing.T) {
	for _, size := range []int{1, 2, 100} {
		t.Run(fmt.Sprint(size), func(t *testing.T) {
			eachBox(t, func(t *testing.T, b *box) {
				b.draft("n")
				n := b.upload("n", true, size, 1, rowFor("ann@example.com", "a1"), rowFor("bob@example.com", "b1"), rowFor("ann@example.com", "a2"),
					rowFor("Ann@example.com", "A1"), rowFor("cat@example.com", "c1"), rowFor("ann@example.com", "a3"))
				if n.Recipients != 4 || n.Rows != 6 || n.CaseTwins != 2 {
					t.Errorf("%+v", n)
				}
				for place, want := range []string{"ann@example.com a1 a2 a3", "bob@example.com b1", "Ann@example.com A1", "cat@example.com c1"} {
					r, err := b.Recipient(b.ctx, "n", int64(place)+1)
					b.must(err)
					if got := told(r); got != want {
						t.Errorf("place %d: %s, want %s", place+1, got, want)
					}
				}
				if _, err := b.Recipient(b.ctx, "n", 5); !errors.Is(err, notifier.ErrNotFound) {
					t.Errorf("%v", err)
				}
				r, err := b.RecipientByAddress(b.ctx, "n", notifier.Email, "Ann@example.com")
				if err != nil || r.Place != 3 || r.Account != "acc Ann@example.com" {
					t.Errorf("%+v, %v", r, err)
				}
				least, mid, most, err := b.RecipientSizes(b.ctx, "n")
				if err != nil || least != 2 || mid != 3 || most != 1 {
					t.Errorf("%d %d %d, %v", least, mid, most, err)
				}
				columns, err := b.AudienceColumns(b.ctx, "n")
				b.must(err)
				same(t, "columns", columns, []notifier.Column{{Name: "subject", Filled: 4}, {Name: "folder"}})
			})
		})
	}
}

// told is a recipient as a line.
func told(r notifier.Recipient) string {
	out := r.Address
	for _, row := range r.Rows {
		out += " " + row[0].Text
	}
	return out
}

func TestRepairedRowsJoinTheAudience(t *testing.T) {
	eachBox(t, func(t *testing.T, b *box) {
		b.draft("n")
		b.upload("n", true, 2, 1, rowFor("ann@example.com", "a1"), rowFor("bob@example.com", "b1"))
		n := b.upload("n", false, 2, 2, rowFor("new@example.com", "n1"), rowFor("ann@example.com", "a2"), rowFor("BOB@example.com", "B1"))
		if n.Recipients != 4 || n.Rows != 5 || n.CaseTwins != 2 {
			t.Errorf("%+v", n)
		}
		for place, want := range []string{"ann@example.com a1 a2", "bob@example.com b1", "new@example.com n1", "BOB@example.com B1"} {
			r, err := b.Recipient(b.ctx, "n", int64(place)+1)
			b.must(err)
			if got := told(r); got != want {
				t.Errorf("place %d: %s, want %s", place+1, got, want)
			}
		}
		if again := b.upload("n", false, 5, 2, rowFor("new@example.com", "n1")); again.Recipients != 4 || again.Rows != 5 {
			t.Errorf("the same again: %+v", again)
		}
		if whole := b.upload("n", true, 5, 1, rowFor("ann@example.com", "a1")); whole.Recipients != 1 || whole.Rows != 1 || whole.CaseTwins != 0 {
			t.Errorf("another file: %+v", whole)
		}
		r, err := b.Recipient(b.ctx, "n", 1)
		if err != nil || told(r) != "ann@example.com a1" {
			t.Errorf("%+v, %v", r, err)
		}
	})
}

func TestAnUploadThatBreaksOffLeavesWhatWasThere(t *testing.T) {
	eachBox(t, func(t *testing.T, b *box) {
		b.draft("n")
		b.upload("n", true, 10, 1, people(3)...)
		e, err := b.BeginAudience(b.ctx, "n", true)
		b.must(err)
		b.must(b.AddToAudience(b.ctx, e, people(20)[10:], []notifier.Reject{{Line: 7, Reason: "no address", Text: "a\x00b"}}))
		left, err := b.BeginAudience(b.ctx, "n", false) // and nobody ever comes back to it
		b.must(err)
		b.must(b.AddToAudience(b.ctx, left, people(50), nil))
		b.must(b.DropAudience(b.ctx, e))
		if err := b.AddToAudience(b.ctx, e, people(1), nil); !errors.Is(err, notifier.ErrNotFound) {
			t.Errorf("added to what was dropped: %v", err)
		}
		n, err := b.Notice(b.ctx, "n")
		b.must(err)
		if n.Recipients != 3 || n.Rejected != 0 {
			t.Errorf("%+v", n)
		}
		b.pass(25 * time.Hour)
		for range 40 {
			_, err := b.TendNotices(b.ctx)
			b.must(err)
		}
		if n := b.number(`SELECT count(*) FROM audiences`); n != 1 {
			t.Errorf("%d files", n)
		}
		if n := b.number(`SELECT count(*) FROM audience_shares WHERE audience NOT IN (SELECT number FROM audiences)`) + b.number(`SELECT count(*) FROM audience_whole WHERE audience NOT IN (SELECT number FROM audiences)`); n != 0 {
			t.Errorf("%d shares of files that are gone", n)
		}
		if n := b.number(`SELECT count(*) FROM recipients`) + b.number(`SELECT count(*) FROM recipient_rows`); n != 6 {
			t.Errorf("%d rows are left", n)
		}
		if r, err := b.Recipient(b.ctx, "n", 3); err != nil || r.Address != "user3@example.com" {
			t.Errorf("%+v, %v", r, err)
		}
	})
}

// What one process began another one may finish, or begin anew: whatever was
// interrupted where, the audience is the old one or the new one whole.
func TestAnAudienceIsTheOldOneOrTheNewOneWhole(t *testing.T) {
	eachBox(t, func(t *testing.T, b *box) {
		b.draft("n")
		b.upload("n", true, 10, 1, people(5)...)
		other := storetest.At(t, b.dsn)(storetest.Clock(b.time))
		e, err := b.BeginAudience(b.ctx, "n", true)
		b.must(err)
		b.must(b.AddToAudience(b.ctx, e, people(8), nil))
		if n, err := other.Notice(b.ctx, "n"); err != nil || n.Recipients != 5 {
			t.Errorf("%+v, %v", n, err)
		}
		late, err := other.BeginAudience(b.ctx, "n", false)
		b.must(err)
		b.must(other.AddToAudience(b.ctx, late, people(9), nil))
		if n, err := other.FinishAudience(b.ctx, e, 0, [32]byte{2}); err != nil || n.Recipients != 8 {
			t.Errorf("%+v, %v", n, err)
		}
		if _, err := other.FinishAudience(b.ctx, late, 0, [32]byte{3}); !errors.Is(err, notifier.ErrConflict) {
			t.Errorf("joined what is not there any more: %v", err)
		}
		if _, err := other.FinishAudience(b.ctx, e, 0, [32]byte{2}); !errors.Is(err, notifier.ErrNotFound) {
			t.Errorf("finished twice: %v", err)
		}
		if n, err := b.Notice(b.ctx, "n"); err != nil || n.Recipients != 8 {
			t.Errorf("%+v, %v", n, err)
		}
	})
}

// A process that is killed leaves a transaction that was never committed.
func TestAFinishThatIsKilledBeforeItsCommitLeavesTheOldAudienceAndCanBeDoneAgain(t *testing.T) {
	eachBox(t, func(t *testing.T, b *box) {
		killed := errors.New("killed")
		b.draft("n")
		b.upload("n", true, 10, 1, people(5)...)
		e, err := b.BeginAudience(b.ctx, "n", true)
		b.must(err)
		for i := 0; i < 9; i += 3 {
			add := func(ctx context.Context) error { return b.AddToAudience(ctx, e, people(9)[i:i+3], nil) }
			if err := b.Atomic(b.ctx, func(ctx context.Context) error { return errors.Join(add(ctx), killed) }); !errors.Is(err, killed) {
				t.Fatal(err)
			}
			b.must(add(b.ctx))
		}
		finish := func(ctx context.Context) error {
			_, err := b.FinishAudience(ctx, e, 0, [32]byte{2})
			return err
		}
		if err := b.Atomic(b.ctx, func(ctx context.Context) error { return errors.Join(finish(ctx), killed) }); !errors.Is(err, killed) {
			t.Fatal(err)
		}
		if n := b.notice("n"); n.Recipients != 5 || n.Rows != 5 {
			t.Errorf("%+v", n)
		}
		b.must(finish(b.ctx))
		if n := b.notice("n"); n.Recipients != 9 || n.Rows != 9 {
			t.Errorf("%+v", n)
		}
		if r, err := b.Recipient(b.ctx, "n", 9); err != nil || r.Address != "user9@example.com" {
			t.Errorf("%+v, %v", r, err)
		}
		b.order("n", notifier.NoticeOrder{})
		expand := func(ctx context.Context) error { _, err := b.ExpandSlice(ctx, 4); return err }
		for range 3 {
			if err := b.Atomic(b.ctx, func(ctx context.Context) error { return errors.Join(expand(ctx), killed) }); !errors.Is(err, killed) {
				t.Fatal(err)
			}
			b.must(expand(b.ctx))
		}
		if n := b.number(`SELECT count(*) FROM deliveries`); n != 9 {
			t.Errorf("%d deliveries", n)
		}
		b.sound()
	})
}

func TestRejectsComeInPagesAndAreCounted(t *testing.T) {
	eachBox(t, func(t *testing.T, b *box) {
		b.draft("n")
		for part := range 2 {
			e, err := b.BeginAudience(b.ctx, "n", part == 0)
			b.must(err)
			for i := range 3 {
				b.must(b.AddToAudience(b.ctx, e, people(i + 1)[i:], []notifier.Reject{{Line: 10*part + i, Reason: "why", Text: "x"}, {Line: 10*part + i, Reason: "why", Text: "y"}}))
			}
			_, err = b.FinishAudience(b.ctx, e, 4, [32]byte{byte(part)})
			b.must(err)
		}
		n, err := b.Notice(b.ctx, "n")
		b.must(err)
		if n.Rejected != 12 || n.WithoutAddress != 8 || n.Recipients != 3 || n.Rows != 6 {
			t.Errorf("%+v", n)
		}
		var got []notifier.Reject
		for after := int64(0); ; {
			page, next, err := b.Rejects(b.ctx, "n", after, 5)
			b.must(err)
			got = append(got, page...)
			if after = next; after == 0 {
				break
			}
		}
		if len(got) != 12 || got[11] != (notifier.Reject{Line: 12, Reason: "why", Text: "y"}) {
			t.Errorf("%+v", got)
		}
	})
}

func TestAChangeOfANoticeOrItsAudienceLetsApprovalsFall(t *testing.T) {
	eachBox(t, func(t *testing.T, b *box) {
		subject := "Other words"
		for what, change := range map[string]func(){
			"words":    func() { _, err := b.ChangeNotice(b.ctx, "n", notifier.NoticeChange{Subject: &subject}); b.must(err) },
			"audience": func() { b.upload("n", true, 10, 9, people(4)...) },
		} {
			b.exec(`DELETE FROM notices`)
			b.exec(`DELETE FROM audiences`)
			b.draft("n")
			b.upload("n", true, 10, 1, people(3)...)
			b.exec(`UPDATE notices SET state = 'awaiting_approval', ordered_by = 'staff:ann', ordered_at = 5, approved = '[{"By":"staff:bob"}]'`)
			change()
			n, err := b.Notice(b.ctx, "n")
			b.must(err)
			if n.State != notifier.NoticeDraft || len(n.Approved) != 0 || n.OrderedBy != "" || !n.OrderedAt.IsZero() {
				t.Errorf("%s: %+v", what, n)
			}
		}
	})
}

func TestNoticesAreListedNewestFirst(t *testing.T) {
	eachBox(t, func(t *testing.T, b *box) {
		for i := range 5 {
			b.draft(fmt.Sprint("n", i))
			b.pass(time.Second)
		}
		var got string
		for after := ""; ; {
			page, next, err := b.Notices(b.ctx, after, 2)
			b.must(err)
			for _, n := range page {
				got += n.ID
			}
			if after = next; after == "" {
				break
			}
		}
		if got != "n4n3n2n1n0" {
			t.Error(got)
		}
		b.must(b.DeleteNotice(b.ctx, "n3"))
		if _, err := b.Notice(b.ctx, "n3"); !errors.Is(err, notifier.ErrNotFound) {
			t.Errorf("%v", err)
		}
		var invalid *notifier.Invalid
		if err := b.CreateNotice(b.ctx, notifier.Notice{ID: "x", Title: "x", Template: notifier.BlankNotice, IncidentID: "none"}); !errors.As(err, &invalid) || invalid.Field != "incident_id" {
			t.Errorf("%v", err)
		}
	})
}
