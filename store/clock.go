package store

import (
	"context"
	"fmt"
	"time"
)

// serverTime is the server's clock in whole microseconds.
const serverTime = `(extract(epoch FROM clock_timestamp()) * 1000000)::bigint`

// readClock measures how far PostgreSQL's clock is ahead of this machine's.
func (s *Store) readClock(ctx context.Context) error {
	if s.fixed || s.dialect == sqlite {
		return nil
	}
	var server int64
	asked := s.clock()
	if err := s.db.WithContext(ctx).Raw(`SELECT ` + serverTime).Scan(&server).Error; err != nil {
		return fmt.Errorf("read the server's clock: %w", translate(err))
	}
	s.setClock(server, asked, s.clock())
	return nil
}

// setClock takes the server's clock (microseconds) that was read between asked
// and answered, both by this machine's clock. A difference that the way to the
// server and back explains is none. A clock that was given to Open is left alone.
func (s *Store) setClock(server int64, asked, answered time.Time) {
	if s.fixed {
		return
	}
	way := answered.Sub(asked)
	offset := instant(server).Sub(asked.Add(way / 2))
	if known := time.Duration(s.offset.Load()); (offset - known).Abs() <= way {
		return
	}
	s.offset.Store(int64(offset))
}
