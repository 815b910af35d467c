package store

import (
	"context"
	"fmt"
	"time"

	"gorm.io/gorm"

	"allclear/notifier"
	"allclear/subscribers"
)

// A second address is a subscriber's row of its own, which names its first. All
// that it is told is the first's to choose: the fan-out reads that from the
// first's row (store/expandsecond.go), so that nothing has to be kept in step.
// The table of seconds holds what was asked for, whatever is known of the
// address, so that the answer tells nothing about it.

// AskSecond notes that a subscriber names a second address, and queues the
// question to it as a sign-up: the same answer in the same time, whatever is
// known of the address, and the same budgets. One that is confirmed stays in use
// until this one is. A Refusal of ErrConflict: it asked too often, or its
// subscription has ended; an *notifier.Invalid for second: the address is no help.
func (s *Store) AskSecond(ctx context.Context, n subscribers.Number, x subscribers.SignUp) error {
	return s.write(ctx, func(ctx context.Context, tx *gorm.DB) error {
		first, err := s.subscriberForMove(tx, n)
		if err != nil {
			return err
		}
		second := subscribers.Second{Channel: x.Channel, Address: x.Address}
		if err := s.suits(ctx, tx, first, second); err != nil {
			return err
		}
		if ok, err := s.afford(tx, subscribers.SignUpLimits(), subscribers.Purse{Scope: subscribers.PerContact, Key: "second " + n.String()}); err != nil || !ok {
			if err == nil {
				err = notifier.Refuse(notifier.ErrConflict, "second addresses were named several times today; do so again tomorrow")
			}
			return err
		}
		if named := first.NamedSecond(); !named.Same(second) {
			if err := s.endAskedSecond(ctx, tx, n); err != nil {
				return err
			}
		}
		if err := s.nameSecond(tx, n, second); err != nil {
			return err
		}
		if err := s.audit(ctx, tx, "subscriber.ask_second", n.String(), string(second.Channel)); err != nil {
			return err
		}
		second.Dress(&x.Subscriber, first)
		return s.QueueSignUp(ctx, x)
	})
}

// suits is subscribers.Suits by what is kept.
func (s *Store) suits(ctx context.Context, tx *gorm.DB, first subscribers.Subscriber, second subscribers.Second) error {
	own, err := ownDomains(tx)
	if err != nil {
		return err
	}
	if !first.State.Movable() {
		return notifier.Refuse(notifier.ErrConflict, "a subscription that is %s has no second address", first.State)
	}
	if err := first.Suits(own, second); err != nil {
		return err
	}
	return s.leavable(ctx, second)
}

func (s *Store) nameSecond(tx *gorm.DB, first subscribers.Number, second subscribers.Second) error {
	if err := tx.Exec(`INSERT INTO seconds (first, channel, address, asked_at) VALUES (?, ?, ?, ?)
		ON CONFLICT (first) DO UPDATE SET channel = excluded.channel, address = excluded.address, asked_at = excluded.asked_at`,
		int64(first), string(second.Channel), second.Address, micros(s.Now())).Error; err != nil {
		return fmt.Errorf("write the second address: %w", err)
	}
	return nil
}

// SetSecond writes a subscriber's second address as staff say: one that is
// Pending is asked to confirm by the event that confirm makes, and takes the
// place of a confirmed one when it does; one that is Active has agreed elsewhere.
// The zero Second ends what there is. A Refusal of ErrConflict: the address is
// suppressed, left (unless Again), or has a subscription of its own; an
// *notifier.Invalid for second: it is no help.
func (s *Store) SetSecond(ctx context.Context, n subscribers.Number, second subscribers.Second, confirm func(subscribers.Subscriber) *notifier.Event) (subscribers.Subscriber, error) {
	var out subscribers.Subscriber
	err := s.write(ctx, func(ctx context.Context, tx *gorm.DB) error {
		first, err := s.subscriberForMove(tx, n)
		if err != nil {
			return err
		}
		if second.State == "" {
			second.State = subscribers.Pending
		}
		switch was, asked := first.Second, first.SecondNext; {
		case second.Address == "" && was.Address == "":
		case second.Address == "":
			err = s.endSecond(ctx, tx, n)
		case was.Number > 0 && was.Same(second) && was.State != subscribers.Pending:
			if asked.Address != "" { // staff take the word back
				if err = s.endAskedSecond(ctx, tx, n); err == nil {
					err = s.nameSecond(tx, n, second)
				}
			}
		case asked.Number > 0 && asked.Same(second):
			err = s.agreeSecond(ctx, asked, second)
		case was.Number > 0 && was.Same(second):
			err = s.agreeSecond(ctx, was, second)
		default:
			err = s.addSecond(ctx, tx, first, second, confirm)
		}
		if err != nil {
			return err
		}
		out, err = s.subscriberForMove(tx, n)
		return err
	})
	return out, err
}

