package store

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"

	"gorm.io/gorm"

	"allclear/notifier"
	"allclear/subscribers"
)

// sealSecret encrypts an endpoint's secret. Whose it is, is bound to it, so that
// one that was moved to another row does not open.
func (s *Store) sealSecret(reader int64, secret notifier.Secret) ([]byte, error) {
	if len(s.secret) < leastSecret {
		return nil, errors.New("seal an endpoint's secret: the store was opened without a secret")
	}
	box, err := s.boxOf("endpoints")
	if err != nil {
		return nil, err
	}
	nonce := randomBytes(box.NonceSize())
	return box.Seal(nonce, nonce, secret.Key(), binary.BigEndian.AppendUint64(nil, uint64(reader))), nil
}

func (s *Store) openSecret(reader int64, sealed []byte) (notifier.Secret, error) {
	if len(s.secret) < leastSecret {
		return notifier.Secret{}, errors.New("open an endpoint's secret: the store was opened without a secret")
	}
	box, err := s.boxOf("endpoints")
	if err != nil {
		return notifier.Secret{}, err
	}
	if n := box.NonceSize(); len(sealed) >= n {
		if key, err := box.Open(nil, sealed[:n], sealed[n:], binary.BigEndian.AppendUint64(nil, uint64(reader))); err == nil {
			return notifier.MakeSecret(key), nil
		}
	}
	return notifier.Secret{}, notifier.Refuse(notifier.ErrConflict, "the secret of endpoint %s can no longer be read, because the service's secret has changed; rotate it",
		subscribers.Number(reader))
}

// makeSecret gives an endpoint its first secret, and returns it sealed. That
// waits for who knows the service's: commands that add subscribers need not.
func (s *Store) makeSecret(ctx context.Context, reader int64) (sealed []byte, err error) {
	made, err := s.makeSecrets(ctx, []int64{reader})
	return made[reader], err
}

// makeSecrets is makeSecret for many, by reader. Of one that got its secret
// meanwhile it is that one.
func (s *Store) makeSecrets(ctx context.Context, readers []int64) (map[int64][]byte, error) {
	fresh := make([][]byte, len(readers))
	for i, reader := range readers {
		var err error
		if fresh[i], err = s.sealSecret(reader, notifier.MakeSecret(randomBytes(notifier.SecretSize))); err != nil {
			return nil, err
		}
	}
	in, arg := s.among(`subscriber`, readers)
	var rows []endpointRow
	err := s.write(ctx, func(_ context.Context, tx *gorm.DB) error {
		for i, reader := range readers {
			if err := tx.Exec(`UPDATE endpoints SET secret = ? WHERE subscriber = ? AND secret IS NULL`, fresh[i], reader).Error; err != nil {
				return fmt.Errorf("make an endpoint's secret: %w", err)
			}
		}
		if err := tx.Raw(`SELECT subscriber, secret FROM endpoints WHERE `+in, arg).Scan(&rows).Error; err != nil {
			return fmt.Errorf("read secrets of endpoints: %w", err)
		}
		return nil
	})
	made := make(map[int64][]byte, len(rows))
	for _, r := range rows {
		made[r.Subscriber] = r.Secret
	}
	return made, err
}

// TakeSecret returns an endpoint's secret, once: to whoever comes first after it
// was proven. Before that and ever after it is false.
func (s *Store) TakeSecret(ctx context.Context, n subscribers.Number) (notifier.Secret, bool, error) {
	return s.showSecret(ctx, n, true)
}

// NewSecret is TakeSecret for who added the endpoint, which proves nothing yet.
// One that was shown already is a Refusal of ErrConflict.
func (s *Store) NewSecret(ctx context.Context, n subscribers.Number) (notifier.Secret, error) {
	secret, ok, err := s.showSecret(ctx, n, false)
	if err == nil && !ok {
		err = notifier.Refuse(notifier.ErrConflict, "the secret of this endpoint was shown already; rotate it for a new one")
	}
	return secret, err
}

func (s *Store) showSecret(ctx context.Context, n subscribers.Number, proven bool) (secret notifier.Secret, ok bool, err error) {
	err = s.write(ctx, func(ctx context.Context, tx *gorm.DB) error {
		secret, ok = notifier.Secret{}, false
		h, row, err := s.lockHook(tx, n)
		if err != nil || !h.SecretShownAt.IsZero() || proven && h.ProvenAt.IsZero() {
			return err
		}
		if row.Secret == nil {
			if row.Secret, err = s.makeSecret(ctx, int64(n)); err != nil {
				return err
			}
		}
		if secret, err = s.openSecret(int64(n), row.Secret); err != nil {
			return err
		}
		if err := tx.Exec(`UPDATE endpoints SET shown_at = ? WHERE subscriber = ?`, micros(s.Now()), int64(n)).Error; err != nil {
			return fmt.Errorf("note that a secret was shown: %w", err)
		}
		ok = true
		return s.audit(ctx, tx, "endpoint.show_secret", n.String(), "")
	})
	if err != nil {
		return notifier.Secret{}, false, err
	}
	return secret, ok, nil
}

// MakeEndpointToken makes the token by which an endpoint's owner comes to it
// from a program, and returns it; an older one is worthless from then on.
func (s *Store) MakeEndpointToken(ctx context.Context, n subscribers.Number) (string, error) {
	token := subscribers.HookTokenPrefix + base64.RawURLEncoding.EncodeToString(randomBytes(32))
	hash := sha256.Sum256([]byte(token))
	err := s.write(ctx, func(ctx context.Context, tx *gorm.DB) error {
		if _, _, err := s.lockHook(tx, n); err != nil {
			return err
		}
		if err := tx.Exec(`UPDATE endpoints SET token_hash = ? WHERE subscriber = ?`, hash[:], int64(n)).Error; err != nil {
			return fmt.Errorf("keep an endpoint's token: %w", err)
		}
		return s.audit(ctx, tx, "endpoint.make_token", n.String(), "")
	})
	if err != nil {
		return "", err
	}
	return token, nil
}

// EndpointByToken is the subscriber whose endpoint's token has this SHA-256, or
// ErrNotFound. Who has left has none.
func (s *Store) EndpointByToken(ctx context.Context, hash [32]byte) (subscribers.Number, error) {
	var n []int64
	if err := s.conn(ctx).Raw(`SELECT e.subscriber FROM endpoints AS e JOIN subscribers AS s ON s.number = e.subscriber
		WHERE e.token_hash = ? AND s.state <> 'unsubscribed'`, hash[:]).Scan(&n).Error; err != nil {
		return 0, translate(fmt.Errorf("look for an endpoint's token: %w", err))
	}
	if len(n) == 0 {
		return 0, fmt.Errorf("endpoint's token: %w", notifier.ErrNotFound)
	}
	return subscribers.Number(n[0]), nil
}
