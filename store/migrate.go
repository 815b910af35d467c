package store

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"slices"

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
		before, err := s.applied(ctx, s.writer)
		if err != nil {
			return err
		}
		failed := s.up(ctx)
		if failed == nil {
			return nil
		}
		after, err := s.applied(ctx, s.writer)
		if err != nil || slices.Equal(after, before) {
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
	// Numbers are given out before the work is done, and land in any order.
	return goose.NewProvider(dialect, pool, folder, goose.WithDisableGlobalRegistry(true), goose.WithLogger(goose.NopLogger()), goose.WithAllowOutofOrder(true))
}

// versions are those of the schema that this program knows, in order.
func (s *Store) versions() ([]int64, error) {
	p, err := s.provider()
	if err != nil {
		return nil, err
	}
	var versions []int64
	for _, source := range p.ListSources() {
		versions = append(versions, source.Version)
	}
	return versions, nil
}

// applied are the versions of the schema that is there, in order; none where
// there is no schema. It only reads: goose would make its table, which a command
// that creates nothing must not.
func (s *Store) applied(ctx context.Context, db *gorm.DB) ([]int64, error) {
	exists := `SELECT to_regclass('goose_db_version') IS NOT NULL`
	if s.dialect == sqlite {
		exists = `SELECT count(*) > 0 FROM sqlite_master WHERE type = 'table' AND name = 'goose_db_version'`
	}
	var there bool
	var versions []int64
	err := db.WithContext(ctx).Raw(exists).Scan(&there).Error
	if err == nil && there {
		err = db.WithContext(ctx).Raw(`SELECT DISTINCT version_id FROM goose_db_version WHERE is_applied AND version_id > 0 ORDER BY version_id`).Scan(&versions).Error
	}
	if err != nil {
		return nil, notifier.Refuse(notifier.ErrUnavailable, "cannot read %s: %s", s.where(), bare(err))
	}
	return versions, nil
}

// checkSchema refuses a newer schema, and an older one unless it may mend it.
func (s *Store) checkSchema(ctx context.Context, create bool) error {
	have, err := s.applied(ctx, s.writer)
	if err != nil {
		return err
	}
	want, err := s.versions()
	if err != nil {
		return fmt.Errorf("read the migrations: %w", err)
	}
	// Not the highest number alone: one between may be missing.
	missing := slices.DeleteFunc(slices.Clone(want), func(v int64) bool { return slices.Contains(have, v) })
	switch newest := want[len(want)-1]; {
	case len(have) > 0 && have[len(have)-1] > newest:
		return notifier.Refuse(notifier.ErrConflict,
			"%s was written by a newer allclear (its schema is %d, this program knows %d); use the newer program", s.where(), have[len(have)-1], newest)
	case len(missing) == 0:
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
	case len(have) == 0:
		return notifier.Refuse(notifier.ErrNotFound, "%s is empty; run allclear migrate or serve", s.where())
	}
	return notifier.Refuse(notifier.ErrConflict,
		"%s has an older schema (it lacks %d, which this program needs); run allclear migrate or serve", s.where(), missing[0])
}