// agreeSecond makes one that was asked active, where that is what staff say.
func (s *Store) agreeSecond(ctx context.Context, asked, want subscribers.Second) error {
	if want.State == subscribers.Pending {
		return nil
	}
	if err := s.leavable(ctx, want); err != nil {
		return err
	}
	_, err := s.ChangeSubscriber(ctx, asked.Number, func(x *subscribers.Subscriber) error {
		if !x.Unsubscribed.IsZero() && !want.Again {
			return secondLeft(x.Unsubscribed)
		}
		x.State, x.ConfirmedAt = subscribers.Active, s.Now()
		return nil
	})
	return err
}

// secondLeft refuses to bring back who left: whose list it is may not know that.
func secondLeft(at time.Time) error {
	return notifier.Refuse(notifier.ErrConflict, "the second address left on %s; by API it can be asked to confirm, or made active with second.again if its owner has asked to come back", at.UTC().Format("2006-01-02 15:04 UTC"))
}

func (s *Store) addSecond(ctx context.Context, tx *gorm.DB, first subscribers.Subscriber, second subscribers.Second, confirm func(subscribers.Subscriber) *notifier.Event) error {
	if first.State == subscribers.Pending { // who is asked as well, and told nothing before
		first.State = subscribers.Active
	}
	if err := s.suits(ctx, tx, first, second); err != nil {
		return err
	}
	// The fan-out first, which is kept out by what ends; from here on nobody else adds one.
	if err := s.lockFanout(tx, false); err != nil {
		return err
	}
	last, err := next(tx, "subscriber", 0)
	if err != nil {
		return err
	}
	// What is refused is refused before anything ends: a file's other rows go on.
	barred, err := suppressed(tx, second.Channel, []string{second.Address})
	if err != nil {
		return err
	}
	if barred[second.Address] {
		return notifier.Refuse(notifier.ErrConflict, "the second address is suppressed; lift the suppression first")
	}
	if second.State != subscribers.Pending {
		gone, err := s.erased(tx, second.Channel, []string{second.Address})
		if err != nil {
			return err
		}
		if gone[second.Address] {
			return notifier.Refuse(notifier.ErrConflict, "the owner of the second address asked to be forgotten; it can only be asked to confirm")
		}
	}
	there, err := subscribersAt(tx, second.Channel, []string{second.Address})
	if err != nil {
		return err
	}
	if was, known := there[second.Address]; known && was.State != string(subscribers.Unsubscribed) && was.SecondOf != int64(first.Number) {
		return notifier.Refuse(notifier.ErrConflict, "the second address has a subscription of its own, and is told by that")
	} else if known && was.UnsubscribedAt > 0 && !second.Again {
		return secondLeft(instant(was.UnsubscribedAt))
	}
	end := s.endSecond
	if second.State == subscribers.Pending { // what is confirmed stays in use until this one is
		end = s.endAskedSecond
	}
	if err := end(ctx, tx, first.Number); err != nil {
		return err
	}
	if there, err = subscribersAt(tx, second.Channel, []string{second.Address}); err != nil {
		return err
	}
	var who subscribers.Subscriber
	second.Dress(&who, first)
	who.State = second.State
	if who.State == subscribers.Active {
		who.ConfirmedAt = s.Now()
	}
	was, known := there[second.Address]
	switch {
	case known:
		old := was.subscriber()
		who.Number = old.Number
		if who.State == subscribers.Pending {
			who.Unsubscribed, who.Left = old.Unsubscribed, old.Left
		}
		s.stamp(&who)
		if err = s.rewriteSubscriber(tx, was, who); err == nil {
			err = renewEndpoint(tx, who)
		}
	default:
		if _, err := next(tx, "subscriber", 1); err != nil {
			return err
		}
		who.Number = subscribers.Number(last + 1)
		s.stamp(&who)
		err = s.addSubscribers(tx, []subscribers.Subscriber{who})
	}
	if err != nil {
		return err
	}
	if err := s.nameSecond(tx, first.Number, second); err != nil {
		return err
	}
	if err := s.audit(ctx, tx, "subscriber.set_second", first.Number.String(), who.Number.String()+" "+string(who.State)); err != nil {
		return err
	}
	if who.State != subscribers.Pending || confirm == nil {
		return nil
	}
	e := confirm(who)
	if e == nil {
		return nil
	}
	ask := *e
	ask.Reader, ask.IncidentID = int64(who.Number), ""
	return s.accept(tx, &ask)
}

// SetSecondAt is SetSecond for whoever has the address of first.
func (s *Store) SetSecondAt(ctx context.Context, first subscribers.Subscriber, second subscribers.Second, confirm func(subscribers.Subscriber) *notifier.Event) error {
	return s.write(ctx, func(ctx context.Context, tx *gorm.DB) error {
		var n []int64
		if err := tx.Raw(`SELECT number FROM subscribers WHERE channel = ? AND address = ?`, string(first.Channel), first.Address).Scan(&n).Error; err != nil {
			return fmt.Errorf("look for who names a second address: %w", err)
		}
		if len(n) == 0 {
			return notifier.Refuse(notifier.ErrNotFound, "there is no such subscriber")
		}
		_, err := s.SetSecond(ctx, subscribers.Number(n[0]), second, confirm)
		return err
	})
}

