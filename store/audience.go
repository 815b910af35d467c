package store

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"math"
	"slices"

	"gorm.io/gorm"

	"allclear/notifier"
)

// audienceRow is one file of an audience. A notice's audience is its current
// files, in the order of their numbers; only what was added later makes it more
// than one. Their recipients' places follow each other without a gap.
type audienceRow struct {
	Number         int64 `gorm:"primaryKey;autoIncrement:false"`
	NoticeID       string
	ComponentKey   string
	State          string // open, current, dropped
	Replaces       bool
	Base           int64 // the last file that it is added to; 0: none
	First          int64 // places before its own
	FirstReject    int64
	Recipients     int64 // those that no file before it had
	Lines          int64
	Rejected       int64
	WithoutAddress int64
	CaseTwins      int64
	Sum            string
	Forgotten      int64 // the last place whose recipient was forgotten
	BroughtBy      string
	Excludes       string // the notice whose recipients are left out
	TouchedAt      int64
	Taken          string // how far an open file was read; "": there is nothing to go on from
	Turn           int64  // how often somebody went on with it
	Encoding       string // of the file that its rejects stood in; "": of none, or it is not known
	Judged         int64  // of lines, those looked at for who has what in every row
	Aside          int64  // rows that were put aside (see putAside)
	Gathered       int64  // of these, from the first on, those taken up since
	Gathering      int64  // how far those behind them are; 0: nobody began
}

// aside is how many rows wait to be taken up.
func (a *audienceRow) aside() int64 { return a.Aside - a.Gathered }

func (audienceRow) TableName() string { return "audiences" }

// BeginAudience begins to take up a file for a notice that is not sent yet:
// what AddToAudience brings is seen by nobody before FinishAudience. With
// replace it is the whole audience then, else it joins what there is.
func (s *Store) BeginAudience(ctx context.Context, notice string, replace bool) (notifier.Upload, error) {
	return s.BeginAudienceWithout(ctx, notice, replace, "")
}

// BeginAudienceWithout is BeginAudience of an audience that leaves everybody
// out whom another notice was sent to, or is being sent to, by channel and
// address: their rows are passed over as they come. Who failed there, or was
// left out there, stays. What joins an audience takes its place whole then: who
// is in it already is looked at, too, and copied.
func (s *Store) BeginAudienceWithout(ctx context.Context, notice string, replace bool, other string) (u notifier.Upload, err error) {
	if notice == other {
		return u, notifier.Invalidf("exclude_notice", "is the notice itself")
	}
	var files []audienceRow
	err = s.write(ctx, func(ctx context.Context, tx *gorm.DB) error {
		files = nil
		c, err := lockNotice(tx, notice)
		if err != nil {
			return err
		}
		if err := c.mayChange(); err != nil {
			return err
		}
		if other != "" {
			if _, err := takeNotice(tx, other); errors.Is(err, notifier.ErrNotFound) {
				return notifier.Invalidf("exclude_notice", "there is no notice %q", notifier.Clip(other))
			} else if err != nil {
				return err
			}
		}
		a := audienceRow{NoticeID: notice, Replaces: replace, Excludes: other}
		if other != "" && !replace {
			if files, err = currentFiles(tx, notice); err != nil {
				return err
			}
			for _, f := range files {
				a.Base, a.WithoutAddress = f.Number, a.WithoutAddress+f.WithoutAddress
			}
			a.Replaces = len(files) > 0
		}
		u, err = s.beginFile(ctx, tx, a)
		return err
	})
	if err == nil && len(files) > 0 {
		if err = s.copyFiles(ctx, u, files); err != nil {
			_ = s.DropAudience(context.WithoutCancel(ctx), u) // what is left is swept up in a day
		}
	}
	return u, err
}

