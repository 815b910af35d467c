package store

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"gorm.io/gorm"

	"allclear/notifier"
	"allclear/subscribers"
)

// Whoever has somebody's second address may want a subscription of their own, and
// then has that: it tells them all that they chose, and the address is nobody's
// second any more. Until they confirm, it goes on as the second one, because
// anybody can fill in the form for them; what they chose waits here.

// wishLife is how long a wish may be confirmed.
const wishLife = notifier.ConfirmLife + 24*time.Hour

// mayWish reports whether a row is a second address whose owner may wish for a
// subscription of their own. An endpoint has a contact, who ends it first.
func mayWish(r subscriberRow) bool {
	return r.SecondOf > 0 && r.State == string(subscribers.Active) && r.Channel != string(notifier.Webhook)
}

// wish asks the owner of a second address about a subscription of their own.
func (d *registrar) wish(ctx context.Context, x subscribers.SignUp, was subscriberRow) error {
	choices, err := choicesOf(x)
	if err != nil {
		return err
	}
	if err := d.tx.Exec(`INSERT INTO wishes (subscriber, choices, asked_at) VALUES (?, ?, ?)
		ON CONFLICT (subscriber) DO UPDATE SET choices = excluded.choices, asked_at = excluded.asked_at`, was.Number, choices, micros(x.CreatedAt)).Error; err != nil {
		return fmt.Errorf("keep what was chosen: %w", err)
	}
	who := was.subscriber()
	who.SecondOf = 0
	return d.question(ctx, x, who, "subscriber.ask_own")
}

// wished is the subscription that the owner of a second address wishes for, as
// one that is not confirmed; false: for none, or only for what was removed since.
func (s *Store) wished(tx *gorm.DB, was subscriberRow) (is subscribers.Subscriber, ok bool, err error) {
	var found []signUpRow
	if err := tx.Raw(`SELECT choices, asked_at FROM wishes WHERE subscriber = ? AND asked_at > ?`, was.Number, micros(s.Now().Add(-wishLife))).Scan(&found).Error; err != nil {
		return is, false, fmt.Errorf("look for a wish: %w", err)
	}
	if len(found) == 0 || !mayWish(was) {
		return is, false, nil
	}
	row := signUpRow{Channel: notifier.Channel(was.Channel), Address: was.Address, Choices: found[0].Choices, AskedAt: found[0].AskedAt}
	x, err := row.signUp()
	if err != nil {
		return is, false, err
	}
	is = x.Subscriber
	is.Number = subscribers.Number(was.Number)
	if len(is.Filter.Components) > 0 { // some may have been removed since
		var there []string
		if err := tx.Raw(`SELECT key FROM components WHERE key IN ? ORDER BY key`, is.Filter.Components).Scan(&there).Error; err != nil {
			return is, false, fmt.Errorf("look for components: %w", err)
		}
		if is.Filter.Components = there; len(there) == 0 { // of none, which would be all
			return is, false, nil
		}
	}
	s.stamp(&is)
	return is, true, nil
}

// turnOwn makes of a second address the subscription of its owner: active where
// it is confirmed, else one that still waits for that. What waited for the
// address as the second one is told at the first.
func (s *Store) turnOwn(ctx context.Context, tx *gorm.DB, was subscriberRow, is subscribers.Subscriber) error {
	if err := s.withdrawOwn(tx, was.Number); err != nil {
		return err
	}
	if err := s.rewriteSubscriber(tx, was, is); err != nil {
		return err
	}
	if err := tx.Exec(`DELETE FROM wishes WHERE subscriber = ?`, was.Number).Error; err != nil {
		return fmt.Errorf("forget the wish: %w", err)
	}
	if err := tx.Exec(`DELETE FROM seconds WHERE first = ? AND channel = ? AND address = ?`, was.SecondOf, was.Channel, was.Address).Error; err != nil {
		return fmt.Errorf("end the second address: %w", err)
	}
	return s.audit(ctx, tx, "subscriber.own", is.Number.String(), string(is.State)+", it was the second address of "+subscribers.Number(was.SecondOf).String())
}

// confirmOwn gives the owner of a second address the subscription that they
// wished for, and keeps from which network that was said.
func (s *Store) confirmOwn(ctx context.Context, tx *gorm.DB, who subscribers.Subscriber, network netip.Prefix) (subscribers.Subscriber, error) {
	if err := s.lockFanout(tx, false); err != nil { // before every lock on a row
		return who, err
	}
	rows, err := subscribersAt(tx, who.Channel, []string{who.Address})
	if err != nil {
		return who, err
	}
	is, ok, err := s.wished(tx, rows[who.Address])
	if err != nil || !ok {
		return who, err
	}
	is.State, is.ConfirmedAt = subscribers.Active, s.Now()
	if err := s.turnOwn(ctx, tx, rows[who.Address], is); err != nil {
		return who, err
	}
	return is, s.keepConfirmation(tx, is.Number, network, is.ConfirmedAt)
}

// fillWishes notes who of the second addresses' owners wishes for more.
func (s *Store) fillWishes(db *gorm.DB, all []subscribers.Subscriber) error {
	var numbers []int64
	for _, a := range all {
		if a.SecondOf > 0 {
			numbers = append(numbers, int64(a.Number))
		}
	}
	if len(numbers) == 0 {
		return nil
	}
	in, arg := s.among(`subscriber`, numbers)
	var found []struct {
		Subscriber int64
		Choices    string
	}
	if err := db.Raw(`SELECT subscriber, choices FROM wishes WHERE asked_at > ? AND `+in, micros(s.Now().Add(-wishLife)), arg).Scan(&found).Error; err != nil {
		return fmt.Errorf("look for wishes: %w", err)
	}
	if len(found) == 0 {
		return nil
	}
	var there []string
	if err := db.Raw(`SELECT key FROM components`).Scan(&there).Error; err != nil {
		return fmt.Errorf("look for components: %w", err)
	}
	wishes := make(map[int64]bool, len(found))
	for _, f := range found {
		row := signUpRow{Choices: f.Choices}
		x, err := row.signUp()
		if err != nil {
			return err
		}
		chosen := x.Filter.Components // where all of them were removed, nothing is left to confirm
		wishes[f.Subscriber] = len(chosen) == 0 || slices.ContainsFunc(chosen, func(key string) bool { return slices.Contains(there, key) })
	}
	for i := range all {
		all[i].Wishes = all[i].State == subscribers.Active && wishes[int64(all[i].Number)]
	}
	return nil
}
