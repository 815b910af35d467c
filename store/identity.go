package store

import (
	"context"
	"fmt"
	"strconv"
)

// Identity tells this database from every other one, for files that are kept
// beside it (the ack journal): the same delivery's number means another
// delivery elsewhere. At most 16 bytes.
func (s *Store) Identity(ctx context.Context) (string, error) {
	var n int64
	if err := s.conn(ctx).Raw(`SELECT value FROM counters WHERE name = 'identity'`).Scan(&n).Error; err != nil {
		return "", fmt.Errorf("read the database's identity: %w", translate(err))
	}
	return strconv.FormatUint(uint64(n), 36), nil
}
