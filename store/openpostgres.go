package store

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/stdlib"
	gormpostgres "gorm.io/driver/postgres"
	"gorm.io/gorm"

	"allclear/notifier"
)

const (
	// connections is how many one process holds at most: a server has 100 by
	// default, and several processes share it.
	connections = 16
	// connectTimeout is how long one host may take to answer, where the
	// address does not say (connect_timeout=).
	connectTimeout = 5 * time.Second
	// silence is after how long a host that acknowledges nothing is given up.
	silence = 25 * time.Second
)

func (s *Store) openPostgres(ctx context.Context, _ bool) error {
	s.dialect = postgres
	cfg, err := postgresConfig(s.dsn)
	if err != nil {
		return err
	}
	s.server = serverName(cfg)
	s.fence = newFence(s.clock, s.log)
	s.fence.guard(cfg)
	pool := stdlib.OpenDB(*cfg, stdlib.OptionResetSession(s.fence.stale), stdlib.OptionAfterConnect(func(ctx context.Context, c *pgx.Conn) error {
		// A process that froze in the middle of a transaction must not keep
		// everyone else from numbering events. And what is in flight is in
		// memory: with a disk's price for reading a row by its key the planner
		// would rather read a hundred thousand for the five hundred that are
		// settled. A SET and not start-up parameters: PgBouncer refuses those.
		_, err := c.Exec(ctx, `SET idle_in_transaction_session_timeout = '60s'; SET random_page_cost = 1.1`)
		return err
	}))
	pool.SetMaxOpenConns(connections)
	pool.SetMaxIdleConns(connections)
	pool.SetConnMaxIdleTime(5 * time.Minute)
	pool.SetConnMaxLifetime(time.Hour) // after a failover, back to the preferred host
	if s.db, err = gorm.Open(gormpostgres.New(gormpostgres.Config{Conn: pool}), settings()); err != nil {
		_ = pool.Close()
		return fmt.Errorf("open %s: %w", s.server, err)
	}
	s.writer = s.db
	if err := pool.PingContext(ctx); err != nil {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		return notifier.Refuse(notifier.ErrUnavailable, "cannot open %s: %s", s.server, reason(err))
	}
	return nil
}

// postgresConfig reads an address. The parser's own errors may quote parts of
// a password that holds special characters, so they are not repeated unless
// the address is a clean URL.
func postgresConfig(dsn string) (*pgx.ConnConfig, error) {
	cfg, err := pgx.ParseConfig(dsn)
	if err != nil {
		detail := ""
		var parse *pgconn.ParseConfigError
		if u, uerr := url.Parse(dsn); uerr == nil && u.Scheme != "" && errors.As(err, &parse) && parse.Unwrap() != nil {
			detail = " (" + strings.Join(strings.Fields(parse.Unwrap().Error()), " ") + ")"
			if p, ok := u.User.Password(); ok && p != "" && strings.Contains(detail, p) {
				detail = ""
			}
		}
		return nil, notifier.Invalidf("database",
			"this PostgreSQL address cannot be read%s; write postgres://user:password@host:5432/name, with special characters of the password as %%XX", detail)
	}
	if cfg.ConnectTimeout == 0 {
		cfg.ConnectTimeout = connectTimeout
	}
	// A primary that vanishes without a word is noticed within half a minute; see also limitSilence.
	dialer := &net.Dialer{
		Timeout:         cfg.ConnectTimeout,
		KeepAliveConfig: net.KeepAliveConfig{Enable: true, Idle: 10 * time.Second, Interval: 5 * time.Second, Count: 3},
		Control:         limitSilence,
	}
	cfg.DialFunc = dialer.DialContext
	if cfg.RuntimeParams["application_name"] == "" {
		cfg.RuntimeParams["application_name"] = "allclear"
	}
	if cfg.RuntimeParams["jit"] == "" {
		cfg.AfterConnect = interpret
	}
	return cfg, nil
}

// interpret tells a server to compile no statement: they are short, and where
// the planner takes one for long, as it does on tables that it has not looked at
// yet, to compile it takes a hundred times as long as to run it. It is no
// parameter of the connection, as poolers refuse those they do not know.
func interpret(ctx context.Context, c *pgconn.PgConn) error {
	return c.Exec(ctx, `SET jit = off`).Close()
}

// serverName names database and hosts, each once.
func serverName(cfg *pgx.ConnConfig) string {
	var hosts []string
	add := func(host string, port uint16) {
		h := net.JoinHostPort(host, strconv.Itoa(int(port)))
		if strings.HasPrefix(host, "/") {
			h = host
		}
		for _, have := range hosts {
			if have == h {
				return
			}
		}
		hosts = append(hosts, h)
	}
	add(cfg.Host, cfg.Port)
	for _, f := range cfg.Fallbacks {
		add(f.Host, f.Port)
	}
	return fmt.Sprintf("the PostgreSQL database %q at %s", cfg.Database, strings.Join(hosts, ", "))
}

// reason is why a connection was not made, in one line: the server's own words
// where it spoke, else the network's.
func reason(err error) string {
	var pg *pgconn.PgError
	if errors.As(err, &pg) {
		return pg.Message
	}
	var op *net.OpError
	switch {
	case errors.As(err, &op) && op.Timeout(), errors.Is(err, context.DeadlineExceeded):
		return "no answer in time"
	case errors.As(err, &op):
		return op.Err.Error()
	}
	var connect *pgconn.ConnectError
	if errors.As(err, &connect) {
		err = connect.Unwrap()
	}
	return strings.Join(strings.Fields(err.Error()), " ")
}
