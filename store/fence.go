package store

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

const (
	// lookEvery is how old a look at the other hosts may be when a connection is made.
	lookEvery = 10 * time.Second
	// lookTime is how long they may take to answer.
	lookTime = time.Second
	// tellEvery is how often it is said again that a server is refused.
	tellEvery = 5 * time.Minute
)

// fence keeps this process from a primary that another one took over from. When
// such a server comes back as it was, target_session_attrs=read-write finds
// nothing wrong with it: it takes writes, which nobody else will ever see, and
// it would hand out again what was sent since. But a promotion begins a new
// timeline of the cluster's history, so whoever has seen that knows better.
type fence struct {
	now func() time.Time
	log *slog.Logger

	looking sync.Mutex
	looked  time.Time

	mu     sync.Mutex
	newest map[string]uint32      // a cluster's identifier -> its newest timeline that was seen
	told   map[timeline]time.Time // when a refusal was logged last
}

// timeline is where a server stands in its cluster's history.
type timeline struct {
	cluster string
	number  uint32 // 0: not known
}

func newFence(now func() time.Time, log *slog.Logger) *fence {
	return &fence{now: now, log: log, newest: map[string]uint32{}, told: map[timeline]time.Time{}}
}

// guard makes every connection by cfg pass the fence, behind what the address
// itself asks of a server. A host that does not is passed over like one that is down.
func (f *fence) guard(cfg *pgx.ConnConfig) {
	address := cfg.ValidateConnect
	hosts := hostsOf(cfg)
	cfg.ValidateConnect = func(ctx context.Context, c *pgconn.PgConn) error {
		if address != nil {
			if err := address(ctx, c); err != nil {
				return err
			}
		}
		at, err := readTimeline(ctx, c)
		if err != nil {
			return err
		}
		c.CustomData()[timelineKey] = at
		f.look(ctx, hosts)
		return f.admit(at, c.Conn().RemoteAddr())
	}
}

const timelineKey = "allclear timeline"

// admit refuses a server behind the newest timeline that was seen.
func (f *fence) admit(at timeline, where net.Addr) error {
	newest := f.note(at)
	if at.number == 0 || at.number >= newest {
		return nil
	}
	f.mu.Lock()
	now, told := f.now(), f.told[at]
	tell := told.IsZero() || now.Sub(told) >= tellEvery
	if tell {
		f.told[at] = now
	}
	f.mu.Unlock()
	if tell {
		f.log.Warn("an old primary is left alone: another server was promoted after it; where that one is gone for good, restart", "host", where.String(), "timeline", at.number, "newest", newest)
	}
	return fmt.Errorf("an old primary: it is on timeline %d, and a server on timeline %d was promoted after it", at.number, newest)
}

// note remembers where a server stands, and returns the newest timeline of its cluster.
func (f *fence) note(at timeline) uint32 {
	f.mu.Lock()
	defer f.mu.Unlock()
	if at.number > f.newest[at.cluster] {
		f.newest[at.cluster] = at.number
	}
	return f.newest[at.cluster]
}

// stale ends a pool's connection that was made before a newer timeline was seen.
func (f *fence) stale(_ context.Context, c *pgx.Conn) error {
	if at, ok := c.PgConn().CustomData()[timelineKey].(timeline); ok && at.number > 0 && at.number < f.note(at) {
		return driver.ErrBadConn
	}
	return nil
}

// look asks every host where it stands. Whoever slept through a promotion, or
// has only just started, would otherwise take the first host that takes writes.
func (f *fence) look(ctx context.Context, hosts []*pgconn.Config) {
	if len(hosts) < 2 {
		return
	}
	f.looking.Lock()
	defer f.looking.Unlock()
	if age := f.now().Sub(f.looked); age >= 0 && age < lookEvery {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, lookTime)
	defer cancel()
	var asked sync.WaitGroup
	var answered atomic.Bool
	for _, h := range hosts {
		asked.Go(func() {
			c, err := pgconn.ConnectConfig(ctx, h)
			if err != nil {
				return // who is away has nothing to say
			}
			if at, err := readTimeline(ctx, c); err == nil {
				answered.Store(true)
				f.note(at)
			}
			_ = c.Close(ctx)
		})
	}
	asked.Wait()
	if answered.Load() { // else the next connection asks again
		f.looked = f.now()
	}
}

// hostsOf makes of an address with several hosts one for each.
func hostsOf(cfg *pgx.ConnConfig) []*pgconn.Config {
	all := append([]*pgconn.FallbackConfig{{Host: cfg.Host, Port: cfg.Port, TLSConfig: cfg.TLSConfig}}, cfg.Fallbacks...)
	var out []*pgconn.Config
	for _, h := range all {
		if n := len(out) - 1; n >= 0 && out[n].Host == h.Host && out[n].Port == h.Port {
			out[n].Fallbacks = append(out[n].Fallbacks, h) // the same without TLS
			continue
		}
		one := cfg.Config.Copy()
		one.Host, one.Port, one.TLSConfig, one.Fallbacks, one.ValidateConnect = h.Host, h.Port, h.TLSConfig, nil, nil
		out = append(out, one)
	}
	return out
}

// readTimeline asks a server where it stands. One that cannot tell, because it
// is no PostgreSQL but only speaks like it, is not kept out; neither is a
// standby, which takes no writes and whose time is yet to come.
func readTimeline(ctx context.Context, c *pgconn.PgConn) (timeline, error) {
	results, err := c.Exec(ctx, `SELECT system_identifier, CASE WHEN pg_is_in_recovery() THEN '' ELSE left(pg_walfile_name(pg_current_wal_lsn()), 8) END
		FROM pg_control_system()`).ReadAll()
	var pg *pgconn.PgError
	switch {
	case errors.As(err, &pg) && !unavailable(pg.Code):
		return timeline{}, nil
	case err != nil:
		return timeline{}, fmt.Errorf("read the server's timeline: %w", err)
	case len(results) != 1 || len(results[0].Rows) != 1:
		return timeline{}, nil
	}
	row := results[0].Rows[0]
	n, _ := strconv.ParseUint(string(row[1]), 16, 32) // "" is 0
	return timeline{cluster: string(row[0]), number: uint32(n)}, nil
}
