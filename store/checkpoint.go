package store

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"gorm.io/gorm"
)

const (
	// checkpointEvery is how often SQLite's log is copied into its file while
	// there are commits. Each time the next commit shares the disk with it: that
	// is to be one of hundreds.
	checkpointEvery = time.Second
	// checkpointPages is how many pages of 4 kB the log may have before a commit
	// has to do it, however long that takes: what the others could not copy,
	// because somebody was reading all the time.
	checkpointPages = "8000"
)

// checkpoints copies SQLite's log into its file beside those who write. Left to
// itself SQLite does that within a commit, so that now and then one waits for a
// thousand pages to reach the disk.
type checkpoints struct {
	last    atomic.Int64 // microseconds
	busy    atomic.Bool
	running sync.WaitGroup
	one     sync.Mutex // SQLite refuses a second one at the same time

	mu     sync.Mutex
	closed bool // none begins any more
}

// committed notes a commit, and begins a checkpoint when it is time for one.
func (c *checkpoints) committed(db *gorm.DB, now time.Time) {
	last := c.last.Load()
	if age := now.Sub(instant(last)); last != 0 && age >= 0 && age < checkpointEvery || !c.busy.CompareAndSwap(false, true) {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return
	}
	c.last.Store(micros(now))
	c.running.Go(func() {
		defer c.busy.Store(false)
		c.one.Lock()
		defer c.one.Unlock()
		// PASSIVE waits for nobody. What it could not do the next one does, and
		// an error of the disk is met by whoever writes.
		if pool, err := db.DB(); err == nil {
			_, _ = pool.ExecContext(context.Background(), `PRAGMA wal_checkpoint(PASSIVE)`)
		}
	})
}

// close waits for the one that runs; a commit that comes late begins no other.
func (c *checkpoints) close() {
	c.mu.Lock()
	c.closed = true
	c.mu.Unlock()
	c.running.Wait()
}

// emptyLog copies the log into the file and makes it empty, so that what stood in
// pages before is nowhere any more. Where somebody reads all the time it is
// overwritten a little later. Most is copied while others may write; emptying it
// waits for readers with the writer's turn in hand, and so only a moment. It
// also ends the overwriting that an erasure asked for, should its context have
// ended before that could be said.
func (s *Store) emptyLog(ctx context.Context) {
	s.checkpoint(ctx, s.db, "PASSIVE")
	if err := s.turns.take(ctx, false); err != nil {
		return
	}
	defer s.turns.done()
	// SQLite does not look at a context while it waits for readers.
	writer := s.writer.WithContext(ctx)
	_ = writer.Exec(`PRAGMA busy_timeout = 200`).Error
	s.checkpoint(ctx, s.writer, "TRUNCATE")
	_ = writer.Exec(`PRAGMA busy_timeout = ` + busyTimeout).Error
	_ = writer.Exec(`PRAGMA secure_delete = 0`).Error
}

func (s *Store) checkpoint(ctx context.Context, db *gorm.DB, mode string) {
	s.checkpoints.one.Lock()
	defer s.checkpoints.one.Unlock()
	_ = db.WithContext(ctx).Exec(`PRAGMA wal_checkpoint(` + mode + `)`).Error
}
