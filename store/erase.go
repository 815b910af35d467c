package store

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
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
// anew. Where it is killed half-way the subscriber is still there, and can be
// erased again.
func (s *Store) EraseSubscriber(ctx context.Context, n subscribers.Number) error {
	var address string
	if err := s.conn(ctx).Raw(`SELECT address FROM subscribers WHERE number = ?`, int64(n)).Scan(&address).Error; err != nil {
		return translate(fmt.Errorf("subscriber %s: %w", n, err))
	}
	if address != "" { // else there is none, which the transaction says
		if _, err := s.forgetRejects(ctx, address); err != nil {
			return err
		}
	}
	return s.erasing(ctx, func() (string, error) {
		err := s.write(ctx, func(ctx context.Context, tx *gorm.DB) error {
			var row subscriberRow
			if err := tx.Where("number = ?", int64(n)).Take(&row).Error; err != nil {
				return fmt.Errorf("subscriber %s: %w", n, err)
			}
			address = row.Address
			if err := s.erase(ctx, tx, person{row.Channel, address}, []string{address}, []subscriberRow{row}); err != nil {
				return err
			}
			return s.audit(ctx, tx, "subscriber.erase", n.String(), "")
		})
		return address, err
	})
}

// EraseAddress is EraseSubscriber by address, in any case of its letters, and
// for those, too, who never subscribed: recipients of notices, who lives on a
// component, contacts, whoever asked to subscribe. It returns the subscribers
// that went with it. ErrNotFound where nothing is kept of the address.
func (s *Store) EraseAddress(ctx context.Context, channel notifier.Channel, address string) (erased []subscribers.Number, err error) {
	who := person{string(channel), address}
	in, err := s.spelled(s.conn(ctx), who)
	if err != nil {
		return nil, translate(err)
	}
	known, err := s.known(s.conn(ctx), who, in)
	if err != nil {
		return nil, translate(err)
	}
	// What could not be used of files comes first: where this is killed behind it,
	// the rest is still there to be found by who asks again.
	n, err := s.forgetRejects(ctx, address)
	if err != nil {
		return nil, err
	}
	if !known && n == 0 {
		return nil, notifier.Refuse(notifier.ErrNotFound, "nothing is kept of this address")
	}
	err = s.erasing(ctx, func() (string, error) {
		return address, s.write(ctx, func(ctx context.Context, tx *gorm.DB) error {
			erased = nil
			var rows []subscriberRow
			if err := tx.Where("channel = ? AND address IN ?", who.channel, in).Order("number").Find(&rows).Error; err != nil {
				return fmt.Errorf("find a subscriber: %w", err)
			}
			if err := s.erase(ctx, tx, who, in, rows); err != nil {
				return err
			}
			for _, r := range rows {
				erased = append(erased, subscribers.Number(r.Number))
				if err := s.audit(ctx, tx, "subscriber.erase", subscribers.Number(r.Number).String(), ""); err != nil {
					return err
				}
			}
			if len(rows) > 0 {
				return nil
			}
			key, err := s.erasedKey(tx, channel)
			if err != nil {
				return err
			}
			return s.audit(ctx, tx, "address.erase", key(address), "")
		})
	})
	return erased, err
}

// spelled are an address as it was given and, of mail, as subscribers, contacts
// and suppressions spell it, whatever the case of their letters.
func (s *Store) spelled(db *gorm.DB, who person) ([]string, error) {
	out := []string{who.address}
	if who.channel != string(notifier.Email) {
		return out, nil
	}
	// It reads through all subscribers, which who erases somebody can wait for.
	var found []string
	if err := db.Raw(`SELECT address FROM subscribers WHERE channel = 'email' AND lower(address) = ? UNION SELECT contact FROM subscribers WHERE contact <> '' AND lower(contact) = ?
		UNION SELECT address FROM suppressions WHERE channel = 'email' AND lower(address) = ?`, fold(who.address), fold(who.address), fold(who.address)).Scan(&found).Error; err != nil {
		return nil, fmt.Errorf("find a subscriber: %w", err)
	}
	return append(out, slices.DeleteFunc(found, func(a string) bool { return a == who.address })...), nil
}

// Twins are the addresses, of subscribers, contacts, suppressions and recipients
// of notices, that differ from this one in the case of letters only, in order.
// It reads through all subscribers.
func (s *Store) Twins(ctx context.Context, channel notifier.Channel, address string) ([]string, error) {
	db, who := s.conn(ctx), person{string(channel), address}
	all, err := s.spelled(db, who)
	if err != nil {
		return nil, translate(err)
	}
	recipients, err := s.spellings(db, who)
	if err != nil {
		return nil, translate(err)
	}
	all = append(all, recipients...)
	slices.Sort(all)
	return slices.DeleteFunc(slices.Compact(all), func(a string) bool { return a == address || fold(a) != fold(address) }), nil
}

