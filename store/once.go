package store

import (
	"bytes"
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"gorm.io/gorm"

	"allclear/notifier"
)

// answerLife is how long an answer is kept for repeats of its request.
const answerLife = 24 * time.Hour

type answerRow struct {
	Scope     string // never empty
	KeyHash   []byte
	BodyHash  []byte
	Answer    []byte
	CreatedAt int64
}

// errNotKept rolls back what an answer of 500 or above left behind.
var errNotKept = errors.New("answer is not kept")

// Once runs do at most once for a key: in one transaction that do's context
// carries, together with its answer, which is kept encrypted for a day. A
// repeat returns the kept answer and true. A concurrent twin waits for the
// first. The same key with another body is a Refusal of ErrConflict. An error
// of do, or an answer of 500 and above, rolls everything back and keeps nothing.
func (s *Store) Once(ctx context.Context, k notifier.OnceKey, do func(ctx context.Context) (notifier.Answer, error)) (notifier.Answer, bool, error) {
	if len(s.secret) < leastSecret {
		return notifier.Answer{}, false, errors.New("keep an answer: the store was opened without a secret")
	}
	if k.Scope == "" || k.Key == "" {
		return notifier.Answer{}, false, notifier.Invalidf("Idempotency-Key", "must not be empty")
	}
	var out notifier.Answer
	var kept bool
	err := s.write(ctx, func(ctx context.Context, tx *gorm.DB) error {
		hash := sha256.Sum256([]byte(k.Key))
		row := answerRow{Scope: k.Scope, KeyHash: hash[:], BodyHash: k.Body[:], CreatedAt: micros(s.Now())}
		mine, err := s.claimAnswer(tx, &row)
		if err != nil {
			return err
		}
		if kept = !mine; kept {
			if !bytes.Equal(row.BodyHash, k.Body[:]) {
				return notifier.Refuse(notifier.ErrConflict, "this Idempotency-Key was used for another request")
			}
			out, err = s.unseal(row)
			return err
		}
		if out, err = do(ctx); err != nil {
			return err
		}
		if out.Status >= 500 {
			return errNotKept
		}
		if row.Answer, err = s.seal(row, out); err != nil {
			return err
		}
		if err := tx.Exec(`UPDATE answers SET answer = ? WHERE scope = ? AND key_hash = ?`, row.Answer, row.Scope, row.KeyHash).Error; err != nil {
			return fmt.Errorf("keep the answer: %w", err)
		}
		return nil
	})
	if errors.Is(err, errNotKept) {
		return out, false, nil
	}
	if err != nil {
		return notifier.Answer{}, false, err
	}
	return out, kept, nil
}

// claimAnswer writes the row of a new request, or reads that of an old one.
// Where another transaction is at the same key, PostgreSQL waits for it at the
// INSERT, and SQLite waited when the transaction began.
func (s *Store) claimAnswer(tx *gorm.DB, row *answerRow) (mine bool, err error) {
	now := row.CreatedAt
	if _, err := s.dropAnswers(tx, now, 20); err != nil {
		return false, err
	}
	var there answerRow
	for there.Scope == "" { // once, unless the row that stood in the way is gone when we look
		done := tx.Exec(`INSERT INTO answers (scope, key_hash, body_hash, answer, created_at) VALUES (?, ?, ?, ?, ?) ON CONFLICT (scope, key_hash) DO NOTHING`,
			row.Scope, row.KeyHash, row.BodyHash, []byte{}, now)
		if done.Error != nil {
			return false, fmt.Errorf("claim the request's key: %w", done.Error)
		}
		if done.RowsAffected == 1 {
			return true, nil
		}
		if err := tx.Raw(`SELECT scope, key_hash, body_hash, answer, created_at FROM answers WHERE scope = ? AND key_hash = ?`+s.forUpdate(),
			row.Scope, row.KeyHash).Scan(&there).Error; err != nil {
			return false, fmt.Errorf("read the kept answer: %w", err)
		}
	}
	if there.CreatedAt > now-answerLife.Microseconds() {
		*row = there
		return false, nil
	}
	if err := tx.Exec(`UPDATE answers SET body_hash = ?, created_at = ? WHERE scope = ? AND key_hash = ?`,
		row.BodyHash, now, row.Scope, row.KeyHash).Error; err != nil {
		return false, fmt.Errorf("take over the request's key: %w", err)
	}
	return true, nil
}

// dropAnswers forgets a few answers that are too old, so that the table stays
// as large as a day's requests, and returns how many.
func (s *Store) dropAnswers(tx *gorm.DB, now int64, max int) (int, error) {
	done := tx.Exec(`DELETE FROM answers WHERE (scope, key_hash) IN (SELECT scope, key_hash FROM answers WHERE created_at < ? ORDER BY created_at LIMIT ?`+
		s.skipLocked()+`)`, now-answerLife.Microseconds(), max)
	if done.Error != nil {
		return 0, fmt.Errorf("forget old answers: %w", done.Error)
	}
	return int(done.RowsAffected), nil
}

// seal encrypts an answer. Which request it answers is bound to it, so that a
// row that was moved to another key does not open.
func (s *Store) seal(row answerRow, a notifier.Answer) ([]byte, error) {
	box, err := s.box()
	if err != nil {
		return nil, err
	}
	plain, err := json.Marshal(a)
	if err != nil {
		return nil, fmt.Errorf("write the answer: %w", err)
	}
	nonce := randomBytes(box.NonceSize())
	return box.Seal(nonce, nonce, plain, row.bound()), nil
}

func (s *Store) unseal(row answerRow) (notifier.Answer, error) {
	var a notifier.Answer
	box, err := s.box()
	if err != nil {
		return a, err
	}
	n := box.NonceSize()
	if len(row.Answer) >= n {
		var plain []byte
		if plain, err = box.Open(nil, row.Answer[:n], row.Answer[n:], row.bound()); err == nil {
			err = json.Unmarshal(plain, &a)
		}
	} else {
		err = errors.New("too short")
	}
	if err != nil {
		return a, notifier.Refuse(notifier.ErrConflict,
			"this Idempotency-Key was used and the request took effect, but its answer can no longer be read; the service's secret has changed")
	}
	return a, nil
}

// bound is the row's identity as associated data: every part with its length.
func (r answerRow) bound() []byte {
	var b []byte
	for _, part := range [][]byte{[]byte(r.Scope), r.KeyHash, r.BodyHash} {
		b = binary.BigEndian.AppendUint64(b, uint64(len(part)))
		b = append(b, part...)
	}
	return b
}

func (s *Store) box() (cipher.AEAD, error) { return s.boxOf("answers") }

// boxOf derives the key of what is kept sealed, from the service's secret.
func (s *Store) boxOf(what string) (cipher.AEAD, error) {
	mac := hmac.New(sha256.New, s.secret)
	mac.Write([]byte("allclear " + what))
	block, err := aes.NewCipher(mac.Sum(nil))
	if err != nil {
		return nil, fmt.Errorf("derive the key of %s: %w", what, err)
	}
	box, err := cipher.NewGCM(block)
	if err != nil {
		return nil, fmt.Errorf("derive the key of %s: %w", what, err)
	}
	return box, nil
}
