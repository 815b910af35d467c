package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"allclear/notifier"
	"allclear/store"
	"allclear/subscribers"
)

type suppressionCmd struct {
	Add    suppressionAddCmd    `cmd:"" help:"Never write to an address again, whoever asks."`
	Remove suppressionRemoveCmd `cmd:"" help:"Allow an address again."`
	List   suppressionListCmd   `cmd:"" help:"List the suppressed addresses; where one was erased at its owner's wish, \"erased\" stands for it."`
}

type suppressionAddCmd struct {
	Address string `arg:"" help:"The email address, URL or telephone number."`
	Note    string `placeholder:"TEXT" help:"Why."`
	Base
}

func (c *suppressionAddCmd) Run(a *app) error {
	channel, address, err := subscribers.ParseAny(c.Address)
	if err != nil {
		return err
	}
	return a.with(&c.Base, func(ctx context.Context, db *store.Store) error {
		err := db.Suppress(ctx, subscribers.Suppression{
			Channel: channel, Address: address, Reason: subscribers.ReasonManual, Note: c.Note, CreatedAt: db.Now(),
		})
		if err != nil {
			return err
		}
		fmt.Fprintf(a.out, "suppressed %s: nothing is sent to it any more\n", address)
		return nil
	})
}

type suppressionRemoveCmd struct {
	Address string `arg:"" help:"The email address, URL or telephone number."`
	Base
}

func (c *suppressionRemoveCmd) Run(a *app) error {
	channel, address, err := subscribers.ParseAny(c.Address)
	if err != nil {
		return err
	}
	return a.with(&c.Base, func(ctx context.Context, db *store.Store) error {
		if err := db.Unsuppress(ctx, channel, address); err != nil {
			return missing(err, "%s is not suppressed", address)
		}
		fmt.Fprintf(a.out, "%s may be written to again\n", address)
		return nil
	})
}

type suppressionListCmd struct {
	JSON bool `name:"json" help:"Print one JSON object a line."`
	Base
}

type suppressionJSON struct {
	Channel   notifier.Channel   `json:"channel"`
	Address   string             `json:"address"`
	Reason    subscribers.Reason `json:"reason"`
	Note      string             `json:"note"`
	CreatedAt *time.Time         `json:"created_at"`
}

func (c *suppressionListCmd) Run(a *app) error {
	return a.with(&c.Base, func(ctx context.Context, db *store.Store) error {
		t, enc := newTable("since", "reason", "address", "note"), json.NewEncoder(a.out)
		err := eachSuppression(ctx, db, func(s subscribers.Suppression) error {
			if c.JSON {
				return enc.Encode(suppressionJSON{s.Channel, s.Address, s.Reason, s.Note, jsonTime(s.CreatedAt)})
			}
			t.add(s.CreatedAt.UTC().Format("2006-01-02 15:04Z"), s.Reason, s.Address, s.Note)
			return nil
		})
		if err != nil || c.JSON {
			return err
		}
		if len(t.rows) == 0 {
			fmt.Fprintln(a.out, "no address is suppressed")
			return nil
		}
		return t.print(a.out)
	})
}

func eachSuppression(ctx context.Context, db *store.Store, do func(subscribers.Suppression) error) error {
	for cursor := ""; ; {
		page, next, err := db.Suppressions(ctx, cursor, 1000)
		if err != nil {
			return err
		}
		for _, s := range page {
			if err := do(s); err != nil {
				return err
			}
		}
		if next == "" {
			return nil
		}
		cursor = next
	}
}

// findSuppression is the suppression of an address; nil where there is none.
func findSuppression(ctx context.Context, db *store.Store, channel notifier.Channel, address string) (*suppressionJSON, error) {
	s, err := db.Suppression(ctx, channel, address)
	switch {
	case errors.Is(err, notifier.ErrNotFound):
		return nil, nil //nolint:nilnil // it is not suppressed, and nothing is wrong
	case err != nil:
		return nil, err
	}
	return &suppressionJSON{s.Channel, s.Address, s.Reason, s.Note, jsonTime(s.CreatedAt)}, nil
}
