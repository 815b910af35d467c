package store_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"allclear/notifier"
	"allclear/subscribers"
)

func TestNothingOfAnErasedAddressIsLeftAndItsEventsKeepTheirAccounts(t *testing.T) {
	eachDesk(t, func(t *testing.T, b *box, d *desk) {
		const address = "zebedee@example.org"
		s := reader(address, subscribers.Active)
		s.Filter.Components, s.Timezone = []string{"web"}, "Asia/Kathmandu"
		who := b.subscribe(s)
		b.subscribe(reader("other@example.org", subscribers.Active))
		p := b.opened(d, notifier.Announcement{Title: "Mail is late"})
		b.expand(10)
		flying := b.claim("w", 10)
		var batch []notifier.Settlement
		for _, x := range flying {
			batch = append(batch, notifier.Settlement{ID: x.ID, State: notifier.Sent, Tried: true, At: d.Now(), Worker: "w", Receipt: notifier.Receipt{Relay: "r", Reply: "250 <" + x.Address + "> ok"}})
		}
		b.must(b.Settle(b.ctx, batch))
		b.opened(d, notifier.Announcement{Title: "Another"})
		b.expand(10)
		b.must(b.AskMove(b.ctx, who.Number, "elsewhere@example.org"))
		b.must(b.EraseSubscriber(b.ctx, who.Number))
		if _, err := b.Subscriber(b.ctx, who.Number); !errors.Is(err, notifier.ErrNotFound) {
			t.Errorf("%v", err)
		}
		if err := b.EraseSubscriber(b.ctx, who.Number); !errors.Is(err, notifier.ErrNotFound) {
			t.Errorf("again: %v", err)
		}
		progress, err := b.Progress(b.ctx, p.Event.ID)
		b.must(err)
		if progress.Total != 2 || progress.Counts[notifier.Sent] != 2 {
			t.Errorf("%+v", progress)
		}
		if got := b.row(2, int64(who.Number)); got.State != notifier.Suppressed || got.Address != "erased" {
			t.Errorf("what waited is %+v", got)
		}
		if n := b.expand(10); n > 1 { // the move's question to the other address
			t.Errorf("%d more are made", n)
		}
		for _, table := range []string{"subscribers", "subscriber_components", "moves", "deliveries", "suppressions", "audit", "events", "answers"} {
			for _, row := range b.dump(table) {
				if strings.Contains(row, "zebedee") || strings.Contains(row, "Kathmandu") {
					t.Errorf("%s keeps %s", table, row)
				}
			}
		}
		b.sound()
		if b.Dialect() == "sqlite" {
			files, err := filepath.Glob(b.dsn + "*")
			b.must(err)
			for _, f := range files {
				raw, err := os.ReadFile(f)
				b.must(err)
				if strings.Contains(string(raw), "zebedee") {
					t.Errorf("%s holds the address", filepath.Base(f))
				}
			}
		}
	})
}

// dump is every row of a table, as text.
func (b *box) dump(table string) (out []string) {
	b.t.Helper()
	query := `SELECT CAST(t.* AS text) FROM ` + table + ` AS t`
	if b.Dialect() == "sqlite" {
		var columns []string
		rows, err := b.db.Query(`SELECT name FROM pragma_table_info('` + table + `')`)
		b.must(err)
		for rows.Next() {
			var c string
			b.must(rows.Scan(&c))
			columns = append(columns, `quote("`+c+`")`)
		}
		b.must(rows.Err())
		_ = rows.Close() //nolint:sqlclosecheck // before the next query
		query = `SELECT ` + strings.Join(columns, ` || ', ' || `) + ` FROM ` + table
	}
	rows, err := b.db.Query(query)
	b.must(err)
	defer rows.Close()
	for rows.Next() {
		var line string
		b.must(rows.Scan(&line))
		out = append(out, line)
	}
	b.must(rows.Err())
	return out
}

