package store

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"
	"gorm.io/gorm"

	"allclear/notifier"
)

// translate turns what GORM and the drivers say into the words of notifier.
// It is called once, where a method of the store returns.
func translate(err error) error {
	var pg *pgconn.PgError
	switch {
	case err == nil, errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return err
	case errors.Is(err, notifier.ErrNotFound), errors.Is(err, notifier.ErrConflict), errors.Is(err, notifier.ErrUnavailable):
		return err
	case errors.Is(err, gorm.ErrRecordNotFound):
		return fmt.Errorf("%w: %w", notifier.ErrNotFound, err)
	case errors.Is(err, gorm.ErrDuplicatedKey):
		return fmt.Errorf("%w: %w", notifier.ErrConflict, err)
	case errors.Is(err, gorm.ErrForeignKeyViolated):
		return fmt.Errorf("%w: %w", notifier.ErrConflict, err)
	case errors.As(err, &pg):
		switch {
		case unavailable(pg.Code):
			return fmt.Errorf("%w: %w", notifier.ErrUnavailable, err)
		case pg.Code == "22021": // SQLite takes it as bytes, and finds nothing
			return fmt.Errorf("%w: %w", notifier.Invalidf("", "the text holds a NUL character or broken UTF-8"), err)
		}
		return err
	case lost(err), slices.Contains([]int{sqliteBusy, sqliteLocked, sqliteIOErr, sqliteFull, sqliteCantOpen}, sqliteCode(err)):
		return fmt.Errorf("%w: %w", notifier.ErrUnavailable, err)
	}
	return err
}

// unavailable reports whether PostgreSQL's code means: not now.
func unavailable(code string) bool {
	if code == "25006" { // read-only: this host is no longer the primary
		return true
	}
	return strings.HasPrefix(code, "08") || strings.HasPrefix(code, "53") || strings.HasPrefix(code, "57P")
}

// lost reports whether the connection to the server broke or was never made.
func lost(err error) bool {
	var connect *pgconn.ConnectError
	var network net.Error
	return errors.As(err, &connect) || errors.As(err, &network) || errors.Is(err, driver.ErrBadConn) ||
		errors.Is(err, pgconn.ErrConnClosed) || errors.Is(err, io.ErrUnexpectedEOF)
}

// SQLite's primary result codes that are asked for here (sqlite.org/rescode.html).
const (
	sqliteBusy     = 5
	sqliteLocked   = 6
	sqliteIOErr    = 10
	sqliteFull     = 13
	sqliteCantOpen = 14
)

// sqliteCode is the primary result code of a SQLite error; 0 for any other.
func sqliteCode(err error) int {
	var coded interface{ Code() int }
	if errors.As(err, &coded) {
		return coded.Code() & 0xff
	}
	return 0
}

// again reports whether the same transaction may succeed when it is run anew:
// PostgreSQL's serialization failure and deadlock.
func again(err error) bool {
	var pg *pgconn.PgError
	return errors.As(err, &pg) && (pg.Code == "40001" || pg.Code == "40P01")
}
