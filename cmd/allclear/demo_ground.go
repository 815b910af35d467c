package main

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"allclear/notifier"
	"allclear/notifier/email"
	"allclear/store"
)

// ground is what demo and bench stand on: a folder, a database and keys of their own.
type ground struct {
	name   string // the command's
	folder string
	dsn    string
	says   string // the database, for people
	secret string
	dkim   string // as ALLCLEAR_DKIM
	undo   []func(context.Context) error
}

// breakGround makes it. After an error nothing is left.
func breakGround(ctx context.Context, name, database string) (*ground, error) {
	g := &ground{name: name}
	err := g.dig(ctx, database)
	if err != nil {
		return nil, errors.Join(err, g.remove(context.WithoutCancel(ctx)))
	}
	return g, nil
}

func (g *ground) dig(ctx context.Context, database string) error {
	var err error
	if g.folder, err = os.MkdirTemp("", "allclear-"+g.name+"-"); err != nil {
		return fmt.Errorf("make a folder for the %s: %w", g.name, err)
	}
	g.undo = append(g.undo, func(context.Context) error { return os.RemoveAll(g.folder) })
	raw := make([]byte, 33)
	_, _ = rand.Read(raw) // never fails since Go 1.24
	g.secret = base64.RawURLEncoding.EncodeToString(raw)
	if err := g.makeKeys(); err != nil {
		return err
	}
	pg, err := (&Base{Database: database}).postgres()
	switch {
	case err != nil:
		return &usageError{"--database: " + strings.TrimPrefix(err.Error(), prefix+"DATABASE (--database): ")}
	case pg:
		var drop func(context.Context) error
		if g.dsn, drop, err = store.Scratch(ctx, database, "allclear_"+g.name); err != nil {
			return err
		}
		g.undo = append(g.undo, drop)
		g.says = "PostgreSQL, in a schema of its own (dropped at the end)"
	case database == "":
		g.dsn = filepath.Join(g.folder, g.name+".db")
		g.says = "SQLite, in a folder of its own (removed at the end)"
	default:
		if _, err := os.Stat(database); !errors.Is(err, fs.ErrNotExist) {
			return notifier.Refuse(notifier.ErrConflict, "%s is there already; the %s wants a new file, because it removes it at the end", database, g.name)
		}
		g.dsn = database
		g.says = "SQLite, at " + database + " (removed at the end)"
		g.undo = append(g.undo, func(context.Context) error {
			var errs []error
			for _, end := range []string{"", "-wal", "-shm", "-journal"} {
				if err := os.Remove(database + end); err != nil && !errors.Is(err, fs.ErrNotExist) {
					errs = append(errs, err)
				}
			}
			return errors.Join(errs...)
		})
	}
	return nil
}

// makeKeys makes one key of each algorithm, at the same time.
func (g *ground) makeKeys() error {
	algorithms := []string{email.RSA, email.Ed25519}
	entries, errs := make([]string, len(algorithms)), make([]error, len(algorithms))
	var both sync.WaitGroup
	for i, algorithm := range algorithms {
		both.Go(func() {
			file := filepath.Join(g.folder, algorithm+".pem")
			key, err := email.GenerateKey(algorithm)
			if err == nil {
				err = email.WriteKey(file, key)
			}
			entries[i], errs[i] = demoDomain+":"+algorithm+":"+file, err
		})
	}
	both.Wait()
	g.dkim = strings.Join(entries, ",")
	return errors.Join(errs...)
}

// remove takes everything away again, last things first.
func (g *ground) remove(ctx context.Context) error {
	var errs []error
	for i := len(g.undo) - 1; i >= 0; i-- {
		errs = append(errs, g.undo[i](ctx))
	}
	return errors.Join(errs...)
}

// onGround makes ground for a command, lets it play there, and takes
// everything away again, after Ctrl-C too.
func (a *app) onGround(name, database string, play func(*ground) error) error {
	g, err := breakGround(a.ctx, name, database)
	if err != nil {
		return interrupted(a.ctx, err)
	}
	err = play(g)
	last, cancel := context.WithTimeout(context.WithoutCancel(a.ctx), 30*time.Second)
	defer cancel()
	if removeErr := g.remove(last); removeErr != nil {
		return errors.Join(err, removeErr)
	}
	return interrupted(a.ctx, err)
}

// dialect is the kind of the database: sqlite or postgres.
func (g *ground) dialect() string {
	if pg, _ := (&Base{Database: g.dsn}).postgres(); pg { // a wrong address was refused before
		return "postgres"
	}
	return "sqlite"
}
