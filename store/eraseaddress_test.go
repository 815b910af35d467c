package store_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"allclear/notifier"
	"allclear/subscribers"
)

// reject adds rejected rows to a notice's audience.
func (b *box) reject(notice string, rejects ...notifier.Reject) {
	b.t.Helper()
	e, err := b.BeginAudience(b.ctx, notice, false)
	b.must(err)
	for some := range slices.Chunk(rejects, 1000) {
		b.must(b.AddToAudience(b.ctx, e, nil, some))
	}
	_, err = b.FinishAudience(b.ctx, e, 0, [32]byte{})
	b.must(err)
}

// forgot fails where a table holds a word, in any case.
func (b *box) forgot(word string, tables ...string) {
	b.t.Helper()
	for _, table := range tables {
		for _, row := range b.dump(table) {
			if strings.Contains(strings.ToLower(row), word) {
				b.t.Errorf("%s keeps %s", table, row)
			}
		}
	}
}

var withPeople = []string{"subscribers", "recipients", "recipient_rows", "rows_aside", "deliveries", "rejects", "suppressions", "audit", "signups"}

func TestErasingMindsNoCaseOfLettersAndWhatRejectedRowsSay(t *testing.T) {
	eachBox(t, func(t *testing.T, b *box) {
		s, err := b.AddSubscriber(b.ctx, reader("zebedee@example.com", subscribers.Active), nil)
		b.must(err)
		b.draft("going")
		b.upload("going", true, 10, 1, rowFor("Zebedee@example.com", "z1"), rowFor("ann@example.com", "a1"), rowFor("zebedee@example.com", "z2"), rowFor("Zebedee@example.com", "z3"))
		b.order("going", notifier.NoticeOrder{})
		b.expand(10)
		flying := b.claim("w", 10)
		b.draft("draft")
		many := []notifier.Reject{{Line: 1, Reason: "column 2: x", Text: "ZEBEDEE@Example.COM;a"}, {Line: 2, Reason: `"zebedee@example.com" is not one of email, webhook, sms`, Text: "b"}}
		for i := range 2500 { // more than a step
			many = append(many, notifier.Reject{Line: 3 + i, Reason: "why", Text: fmt.Sprint("somebody else ", i)})
		}
		many = append(many, notifier.Reject{Line: 9999, Reason: "why", Text: "c;zebedee@example.com"})
		b.reject("draft", many...)
		for address, want := range map[string][]string{"ZEBEDEE@example.com": {"Zebedee@example.com", "zebedee@example.com"}, "zebedee@example.com": {"Zebedee@example.com"}, "zebede@example.com": {}} {
			if got, err := b.Twins(b.ctx, notifier.Email, address); err != nil || !slices.Equal(got, want) {
				b.t.Errorf("beside %s there are %q, %v", address, got, err)
			}
		}
		b.must(b.EraseSubscriber(b.ctx, s.Number))
		if got := b.mine("w", flying); len(got) != 1 || b.row(got[0].Event(), got[0].Reader()).Address != "ann@example.com" {
			t.Errorf("%v may begin", got)
		}
		b.forgot("zebedee", withPeople...)
		if n := b.number(`SELECT count(*) FROM recipient_rows WHERE fields LIKE '%%"z_"%%'`); n != 0 {
			t.Errorf("%d rows are left", n)
		}
		if n := b.number(`SELECT count(*) FROM rejects WHERE text = '' AND line IN (1, 2, 9999) AND reason LIKE '%%was erased'`); n != 3 {
			t.Errorf("%d rejected rows are empty", n)
		}
		if n := b.number(`SELECT count(*) FROM rejects WHERE text LIKE 'somebody else%%' AND reason = 'why'`); n != 2500 {
			t.Errorf("of others %d are left", n)
		}
		if n := b.notice("draft"); n.Rejected != 2503 {
			t.Errorf("%+v", n)
		}
		b.sound()
	})
}

