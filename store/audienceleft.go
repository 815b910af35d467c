package store

import (
	"context"
	"fmt"
	"slices"

	"gorm.io/gorm"

	"allclear/notifier"
)

// LeftAudiences lists the uploads for a notice that broke off, or go on
// elsewhere, and that one which begins now could go on with: of the same kind
// (see BeginAudience), and added to what the audience is still. They are kept
// for a day. Whoever has the file knows by Taken whether it is the same one.
func (s *Store) LeftAudiences(ctx context.Context, notice string, replace bool) ([]notifier.Left, error) {
	return s.LeftAudiencesWithout(ctx, notice, replace, "")
}

// LeftAudiencesWithout is LeftAudiences of those that leave out whom another
// notice was sent to.
func (s *Store) LeftAudiencesWithout(ctx context.Context, notice string, replace bool, other string) ([]notifier.Left, error) {
	db, base := s.conn(ctx), int64(0)
	if !replace {
		files, err := currentFiles(db, notice)
		if err != nil {
			return nil, translate(err)
		}
		base = slices.Max(numbersOf(files))
	}
	var found []audienceRow
	if err := db.Raw(`SELECT * FROM audiences WHERE state <> 'current' AND state = 'open' AND notice_id = ? AND taken <> '' AND replaces = ? AND base = ? AND excludes = ? ORDER BY number`,
		notice, replace || other != "" && base > 0, base, other).Scan(&found).Error; err != nil {
		return nil, translate(fmt.Errorf("look for uploads that broke off: %w", err))
	}
	var out []notifier.Left
	for _, a := range found {
		out = append(out, notifier.Left{Upload: notifier.Upload{Edition: a.Number, Turn: a.Turn}, Taken: a.Taken})
	}
	return out, nil
}

// ResumeAudience goes on with an upload: it is the caller's from then on, and
// whoever had it before is refused. ErrNotFound where it is over, or has come
// further than it was known.
func (s *Store) ResumeAudience(ctx context.Context, left notifier.Left) (u notifier.Upload, err error) {
	var notice string
	if err := s.conn(ctx).Raw(`SELECT notice_id FROM audiences WHERE number = ?`, left.Edition).Scan(&notice).Error; err != nil {
		return u, translate(fmt.Errorf("read an audience: %w", err))
	}
	moved := notifier.Refuse(notifier.ErrNotFound, "the upload is over, or goes on elsewhere")
	if notice == "" {
		return u, moved
	}
	err = s.write(ctx, func(_ context.Context, tx *gorm.DB) error {
		c, err := lockNotice(tx, notice)
		if err != nil {
			return err
		}
		if err := c.mayChange(); err != nil {
			return err
		}
		var a audienceRow
		if err := tx.Raw(`SELECT * FROM audiences WHERE number = ? AND state = 'open' AND turn = ? AND taken = ?`+s.forUpdate(), left.Edition, left.Turn, left.Taken).Scan(&a).Error; err != nil {
			return fmt.Errorf("read an audience: %w", err)
		}
		if a.Number == 0 {
			return moved
		}
		a.Turn, a.TouchedAt = a.Turn+1, micros(s.Now())
		if err := saveFile(tx, &a); err != nil {
			return err
		}
		u = notifier.Upload{Edition: a.Number, Turn: a.Turn}
		return touchNotice(tx, &a)
	})
	return u, err
}

// dropStale gives up what was to be added to an audience whose last file is
// another one by now: it can never be finished, and nobody who is erased would
// be found in it, whose recipient was in a file that is gone.
func (s *Store) dropStale(tx *gorm.DB, notice string, last int64) error {
	if err := tx.Exec(`UPDATE audiences SET state = 'dropped', taken = '', touched_at = ? WHERE state <> 'current' AND state = 'open' AND notice_id = ? AND base <> ? AND (base > 0 OR replaces = ?)`,
		micros(s.Now()), notice, last, false).Error; err != nil {
		return fmt.Errorf("give up uploads to what the audience was: %w", err)
	}
	return nil
}

// stale reports whether a file was given up by dropStale.
func (a *audienceRow) stale(tx *gorm.DB) (bool, error) {
	if a.State != "dropped" || a.NoticeID == "" || a.Base == 0 && a.Replaces {
		return false, nil
	}
	files, err := currentFiles(tx, a.NoticeID)
	last := slices.Max(numbersOf(files))
	return last > 0 && last != a.Base, err
}

func errStale() error {
	return notifier.Refuse(notifier.ErrConflict, "the audience was changed by another upload meanwhile; send the rows again")
}