// beginFile makes the row of a new file.
func (s *Store) beginFile(ctx context.Context, tx *gorm.DB, a audienceRow) (u notifier.Upload, err error) {
	if !a.Replaces {
		files, err := currentFiles(tx, a.NoticeID)
		if err != nil {
			return u, err
		}
		for _, f := range files {
			a.Base, a.First, a.FirstReject = f.Number, f.First+f.Recipients, f.FirstReject+f.Rejected
		}
	}
	n, err := next(tx, "audience", 1)
	if err != nil {
		return u, err
	}
	a.Number, a.State, a.TouchedAt, a.BroughtBy = n, "open", micros(s.Now()), notifier.ActorFrom(ctx).Name
	if err := tx.Create(&a).Error; err != nil {
		return u, fmt.Errorf("begin an audience: %w", err)
	}
	return notifier.Upload{Edition: n}, touchNotice(tx, &a)
}

// touchNotice notes that the notice of a file does not stand still.
func touchNotice(tx *gorm.DB, a *audienceRow) error {
	if a.NoticeID == "" {
		return nil
	}
	if err := tx.Exec(`UPDATE notices SET changed_at = ? WHERE id = ?`, a.TouchedAt, a.NoticeID).Error; err != nil {
		return fmt.Errorf("begin an audience: %w", err)
	}
	return nil
}

// currentFiles are the files that a notice's audience is made of, in order.
func currentFiles(db *gorm.DB, notice string) (out []audienceRow, err error) {
	err = db.Where("notice_id = ? AND state = 'current' AND notice_id <> ''", notice).Order("number").Find(&out).Error
	if err != nil {
		return nil, fmt.Errorf("read an audience: %w", err)
	}
	return out, nil
}

// lockFile reads an open file and keeps others from it until the transaction ends.
// Nobody adds to a file that somebody else went on with.
func (s *Store) lockFile(tx *gorm.DB, u notifier.Upload) (audienceRow, error) {
	var a audienceRow
	if err := tx.Raw(`SELECT * FROM audiences WHERE number = ?`+s.forUpdate(), u.Edition).Scan(&a).Error; err != nil {
		return a, fmt.Errorf("read an audience: %w", err)
	}
	switch stale, err := a.stale(tx); {
	case err != nil:
		return a, err
	case stale:
		return a, errStale()
	case a.State != "open":
		return a, notifier.Refuse(notifier.ErrNotFound, "this upload is over, or was given up; send the file again")
	case a.Turn != u.Turn:
		return a, notifier.Refuse(notifier.ErrConflict, "the same file was sent again meanwhile, and that upload goes on where this one was")
	}
	return a, nil
}

// FinishAudience makes a file that was read to its end the notice's audience,
// or part of it, in one small transaction, and counts. Approvals fall. sum is
// the file's SHA-256: the same file again changes nothing. Where the notice has
// been sent meanwhile, or another file has changed what this one was added to,
// it is a Refusal of ErrConflict, and the audience is what it was.
func (s *Store) FinishAudience(ctx context.Context, u notifier.Upload, withoutAddress int64, sum [32]byte) (notifier.Notice, error) {
	var file audienceRow
	if err := s.conn(ctx).Raw(`SELECT * FROM audiences WHERE number = ?`, u.Edition).Scan(&file).Error; err != nil {
		return notifier.Notice{}, translate(fmt.Errorf("read an audience: %w", err))
	}
	if file.NoticeID == "" {
		return notifier.Notice{}, notifier.Refuse(notifier.ErrNotFound, "there is no such upload")
	}
	if err := s.gather(ctx, u); err != nil {
		return notifier.Notice{}, err
	}
	var same bool
	out, err := s.changeNotice(ctx, file.NoticeID, "notice.audience", func(ctx context.Context, tx *gorm.DB, c *course) (string, error) {
		if err := c.mayChange(); err != nil {
			return "", err
		}
		a, err := s.lockFile(tx, u)
		if err != nil {
			return "", err
		}
		files, err := currentFiles(tx, c.ID)
		if err != nil {
			return "", err
		}
		a.WithoutAddress, a.TouchedAt = a.WithoutAddress+withoutAddress, micros(s.Now())
		if sum != [32]byte{} && a.Excludes == "" { // else the same file is another audience each time
			a.Sum = hex.EncodeToString(sum[:])
		}
		if same = isThere(a, files); same {
			return "", s.dropFiles(tx, []audienceRow{a})
		}
		if err := s.putInPlace(tx, &a, files, c); err != nil {
			return "", err
		}
		if a.BroughtBy != "" { // of members, who brought the list
			c.changed(a.BroughtBy)
		}
		c.changed(notifier.ActorFrom(ctx).Name)
		return fmt.Sprintf("%d recipients, %d rows, %d rejected", c.Recipients, c.Rows, c.Rejected), nil
	}, func() bool { return !same })
	return out, err
}