func TestAFileDoesNotBringAnErasedAddressBackAndItsOwnerMay(t *testing.T) {
	eachDesk(t, func(t *testing.T, b *box, d *desk) {
		who := b.subscribe(reader("Zebedee@example.org", subscribers.Active))
		b.must(b.EraseSubscriber(b.ctx, who.Number))
		for _, address := range []string{"Zebedee@example.org", "zebedee@example.org"} {
			for _, state := range []subscribers.State{subscribers.Active, subscribers.Pending} {
				fates, errs, err := b.ImportSubscribers(b.ctx, []subscribers.Subscriber{reader(address, state), reader("new"+string(state)+address, state)}, subscribers.Columns())
				b.must(err)
				if errs[0] != nil || fates[0] != subscribers.ImportSuppressed || fates[1] != subscribers.ImportAdded {
					t.Errorf("%s, %s: %v, %v", address, state, fates, errs)
				}
			}
			if _, err := b.AddSubscriber(b.ctx, reader(address, subscribers.Active), nil); !errors.Is(err, notifier.ErrConflict) {
				t.Errorf("%s by staff: %v", address, err)
			}
		}
		back := b.subscribe(reader("Zebedee@example.org", subscribers.Pending))
		if back.Number == who.Number {
			t.Error("an old number is given out again")
		}
		b.become(back.Number, subscribers.Active)
		b.opened(d, notifier.Announcement{Title: "Mail is late"})
		b.expand(10)
		if got := b.row(1, int64(back.Number)).State; got != notifier.Pending {
			t.Errorf("who came back is told %q", got)
		}
	})
}

func TestAnErasedOwnerIsForgottenByTheirGroupsToo(t *testing.T) {
	eachDesk(t, func(t *testing.T, b *box, d *desk) {
		owner := b.subscribe(reader("zebedee@example.org", subscribers.Active))
		g := b.subscribe(group("ops@example.org", "zebedee@example.org"))
		if sent, err := b.SendOwner(b.ctx, g.Number); err != nil || !sent {
			t.Fatalf("%t, %v", sent, err)
		}
		b.expand(10)
		b.must(b.EraseSubscriber(b.ctx, owner.Number))
		for _, table := range []string{"subscribers", "deliveries"} {
			for _, row := range b.dump(table) {
				if strings.Contains(row, "zebedee") {
					t.Errorf("%s keeps %s", table, row)
				}
			}
		}
		if is, err := b.Subscriber(b.ctx, g.Number); err != nil || !is.Group {
			t.Errorf("any reader may end it now: %+v, %v", is, err)
		}
		d.Advance(48 * time.Hour)
		if sent, err := b.SendOwner(b.ctx, g.Number); err != nil || sent {
			t.Errorf("mailed to nobody: %t, %v", sent, err)
		}
		b.sound()
	})
}

func TestAFileEndsTheSubscriptionOfWhoWasErasedAndCameBack(t *testing.T) {
	eachDesk(t, func(t *testing.T, b *box, d *desk) {
		who := b.subscribe(reader("zebedee@example.org", subscribers.Active))
		b.must(b.EraseSubscriber(b.ctx, who.Number))
		back := b.subscribe(reader("zebedee@example.org", subscribers.Pending))
		b.become(back.Number, subscribers.Active)
		chosen := reader("zebedee@example.org", subscribers.Active)
		chosen.Language = "no"
		for _, c := range []struct {
			row  subscribers.Subscriber
			fate subscribers.Imported
		}{{chosen, subscribers.ImportChanged}, {reader("zebedee@example.org", subscribers.Unsubscribed), subscribers.ImportChanged}, {chosen, subscribers.ImportUnchanged}} {
			if fates, _ := b.imported(true, c.row); fates[0] != c.fate {
				t.Errorf("%s: %s", c.row.State, fates[0])
			}
		}
		if is, err := b.Subscriber(b.ctx, back.Number); err != nil || is.State != subscribers.Unsubscribed {
			t.Errorf("%+v, %v", is, err)
		}
	})
}
