package store

import (
	"context"
	"fmt"
	"strings"

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
	who := notifier.ActorFrom(ctx)
	err := tx.Exec(`INSERT INTO audit (id, at, actor, network, action, subject, detail) VALUES (?, ?, ?, ?, ?, ?, ?)`,
		id, at, who.Name, who.Network, action, subject, detail).Error
	if err != nil {
		return fmt.Errorf("audit %s: %w", action, err)
	}
	return nil
}

// AuditLog returns a page of what was done, newest first, and the cursor of the
// next one ("" at the end).
func (s *Store) AuditLog(ctx context.Context, q notifier.AuditQuery) ([]notifier.AuditEntry, string, error) {
	limit := between(q.Limit, 1, 1000)
	where, args := `id > ?`, []any{""}
	add := func(condition string, arg any) { where, args = where+` AND `+condition, append(args, arg) }
	if q.Cursor != "" {
		if !readable(q.Cursor) {
			return nil, "", notifier.Invalidf("cursor", "is not one that a page of this list gave")
		}
		add(`id < ?`, q.Cursor)
	}
	if q.Actor != "" {
		add(`actor = ?`, q.Actor)
	}
	if all, ok := strings.CutSuffix(q.Action, "."); ok {
		where, args = where+` AND substr(action, 1, ?) = ?`, append(args, len(all)+1, all+".")
	} else if q.Action != "" {
		add(`action = ?`, q.Action)
	}
	if q.Subject != "" {
		add(`subject = ?`, q.Subject)
	}
	// Ids begin with the time, so a range of time is a range of the key.
	if !q.From.IsZero() {
		add(`id >= ?`, fmt.Sprintf("%016x", micros(q.From)))
	}
	if !q.Until.IsZero() {
		add(`id < ?`, fmt.Sprintf("%016x", micros(q.Until)))
	}
	var rows []auditRow
	if err := s.conn(ctx).Raw(`SELECT id, at, actor, network, action, subject, detail FROM audit WHERE `+where+` ORDER BY id DESC LIMIT ?`,
		append(args, limit+1)...).Scan(&rows).Error; err != nil {
		return nil, "", translate(fmt.Errorf("read the audit: %w", err))
	}
	next := ""
	if len(rows) > limit {
		rows = rows[:limit]
		next = rows[limit-1].ID
	}
	out := make([]notifier.AuditEntry, len(rows))
	for i, r := range rows {
		out[i] = notifier.AuditEntry{ID: r.ID, At: instant(r.At), Actor: r.Actor, Network: r.Network, Action: r.Action, Subject: r.Subject, Detail: r.Detail}
	}
	return out, next, nil
}

type auditRow struct {
	ID                                      string
	At                                      int64
	Actor, Network, Action, Subject, Detail string
}
