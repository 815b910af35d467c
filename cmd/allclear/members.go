package main

import (
	"context"
	"fmt"
	"io"
	"net/url"

	"allclear/notifier/api"
	"allclear/store"
)

type componentMembersCmd struct {
	Key       string `arg:"" help:"The component."`
	File      string `arg:"" help:"An address on each line, or CSV or NDJSON with a column email; - is standard input."`
	Email     string `placeholder:"COLUMN" help:"The file's column of addresses, where it has another name."`
	Delimiter string `placeholder:"NAME" help:"comma, semicolon, tab or pipe; default: what the header uses."`
	Encoding  string `placeholder:"NAME" help:"utf-8, utf-16 or windows-1252; default: UTF-8, or what the file begins with."`
	Base
}

// Help says what it is good for.
func (c *componentMembersCmd) Help() string {
	return `The list takes the place of the one before; where the file cannot be understood, or breaks off, that one stays. A notice can be for them: "allclear notice audience ID --members KEY".`
}

func (c *componentMembersCmd) Run(a *app) error {
	v := url.Values{}
	if c.Email != "" {
		v.Set("map", "email:"+c.Email)
	}
	for name, value := range map[string]string{"delimiter": c.Delimiter, "encoding": c.Encoding} {
		if value != "" {
			v.Set(name, value)
		}
	}
	return a.with(&c.Base, func(ctx context.Context, db *store.Store) error {
		var got api.Members
		err := a.reading(c.File, func(in io.Reader, contentType string, progress func(int64)) error {
			var err error
			got, err = audienceFiles{db: db, progress: progress}.LoadMembers(ctx, c.Key, in, v.Encode(), contentType)
			return err
		})
		if err != nil {
			return missing(err, "no component %q; allclear component list shows them", c.Key)
		}
		for i, r := range got.Rejects {
			if i == firstRejects {
				break
			}
			fmt.Fprintf(a.err, "line %d: %s\n", r.Line, r.Reason)
		}
		if more := got.Rejected - firstRejects; more > 0 {
			fmt.Fprintf(a.err, "and %s more\n", plural(more, "rejected line"))
		}
		_, err = fmt.Fprintf(a.out, "%s of %s, %d rejected\n", plural(got.Members, "member"), c.Key, got.Rejected)
		return err
	})
}
