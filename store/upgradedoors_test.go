package store_test

import (
	"testing"
	"time"

	"allclear/notifier"
	"allclear/subscribers"
)

// SQLite makes a column of subscribers anew for this, which other tables refer
// to; nothing of them may get lost on the way.
func TestGroupsKeepEverythingWhenTheOtherDoorsOpen(t *testing.T) {
	eachBox(t, func(t *testing.T, b *box) {
		b.components()
		group := reader("team@example.com", subscribers.Active)
		group.Group, group.Contact, group.Filter.Components = true, "boss@example.com", []string{"web"}
		for _, s := range []subscribers.Subscriber{reader("ann@example.com", subscribers.Active), group} {
			_, err := b.AddSubscriber(b.ctx, s, nil)
			b.must(err)
		}
		b.asks(signUp("new@example.com"))
		b.answer(subscribers.SignUpLimits())
		b.asks(signUp("waits@example.com"))
		b.must(b.AskMove(b.ctx, 2, "moved@example.com"))
		b.must(b.Suppress(b.ctx, subscribers.Suppression{Channel: notifier.Email, Address: "x@example.com", Reason: subscribers.ReasonBounce, Note: "550"}))
		const all = `SELECT 'subscribers ' || count(*) FROM subscribers UNION ALL SELECT 'components ' || count(*) FROM subscriber_components
			UNION ALL SELECT 'consents ' || count(*) FROM consents UNION ALL SELECT 'moves ' || count(*) FROM moves
			UNION ALL SELECT 'budgets ' || count(*) FROM budgets UNION ALL SELECT 'signups ' || count(*) FROM signups
			UNION ALL SELECT 'suppressions ' || count(*) FROM suppressions ORDER BY 1`
		was, before := texts(t, b.db, all), b.hold(2)
		for range 2 {
			b.MigrateTo(t, 3)
			if got := texts(t, b.db, `SELECT contact FROM subscribers WHERE number = 2`); got[0] != "boss@example.com" {
				t.Errorf("the contact below is %q", got)
			}
			b.MigrateTo(t, 4)
		}
		b.must(b.Migrate(b.ctx))
		same(t, "rows", texts(t, b.db, all), was)
		same(t, "the group", b.hold(2), before)
		if _, err := b.db.Exec(`UPDATE subscribers SET contact = '' WHERE number = 2`); err == nil {
			t.Error("a group without a contact is taken")
		}
		b.addHook("https://example.com/hook", subscribers.Active)
		b.pass(time.Minute)
		if did := b.answer(subscribers.SignUpLimits()); did.Fates[subscribers.SignUpAsked] != 1 {
			t.Errorf("%+v", did)
		}
		b.sound()
	})
}

// hold reads a subscriber.
func (b *box) hold(n subscribers.Number) subscribers.Subscriber {
	b.t.Helper()
	s, err := b.Subscriber(b.ctx, n)
	b.must(err)
	return s
}
