package store

import (
	"context"
	"fmt"

	"gorm.io/gorm"
)

// SetDigests makes a setting, as Calendar.Setting tells it, the one by which
// every process on this database plans digests, and returns the one that was;
// "" where there was none. The service does so when it starts: two processes
// with settings of their own would otherwise plan each other's schedules anew,
// for ever.
func (s *Store) SetDigests(ctx context.Context, setting string) (before string, err error) {
	// Where nothing changes, nothing is written: a service starts on a database
	// that takes no writes, too.
	if before, err = s.DigestSetting(ctx); err != nil || before == setting {
		return before, err
	}
	err = s.write(ctx, func(ctx context.Context, tx *gorm.DB) error {
		var err error
		if before, err = s.DigestSetting(ctx); err != nil {
			return err
		}
		return wrapped("write the setting of digests", tx.Exec(`INSERT INTO digest_setting (one, setting, set_at) VALUES (1, ?, ?)
			ON CONFLICT (one) DO UPDATE SET setting = excluded.setting, set_at = excluded.set_at`, setting, micros(s.Now())).Error)
	})
	return before, err
}

// DigestSetting is what SetDigests set last; "" where no service did yet.
func (s *Store) DigestSetting(ctx context.Context) (string, error) {
	var setting string
	if err := s.conn(ctx).Raw(`SELECT coalesce((SELECT setting FROM digest_setting), '')`).Scan(&setting).Error; err != nil {
		return "", fmt.Errorf("read the setting of digests: %w", translate(err))
	}
	return setting, nil
}
