package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"allclear/notifier"
	"allclear/store"
	"allclear/templates"
)

// editedSet is a set with what was edited, as far as that can be used.
func editedSet(db *store.Store, o templates.Options) (*templates.Set, error) {
	edits, _, err := db.TemplateEdits(context.Background())
	if err != nil {
		return nil, err
	}
	o.Edits = map[string]string{}
	for _, e := range edits {
		o.Edits[e.Name] = e.Text
	}
	set, _, err := templates.Check(o)
	return set, templatesError(err)
}

type templatesSaveCmd struct {
	File string `arg:"" help:"The file whose place it takes, as allclear templates list names it."`
	From string `arg:"" help:"The file that holds the text; - is standard input."`
	lookedAt
}

// Help says how it is noticed.
func (c *templatesSaveCmd) Help() string {
	return `The text is kept in the database, comes before the embedded file and the folder's, and is used by every process within a few seconds. One that cannot be used is refused with its line, as on the console.`
}

func (c *templatesSaveCmd) Run(a *app) error {
	if !slices.Contains(templates.Names(), c.File) {
		return noFile(c.File)
	}
	if !templates.Editable(c.File) {
		return notifier.Refuse(notifier.ErrConflict, "%s is what pages load, and cannot be edited while they are up; override it by a file of ALLCLEAR_TEMPLATES", c.File)
	}
	text, err := a.text("", c.From)
	if err != nil {
		return err
	}
	o, err := c.sample(a)
	if err != nil {
		return err
	}
	return a.with(&c.Base, func(ctx context.Context, db *store.Store) error {
		set, err := editedSet(db, o)
		if err != nil {
			return err
		}
		o.Edits = map[string]string{}
		was := ""
		edits, _, err := db.TemplateEdits(ctx)
		if err != nil {
			return err
		}
		for _, e := range edits {
			if e.Name == c.File {
				was = notifier.HashTemplate(e.Text)
			}
			if i := slices.IndexFunc(set.Files(), func(f templates.File) bool { return f.Name == e.Name && f.From == templates.FromEdit }); i >= 0 {
				o.Edits[e.Name] = e.Text
			}
		}
		o.Edits[c.File] = text
		if _, err := templates.New(o); err != nil {
			return notifier.Refuse(notifier.ErrConflict, "%s", strings.TrimPrefix(err.Error(), "templates: "))
		}
		if err := db.SaveTemplate(ctx, notifier.TemplateEdit{Name: c.File, Text: text}, was); err != nil {
			return err
		}
		_, err = fmt.Fprintf(a.out, "saved %s; allclear templates reset %s takes it back\n", c.File, c.File)
		return err
	})
}

type templatesResetCmd struct {
	File string `arg:"" help:"The file, as allclear templates list names it."`
	Base
}

func (c *templatesResetCmd) Run(a *app) error {
	return a.with(&c.Base, func(ctx context.Context, db *store.Store) error {
		edits, _, err := db.TemplateEdits(ctx)
		if err != nil {
			return err
		}
		was := ""
		for _, e := range edits {
			if e.Name == c.File {
				was = notifier.HashTemplate(e.Text)
			}
		}
		if err := db.DropTemplate(ctx, c.File, was); err != nil {
			if errors.Is(err, notifier.ErrNotFound) && !slices.Contains(templates.Names(), c.File) {
				return noFile(c.File)
			}
			return err
		}
		_, err = fmt.Fprintf(a.out, "took the edit of %s back\n", c.File)
		return err
	})
}
