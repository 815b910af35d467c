package store_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"
	"testing"
	"time"

	"allclear/notifier"
	"allclear/store/storetest"
)

// mixed are rows of so many people, everybody's among the others'.
func mixed(dice *rand.Rand, people, rows int) (out []notifier.AudienceRow) {
	for i := range rows {
		r := rowFor(fmt.Sprintf("u%d@example.com", dice.IntN(people)), fmt.Sprint("row ", i))
		r.Line, r.Account, r.Language, r.Timezone = i+2, "of\nmore lines", "nb", "Europe/Oslo"
		if dice.IntN(4) == 0 {
			r.Fields = append(r.Fields, notifier.Field{Name: fmt.Sprint("column ", dice.IntN(9)), Text: "x", Value: 1.5})
		}
		out = append(out, r)
	}
	return out
}

// brought are recipients as a file brings them: in the order in which they
// appear, each one's rows in theirs.
func brought(rows ...notifier.AudienceRow) (out []notifier.Recipient, columns []string) {
	at, seen := map[string]int{}, map[string]bool{}
	for _, r := range rows {
		if at[r.Address] == 0 {
			out = append(out, notifier.Recipient{Place: int64(len(out) + 1), Channel: r.Channel, Address: r.Address, Language: r.Language, Timezone: r.Timezone, Account: r.Account})
			at[r.Address] = len(out)
		}
		to := &out[at[r.Address]-1]
		to.Rows = append(to.Rows, r.Fields)
		for _, f := range r.Fields {
			if !seen[f.Name] {
				seen[f.Name], columns = true, append(columns, f.Name)
			}
		}
	}
	return out, columns
}

// Whatever waits aside, and wherever an upload is killed, the audience is that
// of one file whose rows were taken up one by one.
func TestAFileWithEverybodysRowsMixedIsTheSameAudience(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	eachBox(t, func(t *testing.T, b *box) {
		t.Logf("seed %d", seed)
		dice, put := rand.New(rand.NewPCG(seed, 0)), int64(0)
		calls, stop := 0, func() {}
		killed := storetest.At(t, b.dsn)(storetest.Clock(func() time.Time {
			if calls--; calls == 0 {
				stop()
			}
			return b.time()
		}))
		for round := range 3 {
			id := fmt.Sprint("n", round)
			b.draft(id)
			rows := mixed(dice, 2+dice.IntN(9), 30+dice.IntN(60))
			first := dice.IntN(len(rows) / 2) // of an earlier file
			if first > 0 {
				b.upload(id, true, 7, 1, rows[:first]...)
			}
			for _, s := range []interface{ SetMostAside(int64) }{b.Store, killed} {
				s.SetMostAside(int64(5 + dice.IntN(100)))
			}
			u, err := b.BeginAudience(b.ctx, id, first == 0)
			b.must(err)
			size, behind := 1+dice.IntN(9), first
			var n notifier.Notice
			for tries := 0; ; tries++ {
				ctx, cancel := context.WithCancel(b.ctx)
				stop, calls = cancel, 1+dice.IntN(12)
				if tries > 6 {
					calls = 0
				}
				for err = nil; err == nil && behind < len(rows); {
					end := min(behind+size, len(rows))
					if err = killed.TakeUp(ctx, u, rows[behind:end], nil, strconv.Itoa(end)); err == nil {
						behind = end
					}
				}
				if err == nil {
					n, err = killed.FinishAudience(ctx, u, 0, [32]byte{2})
				}
				cancel()
				if err == nil {
					break
				}
				if !errors.Is(err, context.Canceled) {
					t.Fatalf("round %d: %v", round, err)
				}
				left := b.left(id, first == 0)
				if len(left) == 0 && b.notice(id).Rows == int64(len(rows)) { // it was killed behind its commit
					n = b.notice(id)
					break
				}
				if len(left) == 0 { // before anything was kept
					continue
				}
				behind, err = strconv.Atoi(left[0].Taken)
				b.must(err)
				u, err = b.ResumeAudience(b.ctx, left[0])
				b.must(err)
			}
			put += b.number(`SELECT aside FROM audiences WHERE number = %d`, n.Edition)
			want, columns := brought(rows...)
			if n.Recipients != int64(len(want)) || n.Rows != int64(len(rows)) {
				t.Fatalf("round %d: %+v, want %d recipients and %d rows", round, n, len(want), len(rows))
			}
			for _, w := range want {
				got, err := b.Recipient(b.ctx, id, w.Place)
				b.must(err)
				same(t, fmt.Sprintf("round %d, place %d", round, w.Place), got, w)
			}
			all, err := b.AudienceColumns(b.ctx, id)
			b.must(err)
			var names []string
			for _, c := range all {
				names = append(names, c.Name)
			}
			same(t, "columns", names, columns)
			got, whole := b.whole(id)
			same(t, "whole", got, whole)
		}
		if put == 0 {
			t.Error("nothing was ever put aside")
		}
		b.swept()
	})
}

// swept sweeps until nothing that was put aside is left.
func (b *box) swept() {
	b.t.Helper()
	for range 200 {
		if b.number(`SELECT count(*) FROM rows_aside`) == 0 {
			return
		}
		_, err := b.TendNotices(b.ctx)
		b.must(err)
	}
	b.t.Errorf("%d rows that were put aside are left", b.number(`SELECT count(*) FROM rows_aside`))
}

func TestWhoIsErasedIsNotLeftInRowsThatWerePutAside(t *testing.T) {
	eachBox(t, func(t *testing.T, b *box) {
		b.draft("n")
		u, err := b.BeginAudience(b.ctx, "n", true)
		b.must(err)
		b.must(b.TakeUp(b.ctx, u, people(9), nil, "x"))
		b.must(b.TakeUp(b.ctx, u, append(people(5), rowFor("Zebedee@example.com", "z1"), rowFor("zebedee@example.com", "z2"), rowFor("not.zebedee@example.com", "y1")), nil, "y"))
		if n := b.number(`SELECT count(*) FROM rows_aside`); n != 8 {
			t.Fatalf("%d rows were put aside", n)
		}
		_, err = b.EraseAddress(b.ctx, notifier.Email, "zebedee@example.com")
		b.must(err)
		if n := b.number(`SELECT count(*) FROM rows_aside WHERE lower(text) LIKE '%%email zebedee%%'`); n != 0 {
			t.Errorf("%d rows are left", n)
		}
		_, err = b.EraseAddress(b.ctx, notifier.Email, "user3@example.com")
		b.must(err)
		n, err := b.FinishAudience(b.ctx, u, 0, [32]byte{1})
		if err != nil || n.Recipients != 10 || n.Rows != 14 {
			t.Errorf("%+v, %v", n, err)
		}
		b.swept()
		b.forgot("user3@", withPeople...)
	})
}

func TestTooManyMixedRowsOfOneRecipientAreRefusedByTheirLine(t *testing.T) {
	eachBox(t, func(t *testing.T, b *box) {
		b.draft("n")
		u, err := b.BeginAudience(b.ctx, "n", true)
		b.must(err)
		b.must(b.TakeUp(b.ctx, u, people(9), nil, "x"))
		b.exec(`UPDATE recipients SET lines = %d WHERE place = 3`, notifier.MostRows)
		rows := people(6)
		rows[2].Line = 47
		b.must(b.TakeUp(b.ctx, u, rows, nil, "y"))
		_, err = b.FinishAudience(b.ctx, u, 0, [32]byte{1})
		var bad *notifier.Invalid
		if !errors.As(err, &bad) || bad.Field != "line 47" {
			t.Errorf("%v", err)
		}
	})
}
