package store

import (
	"context"
	"fmt"

	"allclear/notifier"
)

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
		out = append(out, notifier.KeptUpload{Rows: a.Lines + a.Rejected, Replaces: a.Base == 0, At: instant(a.TouchedAt)})
	}
	return out, nil
}
