package store

import (
	"context"
	"fmt"

	"gorm.io/gorm"

	"allclear/notifier"
)

// Audit notes that the actor of ctx did something. The store's own methods do
// so themselves, in the transaction of what they change.
func (s *Store) Audit(ctx context.Context, action, subject, detail string) error {
	return s.write(ctx, func(ctx context.Context, tx *gorm.DB) error {
		return s.audit(ctx, tx, action, subject, detail)
	})
}

func (s *Store) audit(ctx context.Context, tx *gorm.DB, action, subject, detail string) error {
	at := micros(s.Now())
	// The time in hexadecimal, always 16 digits, so that ids sort as time does.
	id := fmt.Sprintf("%016x%s", at, randomText())
	err := tx.Exec(`INSERT INTO audit (id, at, actor, action, subject, detail) VALUES (?, ?, ?, ?, ?, ?)`,
		id, at, notifier.ActorFrom(ctx).Name, action, subject, detail).Error
	if err != nil {
		return fmt.Errorf("audit %s: %w", action, err)
	}
	return nil
}
