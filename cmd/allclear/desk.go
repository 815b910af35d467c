package main

import (
	"context"
	"crypto/rand"
	"encoding/base32"
	"errors"
	"io"
	"os"
	"strings"
	"time"

	"allclear/notifier"
	"allclear/store"
)

// open opens the database of the settings; a missing one is an error.
func (a *app) open(s *Base) (*store.Store, error) {
	log, err := a.logger(s)
	if err != nil {
		return nil, err
	}
	if _, err := s.postgres(); err != nil {
		return nil, err
	}
	return store.Open(a.ctx, store.Options{DSN: s.Database, Log: log})
}

// with opens the database for the time of do.
func (a *app) with(s *Base, do func(ctx context.Context, db *store.Store) error) error {
	db, err := a.open(s)
	if err != nil {
		return err
	}
	return errors.Join(do(a.ctx, db), db.Close())
}

// newID makes an opaque id of 80 random bits.
func newID() string {
	var b [10]byte
	_, _ = rand.Read(b[:]) // never fails since Go 1.24
	return strings.ToLower(base32.StdEncoding.EncodeToString(b[:]))
}

// desk is where a posting is written.
func desk(now time.Time, zone *time.Location) notifier.Desk {
	return notifier.Desk{Now: now, Zone: zone, NewID: newID}
}

// instant reads what {{at}} understands; "" is the zero time.
func instant(flag, s string, d notifier.Desk) (time.Time, error) {
	if s == "" {
		return time.Time{}, nil
	}
	var t time.Time
	if strings.ContainsAny(s, "\"\n") {
		return t, notifier.Invalidf(flag, "%q is no time", s)
	}
	text, _, err := notifier.ResolveTimes(`{{at "`+s+`"}}`, d.Now, d.Zone)
	if err != nil {
		return t, notifier.Invalidf(flag, `%q is no time; write now, -20m, 16:11, "2026-11-23 16:11 Europe/Oslo" or 2026-11-23T16:11:00Z`, s)
	}
	notifier.PrintTimes(text, func(at time.Time) string { t = at; return "" })
	return t, nil
}

// given is instant where "not given" is not the same as any time: nil then.
func given(flag, s string, d notifier.Desk) (*time.Time, error) {
	at, err := instant(flag, s, d)
	if err != nil || at.IsZero() {
		return nil, err
	}
	return &at, nil
}

// text is what was written on the command line, or what a file holds; - is standard input.
func (a *app) text(given, file string) (string, error) {
	switch {
	case file == "":
		return given, nil
	case given != "":
		return "", &usageError{"--body and --body-file exclude each other"}
	case file == "-":
		b, err := io.ReadAll(io.LimitReader(a.in, 1<<20))
		return string(b), err
	}
	b, err := os.ReadFile(file)
	return string(b), err
}
