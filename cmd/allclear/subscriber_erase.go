package main

import (
	"context"
	"fmt"

	"allclear/store"
	"allclear/subscribers"
)

type subscriberEraseCmd struct {
	Who string `arg:"" name:"address" help:"The address, or the number (s17)."`
	Yes bool   `help:"Do it; there is no way back."`
	Base
}

// Help says what stays.
func (c *subscriberEraseCmd) Help() string {
	return `The subscriber goes with all it chose, and its address from every delivery; these stay as a number, so that events keep their accounts. A mark that does not show the address keeps files from bringing it back; its owner may subscribe anew. An address is erased in any case of its letters, and also where it never subscribed: from the audiences of notices and what they sent, from lists of who lives on a component, and from rejected rows. Copies and backups that were made before still hold it.`
}

func (c *subscriberEraseCmd) Run(a *app) error {
	if !c.Yes {
		return &usageError{"erasing cannot be undone; add --yes to do it"}
	}
	return a.with(&c.Base, func(ctx context.Context, db *store.Store) error {
		if n, err := subscribers.ParseNumber(c.Who); err == nil {
			if err := missing(db.EraseSubscriber(ctx, n), "no subscriber %s", c.Who); err != nil {
				return err
			}
			_, err = fmt.Fprintf(a.out, "erased %s\n", n)
			return err
		}
		channel, address, err := subscribers.ParseAny(c.Who)
		if err != nil {
			return err
		}
		erased, err := db.EraseAddress(ctx, channel, address)
		if err != nil {
			return err
		}
		for _, n := range erased {
			fmt.Fprintf(a.out, "erased %s\n", n)
		}
		if len(erased) == 0 {
			_, err = fmt.Fprintln(a.out, "erased an address that no subscriber has")
		}
		return err
	})
}
