package main

import (
	"fmt"

	"allclear/store"
)

type migrateCmd struct {
	Base
}

func (c *migrateCmd) Run(a *app) error {
	log, err := a.logger(&c.Base)
	if err != nil {
		return err
	}
	if _, err := c.postgres(); err != nil {
		return err
	}
	db, err := store.Open(a.ctx, store.Options{DSN: c.Database, Create: true, Log: log})
	if err != nil {
		return err
	}
	fmt.Fprintf(a.out, "the schema is up to date (%s)\n", db.Dialect())
	return db.Close()
}
