package store

import (
	"context"
	"fmt"

	"gorm.io/gorm"

	"allclear/notifier"
)

type tokenRow struct {
	ID        string
	Name      string
	Role      string
	CreatedAt int64
	RevokedAt int64
}

// shownColumns are all of a token but its hash.
const shownColumns = `id, name, role, created_at, revoked_at`

func (r tokenRow) token() notifier.Token {
	return notifier.Token{ID: r.ID, Name: r.Name, Role: notifier.Role(r.Role), CreatedAt: instant(r.CreatedAt), RevokedAt: instant(r.RevokedAt)}
}

// CreateToken keeps a token under the SHA-256 of its secret; ErrConflict if
// its name is taken. An empty ID or CreatedAt is filled in.
func (s *Store) CreateToken(ctx context.Context, t notifier.Token, hash [32]byte) error {
	return s.write(ctx, func(ctx context.Context, tx *gorm.DB) error {
		if t.ID == "" {
			t.ID = randomText()
		}
		if t.CreatedAt.IsZero() {
			t.CreatedAt = s.Now()
		}
		done := tx.Exec(`INSERT INTO tokens (id, name, role, hash, created_at, revoked_at) VALUES (?, ?, ?, ?, ?, 0) ON CONFLICT DO NOTHING`,
			t.ID, t.Name, string(t.Role), hash[:], micros(t.CreatedAt))
		if done.Error != nil {
			return fmt.Errorf("create the token: %w", done.Error)
		}
		if done.RowsAffected == 0 {
			return notifier.Refuse(notifier.ErrConflict, "there is, or was, a token named %q; choose another name", t.Name)
		}
		return s.audit(ctx, tx, "token.create", t.ID, t.Name+" "+string(t.Role))
	})
}

// Tokens lists all, the revoked too, oldest first.
func (s *Store) Tokens(ctx context.Context) ([]notifier.Token, error) {
	var rows []tokenRow
	if err := s.conn(ctx).Raw(`SELECT ` + shownColumns + ` FROM tokens ORDER BY created_at, id`).Scan(&rows).Error; err != nil {
		return nil, translate(fmt.Errorf("list tokens: %w", err))
	}
	out := make([]notifier.Token, len(rows))
	for i, r := range rows {
		out[i] = r.token()
	}
	return out, nil
}

// RevokeToken makes a token worthless at once. Doing it again changes nothing.
func (s *Store) RevokeToken(ctx context.Context, id string) error {
	return s.write(ctx, func(ctx context.Context, tx *gorm.DB) error {
		done := tx.Exec(`UPDATE tokens SET revoked_at = ? WHERE id = ? AND revoked_at = 0`, micros(s.Now()), id)
		if done.Error != nil {
			return fmt.Errorf("revoke the token: %w", done.Error)
		}
		if done.RowsAffected > 0 {
			return s.audit(ctx, tx, "token.revoke", id, "")
		}
		var n int64
		if err := tx.Raw(`SELECT count(*) FROM tokens WHERE id = ?`, id).Scan(&n).Error; err != nil {
			return fmt.Errorf("look for the token: %w", err)
		}
		if n == 0 {
			return fmt.Errorf("token %q: %w", id, notifier.ErrNotFound)
		}
		return nil
	})
}

// TokenByHash returns the token whose secret has this SHA-256. One that does
// not exist or was revoked is ErrNotFound.
func (s *Store) TokenByHash(ctx context.Context, hash [32]byte) (notifier.Token, error) {
	var row tokenRow
	found := s.conn(ctx).Raw(`SELECT `+shownColumns+` FROM tokens WHERE hash = ? AND revoked_at = 0`, hash[:]).Scan(&row)
	if found.Error != nil {
		return notifier.Token{}, translate(fmt.Errorf("look for the token: %w", found.Error))
	}
	if found.RowsAffected == 0 {
		return notifier.Token{}, fmt.Errorf("token: %w", notifier.ErrNotFound)
	}
	return row.token(), nil
}
