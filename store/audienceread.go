package store

import (
	"context"
	"encoding/json"
	"fmt"

	"gorm.io/gorm"

	"allclear/notifier"
)

// Rejects returns a page of the rows of a notice's audience that could not be
// used, in the order in which they came, and the place to go on behind; 0 is
// the end.
func (s *Store) Rejects(ctx context.Context, notice string, after int64, limit int) ([]notifier.Reject, int64, error) {
	db := s.conn(ctx)
	files, err := s.filesOf(db, notice)
	if err != nil {
		return nil, 0, translate(err)
	}
	limit = between(limit, 1, 2000)
	var out []notifier.Reject
	last := int64(0)
	for _, f := range files {
		if f.Rejected == 0 { // what is there yet is being swept away
			continue
		}
		var found []struct {
			Place, Line          int64
			Reason, Text, Header string
		}
		if err := db.Raw(`SELECT place, line, reason, text, header FROM rejects WHERE audience = ? AND place > ? ORDER BY place LIMIT ?`,
			f.Number, after, limit+1-len(out)).Scan(&found).Error; err != nil {
			return nil, 0, translate(fmt.Errorf("read rejects: %w", err))
		}
		for _, r := range found {
			if len(out) == limit {
				return out, last, nil
			}
			out, last = append(out, notifier.Reject{Line: int(r.Line), Reason: r.Reason, Text: r.Text, Header: r.Header}), r.Place
		}
	}
	return out, 0, nil
}

// DropRejects forgets the rows of a draft's audience that could not be used, as
// they were mended and added, or are meant for nobody. Approvals fall. From the
// commit on nobody sees them; sweepAudiences takes them away in small steps.
func (s *Store) DropRejects(ctx context.Context, notice string) (notifier.Notice, error) {
	return s.reviseNotice(ctx, notice, "notice.rejects", func(ctx context.Context, tx *gorm.DB, c *course) (string, error) {
		if err := c.mayChange(); err != nil {
			return "", err
		}
		files, err := currentFiles(tx, c.ID)
		if err != nil {
			return "", err
		}
		detail := fmt.Sprintf("%d rejected rows forgotten", c.Rejected)
		for _, f := range files {
			f.Rejected = 0
			if err := saveFile(tx, &f); err != nil {
				return "", err
			}
		}
		c.Rejected = 0
		c.changed(notifier.ActorFrom(ctx).Name)
		return detail, nil
	})
}

// filesOf are the files of a notice's audience; ErrNotFound if there is no notice.
func (s *Store) filesOf(db *gorm.DB, notice string) ([]audienceRow, error) {
	files, err := currentFiles(db, notice)
	if err == nil && len(files) == 0 {
		_, err = takeNotice(db, notice)
	}
	return files, err
}

// Recipient returns the recipient at a place with their own rows, in the order
// of the file; ErrNotFound if nobody is there.
func (s *Store) Recipient(ctx context.Context, notice string, place int64) (notifier.Recipient, error) {
	db := s.conn(ctx)
	files, err := s.filesOf(db, notice)
	if err != nil {
		return notifier.Recipient{}, translate(err)
	}
	for _, f := range files {
		if place <= f.First || place > f.First+f.Recipients {
			continue
		}
		var r recipientRow
		if err := db.Raw(`SELECT `+recipientColumns+` FROM recipients AS r WHERE r.audience = ? AND r.place = ?`, f.Number, place).Scan(&r).Error; err != nil {
			return notifier.Recipient{}, translate(fmt.Errorf("read a recipient: %w", err))
		}
		if r.Place > 0 {
			out, err := withRows(db, files, r)
			return out, translate(err)
		}
	}
	return notifier.Recipient{}, notifier.Refuse(notifier.ErrNotFound, "this notice has no recipient %d", place)
}

// RecipientByAddress is Recipient by the address as it is kept.
func (s *Store) RecipientByAddress(ctx context.Context, notice string, ch notifier.Channel, address string) (notifier.Recipient, error) {
	db := s.conn(ctx)
	files, err := s.filesOf(db, notice)
	if err != nil {
		return notifier.Recipient{}, translate(err)
	}
	found, err := s.recipientsAt(db, `address`, []string{address}, numbersOf(files))
	if err != nil {
		return notifier.Recipient{}, translate(err)
	}
	for _, r := range found {
		if r.Channel == string(ch) {
			out, err := withRows(db, files, r)
			return out, translate(err)
		}
	}
	return notifier.Recipient{}, notifier.Refuse(notifier.ErrNotFound, "this notice is not for that address")
}

func numbersOf(files []audienceRow) []int64 {
	out := []int64{0} // so that a list is never empty
	for _, f := range files {
		out = append(out, f.Number)
	}
	return out
}

