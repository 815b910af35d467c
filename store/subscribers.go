package store

import (
	"context"
	"fmt"
	"reflect"
	"slices"
	"time"

	"gorm.io/gorm"
	"gorm.io/gorm/clause"

	"allclear/notifier"
	"allclear/subscribers"
)

// AddSubscriber writes a new subscriber and gives it its number. Where it is
// pending and confirm is not nil, the event that confirm makes is written with
// it. An address that left may come back: asking again is a new consent, under
// the old number. One that is there otherwise, or that is suppressed, is a
// Refusal of ErrConflict; an unknown component is an *notifier.Invalid. A second
// address that it names is for SetSecond to write, in the same transaction.
func (s *Store) AddSubscriber(ctx context.Context, who subscribers.Subscriber, confirm func(subscribers.Subscriber) *notifier.Event) (subscribers.Subscriber, error) {
	var out subscribers.Subscriber
	err := s.write(ctx, func(ctx context.Context, tx *gorm.DB) error {
		out = who
		if err := checkComponents(tx, out.Filter.Components); err != nil {
			return err
		}
		barred, err := suppressed(tx, out.Channel, []string{out.Address})
		if err != nil {
			return err
		}
		if barred[out.Address] {
			return notifier.Refuse(notifier.ErrConflict, "this address is suppressed; lift the suppression first")
		}
		if out.State != subscribers.Pending { // who is asked to confirm may say that it is wanted again
			gone, err := s.erased(tx, out.Channel, []string{out.Address})
			if err != nil {
				return err
			}
			if gone[out.Address] {
				return notifier.Refuse(notifier.ErrConflict, "the owner of this address asked to be forgotten; it can only be asked to confirm")
			}
		}
		s.stamp(&out)
		if err := s.keepOut(tx, &out); err != nil {
			return err
		}
		// From here on nobody else adds one, so that what is looked up stays so.
		number, err := next(tx, "subscriber", 0)
		if err != nil {
			return err
		}
		there, err := subscribersAt(tx, out.Channel, []string{out.Address})
		if err != nil {
			return err
		}
		if was, ok := there[out.Address]; !ok {
			if _, err := next(tx, "subscriber", 1); err != nil {
				return err
			}
			out.Number = subscribers.Number(number + 1)
			err = s.addSubscribers(tx, []subscribers.Subscriber{out})
		} else if out.Number = subscribers.Number(was.Number); mayWish(was) && out.State == subscribers.Active {
			err = s.turnOwn(ctx, tx, was, out)
		} else if mayWish(was) {
			return notifier.Refuse(notifier.ErrConflict, "this is the second address of subscriber %s; its owner can subscribe it by the form, or it is added as active", subscribers.Number(was.SecondOf))
		} else if was.State != string(subscribers.Unsubscribed) {
			return notifier.Refuse(notifier.ErrConflict, "this address is subscribed already")
		} else {
			if was.Shared && !out.Group { // what staff know of an address outlasts its subscription
				out.Group, out.Contact = true, was.Contact
			}
			if out.State == subscribers.Pending {
				old := was.subscriber()
				out.Unsubscribed, out.Left = old.Unsubscribed, old.Left
			}
			if err = s.rewriteSubscriber(tx, was, out); err == nil {
				err = renewEndpoint(tx, out)
			}
		}
		if err != nil {
			return err
		}
		if err := s.audit(ctx, tx, "subscriber.add", out.Number.String(), string(out.State)); err != nil {
			return err
		}
		if out.State != subscribers.Pending || confirm == nil {
			return nil
		}
		e := confirm(out)
		if e == nil {
			return nil
		}
		ask := *e
		ask.Reader, ask.IncidentID = int64(out.Number), ""
		return s.accept(tx, &ask)
	})
	if err != nil {
		return subscribers.Subscriber{}, err
	}
	return out, nil
}

