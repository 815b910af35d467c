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

// confirmContact notes that an endpoint's contact confirmed, and from which
// network. One that answered a test already is active with it. Doing it again
// changes nothing.
func (s *Store) confirmContact(ctx context.Context, tx *gorm.DB, n subscribers.Number, network netip.Prefix) (subscribers.Hook, error) {
	h, _, err := s.lockHook(tx, n)
	if err != nil || h.State != subscribers.Pending || !h.ContactAt.IsZero() {
		return h, err
	}
	h.ContactAt = s.Now()
	if err := tx.Exec(`UPDATE endpoints SET contact_at = ? WHERE subscriber = ?`, micros(h.ContactAt), int64(n)).Error; err != nil {
		return h, fmt.Errorf("note that a contact confirmed: %w", err)
	}
	if err := s.keepConfirmation(tx, n, network, h.ContactAt); err != nil {
		return h, err
	}
	if err := s.audit(ctx, tx, "endpoint.confirm_contact", n.String(), ""); err != nil {
		return h, err
	}
	return s.activate(ctx, h)
}

// NoteTest keeps how a test went. One that was answered with 2xx proves the
// endpoint: with its contact's word a pending one becomes active, and so does
// one that is no longer called, unless staff disabled it.
func (s *Store) NoteTest(ctx context.Context, n subscribers.Number, a notifier.Attempt) (subscribers.Hook, error) {
	var out subscribers.Hook
	err := s.write(ctx, func(ctx context.Context, tx *gorm.DB) error {
		h, _, err := s.lockHook(tx, n)
		if err != nil {
			return err
		}
		if a.Delivery, a.State = 0, ""; a.At.IsZero() {
			a.At = s.Now()
		}
		if err := s.addAttempts(tx, []attempt{{reader: int64(n), Attempt: a}}); err != nil {
			return err
		}
		if a.Status/100 == 2 {
			h.ProvenAt, h.FailingSince = s.Now(), time.Time{}
			if err := tx.Exec(`UPDATE endpoints SET proven_at = ?, failing_since = 0 WHERE subscriber = ?`, micros(h.ProvenAt), int64(n)).Error; err != nil {
				return fmt.Errorf("note that an endpoint answered: %w", err)
			}
			h, err = s.activate(ctx, h)
		}
		out = h
		return err
	})
	if err != nil {
		return subscribers.Hook{}, err
	}
	return out, nil
}

// activate makes an endpoint active that has done what it takes. Its row is locked.
func (s *Store) activate(ctx context.Context, h subscribers.Hook) (subscribers.Hook, error) {
	asked := h.State == subscribers.Pending && !h.ContactAt.IsZero() && !h.ProvenAt.IsZero()
	mended := h.State == subscribers.Quarantined && h.DisabledWhy != subscribers.DisabledByStaff
	if !asked && !mended {
		return h, nil
	}
	who, err := s.ChangeSubscriber(ctx, h.Number, func(x *subscribers.Subscriber) error {
		if x.State = subscribers.Active; asked {
			x.ConfirmedAt = s.Now()
		}
		return nil
	})
	if err != nil {
		return h, err
	}
	fresh, err := s.Hook(ctx, who.Number)
	return fresh, err
}
