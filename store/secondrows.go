package store

import (
	"context"
	"fmt"
	"time"

	"gorm.io/gorm"

	"allclear/notifier"
	"allclear/subscribers"
)

// fillSeconds adds the second addresses that subscribers named (at most one that
// is confirmed and one that is asked, says migration 0020): the one that is
// in use, or else the one that was asked, and where there are both, that as the
// next. What was asked for and not confirmed in time is over.
func (s *Store) fillSeconds(db *gorm.DB, all []subscribers.Subscriber) error {
	if len(all) == 0 {
		return nil
	}
	place, numbers := make(map[int64]int, len(all)), make([]int64, 0, len(all))
	for i := range all {
		place[int64(all[i].Number)] = i
		numbers = append(numbers, int64(all[i].Number))
	}
	type found struct {
		First, AskedAt, Number          int64
		Channel, Address, State, Unused string
	}
	in, arg := s.among(`z.second_of`, numbers)
	var used []found
	if err := db.Raw(`SELECT z.second_of AS first, z.number, z.channel, z.address, z.state,
		CASE WHEN `+shut(`z.channel`)+` THEN ? ELSE coalesce((SELECT b.reason FROM suppressions AS b WHERE b.channel = z.channel AND b.address = z.address), '') END AS unused
		FROM subscribers AS z WHERE z.second_of > 0 AND z.state NOT IN ('pending', 'unsubscribed') AND `+in, string(subscribers.NoGateway), arg).Scan(&used).Error; err != nil {
		return fmt.Errorf("read second addresses: %w", err)
	}
	for _, f := range used {
		all[place[f.First]].Second = subscribers.Second{
			Channel: notifier.Channel(f.Channel), Address: f.Address, State: subscribers.State(f.State), Number: subscribers.Number(f.Number), Unused: subscribers.Reason(f.Unused),
		}
	}
	in, arg = s.among(`n.first`, numbers)
	var named []found
	if err := db.Raw(`SELECT n.first, n.channel, n.address, n.asked_at, coalesce(z.number, 0) AS number, coalesce(z.state, '') AS state FROM seconds AS n
		LEFT JOIN subscribers AS z ON z.channel = n.channel AND z.address = n.address AND z.second_of = n.first WHERE `+in, arg).Scan(&named).Error; err != nil {
		return fmt.Errorf("read second addresses: %w", err)
	}
	for _, f := range named {
		second := subscribers.Second{Channel: notifier.Channel(f.Channel), Address: f.Address, State: subscribers.State(f.State), Number: subscribers.Number(f.Number)}
		switch {
		case second.State == "" && !instant(f.AskedAt).Add(notifier.ConfirmLife+24*time.Hour).After(s.Now()):
			continue
		case second.State == "":
			second.State = subscribers.Pending
		case second.State != subscribers.Pending: // in use, or over
			continue
		}
		if who := &all[place[f.First]]; who.Second.Address == "" {
			who.Second = second
		} else {
			who.SecondNext = second
		}
	}
	return nil
}

// carrySecond lets a subscription that moved keep its second address, but where
// the new address has one already.
func (s *Store) carrySecond(ctx context.Context, tx *gorm.DB, m subscribers.Move) error {
	from, to := int64(m.From), int64(m.To)
	// It is nobody's second any more.
	if err := tx.Exec(`DELETE FROM seconds WHERE channel = 'email' AND address = ?`, m.ToAddress).Error; err != nil {
		return fmt.Errorf("carry the second address over: %w", err)
	}
	var has bool
	if err := tx.Raw(`SELECT EXISTS (SELECT 1 FROM seconds WHERE first = ?) OR EXISTS (SELECT 1 FROM subscribers WHERE second_of = ? AND second_of > 0 AND state <> 'unsubscribed')`, to, to).
		Scan(&has).Error; err != nil {
		return fmt.Errorf("look for the second address: %w", err)
	}
	if has {
		return s.endSecond(ctx, tx, m.From)
	}
	for _, query := range []string{
		`UPDATE subscribers SET second_of = ? WHERE second_of = ? AND second_of > 0`,
		`INSERT INTO seconds (first, channel, address, asked_at) SELECT CAST(? AS bigint), channel, address, asked_at FROM seconds WHERE first = ?`,
		`UPDATE signups SET second_of = ? WHERE second_of = ?`,
	} {
		if err := tx.Exec(query, to, from).Error; err != nil {
			return fmt.Errorf("carry the second address over: %w", err)
		}
	}
	if err := tx.Exec(`DELETE FROM seconds WHERE first = ?`, from).Error; err != nil {
		return fmt.Errorf("carry the second address over: %w", err)
	}
	return nil
}

