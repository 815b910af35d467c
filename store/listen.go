package store

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// channel is where processes on PostgreSQL call each other: NOTIFY allclear.
const channel = "allclear"

const (
	listenPause    = 100 * time.Millisecond // before the first new connection
	listenPauseMax = 10 * time.Second
	listenQuiet    = 30 * time.Second // after so much silence the connection is tried
)

// Listen calls wake whenever another process has made work, until ctx ends; it
// returns ctx's error. A lost connection is made anew, and wake is called once
// for what may have been missed. On SQLite there is nobody to hear: it waits
// for ctx. Nothing may depend on it; it only makes the polls' next turn sooner.
func (s *Store) Listen(ctx context.Context, wake func()) error {
	if s.dialect == sqlite {
		<-ctx.Done()
		return ctx.Err()
	}
	cfg, err := postgresConfig(s.dsn)
	if err != nil {
		return err
	}
	s.fence.guard(cfg)
	pause := listenPause
	for ctx.Err() == nil {
		heard, err := listen(ctx, cfg, wake)
		if ctx.Err() != nil {
			break
		}
		if heard {
			pause = listenPause
		}
		s.log.Warn("listening to the database was interrupted", "error", reason(err), "again_in", pause.String())
		select {
		case <-ctx.Done():
		case <-time.After(pause):
		}
		pause = min(2*pause, listenPauseMax)
	}
	return ctx.Err()
}

// listen hears on one connection until it breaks. The pool's connections are
// not for this: LISTEN belongs to a session.
func listen(ctx context.Context, cfg *pgx.ConnConfig, wake func()) (heard bool, err error) {
	conn, err := pgx.ConnectConfig(ctx, cfg)
	if err != nil {
		return false, fmt.Errorf("connect: %w", err)
	}
	defer func() {
		bye, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
		defer cancel()
		_ = conn.Close(bye)
	}()
	if _, err := conn.Exec(ctx, "LISTEN "+channel); err != nil {
		return false, fmt.Errorf("listen: %w", err)
	}
	wake()
	for {
		quiet, cancel := context.WithTimeout(ctx, listenQuiet)
		_, err := conn.WaitForNotification(quiet)
		cancel()
		switch {
		case err == nil:
			wake()
		case ctx.Err() != nil:
			return true, ctx.Err()
		case pgconn.Timeout(err) || errors.Is(err, context.DeadlineExceeded):
			// Silence, or a server that is gone without a word?
			try, cancel := context.WithTimeout(ctx, connectTimeout)
			err := conn.Ping(try)
			cancel()
			if err != nil {
				return true, fmt.Errorf("try the connection: %w", err)
			}
		default:
			return true, fmt.Errorf("wait for a notification: %w", err)
		}
	}
}
