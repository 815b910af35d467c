package store

import (
	"context"
	"crypto/rand"
	"errors"
	"net/url"
	"strings"

	"github.com/jackc/pgx/v5"

	"allclear/notifier"
)

// Scratch makes a schema of its own, named prefix_RANDOM, in the PostgreSQL
// database that dsn names, for programs that must leave nothing behind. own is
// the address that leads into it, and into nothing else; drop takes it away
// with all that it holds.
func Scratch(ctx context.Context, dsn, prefix string) (own string, drop func(context.Context) error, err error) {
	cfg, err := postgresConfig(dsn)
	if err != nil {
		return "", nil, err
	}
	schema := prefix + "_" + strings.ToLower(rand.Text()[:12])
	name := pgx.Identifier{schema}.Sanitize()
	exec := func(ctx context.Context, statement string) error {
		conn, err := pgx.ConnectConfig(ctx, cfg.Copy())
		if err != nil {
			return notifier.Refuse(notifier.ErrUnavailable, "cannot open %s: %s", serverName(cfg), reason(err))
		}
		_, err = conn.Exec(ctx, statement)
		return errors.Join(err, conn.Close(ctx))
	}
	if err := exec(ctx, `CREATE SCHEMA `+name); err != nil {
		return "", nil, err
	}
	drop = func(ctx context.Context) error { return exec(ctx, `DROP SCHEMA IF EXISTS `+name+` CASCADE`) }
	if !strings.Contains(dsn, "://") {
		return dsn + " search_path=" + schema, drop, nil
	}
	u, err := url.Parse(dsn)
	if err != nil {
		return "", nil, errors.Join(err, drop(ctx))
	}
	q := u.Query()
	q.Set("search_path", schema)
	u.RawQuery = q.Encode()
	return u.String(), drop, nil
}
