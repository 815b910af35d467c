package store_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"allclear/notifier"
	"allclear/subscribers"
)

func (b *box) imported(overwrite bool, batch ...subscribers.Subscriber) ([]subscribers.Imported, []error) {
	b.t.Helper()
	fates, errs, err := b.ImportSubscribers(b.ctx, batch, columnsIf(overwrite))
	b.must(err)
	return fates, errs
}

// columnsIf are those of a file that has every column, where it overwrites.
func columnsIf(overwrite bool) []string {
	if overwrite {
		return subscribers.Columns()
	}
	return nil
}

func TestAnImportTellsEveryRowsFate(t *testing.T) {
	eachDesk(t, func(t *testing.T, b *box, d *desk) {
		there := b.subscribe(reader("there@example.org", subscribers.Active))
		left := b.subscribe(reader("left@example.org", subscribers.Active))
		b.become(left.Number, subscribers.Unsubscribed)
		b.must(b.Suppress(b.ctx, subscribers.Suppression{Channel: notifier.Email, Address: "barred@example.org", Reason: subscribers.ReasonComplaint}))
		bad := reader("bad@example.org", subscribers.Active)
		bad.Filter.Components = []string{"web", "none"}
		chosen := reader("there@example.org", subscribers.Pending)
		chosen.Filter.Components = []string{"web"}
		batch := []subscribers.Subscriber{
			reader("new@example.org", subscribers.Active), bad, chosen, reader("left@example.org", subscribers.Active),
			reader("barred@example.org", subscribers.Active), reader("new@example.org", subscribers.Paused),
		}
		fates, errs := b.imported(false, batch...)
		same(t, "fates", fates, []subscribers.Imported{subscribers.ImportAdded, "", subscribers.ImportUnchanged, subscribers.ImportUnchanged, subscribers.ImportSuppressed, subscribers.ImportUnchanged})
		var invalid *notifier.Invalid
		for i, err := range errs {
			if (err != nil) != (i == 1) || i == 1 && (!errors.As(err, &invalid) || invalid.Field != "components" || !strings.Contains(invalid.Message, "none")) {
				t.Errorf("row %d: %v", i, err)
			}
		}
		fates, _ = b.imported(true, batch...)
		same(t, "fates", fates, []subscribers.Imported{subscribers.ImportChanged, "", subscribers.ImportChanged, subscribers.ImportUnchanged, subscribers.ImportSuppressed, subscribers.ImportChanged})
		got, err := b.Subscriber(b.ctx, there.Number)
		b.must(err)
		if got.State != subscribers.Active || len(got.Filter.Components) != 1 {
			t.Errorf("%+v", got)
		}
		if got, err = b.Subscriber(b.ctx, left.Number); err != nil || got.State != subscribers.Unsubscribed {
			t.Errorf("%+v, %v", got, err)
		}
		if n := b.number(`SELECT count(*) FROM subscribers`); n != 3 {
			t.Errorf("%d subscribers", n)
		}
	})
}

func TestAnAddressTwiceInABatchIsWrittenOnce(t *testing.T) {
	eachDesk(t, func(t *testing.T, b *box, d *desk) {
		second := reader("a@example.org", subscribers.Active)
		second.Filter.Components, second.Language = []string{"imap7"}, "no"
		fates, _ := b.imported(true, reader("a@example.org", subscribers.Active), reader("b@example.org", subscribers.Active), second)
		same(t, "fates", fates, []subscribers.Imported{subscribers.ImportAdded, subscribers.ImportAdded, subscribers.ImportChanged})
		got, err := b.Subscriber(b.ctx, 1)
		b.must(err)
		if got.Address != "a@example.org" || got.Language != "no" || len(got.Filter.Components) != 1 {
			t.Errorf("%+v", got)
		}
	})
}

func TestAFileCanEndASubscriptionWhereOverwritingIsAskedFor(t *testing.T) {
	eachDesk(t, func(t *testing.T, b *box, d *desk) {
		who := b.subscribe(reader("a@example.org", subscribers.Active))
		p := b.opened(d, notifier.Announcement{Title: "Mail is slow"})
		b.expand(10)
		b.imported(false, reader("a@example.org", subscribers.Unsubscribed))
		if got := b.row(p.Event.Number, int64(who.Number)).State; got != notifier.Pending {
			t.Errorf("what waits is %s", got)
		}
		b.imported(true, reader("a@example.org", subscribers.Unsubscribed))
		got, err := b.Subscriber(b.ctx, who.Number)
		b.must(err)
		if got.State != subscribers.Unsubscribed || got.Unsubscribed != d.Now() {
			t.Errorf("%+v", got)
		}
		if got := b.row(p.Event.Number, int64(who.Number)).State; got != notifier.Suppressed {
			t.Errorf("what waits is %s", got)
		}
		b.sound()
	})
}

func TestThousandsComeInByBatches(t *testing.T) {
	eachDesk(t, func(t *testing.T, b *box, d *desk) {
		var file strings.Builder
		file.WriteString("address,components,kinds,severity,state\n")
		for i := range 4000 {
			fmt.Fprintf(&file, "reader%d@example.org,%s,incident;post,major,active\n", i, []string{"", "web", "web;imap7", "none"}[i%4])
		}
		dry, err := subscribers.Import(b.ctx, b.Store, strings.NewReader(file.String()), subscribers.ImportOptions{DryRun: true})
		b.must(err)
		if n := b.number(`SELECT count(*) FROM subscribers`) + b.number(`SELECT value FROM counters WHERE name = 'subscriber'`); n != 0 {
			t.Fatalf("a dry run left %d", n)
		}
		report, err := subscribers.Import(b.ctx, b.Store, strings.NewReader(file.String()), subscribers.ImportOptions{})
		b.must(err)
		if report.Added != 3000 || report.Wrong != 1000 || dry.Added != report.Added || dry.Wrong != report.Wrong {
			t.Errorf("%d added, %d wrong; dry: %d, %d", report.Added, report.Wrong, dry.Added, dry.Wrong)
		}
		again, err := subscribers.Import(b.ctx, b.Store, strings.NewReader(file.String()), subscribers.ImportOptions{})
		b.must(err)
		if again.Unchanged != 3000 || again.Added != 0 {
			t.Errorf("the second time: %+v", again)
		}
		if n, err := b.Followers(b.ctx); err != nil || n != 3000 {
			t.Errorf("%d followers, %v", n, err)
		}
		if n := b.number(`SELECT count(*) FROM subscriber_components`); n != 3000 {
			t.Errorf("%d choices", n)
		}
	})
}

