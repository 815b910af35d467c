package store_test

import (
	"fmt"
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"
	"time"

	"allclear/notifier"
)

// whole is what AudienceWhole says, and must say by the rows that a mail reads.
func (b *box) whole(notice string) (got, want map[string]int64) {
	b.t.Helper()
	got, err := b.AudienceWhole(b.ctx, notice)
	b.must(err)
	want = map[string]int64{}
	for _, column := range notifier.RowColumns {
		want[column] = 0
	}
	for place := range b.notice(notice).Recipients {
		r, err := b.Recipient(b.ctx, notice, place+1)
		b.must(err)
		var lacks notifier.Cells
		for _, row := range r.Rows {
			lacks |= notifier.LackingCells(row)
		}
		for n, column := range notifier.RowColumns {
			if !lacks.Has(n) {
				want[column]++
			}
		}
	}
	return got, want
}

func TestARecipientOfWhomAnyRowLacksAColumnIsCountedOnceHoweverTheRowsCome(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	eachBox(t, func(t *testing.T, b *box) {
		t.Logf("seed %d", seed)
		dice := rand.New(rand.NewPCG(seed, 0))
		rows := func(n int) (out []notifier.AudienceRow) {
			full := dice.IntN(12) + 1
			for range n {
				r := notifier.AudienceRow{Channel: notifier.Email, Address: fmt.Sprintf("u%d@example.com", dice.IntN(8))}
				for _, name := range []string{" Subject", "date", "FOLDER"} {
					if dice.IntN(4*full) > 0 {
						r.Fields = append(r.Fields, notifier.Field{Name: name, Text: []string{" ", "x", "y"}[min(dice.IntN(full+1), 2)]})
					}
				}
				out = append(out, r)
			}
			return out
		}
		for round := range 5 {
			id := fmt.Sprint("n", round)
			b.draft(id)
			for file := range 3 {
				b.upload(id, false, 1+dice.IntN(9), byte(file+1), rows(4+dice.IntN(20))...)
				if got, want := b.whole(id); !reflect.DeepEqual(got, want) {
					t.Fatalf("round %d, file %d: %v, want %v", round, file, got, want)
				}
			}
			// What was taken up before it was counted, or in part, is looked through.
			if dice.IntN(2) == 0 {
				b.exec(`DELETE FROM audience_whole`)
				b.exec(`UPDATE audiences SET judged = 0`)
			} else {
				b.exec(`UPDATE audience_whole SET count = count - 1`)
				b.exec(`UPDATE audiences SET judged = judged - 1`)
			}
			if got, want := b.whole(id); !reflect.DeepEqual(got, want) {
				t.Fatalf("round %d, looked through: %v, want %v", round, got, want)
			}
		}
	})
}

// A letter is made from the first 2 MB of somebody's rows.
func TestARowThatNoMailReadsIsNotMissed(t *testing.T) {
	eachBox(t, func(t *testing.T, b *box) {
		b.draft("n")
		row := func(address, folder string) notifier.AudienceRow {
			return notifier.AudienceRow{Channel: notifier.Email, Address: address, Fields: []notifier.Field{
				{Name: "folder", Text: folder}, {Name: "x", Text: strings.Repeat("x", 300_000)},
			}}
		}
		batch := []notifier.AudienceRow{}
		for range 8 {
			batch = append(batch, row("ann@example.com", "INBOX"), row("bob@example.com", "INBOX"))
		}
		_, err := b.bring("n", true, append(batch, row("ann@example.com", "")), []notifier.AudienceRow{row("bob@example.com", "")})
		b.must(err)
		if got, want := b.whole("n"); !reflect.DeepEqual(got, want) || got["folder"] != 2 {
			t.Errorf("%v, want %v", got, want)
		}
		b.exec(`DELETE FROM audience_shares WHERE audience < 0`)
		if got, want := b.whole("n"); !reflect.DeepEqual(got, want) {
			t.Errorf("%v, want %v", got, want)
		}
	})
}