func TestWhoNeverSubscribedIsErasedByTheirAddress(t *testing.T) {
	eachBox(t, func(t *testing.T, b *box) {
		b.components()
		b.ready("sent", 1)
		b.upload("sent", false, 10, 2, rowFor("zebedee@example.com", "z1"))
		b.order("sent", notifier.NoticeOrder{})
		b.sendAll(map[notifier.DeliveryID]int{})
		e, err := b.BeginMembers(b.ctx, "imap7")
		b.must(err)
		b.must(b.AddMembers(b.ctx, e, []string{"zebedee@example.com", "ann@example.com"}))
		_, err = b.FinishMembers(b.ctx, e)
		b.must(err)
		for _, address := range []string{"nobody@example.com", "ser1@example.com"} {
			if n, err := b.EraseAddress(b.ctx, notifier.Email, address); !errors.Is(err, notifier.ErrNotFound) || n != nil {
				t.Errorf("%s: %v, %v", address, n, err)
			}
		}
		if n, err := b.EraseAddress(b.ctx, notifier.Email, "ZEBEDEE@example.com"); err != nil || len(n) != 0 {
			t.Errorf("%v, %v", n, err)
		}
		b.forgot("zebedee", withPeople...)
		if _, err := b.EraseAddress(b.ctx, notifier.Email, "zebedee@example.com"); !errors.Is(err, notifier.ErrNotFound) {
			t.Errorf("again: %v", err)
		}
		if n := b.number(`SELECT count(*) FROM audit WHERE action = 'address.erase' AND subject LIKE 'erased:%%'`); n != 1 {
			t.Errorf("%d entries in the audit", n)
		}
		b.draft("n")
		n, err := b.AudienceFromMembers(b.ctx, "n", "imap7", "")
		if err != nil || n.Recipients != 1 {
			t.Errorf("%+v, %v", n, err)
		}
		// A file that brings them back finds the mark.
		b.ready("late", 1)
		b.upload("late", false, 10, 2, rowFor("zebedee@example.com", "z1"))
		b.order("late", notifier.NoticeOrder{})
		b.sendAll(map[notifier.DeliveryID]int{})
		if n := b.in("late", notifier.NoticeDone); n.Counts[notifier.Suppressed] != 1 || n.Counts[notifier.Sent] != 1 {
			t.Errorf("%+v", n.Counts)
		}
		b.sound()
	})
}

func TestAnAddressIsErasedWithTheSubscribersThatHaveItAndWhereOnlyARejectNamesIt(t *testing.T) {
	eachBox(t, func(t *testing.T, b *box) {
		first, err := b.AddSubscriber(b.ctx, reader("Zebedee@example.com", subscribers.Active), nil)
		b.must(err)
		_, err = b.AddSubscriber(b.ctx, reader("other@example.com", subscribers.Active), nil)
		b.must(err)
		if n, err := b.EraseAddress(b.ctx, notifier.Email, "zebedee@example.com"); err != nil || !slices.Equal(n, []subscribers.Number{first.Number}) {
			t.Errorf("%v, %v", n, err)
		}
		b.draft("n")
		b.reject("n", notifier.Reject{Line: 1, Reason: "why", Text: "zebedee@example.com"}, notifier.Reject{Line: 2, Reason: "why", Text: "other"})
		if n, err := b.EraseAddress(b.ctx, notifier.Email, "zebedee@example.com"); err != nil || len(n) != 0 {
			t.Errorf("%v, %v", n, err)
		}
		b.forgot("zebedee", withPeople...)
		if n := b.number(`SELECT count(*) FROM subscribers`); n != 1 {
			t.Errorf("%d subscribers", n)
		}
	})
}

// There may be a million of them: nobody waits for that.
func TestDroppedRejectsAreGoneAtOnceAndTakenAwayInSteps(t *testing.T) {
	eachBox(t, func(t *testing.T, b *box) {
		b.ready("n", 2)
		var many []notifier.Reject
		for i := range 4500 {
			many = append(many, notifier.Reject{Line: i, Reason: "why", Text: "x"})
		}
		b.reject("n", many...)
		n, err := b.DropRejects(b.ctx, "n")
		if err != nil || n.Rejected != 0 || n.Recipients != 2 {
			t.Errorf("%+v, %v", n, err)
		}
		if page, next, err := b.Rejects(b.ctx, "n", 0, 10); err != nil || len(page) != 0 || next != 0 {
			t.Errorf("%d more from %d on, %v", len(page), next, err)
		}
		if n := b.number(`SELECT count(*) FROM rejects`); n != 4500 {
			t.Errorf("%d are left", n)
		}
		b.reject("n", notifier.Reject{Line: 7, Reason: "new", Text: "y"})
		b.ready("other", 1)
		if _, err := b.exclude("n", "other"); err != nil { // which copies what is there
			t.Fatal(err)
		}
		if page, _, err := b.Rejects(b.ctx, "n", 0, 10); err != nil || len(page) != 1 || page[0].Reason != "new" {
			t.Errorf("%+v, %v", page, err)
		}
		b.tend()
		if n := b.number(`SELECT count(*) FROM rejects`); n != 1 {
			t.Errorf("%d are left", n)
		}
		b.must(b.DeleteNotice(b.ctx, "other"))
		if _, err := b.DropRejects(b.ctx, "n"); err != nil {
			t.Fatal(err)
		}
		b.tend()
		if n := b.number(`SELECT count(*) FROM rejects`); n != 0 {
			t.Errorf("in the end %d are left", n)
		}
	})
}