// stamp fills in the times that a state needs, and keeps choices in order.
func (s *Store) stamp(who *subscribers.Subscriber) {
	chosen := slices.Clone(who.Filter.Components) // the caller's stay as they are
	slices.Sort(chosen)
	who.Filter.Components = slices.Compact(chosen)
	if who.CreatedAt.IsZero() {
		who.CreatedAt = s.Now()
	}
	if who.State == subscribers.Unsubscribed && who.Unsubscribed.IsZero() {
		who.Unsubscribed = s.Now()
	}
	if who.State != subscribers.Unsubscribed && who.State != subscribers.Pending { // who left and is asked again has left until they confirm
		who.Unsubscribed = time.Time{}
	}
	if who.Unsubscribed.IsZero() {
		who.Left = subscribers.Leave{}
	}
	if who.State != subscribers.Paused && (who.State != subscribers.Unsubscribed || who.Left.From != subscribers.Paused) {
		who.PausedUntil = time.Time{}
	}
}

// ChangeSubscriber writes what change makes of a subscriber, whose number,
// channel and address stay. Whoever stops being active, or leaves before
// confirming, is not sent what was waiting, and its second address ends with it;
// a second address that is confirmed takes the place of the one before. Where
// change leaves all as it was, nothing is written. change may run more than once.
func (s *Store) ChangeSubscriber(ctx context.Context, n subscribers.Number, change func(*subscribers.Subscriber) error) (subscribers.Subscriber, error) {
	var out subscribers.Subscriber
	err := s.write(ctx, func(ctx context.Context, tx *gorm.DB) error {
		// A first look tells whether the fan-out must be kept out, which comes
		// before every lock on a row.
		was, is, err := s.tryChange(tx, n, change)
		if err != nil {
			return err
		}
		if leaves(was, is) {
			if err := s.withdraw(ctx, tx, was.Channel, was.Address, was.State == subscribers.Pending); err != nil {
				return err
			}
		}
		if replaces(was, is) {
			if err := s.endReplaced(ctx, tx, is); err != nil {
				return err
			}
		}
		if turnsDigests(rowOfSubscriber(was), rowOfSubscriber(is)) {
			if err := s.lockFanout(tx, false); err != nil {
				return err
			}
		}
		before, after := was, is
		if was, is, err = s.tryChange(tx.Clauses(clause.Locking{Strength: "NO KEY UPDATE"}), n, change); err != nil {
			return err
		}
		if leaves(was, is) && !leaves(before, after) { // somebody came between
			if err := s.withdraw(ctx, tx, was.Channel, was.Address, was.State == subscribers.Pending); err != nil {
				return err
			}
		}
		if replaces(was, is) && !replaces(before, after) {
			if err := s.endReplaced(ctx, tx, is); err != nil {
				return err
			}
		}
		out = is
		if rowOfSubscriber(was) == rowOfSubscriber(is) && slices.Equal(was.Filter.Components, is.Filter.Components) {
			return nil // pressed again: neither a change nor an entry in the audit
		}
		if !slices.Equal(was.Filter.Components, is.Filter.Components) {
			if err := checkComponents(tx, is.Filter.Components); err != nil {
				return err
			}
		}
		if err := s.rewriteSubscriber(tx, rowOfSubscriber(was), is); err != nil {
			return err
		}
		detail := string(is.State)
		if was.State != is.State {
			detail = string(was.State) + " to " + detail
		}
		if err := s.audit(ctx, tx, "subscriber.change", n.String(), detail); err != nil {
			return err
		}
		if was.Second.Address == "" || is.State != subscribers.Unsubscribed || was.State == is.State {
			return nil
		}
		out.Second, out.SecondNext = subscribers.Second{}, subscribers.Second{}
		return s.endWithFirst(ctx, tx, n)
	})
	if err != nil {
		return subscribers.Subscriber{}, err
	}
	return out, nil
}

// replaces reports whether a second address has just been confirmed, so that the
// one before it ends.
func replaces(was, is subscribers.Subscriber) bool {
	return is.SecondOf > 0 && was.State == subscribers.Pending && is.State == subscribers.Active
}

