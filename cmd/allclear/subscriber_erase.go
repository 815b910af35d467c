package main

import (
	"context"
	"fmt"

	"allclear/store"
)

type subscriberEraseCmd struct {
	Who string `arg:"" name:"address" help:"The address, or the number (s17)."`
	Yes bool   `help:"Do it; there is no way back."`
	Base
}

// Help says what stays.
func (c *subscriberEraseCmd) Help() string {
	return `The subscriber goes with all it chose, and its address from every delivery; these stay as a number, so that events keep their accounts. A mark that does not show the address keeps files from bringing it back; its owner may subscribe anew. Copies and backups that were made before still hold it.`
}

func (c *subscriberEraseCmd) Run(a *app) error {
	if !c.Yes {
		return &usageError{"erasing cannot be undone; add --yes to do it"}
	}
	return a.with(&c.Base, func(ctx context.Context, db *store.Store) error {
		s, err := findSubscriber(ctx, db, c.Who)
		if err != nil {
			return err
		}
		if err := db.EraseSubscriber(ctx, s.Number); err != nil {
			return err
		}
		_, err = fmt.Fprintf(a.out, "erased %s\n", s.Number)
		return err
	})
}
