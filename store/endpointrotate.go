package store

import (
	"context"
	"encoding/binary"
	"fmt"
	"slices"
	"time"

	"gorm.io/gorm"

	"allclear/notifier"
	"allclear/subscribers"
)

// oldSecret is one that was replaced, sealed, and signs as well for a while.
type oldSecret struct {
	until  time.Time
	sealed []byte
}

// sealedSize is the length of a sealed secret: nonce, key and tag.
const sealedSize = 12 + notifier.SecretSize + 16

// olds are the secrets of an endpoint that still sign beside its newest, the
// latest first. The column holds each one's end and the sealed secret; where
// it holds a secret alone, that is what a version wrote which kept one.
func (r *endpointRow) olds(now time.Time) (out []oldSecret) {
	if len(r.OldSecret) == sealedSize {
		out = append(out, oldSecret{instant(r.OldUntil), r.OldSecret})
	} else {
		for part := range slices.Chunk(r.OldSecret, 8+sealedSize) {
			if len(part) == 8+sealedSize {
				out = append(out, oldSecret{instant(int64(binary.BigEndian.Uint64(part))), part[8:]})
			}
		}
	}
	return slices.DeleteFunc(out, func(o oldSecret) bool { return !o.until.After(now) })
}

// keepOld is what the columns of an endpoint hold for olds.
func keepOld(olds []oldSecret) (column []byte, until int64) {
	for _, o := range olds {
		column = binary.BigEndian.AppendUint64(column, uint64(micros(o.until)))
		column = append(column, o.sealed...)
		until = max(until, micros(o.until))
	}
	return column, until
}

// RotateSecret gives an endpoint a new secret, which only this answer shows.
// The one before it signs as well for the time of overlap, as do those whose
// time is not over; 0 ends them all at once. While one of them still signs it
// is a Refusal of ErrConflict, so that whoever rotates twice by mistake does
// not end up with secrets that no program has; again is for who means it. More
// than notifier.OldSecrets are never kept: that is a Refusal, too.
func (s *Store) RotateSecret(ctx context.Context, n subscribers.Number, overlap time.Duration, again bool) (notifier.Secret, error) {
	secret := notifier.MakeSecret(randomBytes(notifier.SecretSize))
	sealed, err := s.sealSecret(int64(n), secret)
	if err != nil {
		return notifier.Secret{}, err
	}
	err = s.write(ctx, func(ctx context.Context, tx *gorm.DB) error {
		_, row, err := s.lockHook(tx, n)
		if err != nil {
			return err
		}
		now := s.Now()
		var olds []oldSecret
		if overlap > 0 {
			if olds, err = s.retire(row, now, now.Add(overlap), again); err != nil {
				return err
			}
		}
		old, until := keepOld(olds)
		if err := tx.Exec(`UPDATE endpoints SET secret = ?, old_secret = ?, old_until = ?, shown_at = ? WHERE subscriber = ?`,
			sealed, old, until, micros(now), int64(n)).Error; err != nil {
			return fmt.Errorf("rotate an endpoint's secret: %w", err)
		}
		return s.audit(ctx, tx, "endpoint.rotate_secret", n.String(), "the old one for "+max(overlap, 0).String())
	})
	if err != nil {
		return notifier.Secret{}, err
	}
	return secret, nil
}

// retire is what signs beside a new secret: the one that was the newest, and
// those before it. One that cannot be opened cannot sign.
func (s *Store) retire(row endpointRow, now, until time.Time, again bool) ([]oldSecret, error) {
	olds := row.olds(now)
	if len(olds) > 0 && !again {
		return nil, notifier.Refuse(notifier.ErrConflict, "an earlier secret of this endpoint still signs, until %s; ask for another one with again, or end the earlier ones with an overlap of 0",
			olds[0].until.UTC().Format(time.RFC3339))
	}
	olds = slices.Insert(olds, 0, oldSecret{until, row.Secret})
	olds = slices.DeleteFunc(olds, func(o oldSecret) bool {
		_, err := s.openSecret(row.Subscriber, o.sealed)
		return err != nil
	})
	if len(olds) > notifier.OldSecrets {
		return nil, notifier.Refuse(notifier.ErrConflict, "%d earlier secrets of this endpoint sign already; wait for the end of one, or end them all with an overlap of 0", notifier.OldSecrets)
	}
	return olds, nil
}
