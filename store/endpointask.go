package store

import (
	"context"
	"fmt"

	"gorm.io/gorm"

	"allclear/notifier"
	"allclear/subscribers"
)

// AskEndpoint counts something that is asked about an endpoint, before it is
// done: of any number that ask at once, in any number of processes, no more get
// through than its budget holds. The others get a *notifier.TooOften. To test an
// endpoint that left, or that is suppressed, is a Refusal of ErrConflict; about
// the others the store decides where they are done.
func (s *Store) AskEndpoint(ctx context.Context, n subscribers.Number, what subscribers.Asking) error {
	return s.write(ctx, func(_ context.Context, tx *gorm.DB) error {
		h, _, err := s.lockHook(tx, n)
		if err != nil {
			return err
		}
		if what == subscribers.AskTest {
			if err := testable(tx, h); err != nil {
				return err
			}
		}
		// The row is locked, so that the budget is this transaction's alone.
		p := subscribers.Purse{Scope: subscribers.ForAll, Key: string(what) + " " + n.String()}
		d := &registrar{store: s, tx: tx, limits: subscribers.Limits{p.Scope: what.Budget()}, now: s.Now()}
		bill, err := d.pay([][]subscribers.Purse{{p}})
		if err != nil {
			return fmt.Errorf("count what is asked about an endpoint: %w", err)
		}
		if bill.refused != "" {
			return &notifier.TooOften{Wait: bill.later.Sub(d.now)}
		}
		return nil
	})
}

// testable refuses to call who is not to be called at all.
func testable(tx *gorm.DB, h subscribers.Hook) error {
	if h.State == subscribers.Unsubscribed {
		return notifier.Refuse(notifier.ErrConflict, "this endpoint is unsubscribed; nothing is posted to it")
	}
	barred, err := suppressed(tx, notifier.Webhook, []string{h.Address})
	if err == nil && barred[h.Address] {
		err = notifier.Refuse(notifier.ErrConflict, "this endpoint is suppressed")
	}
	return err
}
