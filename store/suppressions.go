package store

import (
	"context"
	"encoding/base64"
	"fmt"
	"slices"
	"strings"

	"gorm.io/gorm"

	"allclear/notifier"
	"allclear/subscribers"
)

type suppressionRow struct {
	Channel   string
	Address   string
	Reason    string
	Note      string
	CreatedAt int64
}

// Suppress bars an address and ends everything that is open for it, and its
// second address, in one transaction. Where it was barred already the new reason counts, but an
// owner's wish to be forgotten is never replaced.
func (s *Store) Suppress(ctx context.Context, x subscribers.Suppression) error {
	return s.write(ctx, func(ctx context.Context, tx *gorm.DB) error {
		if err := s.withdraw(ctx, tx, x.Channel, x.Address, true); err != nil {
			return err
		}
		if x.CreatedAt.IsZero() {
			x.CreatedAt = s.Now()
		}
		if err := tx.Exec(`INSERT INTO suppressions (channel, address, reason, note, created_at) VALUES (?, ?, ?, ?, ?)
			ON CONFLICT (channel, address) DO UPDATE SET reason = excluded.reason, note = excluded.note WHERE suppressions.reason <> 'erased'`,
			string(x.Channel), x.Address, string(x.Reason), x.Note, micros(x.CreatedAt)).Error; err != nil {
			return fmt.Errorf("suppress an address: %w", err)
		}
		if err := s.endSecondsOf(ctx, tx, x.Channel, x.Address); err != nil {
			return err
		}
		return s.auditAddress(ctx, tx, "suppression.add", x.Channel, x.Address, string(x.Reason))
	})
}

// Unsuppress lets an address be written to again; ErrNotFound if it is not barred.
func (s *Store) Unsuppress(ctx context.Context, channel notifier.Channel, address string) error {
	return s.write(ctx, func(ctx context.Context, tx *gorm.DB) error {
		done := tx.Exec(`DELETE FROM suppressions WHERE channel = ? AND address = ?`, string(channel), address)
		if done.Error != nil {
			return fmt.Errorf("lift a suppression: %w", done.Error)
		}
		if done.RowsAffected == 0 {
			return fmt.Errorf("suppression: %w", notifier.ErrNotFound)
		}
		return s.auditAddress(ctx, tx, "suppression.remove", channel, address, "")
	})
}

// auditAddress notes what was done about an address.
func (s *Store) auditAddress(ctx context.Context, tx *gorm.DB, action string, channel notifier.Channel, address, detail string) error {
	subject, err := auditName(tx, channel, address)
	if err != nil {
		return err
	}
	return s.audit(ctx, tx, action, subject, detail)
}

// AuditName is what stands for an address in the audit, which outlives it.
func (s *Store) AuditName(ctx context.Context, channel notifier.Channel, address string) (string, error) {
	name, err := auditName(s.conn(ctx), channel, address)
	return name, translate(err)
}

// auditName is the number of the subscriber where there is one, and else the domain only.
func auditName(tx *gorm.DB, channel notifier.Channel, address string) (string, error) {
	var n int64
	if err := tx.Raw(`SELECT number FROM subscribers WHERE channel = ? AND address = ?`, string(channel), address).Scan(&n).Error; err != nil {
		return "", fmt.Errorf("look for the subscriber: %w", err)
	}
	if n > 0 {
		return subscribers.Number(n).String(), nil
	}
	if _, domain, ok := strings.Cut(address, "@"); ok {
		return "@" + domain, nil
	}
	return string(channel), nil
}

// Suppressions returns a page by channel and address, and the cursor of the next
// one. Where an address was erased, "erased" stands for it.
func (s *Store) Suppressions(ctx context.Context, cursor string, limit int) ([]subscribers.Suppression, string, error) {
	limit = between(limit, 1, maxSubscribers)
	where, args := ``, []any{}
	if cursor != "" {
		raw, err := base64.RawURLEncoding.DecodeString(cursor)
		channel, address, ok := strings.Cut(string(raw), " ")
		if err != nil || !ok || !readable(string(raw)) {
			return nil, "", notifier.Invalidf("cursor", "is not one that a page of this list gave")
		}
		where, args = ` WHERE (channel, address) > (?, ?)`, []any{channel, address}
	}
	var rows []suppressionRow
	err := s.conn(ctx).Raw(`SELECT channel, address, reason, note, created_at FROM suppressions`+where+` ORDER BY channel, address LIMIT ?`,
		append(args, limit+1)...).Scan(&rows).Error
	if err != nil {
		return nil, "", translate(fmt.Errorf("list suppressions: %w", err))
	}
	next := ""
	if len(rows) > limit {
		rows = rows[:limit]
		next = base64.RawURLEncoding.EncodeToString([]byte(rows[limit-1].Channel + " " + rows[limit-1].Address))
	}
	out := make([]subscribers.Suppression, len(rows))
	for i, r := range rows {
		out[i] = subscribers.Suppression{
			Channel: notifier.Channel(r.Channel), Address: addressShown(r.Address), Reason: subscribers.Reason(r.Reason), Note: r.Note, CreatedAt: instant(r.CreatedAt),
		}
	}
	return out, next, nil
}

// addressShown is an address as it may be shown: what marks an erased one is none.
func addressShown(address string) string {
	if strings.HasPrefix(address, erasedPrefix) {
		return nobody
	}
	return address
}

// suppressed tells which of the addresses are barred.
func suppressed(tx *gorm.DB, channel notifier.Channel, addresses []string) (map[string]bool, error) {
	out := map[string]bool{}
	for part := range slices.Chunk(addresses, 500) {
		found, err := present(tx, "suppressions", channel, part)
		if err != nil {
			return nil, fmt.Errorf("look for suppressions: %w", err)
		}
		for _, a := range found {
			out[a] = true
		}
	}
	return out, nil
}