// eraseSeconds forgets the second addresses of whoever is forgotten.
func (s *Store) eraseSeconds(ctx context.Context, tx *gorm.DB, first subscriberRow) error {
	var rows []subscriberRow
	if err := tx.Raw(`SELECT * FROM subscribers WHERE second_of = ? AND second_of > 0 ORDER BY number`, first.Number).Scan(&rows).Error; err != nil {
		return fmt.Errorf("look for second addresses: %w", err)
	}
	if len(rows) > 0 { // else what waits for them would go back to the first
		if err := s.withdraw(ctx, tx, notifier.Channel(first.Channel), first.Address, true); err != nil {
			return err
		}
	}
	for _, r := range rows {
		if err := s.erase(ctx, tx, person{r.Channel, r.Address}, []string{r.Address}, []subscriberRow{r}); err != nil {
			return err
		}
		if err := s.audit(ctx, tx, "subscriber.erase", subscribers.Number(r.Number).String(), "second address"); err != nil {
			return err
		}
	}
	return wrapped("forget whom to ask", tx.Exec(`DELETE FROM signups WHERE second_of = ?`, first.Number).Error)
}

// endSecondsOf ends the second address of whoever has an address.
func (s *Store) endSecondsOf(ctx context.Context, tx *gorm.DB, channel notifier.Channel, address string) error {
	var firsts []int64
	if err := tx.Raw(`SELECT DISTINCT f.number FROM subscribers AS f JOIN seconds AS n ON n.first = f.number WHERE f.channel = ? AND f.address = ?
		UNION SELECT f.number FROM subscribers AS f JOIN subscribers AS z ON z.second_of = f.number AND z.second_of > 0 AND z.state <> 'unsubscribed' WHERE f.channel = ? AND f.address = ?`,
		string(channel), address, string(channel), address).Scan(&firsts).Error; err != nil {
		return fmt.Errorf("look for whose second address ends: %w", err)
	}
	for _, n := range firsts {
		if err := s.endSecond(ctx, tx, subscribers.Number(n)); err != nil {
			return err
		}
	}
	return nil
}

// endIfSecond ends the second address that staff gave a subscriber who never
// confirmed.
func (s *Store) endIfSecond(ctx context.Context, tx *gorm.DB, first int64) error {
	var some bool
	if err := tx.Raw(`SELECT EXISTS (SELECT 1 FROM seconds WHERE first = ?)`, first).Scan(&some).Error; err != nil || !some {
		return wrapped("look for the second address", err)
	}
	return s.endSecond(ctx, tx, subscribers.Number(first))
}

// returnSecond gives whoever takes back that they left the second address that
// ended with it, as it was, unless its owner left meanwhile.
func (s *Store) returnSecond(ctx context.Context, first subscribers.Number, left time.Time) error {
	return s.write(ctx, func(ctx context.Context, tx *gorm.DB) error {
		var rows []subscriberRow
		if err := tx.Raw(`SELECT * FROM subscribers WHERE second_of = ? AND second_of > 0 AND state = 'unsubscribed' AND with_first AND confirmed_at > 0 AND unsubscribed_at >= ? ORDER BY number LIMIT 1`,
			int64(first), micros(left)).Scan(&rows).Error; err != nil {
			return fmt.Errorf("look for the second address: %w", err)
		}
		for _, r := range rows {
			second := subscribers.Second{Channel: notifier.Channel(r.Channel), Address: r.Address}
			barred, err := suppressed(tx, second.Channel, []string{second.Address})
			if err != nil {
				return err
			}
			if barred[second.Address] {
				continue
			}
			if _, err := s.ChangeSubscriber(ctx, subscribers.Number(r.Number), func(x *subscribers.Subscriber) error {
				if x.EndedWithFirst() {
					x.State = x.Left.From
				}
				return nil
			}); err != nil {
				return err
			}
			if err := s.nameSecond(tx, first, second); err != nil {
				return err
			}
		}
		return nil
	})
}