func TestASuppressedAddressGetsNothingAndIsNotRevived(t *testing.T) {
	eachDesk(t, func(t *testing.T, b *box, d *desk) {
		who := b.subscribe(reader("a@example.org", subscribers.Active))
		p := b.opened(d, notifier.Announcement{Title: "Mail is slow"})
		b.expand(10)
		x := subscribers.Suppression{Channel: notifier.Email, Address: "a@example.org", Reason: subscribers.ReasonBounce, Note: "550 5.1.1"}
		b.must(b.Suppress(b.ctx, x))
		if got := b.row(p.Event.Number, int64(who.Number)).State; got != notifier.Suppressed {
			t.Errorf("what waits is %s", got)
		}
		b.opened(d, notifier.Announcement{Title: "Another"})
		if n := b.expand(10); n != 0 {
			t.Errorf("%d deliveries", n)
		}
		b.become(who.Number, subscribers.Unsubscribed)
		var refusal *notifier.Refusal
		if _, err := b.AddSubscriber(b.ctx, reader("a@example.org", subscribers.Pending), nil); !errors.Is(err, notifier.ErrConflict) || !errors.As(err, &refusal) {
			t.Errorf("%v", err)
		}
		b.must(b.Unsuppress(b.ctx, notifier.Email, "a@example.org"))
		if err := b.Unsuppress(b.ctx, notifier.Email, "a@example.org"); !errors.Is(err, notifier.ErrNotFound) {
			t.Errorf("%v", err)
		}
		b.subscribe(reader("a@example.org", subscribers.Pending))
		b.sound()
	})
}

func TestAWishToBeForgottenIsNotReplaced(t *testing.T) {
	eachDesk(t, func(t *testing.T, b *box, d *desk) {
		for _, reason := range []subscribers.Reason{subscribers.ReasonManual, subscribers.ReasonErased, subscribers.ReasonBounce} {
			b.must(b.Suppress(b.ctx, subscribers.Suppression{Channel: notifier.Email, Address: "a@example.org", Reason: reason}))
		}
		all, next, err := b.Suppressions(b.ctx, "", 10)
		b.must(err)
		same(t, "suppressions", all, []subscribers.Suppression{{Channel: notifier.Email, Address: "a@example.org", Reason: subscribers.ReasonErased, CreatedAt: d.Now()}})
		if next != "" {
			t.Errorf("there is more: %q", next)
		}
		if n := b.number(`SELECT count(*) FROM audit WHERE subject LIKE '%%a@%%' OR detail LIKE '%%a@%%'`); n != 0 {
			t.Errorf("the audit keeps the address %d times", n)
		}
	})
}

func TestSuppressionsArePagedEachOnce(t *testing.T) {
	eachDesk(t, func(t *testing.T, b *box, d *desk) {
		for i := range 7 {
			b.must(b.Suppress(b.ctx, subscribers.Suppression{Channel: notifier.Email, Address: fmt.Sprintf("a%d@example.org", i), Reason: subscribers.ReasonManual}))
		}
		seen := map[string]bool{}
		for cursor := ""; ; {
			page, next, err := b.Suppressions(b.ctx, cursor, 3)
			b.must(err)
			for _, x := range page {
				seen[x.Address] = true
			}
			if cursor = next; next == "" {
				break
			}
		}
		if len(seen) != 7 {
			t.Errorf("%v", seen)
		}
		// What marks an erased address is none, wherever a page of the list ends.
		for _, address := range []string{"x@example.org", "y@example.org"} {
			b.must(b.EraseSubscriber(b.ctx, b.subscribe(reader(address, subscribers.Active)).Number))
		}
		var erased []string
		for cursor := ""; ; {
			page, next, err := b.Suppressions(b.ctx, cursor, 1)
			b.must(err)
			for _, x := range page {
				if x.Reason == subscribers.ReasonErased {
					erased = append(erased, x.Address)
				}
			}
			if cursor = next; next == "" {
				break
			}
		}
		if fmt.Sprint(erased) != "[erased erased]" {
			t.Errorf("erased addresses show as %v", erased)
		}
		var invalid *notifier.Invalid
		if _, _, err := b.Suppressions(b.ctx, "!", 3); !errors.As(err, &invalid) {
			t.Errorf("%v", err)
		}
	})
}

func TestAnImportJoinsTheTransactionAroundIt(t *testing.T) {
	eachDesk(t, func(t *testing.T, b *box, d *desk) {
		no := errors.New("no")
		err := b.Atomic(b.ctx, func(ctx context.Context) error {
			if _, _, err := b.ImportSubscribers(ctx, []subscribers.Subscriber{reader("a@example.org", subscribers.Active)}, subscribers.Columns()); err != nil {
				return err
			}
			return no
		})
		if n := b.number(`SELECT count(*) FROM subscribers`); n != 0 || !errors.Is(err, no) {
			t.Errorf("%d subscribers, %v", n, err)
		}
	})
}
