package store

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"io/fs"

	"github.com/pressly/goose/v3"
	"gorm.io/gorm"

	"allclear/notifier"
)

//go:embed migrations
var migrations embed.FS

// migrationLock is the advisory lock that processes take before they
// change the schema: the letters "allclear", and one more. (fanoutLock is another.)
const migrationLock = 0x616c6c636c656173

// Migrate brings the schema up to date. Several processes may try at once.
func (s *Store) Migrate(ctx context.Context) error {
	if s.dialect == sqlite {
		return s.migrateSQLite(ctx)
	}
	// The lock belongs to a transaction of its own, which holds nothing else:
	// goose works on another connection.
	err := s.writer.WithContext(ctx).Transaction(func(tx *gorm.DB) error {
		if err := tx.Exec(`SET LOCAL idle_in_transaction_session_timeout = 0`).Error; err != nil {
			return err
		}
		if err := tx.Exec(`SELECT pg_advisory_xact_lock(?)`, int64(migrationLock)).Error; err != nil {
			return err
		}
		return s.up(ctx)
	})
	if err != nil {
		return fmt.Errorf("migrate %s: %w", s.where(), translate(err))
	}
	return nil
}

// migrateSQLite needs no lock: every migration is one transaction, so that of
// two processes one fails on what the other did. It looks again and goes on
// for as long as the schema moves.
func (s *Store) migrateSQLite(ctx context.Context) error {
	for {
		before, err := s.version(ctx, s.writer)
		if err != nil {
			return err
		}
		failed := s.up(ctx)
		if failed == nil {
			return nil
		}
		after, err := s.version(ctx, s.writer)
		if err != nil || after == before {
			return fmt.Errorf("migrate %s: %w", s.where(), translate(failed))
		}
	}
}

func (s *Store) up(ctx context.Context) error {
	p, err := s.provider()
	if err != nil {
		return err
	}
	_, err = p.Up(ctx)
	return err
}

func (s *Store) provider() (*goose.Provider, error) {
	dialect := goose.DialectPostgres
	if s.dialect == sqlite {
		dialect = goose.DialectSQLite3
	}
	folder, err := fs.Sub(migrations, "migrations/"+s.dialect)
	if err != nil {
		return nil, err
	}
	pool, err := s.writer.DB()
	if err != nil {
		return nil, err
	}
	return goose.NewProvider(dialect, pool, folder, goose.WithDisableGlobalRegistry(true), goose.WithLogger(goose.NopLogger()))
}

// newest is the version of the schema that this program knows.
func (s *Store) newest() (int64, error) {
	p, err := s.provider()
	if err != nil {
		return 0, err
	}
	sources := p.ListSources()
	return sources[len(sources)-1].Version, nil
}

// version is the schema's that is there; 0 for none. It only reads: goose
// would make its table, which a command that creates nothing must not.
func (s *Store) version(ctx context.Context, db *gorm.DB) (int64, error) {
	exists := `SELECT to_regclass('goose_db_version') IS NOT NULL`
	if s.dialect == sqlite {
		exists = `SELECT count(*) > 0 FROM sqlite_master WHERE type = 'table' AND name = 'goose_db_version'`
	}
	var there bool
	var version int64
	err := db.WithContext(ctx).Raw(exists).Scan(&there).Error
	if err == nil && there {
		err = db.WithContext(ctx).Raw(`SELECT coalesce(max(version_id), 0) FROM goose_db_version WHERE is_applied`).Scan(&version).Error
	}
	if err != nil {
		return 0, notifier.Refuse(notifier.ErrUnavailable, "cannot read %s: %s", s.where(), bare(err))
	}
	return version, nil
}

// checkSchema refuses a newer schema, and an older one unless it may mend it.
func (s *Store) checkSchema(ctx context.Context, create bool) error {
	have, err := s.version(ctx, s.writer)
	if err != nil {
		return err
	}
	want, err := s.newest()
	if err != nil {
		return fmt.Errorf("read the migrations: %w", err)
	}
	switch {
	case have > want:
		return notifier.Refuse(notifier.ErrConflict,
			"%s was written by a newer allclear (its schema is %d, this program knows %d); use the newer program", s.where(), have, want)
	case have == want:
		return nil
	case create:
		if err := s.Migrate(ctx); err != nil {
			var refusal *notifier.Refusal
			if errors.As(err, &refusal) {
				return refusal
			}
			return err
		}
		return nil
	case have == 0:
		return notifier.Refuse(notifier.ErrNotFound, "%s is empty; run allclear migrate or serve", s.where())
	}
	return notifier.Refuse(notifier.ErrConflict,
		"%s has an older schema (%d, this program needs %d); run allclear migrate or serve", s.where(), have, want)
}
