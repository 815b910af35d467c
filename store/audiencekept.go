package store

import (
	"context"
	"fmt"

	"gorm.io/gorm"

	"allclear/notifier"
)

// EndAudience keeps whoever goes on with an upload from bringing more of it, so
// that it stays as far as it came; ErrNotFound where it is over.
func (s *Store) EndAudience(ctx context.Context, left notifier.Left) error {
	return s.write(ctx, func(_ context.Context, tx *gorm.DB) error {
		done := tx.Exec(`UPDATE audiences SET turn = turn + 1 WHERE number = ? AND state = 'open' AND taken <> ''`, left.Edition)
		if done.Error != nil {
			return fmt.Errorf("end an upload: %w", done.Error)
		}
		if done.RowsAffected == 0 {
			return notifier.Refuse(notifier.ErrNotFound, "the upload is over")
		}
		return nil
	})
}

// RejectEncoding is the encoding of the files that a notice's rejects stood in:
// UTF-8 where it is not known, or they had several.
func (s *Store) RejectEncoding(ctx context.Context, notice string) (string, error) {
	files, err := s.filesOf(s.conn(ctx), notice)
	if err != nil {
		return "", translate(err)
	}
	encoding := ""
	for _, f := range files {
		if f.Rejected > 0 {
			if f.Encoding == "" {
				f.Encoding = plainEncoding
			}
			encoding = oneEncoding(encoding, f.Encoding)
		}
	}
	if encoding == "" {
		encoding = plainEncoding
	}
	return encoding, nil
}

const plainEncoding = "utf-8"

// oneEncoding is what two texts can be written in together; "" is none.
func oneEncoding(a, b string) string {
	switch {
	case b == "" || a == b:
		return a
	case a == "":
		return b
	}
	return plainEncoding
}

// KeptUploads lists what is kept of files for a notice that were not read to
// their end: they broke off, or are being read.
func (s *Store) KeptUploads(ctx context.Context, notice string) ([]notifier.KeptUpload, error) {
	var found []audienceRow
	if err := s.conn(ctx).Raw(`SELECT * FROM audiences WHERE state <> 'current' AND state = 'open' AND notice_id = ? AND taken <> '' AND touched_at >= ? ORDER BY number`,
		notice, micros(s.Now())-abandoned).Scan(&found).Error; err != nil {
		return nil, translate(fmt.Errorf("look for uploads that broke off: %w", err))
	}
	var out []notifier.KeptUpload
	for _, a := range found {
		rows := a.Lines + a.Rejected
		if a.Gathering == 0 { // else some of what is aside counts among the lines already
			rows += a.aside()
		}
		out = append(out, notifier.KeptUpload{Rows: rows, Replaces: a.Base == 0, At: instant(a.TouchedAt)})
	}
	return out, nil
}
