package store

import (
	"context"
	"fmt"
	"net/netip"
	"time"

	"gorm.io/gorm"

	"allclear/notifier"
	"allclear/subscribers"
)

// keepEvidence writes one step of an opt-in, and its words where they are new.
func (s *Store) keepEvidence(tx *gorm.DB, n subscribers.Number, c subscribers.Consent, e subscribers.Evidence) error {
	if c.Words != "" {
		var err error
		if e.Version, err = keepWords(tx, c); err != nil {
			return err
		}
	}
	if err := tx.Exec(`INSERT INTO consents (subscriber, at, step, version, network) VALUES (?, ?, ?, ?, ?) ON CONFLICT DO NOTHING`,
		int64(n), micros(e.At), e.Step, e.Version, e.Network).Error; err != nil {
		return fmt.Errorf("keep the evidence of consent: %w", err)
	}
	return nil
}

// keepWords writes words where they are new, and returns by what name they are kept.
func keepWords(tx *gorm.DB, c subscribers.Consent) (version string, err error) {
	version = c.Version()
	if err := tx.Exec(`INSERT INTO consent_texts (version, words) VALUES (?, ?) ON CONFLICT DO NOTHING`, version, c.Words).Error; err != nil {
		return "", fmt.Errorf("keep the words agreed to: %w", err)
	}
	return version, nil
}

// ConfirmSubscriber makes a pending subscriber active, gives the owner of a second
// address the subscription that they wish for, and keeps from which network that
// was said. Anybody else stays as they are.
func (s *Store) ConfirmSubscriber(ctx context.Context, n subscribers.Number, network netip.Prefix) (subscribers.Subscriber, error) {
	var out subscribers.Subscriber
	err := s.write(ctx, func(ctx context.Context, tx *gorm.DB) error {
		now, confirmed := s.Now(), false
		who, err := s.Subscriber(ctx, n)
		if err != nil {
			return err
		}
		if who.Channel == notifier.Webhook { // which has something to prove, too
			h, err := s.confirmContact(ctx, tx, n, network)
			out = h.Subscriber
			return err
		}
		if who.Wishes {
			out, err = s.confirmOwn(ctx, tx, who, network)
			return err
		}
		out, err = s.ChangeSubscriber(ctx, n, func(x *subscribers.Subscriber) error {
			if confirmed = x.State == subscribers.Pending; confirmed {
				x.State, x.ConfirmedAt = subscribers.Active, now
			}
			return nil
		})
		if err != nil || !confirmed {
			return err
		}
		return s.keepConfirmation(tx, n, network, now)
	})
	if err != nil {
		return subscribers.Subscriber{}, err
	}
	return out, nil
}

// keepConfirmation is the evidence of the opt-in's last step.
func (s *Store) keepConfirmation(tx *gorm.DB, n subscribers.Number, network netip.Prefix, now time.Time) error {
	e := subscribers.Evidence{Step: subscribers.StepConfirmed, At: now}
	if network.IsValid() {
		e.Network = network.String()
	}
	// What is confirmed is what was asked for last.
	var versions []string
	if err := tx.Raw(`SELECT version FROM consents WHERE subscriber = ? AND step = ? ORDER BY at DESC LIMIT 1`, int64(n), subscribers.StepAsked).
		Scan(&versions).Error; err != nil {
		return fmt.Errorf("look for what was asked: %w", err)
	}
	if len(versions) > 0 {
		e.Version = versions[0]
	}
	return s.keepEvidence(tx, n, subscribers.Consent{}, e)
}

// Evidence is how a subscriber agreed, step by step.
func (s *Store) Evidence(ctx context.Context, n subscribers.Number) ([]subscribers.Evidence, error) {
	var rows []struct {
		At                            int64
		Step, Version, Network, Words string
	}
	if err := s.conn(ctx).Raw(`SELECT c.at, c.step, c.version, c.network, coalesce(t.words, '') AS words FROM consents AS c
		LEFT JOIN consent_texts AS t ON t.version = c.version WHERE c.subscriber = ? ORDER BY c.at, c.step`, int64(n)).Scan(&rows).Error; err != nil {
		return nil, translate(fmt.Errorf("read the evidence of consent: %w", err))
	}
	out := make([]subscribers.Evidence, len(rows))
	for i, r := range rows {
		out[i] = subscribers.Evidence{Step: r.Step, At: instant(r.At), Network: r.Network, Version: r.Version, Words: r.Words}
	}
	return out, nil
}