func leaves(was, is subscribers.Subscriber) bool {
	return was.State != is.State && (was.State == subscribers.Active || is.State == subscribers.Unsubscribed)
}

// tryChange reads a subscriber and applies change to a copy.
func (s *Store) tryChange(tx *gorm.DB, n subscribers.Number, change func(*subscribers.Subscriber) error) (was, is subscribers.Subscriber, err error) {
	var row subscriberRow
	if err := tx.Where("number = ?", int64(n)).Take(&row).Error; err != nil {
		return was, is, fmt.Errorf("subscriber %s: %w", n, err)
	}
	found, err := s.fillSubscribers(tx.Session(&gorm.Session{NewDB: true}), []subscriberRow{row})
	if err != nil {
		return was, is, err
	}
	was, is = found[0], found[0]
	is.Filter.Components, is.Filter.Kinds = slices.Clone(was.Filter.Components), slices.Clone(was.Filter.Kinds)
	is.Filter.Types = slices.Clone(was.Filter.Types)
	if err := change(&is); err != nil {
		return was, is, err
	}
	is.SecondOf, is.Second, is.SecondNext = was.SecondOf, was.Second, was.SecondNext
	if is.SecondOf > 0 && (is.Cadence != was.Cadence || is.Critical || is.AllQuiet || is.Group || !reflect.DeepEqual(is.Filter, was.Filter)) {
		return was, is, notifier.Invalidf("second_of", "a second address is told what its first is; change that one")
	}
	if is.Number != was.Number || is.Channel != was.Channel || is.Address != was.Address {
		return was, is, notifier.Invalidf("address", "cannot be changed; subscribe the new address and end the old one")
	}
	if was.State == subscribers.Unsubscribed && is.State != was.State {
		barred, err := suppressed(tx, was.Channel, []string{was.Address})
		if err != nil {
			return was, is, err
		}
		if barred[was.Address] {
			return was, is, notifier.Refuse(notifier.ErrConflict, "this address is suppressed; lift the suppression first")
		}
	}
	s.stamp(&is)
	return was, is, nil
}

// addSubscribers inserts new rows with what they chose, by one statement each:
// a million rows of an import are not to be a million lists of parameters.
func (s *Store) addSubscribers(tx *gorm.DB, all []subscribers.Subscriber) error {
	rows := newBatch(len(all), "number bigint", "channel text", "address text", "state text", "severity bigint", "kinds bigint", "chooses boolean",
		"cadence text", "timezone text", "language text", "created_at bigint", "confirmed_at bigint", "unsubscribed_at bigint",
		"shared boolean", "contact text", "paused_until bigint", "left_by text", "left_from text", "left_reason text", "with_first boolean", "incident text",
		"types bigint", "format text", "quiet text", "hour bigint", "weekday bigint", "critical boolean", "all_quiet boolean", "mine boolean", "second_of bigint")
	chosen := newBatch(0, "subscriber bigint", "component_key text")
	for _, a := range all {
		r := rowOfSubscriber(a)
		rows.add(r.Number, &r.Channel, &r.Address, &r.State, int64(r.Severity), int64(r.Kinds), r.Chooses,
			&r.Cadence, &r.Timezone, &r.Language, r.CreatedAt, r.ConfirmedAt, r.UnsubscribedAt,
			r.Shared, &r.Contact, r.PausedUntil, &r.LeftBy, &r.LeftFrom, &r.LeftReason, r.WithFirst, &r.Incident,
			int64(r.Types), &r.Format, &r.Quiet, int64(r.Hour), int64(r.Weekday), r.Critical, r.AllQuiet, r.Mine, r.SecondOf)
		for _, c := range choices(a) {
			chosen.add(c.Subscriber, &c.ComponentKey)
		}
	}
	if err := rows.insert(s, tx, "subscribers"); err != nil {
		return fmt.Errorf("add subscribers: %w", err)
	}
	if err := chosen.insert(s, tx, "subscriber_components"); err != nil {
		return fmt.Errorf("add what subscribers chose: %w", err)
	}
	if err := s.addDigested(tx, all); err != nil {
		return err
	}
	return s.addEndpoints(tx, all)
}