// isThere reports whether the audience is what the file would make it.
func isThere(a audienceRow, files []audienceRow) bool {
	if a.Sum == "" {
		return false
	}
	if a.Replaces {
		return len(files) == 1 && files[0].Sum == a.Sum
	}
	return slices.ContainsFunc(files, func(f audienceRow) bool { return f.Sum == a.Sum })
}

// putInPlace makes a current, beside the files it is added to or in their place.
func (s *Store) putInPlace(tx *gorm.DB, a *audienceRow, files []audienceRow, c *course) error {
	last := int64(0)
	for _, f := range files {
		last = f.Number
	}
	switch {
	case a.aside() > 0:
		return notifier.Refuse(notifier.ErrConflict, "rows of the file came while it was to be finished; send it again")
	case a.Lines+a.Rejected+a.WithoutAddress == 0:
		return notifier.Refuse(notifier.ErrConflict, "the file holds no row")
	case a.Excludes != "" && a.Recipients == 0:
		return notifier.Refuse(notifier.ErrConflict, "nobody would be left: the other notice was sent to everybody in the audience")
	case a.Base != last && (a.Base > 0 || !a.Replaces):
		return errStale()
	case a.Replaces:
		if err := s.dropFiles(tx, files); err != nil {
			return err
		}
		c.Recipients, c.Rows, c.Rejected, c.WithoutAddress, c.CaseTwins = 0, 0, 0, 0, 0
	}
	a.State, a.Taken, c.Edition, c.CleanedAt = "current", "", a.Number, instant(0)
	c.Recipients += a.Recipients
	c.Rows += a.Lines
	c.Rejected += a.Rejected
	c.WithoutAddress += a.WithoutAddress
	c.CaseTwins += a.CaseTwins
	if err := saveFile(tx, a); err != nil {
		return err
	}
	return s.dropStale(tx, c.ID, a.Number)
}

func saveFile(tx *gorm.DB, a *audienceRow) error {
	if err := tx.Model(&audienceRow{}).Where("number = ?", a.Number).Select("*").Updates(a).Error; err != nil {
		return fmt.Errorf("write an audience: %w", err)
	}
	return nil
}

// dropFiles gives files up; SweepAudiences takes away what they hold.
func (s *Store) dropFiles(tx *gorm.DB, files []audienceRow) error {
	for _, f := range files {
		f.State, f.Taken, f.TouchedAt = "dropped", "", micros(s.Now())
		if err := saveFile(tx, &f); err != nil {
			return err
		}
	}
	return nil
}

// DropAudience gives up an upload that broke off: the audience is what it was.
func (s *Store) DropAudience(ctx context.Context, u notifier.Upload) error {
	return s.write(ctx, func(_ context.Context, tx *gorm.DB) error {
		a, err := s.lockFile(tx, u)
		if err != nil {
			return err
		}
		return s.dropFiles(tx, []audienceRow{a})
	})
}

// abandoned is how long an upload may bring nothing before it is given up.
const abandoned = 24 * 60 * 60 * 1_000_000 // microseconds

// sweepStep is how many rows are taken away at a time.
const sweepStep = 2000