// ForgetUnconfirmed forgets at most max of those who were asked by the form's
// mail before a time, and not since, and did not confirm. Who had left before
// has left again: without the row an import would bring them back. Groups stay,
// because of what staff know of them. It returns how many it settled. Wishes for
// a subscription of one's own that were not confirmed in time go with them.
func (s *Store) ForgetUnconfirmed(ctx context.Context, before time.Time, max int) (int, error) {
	if err := s.forgetWishes(ctx); err != nil {
		return 0, err
	}
	const old = `SELECT s.number, s.unsubscribed_at FROM subscribers AS s WHERE s.state = 'pending' AND (s.unsubscribed_at > 0 OR NOT s.shared)
		AND EXISTS (SELECT 1 FROM consents AS c WHERE c.subscriber = s.number AND c.step = 'asked')
		AND NOT EXISTS (SELECT 1 FROM consents AS c WHERE c.subscriber = s.number AND c.at >= ?)
		AND s.created_at < ? ORDER BY s.number LIMIT ?`
	at := micros(before)
	var found []struct{ Number, UnsubscribedAt int64 }
	// A look first: where even an empty transaction would keep others from writing.
	if err := s.conn(ctx).Raw(old, at, at, max).Scan(&found).Error; err != nil {
		return 0, translate(fmt.Errorf("look for who did not confirm: %w", err))
	}
	if len(found) == 0 {
		return 0, nil
	}
	n := 0
	err := s.work(ctx, func(ctx context.Context, tx *gorm.DB) error {
		found = nil
		if err := tx.Raw(old+s.locked(), at, at, max).Scan(&found).Error; err != nil {
			return fmt.Errorf("look for who did not confirm: %w", err)
		}
		for _, f := range found {
			var err error
			if f.UnsubscribedAt > 0 {
				err = s.leaveAgain(ctx, tx, f.Number)
			} else {
				err = s.forget(ctx, tx, f.Number, "never confirmed")
			}
			if err != nil {
				return err
			}
		}
		n = len(found)
		return nil
	})
	return n, err
}

// forgetWishes forgets what nobody can confirm any more.
func (s *Store) forgetWishes(ctx context.Context) error {
	const over = ` FROM wishes WHERE asked_at <= ?`
	at := micros(s.Now().Add(-wishLife))
	var some bool
	if err := s.conn(ctx).Raw(`SELECT EXISTS (SELECT 1`+over+`)`, at).Scan(&some).Error; err != nil || !some {
		return translate(wrapped("look for wishes that are over", err))
	}
	return s.work(ctx, func(_ context.Context, tx *gorm.DB) error {
		return wrapped("forget wishes that are over", tx.Exec(`DELETE`+over, at).Error)
	})
}

// forget deletes a subscriber that nothing is to be remembered of.
func (s *Store) forget(ctx context.Context, tx *gorm.DB, number int64, why string) error {
	if err := s.endIfSecond(ctx, tx, number); err != nil {
		return err
	}
	if err := s.forgetDeliveries(tx, number); err != nil {
		return err
	}
	if err := tx.Exec(`DELETE FROM subscribers WHERE number = ?`, number).Error; err != nil {
		return fmt.Errorf("forget a subscriber: %w", err)
	}
	return s.audit(ctx, tx, "subscriber.forget", subscribers.Number(number).String(), why)
}

func (s *Store) leaveAgain(ctx context.Context, tx *gorm.DB, number int64) error {
	if err := s.endIfSecond(ctx, tx, number); err != nil {
		return err
	}
	if err := tx.Exec(`UPDATE subscribers SET state = 'unsubscribed' WHERE number = ?`, number).Error; err != nil {
		return fmt.Errorf("put back who had left: %w", err)
	}
	return s.audit(ctx, tx, "subscriber.change", subscribers.Number(number).String(), "pending to unsubscribed, never confirmed")
}

// locked ends a statement that reads subscribers' rows to change them.
func (s *Store) locked() string {
	if s.dialect == postgres {
		return ` FOR UPDATE OF s SKIP LOCKED`
	}
	return ``
}
