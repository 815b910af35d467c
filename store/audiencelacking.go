package store

import (
	"context"
	"encoding/json"
	"fmt"

	"gorm.io/gorm"

	"allclear/notifier"
)

// AudienceLacking is how many recipients of a notice's audience lack anything
// that their letter needs, each counted once. What every row must have was
// counted as the rows came; who lacks something else is looked for in first
// rows, and only theirs are read to see whether they are counted already.
func (s *Store) AudienceLacking(ctx context.Context, notice string, need notifier.Needing) (lacking int64, err error) {
	if len(need.Rows) > 0 {
		if lacking, err = s.lackingRows(ctx, notice, need.Rows); err != nil {
			return 0, err
		}
	}
	if len(need.First) == 0 && !need.Account {
		return lacking, nil
	}
	db := s.conn(ctx)
	files, err := s.filesOf(db, notice)
	if err != nil {
		return 0, translate(err)
	}
	for _, f := range files {
		more, err := lackingFirst(db, files, f, need)
		if err != nil {
			return 0, translate(fmt.Errorf("count who lacks something: %w", err))
		}
		lacking += more
	}
	return lacking, nil
}

// lackingRows is how many recipients lack one of the columns in any row.
func (s *Store) lackingRows(ctx context.Context, notice string, columns []string) (int64, error) {
	whole, err := s.AudienceWhole(ctx, notice)
	if err != nil {
		return 0, err
	}
	have, counted := whole[notifier.TogetherColumn(columns)]
	if !counted {
		return 0, fmt.Errorf("nobody counts who has %v in every row", columns)
	}
	n, err := s.Notice(ctx, notice)
	return n.Recipients - have, err
}

// lackingFirst is how many of a file's recipients lack what is needed of their
// first row, and nothing of what every row must have.
func lackingFirst(db *gorm.DB, files []audienceRow, f audienceRow, need notifier.Needing) (lacking int64, err error) {
	for place := f.First; ; {
		var page []struct {
			Audience, Place, Lines int64
			Account                string
			Fields                 *string // of the first row
		}
		if err := db.Raw(`SELECT r.audience, r.place, r.lines, r.account, (SELECT x.fields FROM recipient_rows AS x WHERE x.audience = r.audience AND x.place = r.place ORDER BY x.line LIMIT 1) AS fields
			FROM recipients AS r WHERE r.audience = ? AND r.place > ? ORDER BY r.place LIMIT ?`, f.Number, place, pageRows).Scan(&page).Error; err != nil {
			return 0, err
		}
		for _, r := range page {
			place = r.Place
			if r.Fields == nil && f.ComponentKey == "" && r.Lines > 0 { // forgotten
				continue
			}
			var first []notifier.Field
			if r.Fields != nil {
				if err := json.Unmarshal([]byte(*r.Fields), &first); err != nil {
					return 0, err
				}
			}
			if !need.Lacks(r.Account, first) {
				continue
			}
			counted, err := lacksRows(db, files, recipientRow{Audience: r.Audience, Place: r.Place}, need.Rows)
			if err != nil {
				return 0, err
			}
			if !counted {
				lacking++
			}
		}
		if len(page) < pageRows {
			return lacking, nil
		}
	}
}

// lacksRows reports whether a recipient lacks one of the columns in any row that
// their letter is made from.
func lacksRows(db *gorm.DB, files []audienceRow, r recipientRow, columns []string) (bool, error) {
	if len(columns) == 0 {
		return false, nil
	}
	all, err := withRows(db, files, r)
	if err != nil {
		return false, err
	}
	for _, row := range all.Rows {
		if notifier.LackingColumns(row, columns) {
			return true, nil
		}
	}
	return false, nil
}