// sweepAudiences takes away a little of what given-up files hold, and reports
// whether there was anything.
func (s *Store) sweepAudiences(ctx context.Context) (did bool, err error) {
	const left = `SELECT number FROM audiences WHERE state <> 'current' AND (state = 'dropped' OR touched_at < ?) ORDER BY touched_at LIMIT 1`
	find := func(db *gorm.DB, tail string) (number int64, err error) {
		err = db.Raw(left+tail, micros(s.Now())-abandoned).Scan(&number).Error
		return number, err
	}
	// A look first: where even an empty transaction would keep others from writing.
	if number, err := find(s.conn(ctx), ``); err != nil {
		return false, translate(err)
	} else if number == 0 {
		if did, err = s.sweepAside(ctx); err != nil || did {
			return did, err
		}
		return s.sweepRejects(ctx)
	}
	err = s.work(ctx, func(_ context.Context, tx *gorm.DB) error {
		did = false
		number, err := find(tx, s.skipLocked())
		if err != nil || number == 0 {
			return err
		}
		did = true
		if err := tx.Exec(`UPDATE audiences SET state = 'dropped' WHERE number = ?`, number).Error; err != nil {
			return err
		}
		for _, table := range []string{"recipient_rows", "rows_aside", "recipients", "rejects"} {
			if gone, err := deleteSome(tx, table, number, sweepStep); err != nil || gone > 0 {
				return err
			}
		}
		for _, table := range []string{"audience_shares", "audience_whole"} {
			if err := tx.Exec(`DELETE FROM `+table+` WHERE audience = ?`, number).Error; err != nil {
				return err
			}
		}
		return tx.Exec(`DELETE FROM audiences WHERE number = ?`, number).Error
	})
	if err != nil {
		return false, fmt.Errorf("sweep up an audience: %w", err)
	}
	return did, nil
}

// sweepRejects takes away a little of the rejects that were dropped of an
// audience that stays.
func (s *Store) sweepRejects(ctx context.Context) (did bool, err error) {
	const left = `SELECT f.number FROM audiences AS f WHERE f.state = 'current' AND f.notice_id <> '' AND f.rejected = 0 AND EXISTS (SELECT 1 FROM rejects AS r WHERE r.audience = f.number) LIMIT 1`
	var number int64
	if err := s.conn(ctx).Raw(left).Scan(&number).Error; err != nil || number == 0 {
		return false, translate(err)
	}
	err = s.work(ctx, func(_ context.Context, tx *gorm.DB) error {
		gone, err := deleteSome(tx, "rejects", number, sweepStep)
		did = gone > 0
		return err
	})
	if err != nil {
		return false, fmt.Errorf("sweep up rejects: %w", err)
	}
	return did, nil
}

// deleteSome deletes the first rows of a file in a table, at most max, and
// returns how many. Its bounds are hidden as those of inKeys are.
func deleteSome(tx *gorm.DB, table string, audience int64, max int) (int64, error) {
	line := `CAST(0 AS bigint)`
	if table == "recipient_rows" {
		line = `line`
	}
	type key struct{ Place, Line int64 }
	var first, last []key
	if err := tx.Raw(`SELECT place FROM `+table+` WHERE audience = ? ORDER BY place LIMIT 1`, audience).Scan(&first).Error; err != nil || len(first) == 0 {
		return 0, err
	}
	if err := tx.Raw(`SELECT place, `+line+` AS line FROM `+table+` WHERE audience = ? ORDER BY place, `+line+` LIMIT 1 OFFSET ?`, audience, max-1).Scan(&last).Error; err != nil {
		return 0, err
	}
	if len(last) == 0 {
		last = []key{{math.MaxInt64, 0}}
	}
	gone := tx.Exec(`DELETE FROM `+table+` WHERE audience = ? AND place >= `+bound+` AND place <= `+bound+` AND (place < ? OR `+line+` <= ?)`,
		audience, first[0].Place, last[0].Place, last[0].Place, last[0].Line)
	return gone.RowsAffected, gone.Error
}
