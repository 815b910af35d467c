package store

import (
	"context"
	"fmt"
	"slices"

	"gorm.io/gorm"

	"allclear/notifier"
)

// withdraw ends the open deliveries of an address as suppressed, those in
// flight too, in the transaction of what ended its right to them (I5). all is
// for an address that may not be written to at all; without it confirmations
// that were asked for still go out. The fan-out waits meanwhile, so that it
// sees either the deliveries' end or the reader's. spellings are what else the
// address is written like by files of recipients.
func (s *Store) withdraw(_ context.Context, tx *gorm.DB, channel notifier.Channel, address string, all bool, spellings ...string) error {
	if err := s.lockFanout(tx, false); err != nil {
		return err
	}
	// No index leads from an address to its deliveries: their keys are made
	// from the events that have open ones.
	var ids []int64
	if err := tx.Raw(`SELECT DISTINCT c.event_number * 4294967296 + r.number FROM subscribers AS r
		JOIN event_counts AS c ON c.channel = r.channel AND c.unsettled > 0
		JOIN events AS e ON e.number = c.event_number AND e.reader IN (0, r.number)
		WHERE r.channel = ? AND r.address = ?`, string(channel), address).Scan(&ids).Error; err != nil {
		return fmt.Errorf("find a reader's open deliveries: %w", err)
	}
	var seconds []int64 // what the reader is told, their second address is told for them
	if err := tx.Raw(`SELECT DISTINCT c.event_number * 4294967296 + z.number FROM subscribers AS r JOIN subscribers AS z ON z.second_of = r.number AND z.second_of > 0
		JOIN event_counts AS c ON c.channel = z.channel AND c.unsettled > 0
		JOIN events AS e ON e.number = c.event_number AND e.reader = 0
		WHERE r.channel = ? AND r.address = ?`, string(channel), address).Scan(&seconds).Error; err != nil {
		return fmt.Errorf("find what waits for a second address: %w", err)
	}
	if all { // what is mailed to who looks after an endpoint, and as that, and as the contact of groups, too
		var more []int64
		if err := tx.Raw(`SELECT DISTINCT e.number * 4294967296 + r.number FROM subscribers AS r
			JOIN events AS e ON e.reader = r.number AND (e.type = ? OR r.channel = 'webhook')
			WHERE r.contact <> '' AND (r.channel = ? OR r.channel = 'webhook' AND ? = 'email') AND r.contact = ?`,
			string(notifier.SubscriberOwner), string(channel), string(channel), address).Scan(&more).Error; err != nil {
			return fmt.Errorf("find what a contact waits for: %w", err)
		}
		if channel == notifier.Webhook {
			var mails []int64
			if err := tx.Raw(`SELECT e.number * 4294967296 + r.number FROM subscribers AS r JOIN events AS e ON e.reader = r.number
				WHERE r.channel = ? AND r.address = ?`, string(channel), address).Scan(&mails).Error; err != nil {
				return fmt.Errorf("find what a contact waits for: %w", err)
			}
			more = append(more, mails...)
		}
		ids = append(ids, more...)
		// Notices go to those who unsubscribed, but not to who may not be written to.
		if more, err := s.noticeKeys(tx, []notifier.Channel{channel}, append(spellings, address)); err != nil {
			return err
		} else if len(more) > 0 {
			ids = append(ids, more...)
		}
	}
	return s.suppressKeys(tx, append(ids, seconds...), all, seconds...)
}

// withdrawOwn ends what is open of one subscriber's number, whatever its lane,
// and nothing else that is for its address: notices, and mails to it as
// somebody's contact, are not its subscription's.
func (s *Store) withdrawOwn(tx *gorm.DB, number int64) error {
	if err := s.lockFanout(tx, false); err != nil {
		return err
	}
	var ids []int64
	if err := tx.Raw(`SELECT DISTINCT c.event_number * 4294967296 + CAST(? AS bigint) FROM event_counts AS c
		JOIN events AS e ON e.number = c.event_number AND e.reader IN (0, ?) WHERE c.unsettled > 0`, number, number).Scan(&ids).Error; err != nil {
		return fmt.Errorf("find a subscriber's open deliveries: %w", err)
	}
	return s.suppressKeys(tx, ids, true)
}

// suppressKeys ends open deliveries; without all, confirmations go on. What of it
// was for second addresses goes to the first ones, but for what ends with these.
func (s *Store) suppressKeys(tx *gorm.DB, ids []int64, all bool, withFirst ...int64) error {
	l := s.ledger(tx)
	rows, err := l.lockIDs(ids)
	if err != nil {
		return err
	}
	var back []*deliveryRow
	stopped := false
	for _, r := range rows {
		if r.State.Final() || !all && r.Lane == notifier.LaneConfirm {
			continue
		}
		r.rest(notifier.Suppressed)
		r.Awaited = false // what waits behind it is the same reader's, and ends too
		stopped = true
		if !slices.Contains(withFirst, r.ID) {
			back = append(back, r)
		}
	}
	if !stopped {
		return nil
	}
	due, err := l.tellFirst(back)
	if err != nil {
		return err
	}
	if err := l.save(); err != nil {
		return fmt.Errorf("end a reader's deliveries: %w", err)
	}
	if due {
		return s.bump(tx, "halts", "work")
	}
	return s.bump(tx, "halts")
}
