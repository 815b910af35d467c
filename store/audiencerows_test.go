package store_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"allclear/notifier"
)

// bring begins a file, and gives it up where a batch is refused.
func (b *box) bring(notice string, replace bool, batches ...[]notifier.AudienceRow) (notifier.Notice, error) {
	b.t.Helper()
	e, err := b.BeginAudience(b.ctx, notice, replace)
	b.must(err)
	for _, batch := range batches {
		if err := b.AddToAudience(b.ctx, e, batch, nil); err != nil {
			return notifier.Notice{}, errors.Join(err, b.DropAudience(b.ctx, e))
		}
	}
	return b.FinishAudience(b.ctx, e, 0, [32]byte{})
}

// A join that went wrong gives one address everybody's rows.
func TestWhatIsReadOfOneRecipientHasABoundAndTheRestIsCounted(t *testing.T) {
	eachBox(t, func(t *testing.T, b *box) {
		b.draft("n")
		long := strings.Repeat("x", 60_000)
		var batches [][]notifier.AudienceRow
		for i := range 20 {
			var batch []notifier.AudienceRow
			for j := range 10 {
				batch = append(batch, rowFor("ann@example.com", fmt.Sprint(10*i+j, long)))
			}
			batches = append(batches, append(batch, rowFor("bob@example.com", fmt.Sprint(i))))
		}
		_, err := b.bring("n", true, batches...)
		b.must(err)
		n, err := b.bring("n", false, []notifier.AudienceRow{rowFor("ann@example.com", "late"), rowFor("ann@example.com", "later")})
		if err != nil || n.Rows != 222 || n.Recipients != 2 {
			t.Fatalf("%+v, %v", n, err)
		}
		r, err := b.Recipient(b.ctx, "n", 1)
		b.must(err)
		bytes := 0
		for i, row := range r.Rows {
			bytes += len(row[0].Text)
			if !strings.HasPrefix(row[0].Text, fmt.Sprint(i, "x")) {
				t.Fatalf("row %d is %.9s", i, row[0].Text)
			}
		}
		if len(r.Rows) < 30 || bytes > 7<<19 || int64(len(r.Rows))+r.More != 202 {
			t.Errorf("%d rows of %d bytes, and %d more", len(r.Rows), bytes, r.More)
		}
		if r, err = b.Recipient(b.ctx, "n", 2); err != nil || len(r.Rows) != 20 || r.More != 0 {
			t.Errorf("%d rows and %d more, %v", len(r.Rows), r.More, err)
		}
		// Who is copied keeps them all.
		b.ready("other", 1)
		if _, err := b.exclude("n", "other"); err != nil {
			t.Fatal(err)
		}
		if n := b.notice("n"); n.Rows != 222 || b.number(`SELECT count(*) FROM recipient_rows WHERE place = 1 AND audience = %d`, n.Edition) != 202 {
			t.Errorf("%+v", n)
		}
	})
}

func TestAFileThatSaysMoreOfOneRecipientThanAnybodyCanBeToldIsRefused(t *testing.T) {
	eachBox(t, func(t *testing.T, b *box) {
		b.draft("n")
		b.upload("n", true, 10, 1, people(2)...)
		many := make([]notifier.AudienceRow, 0, 2000)
		line := 1
		next := func(size int) []notifier.AudienceRow {
			many = many[:0]
			for range size {
				line++
				many = append(many, notifier.AudienceRow{Line: line, Channel: notifier.Email, Address: "user2@example.com"})
			}
			return many
		}
		for _, replace := range []bool{true, false} { // in the second the address stands in the first file
			line = 1
			room := notifier.MostRows
			if !replace {
				room--
			}
			e, err := b.BeginAudience(b.ctx, "n", replace)
			b.must(err)
			for left := room; left > 0; left -= 2000 {
				b.must(b.AddToAudience(b.ctx, e, next(min(left, 2000)), nil))
			}
			err = b.AddToAudience(b.ctx, e, next(1), nil)
			var invalid *notifier.Invalid
			if !errors.As(err, &invalid) || invalid.Field != fmt.Sprintf("line %d", room+2) || !strings.Contains(invalid.Message, "100000") || strings.Contains(invalid.Message, "user2") {
				t.Errorf("replace %t: %v", replace, err)
			}
			b.must(b.DropAudience(b.ctx, e))
		}
		if n := b.notice("n"); n.Recipients != 2 || n.Rows != 2 {
			t.Errorf("%+v", n)
		}
		// Of who lives somewhere no rows are kept.
		b.components()
		e, err := b.BeginMembers(b.ctx, "imap7")
		b.must(err)
		b.must(b.AddMembers(b.ctx, e, []string{"ann@example.com", "ann@example.com"}))
		_, err = b.FinishMembers(b.ctx, e)
		b.must(err)
	})
}