// Mail to a contact goes by how they wrote themselves.
func TestWhatWaitsForAContactIsWithdrawnInAnyCaseOfTheirLetters(t *testing.T) {
	eachBox(t, func(t *testing.T, b *box) {
		var groups []subscribers.Subscriber
		for _, address := range []string{"ops@example.org", "dev@example.org"} {
			g := b.subscribe(group(address, "Boss@example.org"))
			if sent, err := b.SendOwner(b.ctx, g.Number); err != nil || !sent {
				t.Fatalf("%t, %v", sent, err)
			}
			groups = append(groups, g)
		}
		b.expand(10)
		flying := b.claim("w", 1)
		if len(flying) != 1 || flying[0].Address != "Boss@example.org" {
			t.Fatalf("%+v", flying)
		}
		if n, err := b.EraseAddress(b.ctx, notifier.Email, "boss@example.org"); err != nil || len(n) != 0 {
			t.Errorf("%v, %v", n, err)
		}
		if got := b.mine("w", flying); len(got) != 0 {
			t.Errorf("%v may be mailed", got)
		}
		if n := b.number(`SELECT count(*) FROM deliveries WHERE state = 'suppressed'`); n != 2 {
			t.Errorf("%d are withdrawn", n)
		}
		if got := b.claim("w", 10); len(got) != 0 {
			t.Errorf("%+v would be tried", got)
		}
		b.forgot("boss", withPeople...)
		for _, g := range groups {
			if is, err := b.Subscriber(b.ctx, g.Number); err != nil || !is.Group {
				t.Errorf("%+v, %v", is, err)
			}
		}
		b.sound()
	})
}

func TestAnErasedAddressThatWasBarredIsBarredByItsMarkOnly(t *testing.T) {
	eachBox(t, func(t *testing.T, b *box) {
		who := b.subscribe(reader("joann@example.com", subscribers.Active))
		for _, address := range []string{"Zebedee@example.com", "joann@example.com"} {
			b.must(b.Suppress(b.ctx, subscribers.Suppression{Channel: notifier.Email, Address: address, Reason: subscribers.ReasonBounce, Note: "550 no " + address}))
		}
		if n, err := b.EraseAddress(b.ctx, notifier.Email, "zebedee@example.com"); err != nil || len(n) != 0 {
			t.Errorf("%v, %v", n, err)
		}
		b.must(b.EraseSubscriber(b.ctx, who.Number))
		b.forgot("zebedee", withPeople...)
		b.forgot("joann", withPeople...)
		if n := b.number(`SELECT count(*) FROM suppressions WHERE address LIKE 'erased:%%' AND reason = 'erased' AND note = ''`); n != 2 {
			t.Errorf("%d marks", n)
		}
		if _, err := b.EraseAddress(b.ctx, notifier.Email, "zebedee@example.com"); !errors.Is(err, notifier.ErrNotFound) {
			t.Errorf("again: %v", err)
		}
		b.ready("n", 1)
		b.upload("n", false, 10, 2, rowFor("zebedee@example.com", "z1"), rowFor("joann@example.com", "j1"))
		b.order("n", notifier.NoticeOrder{})
		b.sendAll(map[notifier.DeliveryID]int{})
		if n := b.in("n", notifier.NoticeDone); n.Counts[notifier.Suppressed] != 2 || n.Counts[notifier.Sent] != 1 {
			t.Errorf("%+v", n.Counts)
		}
		b.sound()
	})
}

// Behind the transaction nothing may be left to do that, where it is killed
// there, nobody would find again.
func TestRejectedRowsAreEmptiedBeforeTheAddressIsGone(t *testing.T) {
	eachBox(t, func(t *testing.T, b *box) {
		who := b.subscribe(reader("zebedee@example.com", subscribers.Active))
		b.subscribe(reader("Ann@example.com", subscribers.Active))
		b.draft("n")
		b.reject("n", notifier.Reject{Line: 1, Reason: "why", Text: "zebedee@example.com"}, notifier.Reject{Line: 2, Reason: "why", Text: "ann@example.com"})
		erase := func() (err, other error) {
			err = b.EraseSubscriber(b.ctx, who.Number)
			_, other = b.EraseAddress(b.ctx, notifier.Email, "ann@example.com")
			return err, other
		}
		b.exec(`ALTER TABLE seconds RENAME TO seconds_away`)
		if err, other := erase(); err == nil || other == nil {
			t.Fatalf("%v, %v", err, other)
		}
		b.forgot("@", "rejects")
		if n := b.number(`SELECT count(*) FROM subscribers`); n != 2 {
			t.Errorf("%d subscribers to ask for again", n)
		}
		b.exec(`ALTER TABLE seconds_away RENAME TO seconds`)
		if err, other := erase(); err != nil || other != nil {
			t.Errorf("%v, %v", err, other)
		}
		b.forgot("@example", withPeople...)
	})
}
