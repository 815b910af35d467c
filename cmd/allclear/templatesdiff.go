package main

import (
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"

	"allclear/notifier"
	"allclear/templates"
)

type templatesShowCmd struct {
	File string `arg:"" help:"The file, as allclear templates list names it; or a view: its data, as render --data takes it; or restore-started, restore-completed, account-affected, mail-bounced, blank: what an audience's file needs."`
	Data bool   `help:"Of a template of notices: its sample data, as render --data takes it."`
	lookedAt
}

func (c *templatesShowCmd) Run(a *app) error {
	if slices.Contains(notifier.NoticeTemplates, c.File) && !c.Data {
		return c.notice(a)
	}
	text, err := templates.Source(c.overrides(), c.File)
	if err != nil && !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, fs.ErrInvalid) {
		return templatesError(err)
	}
	if err != nil {
		return c.view(a)
	}
	if edit, ok := c.edited(a)[c.File]; ok {
		text = edit
	}
	_, err = fmt.Fprint(a.out, text)
	return err
}

// view prints a view's sample data.
func (c *templatesShowCmd) view(a *app) error {
	set, _, err := c.usable(a)
	if err != nil {
		return err
	}
	if !slices.Contains(set.Views(), c.File) || strings.HasPrefix(c.File, "page/") {
		return noFile(c.File)
	}
	data, err := set.SampleData(c.File)
	if err != nil {
		return err
	}
	_, err = a.out.Write(data)
	return err
}

func noFile(name string) error {
	hint := "allclear templates list shows them"
	if n := templates.NearestFile(name); n != "" {
		hint = "did you mean " + n + "?"
	}
	return notifier.Refuse(notifier.ErrNotFound, "no file %q; %s", notifier.Clip(name), hint)
}

// noticeNeed is what a template of notices needs of an audience's file.
type noticeNeed struct {
	Name     string   `json:"name"`
	Needed   []string `json:"needed"`
	Optional []string `json:"optional"`
}

func noticeNeeds() []noticeNeed {
	var out []noticeNeed
	for _, name := range notifier.NoticeTemplates {
		needed, optional := templates.NoticeColumns(name)
		out = append(out, noticeNeed{name, append([]string{}, needed...), append([]string{}, optional...)})
	}
	return out
}

// notice prints what a template of notices needs, and its words in the service's language.
func (c *templatesShowCmd) notice(a *app) error {
	set, _, err := c.usable(a)
	if err != nil {
		return err
	}
	needed, optional := templates.NoticeColumns(c.File)
	words := set.NoticeWords(c.File)
	if words == "" {
		words = "(none: the body is yours to write)"
	}
	line := func(label, text string) { fmt.Fprintf(a.out, "%-11s%s\n", label, text) }
	line("template:", c.File+" (mail/notice.html)")
	line("needed:", orNone(needed))
	line("optional:", orNone(optional))
	line("others:", "every other column is shown beside them; {{column}} in subject and body is the recipient's, {{rows}} the table")
	line("body:", words)
	line("data:", "allclear templates show --data "+c.File+" prints a sample for render --data")
	return nil
}

func orNone(columns []string) string {
	if len(columns) == 0 {
		return "none"
	}
	return strings.Join(columns, ", ")
}

type templatesDiffCmd struct {
	File string `arg:"" optional:"" help:"Only this file."`
	lookedAt
}

// Help says what it ends with.
func (c *templatesDiffCmd) Help() string {
	return `What turns the embedded files into those in use: the folder's, and over them what was edited on the console. Ends with 0 where nothing differs, with 1 where something does, as diff does.`
}

func (c *templatesDiffCmd) Run(a *app) error {
	if err := c.check(); err != nil {
		return err
	}
	files := templates.Names()
	if c.File != "" {
		if !slices.Contains(files, c.File) {
			return noFile(c.File)
		}
		files = []string{c.File}
	}
	differs, edited := false, c.edited(a)
	for _, name := range files {
		theirs, err := templates.Source(nil, name)
		if err != nil {
			return err
		}
		// What is broken can be compared too.
		yours, err := templates.Source(c.overrides(), name)
		if err != nil {
			return templatesError(err)
		}
		whose := "yours"
		if edit, ok := edited[name]; ok {
			yours, whose = edit, "edited"
		}
		if d := templates.DiffFile(name, theirs, yours); d != "" {
			differs = true
			fmt.Fprintf(a.out, "--- embedded/%s\n+++ %s/%s\n%s", name, whose, name, d)
		}
	}
	if differs {
		return &failure{exitFailed}
	}
	return nil
}
