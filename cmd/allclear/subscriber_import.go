package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"allclear/store"
	"allclear/subscribers"
)

type subscriberImportCmd struct {
	File      string `arg:"" help:"The file; - is standard input."`
	DryRun    bool   `help:"Write nothing; say what would happen."`
	Overwrite bool   `help:"Replace the choices of those who are there already, as far as the file has columns for them."`
	Active    bool   `help:"Lines that name no state have agreed already: no confirmation is asked."`
	JSON      bool   `name:"json" help:"Print the report as one JSON object."`
	Base
	Seconding
}

// Help lists the columns.
func (c *subscriberImportCmd) Help() string {
	return `The first line names the columns, in any order: address (or email), channel (email, webhook or sms; else seen from the address: one with :// is a webhook, one that begins with + a telephone), components, severity, kinds, cadence, hour, weekday and critical (of digests), timezone, language, state, incident (wants only this one), group (true for an address that many read), contact (its owner, who alone may change or end the subscription; of a webhook always needed), format and types (of webhooks), quiet (of telephones, 22:00-07:00), second_channel and second_address (told while mail to an own domain is down; asked to confirm unless --active). Lists are separated by semicolons. Without state=active (or --active) a new subscriber is asked to confirm: by mail, and at a telephone by a code. A webhook's contact is mailed and the webhook tested. Statuspage's file (type, address, country, skip-confirm) and what listmonk exports (uuid, email, name, attributes, status) are read as they are. A suppressed address is never revived. Wrong lines are reported and left out; the others come in.`
}

func (c *subscriberImportCmd) Run(a *app) error {
	in, size := a.in, int64(0)
	if c.File != "-" {
		f, err := os.Open(c.File)
		if err != nil {
			return err
		}
		defer f.Close()
		if info, err := f.Stat(); err == nil {
			size = info.Size()
		}
		in = f
	}
	return a.with(&c.Base, func(ctx context.Context, db *store.Store) error {
		var to subscribers.Importer = db
		if c.DryRun {
			to = tried{db, &c.Seconding}
		} else if err := c.keptIn(ctx, db); err != nil {
			return err
		}
		m := a.meter("bytes read", size)
		counted := &countingReader{r: in}
		report, err := subscribers.Import(ctx, to, counted, subscribers.ImportOptions{
			Overwrite: c.Overwrite, DryRun: c.DryRun, Active: c.Active, Confirm: confirmation(db),
			Progress: func(int) { m.set(counted.n) },
		})
		m.close()
		if c.JSON {
			if printErr := printJSON(a.out, report); printErr != nil {
				return printErr
			}
		} else if err == nil || report.Rows > 0 {
			c.print(a, report)
		}
		if err != nil {
			return err
		}
		if report.Wrong+report.SecondsRefused > 0 {
			return &failure{exitFailed}
		}
		return nil
	})
}

func (c *subscriberImportCmd) print(a *app, r subscribers.ImportReport) {
	for _, e := range r.Errors {
		field := ""
		if e.Field != "" {
			field = e.Field + ": "
		}
		fmt.Fprintf(a.err, "line %d: %s%s\n", e.Line, field, e.Reason)
	}
	if n := r.Wrong + r.SecondsRefused - len(r.Errors); n > 0 {
		fmt.Fprintf(a.err, "and %s more\n", plural(int64(n), "wrong line"))
	}
	verb := ""
	if c.DryRun {
		verb = "dry run, nothing was written: "
	}
	fmt.Fprintf(a.out, "%s%s: %d added%s; %d changed, %d unchanged, %d suppressed, %d wrong\n", verb, plural(int64(r.Rows), "row"), r.Added, c.added(r), r.Changed, r.Unchanged, r.Suppressed, r.Wrong)
	if r.Seconds+r.SecondsRefused > 0 {
		fmt.Fprintf(a.out, "second addresses: %d taken, %d refused\n", r.Seconds, r.SecondsRefused)
	}
}

// added says which of the new ones get mail now, because a file without
// states asks everyone in it.
func (c *subscriberImportCmd) added(r subscribers.ImportReport) string {
	var parts []string
	if r.Active > 0 {
		parts = append(parts, fmt.Sprintf("%d active", r.Active))
	}
	if other := r.Added - r.Active - r.Pending; other > 0 {
		parts = append(parts, fmt.Sprintf("%d neither active nor pending", other))
	}
	if r.Pending > 0 {
		verb := "who are"
		switch {
		case c.DryRun:
			verb = "who would be"
		case r.Pending == 1:
			verb = "who is"
		}
		parts = append(parts, fmt.Sprintf("%d pending, %s asked to confirm", r.Pending, verb))
	}
	if parts == nil {
		return ""
	}
	return ": " + strings.Join(parts, ", ")
}

// countingReader knows how much was read, for the progress bar.
type countingReader struct {
	r      io.Reader
	seeker io.Seeker // nil: it cannot be read twice
	n      int64
}

func (c *countingReader) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.n += int64(n)
	return n, err
}

func (c *countingReader) Seek(offset int64, whence int) (int64, error) {
	if c.seeker == nil {
		return 0, errors.ErrUnsupported
	}
	n, err := c.seeker.Seek(offset, whence)
	if err == nil {
		c.n = n
	}
	return n, err
}