func choices(s subscribers.Subscriber) []subscriberComponentRow {
	out := make([]subscriberComponentRow, len(s.Filter.Components))
	for i, c := range s.Filter.Components {
		out[i] = subscriberComponentRow{Subscriber: int64(s.Number), ComponentKey: c}
	}
	return out
}

// rewriteSubscriber replaces a row and what it chose.
func (s *Store) rewriteSubscriber(tx *gorm.DB, was subscriberRow, is subscribers.Subscriber) error {
	row := rowOfSubscriber(is)
	if row != was {
		if err := tx.Model(&subscriberRow{}).Where("number = ?", row.Number).Select("*").Updates(&row).Error; err != nil {
			return fmt.Errorf("change the subscriber: %w", err)
		}
		if err := s.turnDigests(tx, was, row); err != nil {
			return err
		}
	}
	if was.Channel == string(notifier.Webhook) && was.State == string(subscribers.Quarantined) && is.State == subscribers.Active {
		if err := enableEndpoint(tx, row.Number); err != nil {
			return err
		}
	}
	if was.Channel == string(notifier.Webhook) && was.Contact != is.Contact { // as the links of who looked after it before
		if err := tx.Exec(`UPDATE endpoints SET token_hash = NULL WHERE subscriber = ?`, row.Number).Error; err != nil {
			return fmt.Errorf("forget an endpoint's token: %w", err)
		}
	}
	if was.Chooses {
		if err := tx.Exec(`DELETE FROM subscriber_components WHERE subscriber = ?`, row.Number).Error; err != nil {
			return fmt.Errorf("change what the subscriber chose: %w", err)
		}
	}
	if chosen := choices(is); len(chosen) > 0 {
		if err := tx.CreateInBatches(chosen, 1000).Error; err != nil {
			return fmt.Errorf("change what the subscriber chose: %w", err)
		}
	}
	return nil
}

// subscribersAt reads the rows of addresses and locks them.
func subscribersAt(tx *gorm.DB, channel notifier.Channel, addresses []string) (map[string]subscriberRow, error) {
	out := make(map[string]subscriberRow, len(addresses))
	for part := range slices.Chunk(addresses, 500) {
		there, err := present(tx, "subscribers", channel, part)
		if err != nil {
			return nil, fmt.Errorf("look for subscribers: %w", err)
		}
		if len(there) == 0 {
			continue
		}
		var rows []subscriberRow
		if err := tx.Clauses(clause.Locking{Strength: "NO KEY UPDATE"}).Where("channel = ? AND address IN ?", string(channel), there).
			Order("number").Find(&rows).Error; err != nil {
			return nil, fmt.Errorf("look for subscribers: %w", err)
		}
		for _, r := range rows {
			out[r.Address] = r
		}
	}
	return out, nil
}

// present are those of addresses that stand in a table. On PostgreSQL each is
// looked up by itself: what it planned for a list while the table was small
// it would go on doing, reading all of it, while an import makes it large.
func present(tx *gorm.DB, table string, channel notifier.Channel, addresses []string) (found []string, err error) {
	if tx.Name() == postgres {
		return found, tx.Raw(`SELECT f.address FROM unnest(CAST(? AS text[])) AS a(address)
			CROSS JOIN LATERAL (SELECT t.address FROM `+table+` AS t WHERE t.channel = ? AND t.address = a.address LIMIT 1) AS f`,
			&addresses, string(channel)).Scan(&found).Error
	}
	return found, tx.Raw(`SELECT address FROM `+table+` WHERE channel = ? AND address IN ?`, string(channel), addresses).Scan(&found).Error
}
