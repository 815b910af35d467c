package store

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"

	"gorm.io/gorm"

	"allclear/notifier"
	"allclear/subscribers"
)

// nobody stands in deliveries where an address was before it was erased: they
// are counted in their events' accounts, and so they stay.
const nobody = "erased"

// EraseSubscriber forgets a subscriber: the address, every choice, and what
// peers answered about it. What waits for it is not sent. A mark that does not
// show the address keeps imports from bringing it back; its owner may subscribe
// anew.
func (s *Store) EraseSubscriber(ctx context.Context, n subscribers.Number) error {
	err := s.write(ctx, func(ctx context.Context, tx *gorm.DB) error {
		over, err := s.overwrite(ctx, tx)
		if err != nil {
			return err
		}
		defer over()
		var row subscriberRow
		if err := tx.Where("number = ?", int64(n)).Take(&row).Error; err != nil {
			return fmt.Errorf("subscriber %s: %w", n, err)
		}
		channel := notifier.Channel(row.Channel)
		if err := s.withdraw(ctx, tx, channel, row.Address, true); err != nil {
			return err
		}
		if err := s.forgetDeliveries(tx, int64(n)); err != nil {
			return err
		}
		if err := s.forgetContact(tx, row.Channel, row.Address); err != nil {
			return err
		}
		if err := s.forgetRecipient(tx, channel, row.Address); err != nil {
			return err
		}
		if err := tx.Exec(`DELETE FROM signups WHERE channel = ? AND address = ? OR contact = ? AND ? = 'email'`, row.Channel, row.Address, row.Address, row.Channel).Error; err != nil {
			return fmt.Errorf("forget what was asked for: %w", err)
		}
		if err := tx.Exec(`DELETE FROM subscribers WHERE number = ?`, int64(n)).Error; err != nil {
			return fmt.Errorf("delete the subscriber: %w", err)
		}
		key, err := s.erasedKey(tx, channel)
		if err != nil {
			return err
		}
		if err := tx.Exec(`INSERT INTO suppressions (channel, address, reason, created_at) VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING`,
			row.Channel, key(row.Address), string(subscribers.ReasonErased), micros(s.Now())).Error; err != nil {
			return fmt.Errorf("mark the address as erased: %w", err)
		}
		return s.audit(ctx, tx, "subscriber.erase", n.String(), "")
	})
	if _, joined := ctx.Value(txKey{}).(*gorm.DB); (err == nil || ctx.Err() != nil) && s.dialect == sqlite && !joined {
		s.emptyLog(context.WithoutCancel(ctx))
	}
	return err
}

// overwrite has SQLite overwrite what is taken out of a page, until over is called.
func (s *Store) overwrite(ctx context.Context, tx *gorm.DB) (over func(), err error) {
	if s.dialect != sqlite {
		return func() {}, nil
	}
	if err := tx.Exec(`PRAGMA secure_delete = 1`).Error; err != nil {
		return nil, fmt.Errorf("ask SQLite to overwrite: %w", err)
	}
	return func() { tx.WithContext(context.WithoutCancel(ctx)).Exec(`PRAGMA secure_delete = 0`) }, nil
}

// forgetDeliveries takes everything personal from a reader's deliveries.
func (s *Store) forgetDeliveries(tx *gorm.DB, reader int64) error {
	var ids []int64
	if err := tx.Raw(`SELECT d.id FROM events AS e JOIN deliveries AS d ON d.id = e.number * 4294967296 + ? WHERE e.reader IN (0, ?)`,
		reader, reader).Scan(&ids).Error; err != nil {
		return fmt.Errorf("find a reader's deliveries: %w", err)
	}
	if err := tx.Exec(`DELETE FROM attempts WHERE reader = ?`, reader).Error; err != nil {
		return fmt.Errorf("forget what an endpoint answered: %w", err)
	}
	if err := tx.Exec(`DELETE FROM digest_readers WHERE reader = ?`, reader).Error; err != nil {
		return fmt.Errorf("forget what digests told: %w", err)
	}
	if len(ids) == 0 {
		return nil
	}
	in, arg := s.among("id", ids)
	if err := tx.Exec(`UPDATE deliveries SET address = ?, language = '', timezone = '', reply = '', remote = '' WHERE `+in, nobody, arg).Error; err != nil {
		return fmt.Errorf("forget a reader's deliveries: %w", err)
	}
	return nil
}

// endpointsOf is the channel whose contacts have addresses on a channel: those
// of endpoints are mail.
const endpointsOf = `CASE WHEN ? = 'email' THEN 'webhook' END`

// forgetContact takes an address from the groups and endpoints that it is the
// contact of, and from what was mailed to it as such. They stay groups: no
// reader of theirs may end the subscription of all, and staff name another
// contact.
func (s *Store) forgetContact(tx *gorm.DB, channel, address string) error {
	var ids []int64
	if err := tx.Raw(`SELECT e.number * 4294967296 + r.number FROM subscribers AS r JOIN events AS e ON e.reader = r.number AND (e.type = ? OR r.channel = 'webhook')
		WHERE r.contact <> '' AND r.channel IN (?, `+endpointsOf+`) AND r.contact = ?`, string(notifier.SubscriberOwner), channel, channel, address).Scan(&ids).Error; err != nil {
		return fmt.Errorf("find what a group's owner was mailed: %w", err)
	}
	if len(ids) > 0 {
		in, arg := s.among("id", ids)
		if err := tx.Exec(`UPDATE deliveries SET address = ?, reply = '', remote = '' WHERE address = ? AND `+in, nobody, address, arg).Error; err != nil {
			return fmt.Errorf("forget what a group's owner was mailed: %w", err)
		}
	}
	if err := tx.Exec(`UPDATE subscribers SET contact = ? WHERE contact <> '' AND channel IN (?, `+endpointsOf+`) AND contact = ?`, nobody, channel, channel, address).Error; err != nil {
		return fmt.Errorf("forget a group's owner: %w", err)
	}
	return nil
}

// erasedKey makes what stands in suppressions for an erased address: a keyed
// hash, which shows no address. The key is the database's identity, so that a
// command without the service's secret knows it too; whoever has a whole copy
// can therefore try addresses out, as they could with the rest of it.
func (s *Store) erasedKey(tx *gorm.DB, channel notifier.Channel) (func(address string) string, error) {
	var identity int64
	if err := tx.Raw(`SELECT value FROM counters WHERE name = 'identity'`).Scan(&identity).Error; err != nil {
		return nil, fmt.Errorf("read the database's identity: %w", err)
	}
	return func(address string) string {
		h := hmac.New(sha256.New, fmt.Appendf(nil, "allclear erased %d", identity))
		h.Write([]byte(string(channel) + " " + strings.ToLower(address)))
		return erasedPrefix + hex.EncodeToString(h.Sum(nil)[:16])
	}, nil
}

const erasedPrefix = "erased:"

// erased tells which of the addresses asked to be forgotten.
func (s *Store) erased(tx *gorm.DB, channel notifier.Channel, addresses []string) (map[string]bool, error) {
	key, err := s.erasedKey(tx, channel)
	if err != nil {
		return nil, err
	}
	keys, of := make([]string, len(addresses)), make(map[string][]string, len(addresses))
	for i, a := range addresses {
		keys[i] = key(a)
		of[keys[i]] = append(of[keys[i]], a)
	}
	found, err := suppressed(tx, channel, keys)
	if err != nil {
		return nil, err
	}
	out := map[string]bool{}
	for k := range found {
		for _, a := range of[k] {
			out[a] = true
		}
	}
	return out, nil
}
