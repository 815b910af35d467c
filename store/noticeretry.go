package store

import (
	"context"
	"fmt"

	"allclear/notifier"
)

// RetryFailedNotice sends a notice again to those for whom it failed, and
// returns how many they are. Who may not be written to any more is left out. A
// notice that was cancelled, or whose audience was deleted, is refused.
func (s *Store) RetryFailedNotice(ctx context.Context, id string) (int, error) {
	db := s.conn(ctx)
	c, err := takeNotice(db, id)
	if err != nil {
		return 0, translate(err)
	}
	if c.Event == 0 {
		return 0, notifier.Refuse(notifier.ErrConflict, "this notice has not been sent yet")
	}
	e, err := eventByID(db, c.EventID)
	if err != nil {
		return 0, err
	}
	return s.retryFailed(ctx, e)
}

// mayReopen refuses where nothing of a notice is tried again any more, and keeps
// others from changing it until the transaction ends.
func (r *retrial) mayReopen() error {
	c, err := lockNotice(r.tx, r.notice)
	switch {
	case err != nil:
		return err
	case c.State == notifier.NoticeCancelled:
		return notifier.Refuse(notifier.ErrConflict, "this notice was cancelled, and reaches nobody any more")
	case c.forgettingAt > 0: // in steps: who is left of it may have lost some of their rows
		return notifier.Refuse(notifier.ErrConflict, "the audience of this notice was deleted, or is being deleted, and with it what each was to be told")
	}
	r.expires = micros(instant(r.now).Add(notifier.NoticeLife))
	return nil
}

// reopen lets a notice live on, and be done once more if it is done, where
// something of it is tried again.
func (r *retrial) reopen() error {
	if r.notice == "" {
		return nil
	}
	if err := r.tx.Exec(`UPDATE events SET expires_at = ? WHERE number = ?`, r.expires, r.event).Error; err != nil {
		return fmt.Errorf("let the notice live on: %w", err)
	}
	if err := r.tx.Exec(`UPDATE notices SET state = 'settling', done_at = 0 WHERE id = ? AND state = 'done'`, r.notice).Error; err != nil {
		return fmt.Errorf("reopen a notice: %w", err)
	}
	return nil
}

// welcomeRecipients are the recipients of rows who may still be written to.
func (r *retrial) welcomeRecipients(rows []*deliveryRow) (map[int64]bool, error) {
	ids := make([]int64, len(rows))
	for i, row := range rows {
		ids[i] = row.ID
	}
	from, arg := r.store.each(ids, `SELECT id, channel, address FROM deliveries WHERE id = u.value OFFSET 0`, `deliveries AS d ON d.id = u.value`)
	var found []struct {
		ID               int64
		Channel, Address string
	}
	if err := r.tx.Raw(`SELECT d.id, d.channel, d.address FROM `+from, arg).Scan(&found).Error; err != nil {
		return nil, fmt.Errorf("see who may be written to: %w", err)
	}
	byChannel := map[string][]string{}
	for _, f := range found {
		byChannel[f.Channel] = append(byChannel[f.Channel], f.Address)
	}
	barred := map[person]bool{}
	for channel, addresses := range byChannel {
		no, err := suppressed(r.tx, notifier.Channel(channel), addresses)
		if err != nil {
			return nil, err
		}
		gone, err := r.store.gone(r.tx, notifier.Channel(channel), addresses)
		if err != nil {
			return nil, err
		}
		for _, a := range addresses {
			barred[person{channel, a}] = no[a] || gone[a] || a == nobody
		}
	}
	out := map[int64]bool{}
	for _, f := range found {
		if !barred[person{f.Channel, f.Address}] {
			out[notifier.DeliveryID(f.ID).Reader()] = true
		}
	}
	return out, nil
}
