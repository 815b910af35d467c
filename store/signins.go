package store

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"time"

	"gorm.io/gorm"

	"allclear/notifier"
	"allclear/subscribers"
)

// tries are how often somebody may fail to sign in, of one kind.
type tries struct {
	scope, key string
	subscribers.Budget
}

// From a network somebody may try ten times, and once more a minute. A name has
// twenty tries, whether anybody has it, and one more every half minute; so that
// who knows a name cannot keep its owner out by spending those, each network has
// three for it all the same, and a browser in which its owner signed in before
// is counted by itself.
func byNetwork(network string) tries {
	return tries{"network", network, subscribers.Budget{Every: time.Minute, Burst: 10}}
}

func byName(name string) tries {
	return tries{"name", signInKey("sign-in " + name), subscribers.Budget{Every: 30 * time.Second, Burst: 20}}
}

func byBoth(name, network string) tries {
	return tries{"name", signInKey("sign-in " + name + " from " + network), subscribers.Budget{Every: 20 * time.Minute, Burst: 3}}
}

func byDevice(device string) tries {
	return tries{"name", signInKey("device " + device), subscribers.Budget{Every: 30 * time.Second, Burst: 10}}
}

// byCode is for who knows the password already: one of a million codes is right,
// three of them at a time, so that a year of guessing has a chance of one in ten.
func byCode(staff string) tries {
	return tries{"name", codeKey(staff), subscribers.Budget{Every: 15 * time.Minute, Burst: 8}}
}

func codeKey(staff string) string { return signInKey("code of " + staff) }

// signInKey is what a name is counted under: people mistype passwords as names.
func signInKey(name string) string {
	sum := sha256.Sum256([]byte(name))
	return hex.EncodeToString(sum[:16])
}

// TakeSignIn takes one try to sign in from what a name and a network have left,
// before anything is looked at: *notifier.TooOften where that is nothing. It
// is the same whether anybody has the name. A device is a browser that is known
// to be the name's owner's; "" is one that is not.
func (s *Store) TakeSignIn(ctx context.Context, name, network, device string) error {
	return s.write(ctx, func(_ context.Context, tx *gorm.DB) error {
		now := s.Now()
		if err := tx.Exec(`DELETE FROM sign_ins WHERE whole_at <= ?`, micros(now)).Error; err != nil {
			return fmt.Errorf("forget tries to sign in: %w", err)
		}
		if device != "" {
			_, err := s.try(tx, now, byDevice(device))
			return err
		}
		if _, err := s.try(tx, now, byNetwork(network)); err != nil {
			return err
		}
		spent, err := s.try(tx, now, byName(name))
		if spent {
			_, err = s.try(tx, now, byBoth(name, network))
		}
		return err
	})
}

// TakeCode takes one try of a code from what a person has left who proved the
// password: *notifier.TooOften where that is nothing. A code that is right
// gives them back. For whoever proved nothing it does the same work.
func (s *Store) TakeCode(ctx context.Context, staff string) error {
	return s.write(ctx, func(_ context.Context, tx *gorm.DB) error {
		_, err := s.try(tx, s.Now(), byCode(staff))
		return err
	})
}

// try takes one, and reports whether there was none.
func (s *Store) try(tx *gorm.DB, now time.Time, b tries) (spent bool, err error) {
	var rows []int64
	if err := tx.Raw(`SELECT whole_at FROM sign_ins WHERE scope = ? AND key = ?`+s.forUpdate(), b.scope, b.key).Scan(&rows).Error; err != nil {
		return false, fmt.Errorf("read tries to sign in: %w", err)
	}
	whole := now
	if len(rows) > 0 {
		whole = instant(rows[0])
	}
	at, ok := b.Take(whole, now)
	if !ok {
		return true, &notifier.TooOften{Wait: at.Sub(now)}
	}
	if err := tx.Exec(`INSERT INTO sign_ins (scope, key, whole_at) VALUES (?, ?, ?) ON CONFLICT (scope, key) DO UPDATE SET whole_at = excluded.whole_at`,
		b.scope, b.key, micros(at)).Error; err != nil {
		return false, fmt.Errorf("write tries to sign in: %w", err)
	}
	return false, nil
}

// giveBack gives back the tries of who signed in.
func giveBack(tx *gorm.DB, name, network string) error {
	for _, b := range []tries{byNetwork(network), byName(name), byBoth(name, network)} {
		if err := tx.Exec(`DELETE FROM sign_ins WHERE scope = ? AND key = ?`, b.scope, b.key).Error; err != nil {
			return fmt.Errorf("give tries back: %w", err)
		}
	}
	return nil
}