// known reports whether anything is kept of an address beside rejected rows.
func (s *Store) known(db *gorm.DB, who person, in []string) (yes bool, err error) {
	recipients, err := s.spellings(db, who)
	if err != nil {
		return false, err
	}
	if err := db.Raw(`SELECT EXISTS (SELECT 1 FROM recipients WHERE channel = ? AND address IN ?)`, who.channel, append(recipients, "")).Scan(&yes).Error; err != nil || yes {
		return yes, err
	}
	err = db.Raw(`SELECT EXISTS (SELECT 1 FROM subscribers WHERE channel = ? AND address IN ?) OR EXISTS (SELECT 1 FROM subscribers WHERE contact <> '' AND channel IN (?, `+endpointsOf+`) AND contact IN ?)
		OR EXISTS (SELECT 1 FROM signups WHERE channel = ? AND address IN ? OR contact IN ? AND ? = 'email')
		OR EXISTS (SELECT 1 FROM suppressions WHERE channel = ? AND address IN ?)`,
		who.channel, in, who.channel, who.channel, in, who.channel, in, in, who.channel, who.channel, in).Scan(&yes).Error
	return yes, err
}

// spellings are the addresses among recipients that are this one but for the
// case of letters: the mark of who was erased makes no difference there either.
func (s *Store) spellings(db *gorm.DB, who person) (out []string, err error) {
	if who.channel != string(notifier.Email) {
		return []string{who.address}, nil
	}
	if err := db.Raw(`SELECT DISTINCT r.address FROM recipients AS r WHERE r.address IN ? AND r.channel = ?`, []string{who.address, fold(who.address)}, who.channel).Scan(&out).Error; err != nil {
		return nil, fmt.Errorf("find a recipient: %w", err)
	}
	var more []string
	if err := db.Raw(`SELECT DISTINCT r.address FROM recipients AS r WHERE r.folded = ? AND r.folded <> '' AND r.channel = ?`, fold(who.address), who.channel).Scan(&more).Error; err != nil {
		return nil, fmt.Errorf("find a recipient: %w", err)
	}
	return append(out, more...), nil
}

// erasing runs erase, then takes out of rejected rows what files that came
// meanwhile say of the address that it erased, and out of SQLite's log what
// stood there.
func (s *Store) erasing(ctx context.Context, erase func() (address string, err error)) error {
	address, err := erase()
	if err == nil {
		// Whoever asked may be gone: what is begun is ended.
		_, err = s.forgetRejects(context.WithoutCancel(ctx), address)
	}
	if _, joined := ctx.Value(txKey{}).(*gorm.DB); (err == nil || ctx.Err() != nil) && s.dialect == sqlite && !joined {
		s.emptyLog(context.WithoutCancel(ctx))
	}
	return err
}

// erase takes everything of an address, as in spells it, out of tables, but for
// rejected rows, and the subscribers who have it.
func (s *Store) erase(ctx context.Context, tx *gorm.DB, who person, in []string, rows []subscriberRow) error {
	for _, r := range rows {
		if err := s.eraseSeconds(ctx, tx, r); err != nil {
			return err
		}
	}
	over, err := s.overwrite(ctx, tx)
	if err != nil {
		return err
	}
	defer over()
	channel := notifier.Channel(who.channel)
	recipients, err := s.spellings(tx, who)
	if err != nil {
		return err
	}
	for _, address := range in { // as contacts spell it, too
		if err := s.withdraw(ctx, tx, channel, address, true, recipients...); err != nil {
			return err
		}
	}
	for _, r := range rows {
		if err := s.forgetDeliveries(tx, r.Number); err != nil {
			return err
		}
	}
	for _, address := range in {
		if err := s.forgetContact(tx, who.channel, address); err != nil {
			return err
		}
		if err := tx.Exec(`DELETE FROM signups WHERE channel = ? AND address = ? OR contact = ? AND ? = 'email'`, who.channel, address, address, who.channel).Error; err != nil {
			return fmt.Errorf("forget what was asked for: %w", err)
		}
		if err := tx.Exec(`DELETE FROM seconds WHERE channel = ? AND address = ?`, who.channel, address).Error; err != nil {
			return fmt.Errorf("forget for whom it was the second: %w", err)
		}
		// The mark bars it from here on, and shows nothing.
		if err := tx.Exec(`DELETE FROM suppressions WHERE channel = ? AND address = ?`, who.channel, address).Error; err != nil {
			return fmt.Errorf("forget why it was barred: %w", err)
		}
	}
	if err := s.forgetRecipients(tx, channel, recipients); err != nil {
		return err
	}
	for _, r := range rows {
		if err := tx.Exec(`DELETE FROM subscribers WHERE number = ?`, r.Number).Error; err != nil {
			return fmt.Errorf("delete the subscriber: %w", err)
		}
	}
	key, err := s.erasedKey(tx, channel)
	if err != nil {
		return err
	}
	if err := tx.Exec(`INSERT INTO suppressions (channel, address, reason, created_at) VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING`,
		who.channel, key(who.address), string(subscribers.ReasonErased), micros(s.Now())).Error; err != nil {
		return fmt.Errorf("mark the address as erased: %w", err)
	}
	return nil
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

// overwriting is work in whose transaction SQLite overwrites what is taken out.
func (s *Store) overwriting(ctx context.Context, do func(tx *gorm.DB) error) error {
	return s.work(ctx, func(ctx context.Context, tx *gorm.DB) error {
		over, err := s.overwrite(ctx, tx)
		if err != nil {
			return err
		}
		defer over()
		return do(tx)
	})
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
