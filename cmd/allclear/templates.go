package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"
	"time"

	"allclear/notifier"
	"allclear/templates"
)

// set reads the templates of a site. A broken override is a wrong setting.
func (s *Site) set(base string, stories templates.Stories, links templates.Links, now func() time.Time) (*templates.Set, error) {
	zone, err := s.zone()
	if err != nil {
		return nil, err
	}
	phones, _ := links.(templates.Phones)
	people, _ := stories.(templates.Recipients)
	digests, _ := stories.(templates.Digests)
	set, err := templates.New(templates.Options{
		Overrides: s.overrides(), Brand: templates.Brand{Name: s.Name, Logo: s.Logo, Color: s.Color}, Zone: zone, Language: s.Language,
		BaseURL: base, Stories: stories, Links: links, Phones: phones, Recipients: people, Digests: digests, Now: now,
	})
	var inv *notifier.Invalid
	if errors.As(err, &inv) && inv.Field == "language" {
		return nil, wrongBy("LANGUAGE", err)
	}
	if err != nil {
		return nil, wrong("TEMPLATES", "%s", strings.TrimPrefix(err.Error(), "templates: "))
	}
	return set, nil
}

// overrides is the folder of the site's own files; nil where there is none.
func (s *Site) overrides() fs.FS {
	if s.Templates == "" {
		return nil
	}
	return os.DirFS(s.Templates)
}

type templatesCmd struct {
	List   templatesListCmd   `cmd:"" help:"List the files, and the views that can be rendered."`
	Show   templatesShowCmd   `cmd:"" help:"Print a file as it is in use, or what a template of notices needs."`
	Render templatesRenderCmd `cmd:"" help:"Render a view with sample data."`
	Check  templatesCheckCmd  `cmd:"" help:"Parse and render everything, as the start of serve does."`
	Diff   templatesDiffCmd   `cmd:"" help:"Compare your files with the embedded ones."`
}

// sample is the set with a base URL where none is set.
func (s *Site) sample(a *app) (*templates.Set, error) {
	if err := s.check(); err != nil {
		return nil, err
	}
	base, err := s.base("https://status.example.com")
	if err != nil {
		return nil, err
	}
	return s.set(base, nil, nil, a.now)
}

type templatesListCmd struct {
	JSON bool `name:"json" help:"Print one JSON object."`
	Site
}

func (c *templatesListCmd) Run(a *app) error {
	set, err := c.sample(a)
	if err != nil {
		return err
	}
	if c.JSON {
		type file struct {
			Name       string `json:"name"`
			Overridden bool   `json:"overridden"`
		}
		files := []file{}
		for _, f := range set.Files() {
			files = append(files, file{f.Name, f.Overridden})
		}
		return printJSON(a.out, map[string]any{"files": files, "views": set.Views(), "notices": noticeNeeds()})
	}
	t := newTable("file", "from")
	for _, f := range set.Files() {
		from := "embedded"
		if f.Overridden {
			from = "yours"
		}
		t.add(f.Name, from)
	}
	if err := t.print(a.out); err != nil {
		return err
	}
	fmt.Fprintln(a.out, "\nviews (allclear templates render VIEW):")
	for _, v := range set.Views() {
		fmt.Fprintln(a.out, "  "+v)
	}
	return nil
}

type templatesShowCmd struct {
	File string `arg:"" help:"The file, as allclear templates list names it; or restore-started, restore-completed, account-affected, mail-bounced, blank."`
	Site
}

func (c *templatesShowCmd) Run(a *app) error {
	if slices.Contains(notifier.NoticeTemplates, c.File) {
		return c.notice(a)
	}
	text, err := templates.Source(c.overrides(), c.File)
	if err != nil && !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, fs.ErrInvalid) {
		return wrong("TEMPLATES", "%s", strings.TrimPrefix(err.Error(), "templates: "))
	}
	if err != nil {
		return notifier.Refuse(notifier.ErrNotFound, "no file %q; allclear templates list shows them", c.File)
	}
	_, err = fmt.Fprint(a.out, text)
	return err
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
	set, err := c.sample(a)
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
	return nil
}

func orNone(columns []string) string {
	if len(columns) == 0 {
		return "none"
	}
	return strings.Join(columns, ", ")
}

type templatesRenderCmd struct {
	View string `arg:"" help:"The view, as allclear templates list names it."`
	As   string `default:"text" enum:"text,html,subject" placeholder:"text|html|subject" help:"What to print of a mail (default: text); pages are html."`
	Lang string `placeholder:"CODE" help:"The reader's language."`
	Zone string `placeholder:"ZONE" help:"The reader's time zone."`
	Site
}

func (c *templatesRenderCmd) Run(a *app) error {
	set, err := c.sample(a)
	if err != nil {
		return err
	}
	if c.Lang != "" && !set.Speaks(c.Lang) {
		return notifier.Invalidf("lang", "there are no texts in %q; there are %s", c.Lang, strings.Join(set.Languages(), ", "))
	}
	if _, err := (&Clock{Timezone: c.Zone}).zone(); err != nil {
		return notifier.Invalidf("zone", "%q is no time zone; use a name like Europe/Oslo", c.Zone)
	}
	if strings.HasPrefix(c.View, "page/") {
		page, err := set.RenderSamplePage(c.View, c.Lang)
		if err != nil {
			return notifier.Refuse(notifier.ErrNotFound, "%s", strings.TrimPrefix(err.Error(), "templates: "))
		}
		_, err = a.out.Write(page)
		return err
	}
	letter, err := set.RenderSample(c.View, c.Lang, c.Zone)
	if err != nil {
		return err
	}
	switch c.As {
	case "html":
		_, err = fmt.Fprintln(a.out, letter.HTML)
	case "subject":
		_, err = fmt.Fprintln(a.out, letter.Subject)
	default:
		_, err = fmt.Fprintf(a.out, "Subject: %s\n\n%s\n", letter.Subject, letter.Text)
	}
	return err
}

type templatesCheckCmd struct {
	Site
}

func (c *templatesCheckCmd) Run(a *app) error {
	set, err := c.sample(a)
	if err != nil {
		return err
	}
	yours := 0
	for _, f := range set.Files() {
		if f.Overridden {
			yours++
		}
	}
	fmt.Fprintf(a.out, "ok: %s rendered, %s (%d of them yours)\n", plural(int64(len(set.Views())), "view"), plural(int64(len(set.Files())), "file"), yours)
	return nil
}

type templatesDiffCmd struct {
	File string `arg:"" optional:"" help:"Only this file."`
	Site
}

func (c *templatesDiffCmd) Run(a *app) error {
	set, err := c.sample(a)
	if err != nil {
		return err
	}
	found := false
	for _, f := range set.Files() {
		if c.File != "" && f.Name != c.File {
			continue
		}
		found = true
		if !f.Overridden {
			continue
		}
		theirs, err := set.Embedded(f.Name)
		if err != nil {
			return err
		}
		yours, err := set.Source(f.Name)
		if err != nil {
			return err
		}
		fmt.Fprintf(a.out, "--- embedded/%s\n+++ yours/%s\n%s", f.Name, f.Name, diff(theirs, yours))
	}
	if !found {
		return notifier.Refuse(notifier.ErrNotFound, "no file %q; allclear templates list shows them", c.File)
	}
	return nil
}