// RemoveSecond ends a subscriber's second address; there need be none.
func (s *Store) RemoveSecond(ctx context.Context, n subscribers.Number) error {
	_, err := s.SetSecond(ctx, n, subscribers.Second{}, nil)
	return err
}

// endSecond ends the second address that a subscriber named, and the one that
// was to take its place.
func (s *Store) endSecond(ctx context.Context, tx *gorm.DB, first subscribers.Number) error {
	if err := s.endSeconds(ctx, tx, endAlone, `second_of = ? AND second_of > 0 AND state <> 'unsubscribed'`, int64(first)); err != nil {
		return err
	}
	return s.forgetNamed(ctx, tx, first)
}

// endWithFirst is endSecond where the subscriber left, which may be taken back.
func (s *Store) endWithFirst(ctx context.Context, tx *gorm.DB, first subscribers.Number) error {
	if err := s.endSeconds(ctx, tx, (*subscribers.Subscriber).EndWithFirst, `second_of = ? AND second_of > 0 AND state <> 'unsubscribed'`, int64(first)); err != nil {
		return err
	}
	return s.forgetNamed(ctx, tx, first)
}

// endAlone ends a second address while its first goes on, or for good.
func endAlone(x *subscribers.Subscriber, now time.Time) {
	x.State, x.Unsubscribed = subscribers.Unsubscribed, now
}

// endAskedSecond ends the one that was named last, where its owner did not
// confirm it.
func (s *Store) endAskedSecond(ctx context.Context, tx *gorm.DB, first subscribers.Number) error {
	if err := s.endSeconds(ctx, tx, endAlone, `second_of = ? AND second_of > 0 AND state = 'pending'`, int64(first)); err != nil {
		return err
	}
	return s.forgetNamed(ctx, tx, first)
}

func (s *Store) forgetNamed(ctx context.Context, tx *gorm.DB, first subscribers.Number) error {
	if err := tx.Exec(`DELETE FROM signups WHERE second_of = ?`, int64(first)).Error; err != nil {
		return fmt.Errorf("forget whom to ask: %w", err)
	}
	done := tx.Exec(`DELETE FROM seconds WHERE first = ?`, int64(first))
	if done.Error != nil {
		return fmt.Errorf("end the second address: %w", done.Error)
	}
	if done.RowsAffected == 0 {
		return nil
	}
	return s.audit(ctx, tx, "subscriber.end_second", first.String(), "")
}

// endReplaced ends the second address whose place another takes, which has just
// been confirmed.
func (s *Store) endReplaced(ctx context.Context, tx *gorm.DB, by subscribers.Subscriber) error {
	return s.endSeconds(ctx, tx, endAlone, `second_of = ? AND second_of > 0 AND state NOT IN ('pending', 'unsubscribed') AND number <> ?`, int64(by.SecondOf), int64(by.Number))
}

// endSeconds ends second addresses, as end does those that are confirmed. One that never confirmed is forgotten, one
// that had left before has left again, and one whose owner wishes for their own
// subscription has that to confirm. Only what its own number is told ends:
// whoever names an address has no say in what else it gets.
func (s *Store) endSeconds(ctx context.Context, tx *gorm.DB, end func(*subscribers.Subscriber, time.Time), which string, args ...any) error {
	var rows []subscriberRow
	if err := tx.Raw(`SELECT * FROM subscribers WHERE `+which+` ORDER BY number`, args...).Scan(&rows).Error; err != nil {
		return fmt.Errorf("look for the second address: %w", err)
	}
	for _, r := range rows {
		if err := s.withdrawOwn(tx, r.Number); err != nil {
			return err
		}
		own, wishes, err := s.wished(tx, r)
		switch {
		case err != nil:
		case wishes: // and waits for their word
			err = s.turnOwn(ctx, tx, r, own)
		case r.State != string(subscribers.Pending):
			_, err = s.ChangeSubscriber(ctx, subscribers.Number(r.Number), func(x *subscribers.Subscriber) error {
				end(x, s.Now())
				return nil
			})
		case r.UnsubscribedAt > 0:
			err = s.leaveAgain(ctx, tx, r.Number)
		default:
			err = s.forget(ctx, tx, r.Number, "never confirmed")
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// wanted reports whether a sign-up for a second address is still wanted, and
// whether the row that is there may be asked: nobody's own subscription is
// turned into it.
func (d *registrar) wanted(x *subscribers.SignUp, was *subscriberRow) (subscribers.Fate, error) {
	var first []string
	if err := d.tx.Raw(`SELECT f.state FROM seconds AS n JOIN subscribers AS f ON f.number = n.first WHERE n.first = ? AND n.channel = ? AND n.address = ?`,
		int64(x.SecondOf), string(x.Channel), x.Address).Scan(&first).Error; err != nil {
		return "", fmt.Errorf("look for who named a second address: %w", err)
	}
	if len(first) == 0 || !subscribers.State(first[0]).Movable() {
		return subscribers.SignUpVoid, nil
	}
	if was == nil || was.State == string(subscribers.Unsubscribed) && !was.Shared ||
		was.State == string(subscribers.Pending) && was.SecondOf == int64(x.SecondOf) {
		return "", nil
	}
	return subscribers.SignUpKnown, nil
}