// RecipientSizes returns the places of the recipients with the fewest rows, a
// middling number of them, and the most; rows of files that were added later
// count with nobody whom an earlier file has. ErrNotFound where there is nobody.
// It reads through all recipients, once, and sorts none.
func (s *Store) RecipientSizes(ctx context.Context, notice string) (smallest, median, largest int64, err error) {
	db := s.conn(ctx)
	files, err := s.filesOf(db, notice)
	if err != nil {
		return 0, 0, 0, translate(err)
	}
	var sizes []struct{ Lines, N int64 } // how many recipients have so many rows
	if err := db.Raw(`SELECT lines, count(*) AS n FROM recipients WHERE audience IN ? GROUP BY lines ORDER BY lines`, numbersOf(files)).Scan(&sizes).Error; err != nil {
		return 0, 0, 0, translate(fmt.Errorf("compare recipients: %w", err))
	}
	if len(sizes) == 0 {
		return 0, 0, 0, notifier.Refuse(notifier.ErrNotFound, "this notice has no audience yet")
	}
	total := int64(0)
	for _, x := range sizes {
		total += x.N
	}
	at := func(lines, skip int64) (place int64) {
		if err == nil {
			err = db.Raw(`SELECT place FROM recipients WHERE audience IN ? AND lines = ? ORDER BY audience, place LIMIT 1 OFFSET ?`, numbersOf(files), lines, skip).Scan(&place).Error
		}
		return place
	}
	smallest, largest = at(sizes[0].Lines, 0), at(sizes[len(sizes)-1].Lines, 0)
	middle := (total - 1) / 2
	for _, x := range sizes {
		if middle < x.N {
			median = at(x.Lines, middle)
			break
		}
		middle -= x.N
	}
	if err != nil {
		return 0, 0, 0, translate(fmt.Errorf("compare recipients: %w", err))
	}
	return smallest, median, largest, nil
}

// AudienceColumns lists the columns of a notice's audience, in the order in
// which they appeared.
func (s *Store) AudienceColumns(ctx context.Context, notice string) ([]notifier.Column, error) {
	db := s.conn(ctx)
	files, err := s.filesOf(db, notice)
	if err != nil {
		return nil, translate(err)
	}
	var found []struct {
		Name  string
		Count int64
	}
	if err := db.Raw(`SELECT name, count FROM audience_shares WHERE audience IN ? AND kind = 'column' ORDER BY audience, place`, numbersOf(files)).Scan(&found).Error; err != nil {
		return nil, translate(fmt.Errorf("list columns: %w", err))
	}
	out := []notifier.Column{}
	at := map[string]int{}
	for _, f := range found {
		n, known := at[f.Name]
		if !known {
			n, out = len(out), append(out, notifier.Column{Name: f.Name})
			at[f.Name] = n
		}
		out[n].Filled += f.Count
	}
	return out, nil
}

// AudienceAccounts is how many of a notice's audience have an account. It reads
// through all recipients.
func (s *Store) AudienceAccounts(ctx context.Context, notice string) (n int64, err error) {
	db := s.conn(ctx)
	files, err := s.filesOf(db, notice)
	if err != nil {
		return 0, translate(err)
	}
	if err := db.Raw(`SELECT count(*) FROM recipients WHERE audience IN ? AND account <> ''`, numbersOf(files)).Scan(&n).Error; err != nil {
		return 0, translate(fmt.Errorf("count accounts: %w", err))
	}
	return n, nil
}

// AudienceHead returns the first rows of a notice's audience, at most limit.
func (s *Store) AudienceHead(ctx context.Context, notice string, limit int) ([][]notifier.Field, error) {
	db := s.conn(ctx)
	files, err := s.filesOf(db, notice)
	if err != nil {
		return nil, translate(err)
	}
	var out [][]notifier.Field
	for _, f := range files {
		var rows []string
		if err := db.Raw(`SELECT fields FROM recipient_rows WHERE audience = ? ORDER BY place, line LIMIT ?`, f.Number, limit-len(out)).Scan(&rows).Error; err != nil {
			return nil, translate(fmt.Errorf("read the first rows: %w", err))
		}
		for _, text := range rows {
			var fields []notifier.Field
			if err := json.Unmarshal([]byte(text), &fields); err != nil {
				return nil, fmt.Errorf("read the first rows: %w", err)
			}
			out = append(out, fields)
		}
		if len(out) >= limit {
			break
		}
	}
	return out, nil
}

// domainsShown is how many domains a breakdown names.
const domainsShown = 20

// AudienceBreakdown tells who a notice would go to.
func (s *Store) AudienceBreakdown(ctx context.Context, notice string) (notifier.Breakdown, error) {
	db := s.conn(ctx)
	var b notifier.Breakdown
	files, err := s.filesOf(db, notice)
	if err != nil {
		return b, translate(err)
	}
	for kind, into := range map[string]*[]notifier.Share{"channel": &b.Channels, "language": &b.Languages, "domain": &b.Domains} {
		if err := db.Raw(`SELECT name, CAST(sum(count) AS bigint) AS count FROM audience_shares WHERE audience IN ? AND kind = ?
			GROUP BY name ORDER BY sum(count) DESC, name LIMIT ?`, numbersOf(files), kind, map[bool]int{true: domainsShown, false: 1000}[kind == "domain"]).Scan(into).Error; err != nil {
			return b, translate(fmt.Errorf("count recipients: %w", err))
		}
	}
	var gone int64
	if err := db.Raw(`SELECT coalesce(CAST(sum(count) AS bigint), 0) FROM audience_shares WHERE audience IN ? AND kind = 'erased'`, numbersOf(files)).Scan(&gone).Error; err != nil {
		return b, translate(fmt.Errorf("count recipients: %w", err))
	}
	from := `suppressions AS b CROSS JOIN recipients AS r ON r.address = b.address AND r.channel = b.channel AND +r.audience IN ?` // see recipientsAt
	if s.dialect == postgres {
		from = `suppressions AS b CROSS JOIN LATERAL (SELECT 1 FROM recipients AS r WHERE r.address = b.address AND r.channel = b.channel AND r.audience + 0 IN ? OFFSET 0) AS r`
	}
	if err := db.Raw(`SELECT count(*) FROM `+from, numbersOf(files)).Scan(&b.Suppressed).Error; err != nil {
		return b, translate(fmt.Errorf("count who may not be written to: %w", err))
	}
	b.Suppressed += gone
	return b, nil
}
