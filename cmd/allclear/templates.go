package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"strings"
	"time"

	"allclear/notifier"
	"allclear/store"
	"allclear/templates"
)

// set reads the templates of a site. A broken override is a wrong setting.
func (s *Site) set(base string, stories templates.Stories, links templates.Links, now func() time.Time) (*templates.Set, error) {
	o, err := s.options(base, stories, links, now)
	if err != nil {
		return nil, err
	}
	set, err := templates.New(o)
	return set, templatesError(err)
}

// options are what a site's templates are made from.
func (s *Site) options(base string, stories templates.Stories, links templates.Links, now func() time.Time) (templates.Options, error) {
	zone, err := s.zone()
	if err != nil {
		return templates.Options{}, err
	}
	phones, _ := links.(templates.Phones)
	people, _ := stories.(templates.Recipients)
	digests, _ := stories.(templates.Digests)
	return templates.Options{
		Overrides: s.overrides(), Brand: templates.Brand{Name: s.Name, Logo: s.Logo, Color: s.Color}, Zone: zone, Language: s.Language,
		BaseURL: base, Stories: stories, Links: links, Phones: phones, Recipients: people, Digests: digests, Now: now,
	}, nil
}

// templatesError gives what is wrong with the templates the name of its setting.
func templatesError(err error) error {
	var inv *notifier.Invalid
	switch {
	case err == nil:
		return nil
	case errors.As(err, &inv) && inv.Field == "language":
		return wrongBy("LANGUAGE", err)
	}
	return wrong("TEMPLATES", "%s", strings.TrimPrefix(err.Error(), "templates: "))
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
	Show   templatesShowCmd   `cmd:"" help:"Print a file as it is in use, or what a view needs."`
	Render templatesRenderCmd `cmd:"" help:"Render a view with sample data, or with yours."`
	Check  templatesCheckCmd  `cmd:"" help:"Parse and render every file of yours in every language, and name what is wrong."`
	Diff   templatesDiffCmd   `cmd:"" help:"Compare your files with the embedded ones."`
	Save   templatesSaveCmd   `cmd:"" help:"Have every process use a text in a file's place at once, as the console does."`
	Reset  templatesResetCmd  `cmd:"" help:"Take an edited text back."`
}

// lookedAt is whose templates a command looks at.
type lookedAt struct {
	Base
	Site
}

// edited is what is edited, where there is a database. What cannot be read is
// told of, and left out: files can be looked at wherever they are.
func (s *lookedAt) edited(a *app) map[string]string {
	out := map[string]string{}
	err := a.with(&s.Base, func(ctx context.Context, db *store.Store) error {
		edits, _, err := db.TemplateEdits(ctx)
		for _, e := range edits {
			out[e.Name] = e.Text
		}
		return err
	})
	if err != nil && !errors.Is(err, notifier.ErrNotFound) {
		fmt.Fprintln(a.err, "allclear: what was edited on the console is left out: "+plain(err))
	}
	return out
}

// sample are the options of a set with a base URL where none is set.
func (s *Site) sample(a *app) (templates.Options, error) {
	if err := s.check(); err != nil {
		return templates.Options{}, err
	}
	base, err := s.base("https://status.example.com")
	if err != nil {
		return templates.Options{}, err
	}
	return s.options(base, nil, nil, a.now)
}

// usable is a set of what can be used of the site's files and edits.
func (s *lookedAt) usable(a *app) (*templates.Set, []templates.Problem, error) {
	o, err := s.sample(a)
	if err != nil {
		return nil, nil, err
	}
	o.Edits = s.edited(a)
	set, problems, err := templates.Check(o)
	return set, problems, templatesError(err)
}

type templatesListCmd struct {
	JSON bool `name:"json" help:"Print one JSON object."`
	lookedAt
}

func (c *templatesListCmd) Run(a *app) error {
	set, problems, err := c.usable(a)
	if err != nil {
		return err
	}
	broken := func(name string) bool {
		return slices.ContainsFunc(problems, func(p templates.Problem) bool { return p.File == name })
	}
	if c.JSON {
		type file struct {
			Name       string           `json:"name"`
			Overridden bool             `json:"overridden"`
			From       templates.Origin `json:"from"`
			Broken     bool             `json:"broken"`
		}
		files := []file{}
		for _, f := range set.Files() {
			files = append(files, file{f.Name, f.Overridden || broken(f.Name), f.From, broken(f.Name)})
		}
		return printJSON(a.out, map[string]any{"files": files, "views": set.Views(), "notices": noticeNeeds()})
	}
	t := newTable("file", "from")
	for _, f := range set.Files() {
		from := map[templates.Origin]string{templates.FromEmbedded: "embedded", templates.FromFolder: "yours", templates.FromEdit: "edited"}[f.From]
		if broken(f.Name) {
			from += " (yours is broken)"
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

type templatesRenderCmd struct {
	View   string `arg:"" help:"The view, as allclear templates list names it."`
	Data   string `placeholder:"FILE" help:"JSON of what it tells (- is standard input); without it a sample. allclear templates show VIEW prints the shape."`
	Format string `aliases:"as" default:"text" enum:"text,html,subject,sms,webhook,statuspage,slack,teams,discord" placeholder:"FORMAT" help:"text (default), html, subject; sms; webhook (the standard one), statuspage, slack, teams or discord. Pages are html."`
	Lang   string `placeholder:"CODE" help:"The reader's language; else the data's, else the service's."`
	Zone   string `placeholder:"ZONE" help:"The reader's time zone; else the data's, else the service's."`
	lookedAt
}

// Help says where the shape of the data is.
func (c *templatesRenderCmd) Help() string {
	return `Nothing is sent, and a database is not needed. A view's own sample, to begin from: allclear templates show VIEW > data.json. An incident may be as GET /api/v1/incidents/ID answers it.`
}

func (c *templatesRenderCmd) Run(a *app) error {
	o, err := c.sample(a)
	if err != nil {
		return err
	}
	o.Edits = c.edited(a)
	set, err := templates.New(o)
	if err != nil {
		return templatesError(err)
	}
	if c.Lang != "" && !set.Speaks(c.Lang) {
		return notifier.Invalidf("lang", "there are no texts in %q; there are %s", c.Lang, strings.Join(set.Languages(), ", "))
	}
	if _, err := (&Clock{Timezone: c.Zone}).zone(); err != nil {
		return notifier.Invalidf("zone", "%q is no time zone; use a name like Europe/Oslo", c.Zone)
	}
	if strings.HasPrefix(c.View, "page/") {
		return c.page(a, set)
	}
	data, err := c.data(a, set)
	if err != nil {
		return err
	}
	p := templates.Preview{Channel: notifier.Email, Language: c.Lang, Zone: c.Zone}
	switch c.Format {
	case "sms":
		p.Channel = notifier.SMS
	case "webhook", "statuspage", "slack", "teams", "discord":
		p.Channel = notifier.Webhook
		if p.Format = notifier.Format(c.Format); c.Format == "webhook" {
			p.Format = notifier.FormatStandard
		}
	}
	letter, err := set.RenderData(c.View, data, p)
	if err != nil {
		return err
	}
	switch {
	case p.Channel == notifier.Webhook:
		_, err = fmt.Fprintln(a.out, string(letter.Body))
	case p.Channel == notifier.SMS:
		_, err = fmt.Fprintln(a.out, letter.Text)
	case c.Format == "html":
		_, err = fmt.Fprintln(a.out, letter.HTML)
	case c.Format == "subject":
		_, err = fmt.Fprintln(a.out, letter.Subject)
	default:
		_, err = fmt.Fprintf(a.out, "Subject: %s\n\n%s\n", letter.Subject, letter.Text)
	}
	return err
}

func (c *templatesRenderCmd) page(a *app, set *templates.Set) error {
	if c.Data != "" {
		return notifier.Invalidf("data", "is for mails; pages are rendered with their sample")
	}
	page, err := set.RenderSamplePage(c.View, c.Lang)
	if err != nil {
		return notifier.Refuse(notifier.ErrNotFound, "%s", strings.TrimPrefix(err.Error(), "templates: "))
	}
	_, err = a.out.Write(page)
	return err
}

// data reads what a view is to tell; nil is the sample.
func (c *templatesRenderCmd) data(a *app, set *templates.Set) (*templates.Data, error) {
	if c.Data == "" {
		return nil, nil //nolint:nilnil // the sample
	}
	in := a.in
	if c.Data != "-" {
		f, err := os.Open(c.Data)
		if err != nil {
			return nil, err
		}
		defer func() { _ = f.Close() }()
		in = f
	}
	const most = 10 << 20
	text, err := io.ReadAll(io.LimitReader(in, most+1))
	if err != nil {
		return nil, err
	}
	if len(text) > most {
		return nil, notifier.Invalidf("data", "is larger than 10 MiB")
	}
	return set.ReadData(c.View, text)
}

type templatesCheckCmd struct {
	lookedAt
}

// Help says what is judged, and what it ends with.
func (c *templatesCheckCmd) Help() string {
	return `Every file of the folder, and every text that was edited on the console where there is a database, is parsed, and every mail and page rendered with it in every language, with sample data; each that is wrong is named on a line of its own, FILE:LINE: WHY, on standard output. A message that leaves out a {place} which the embedded one has is warned of on standard error. Ends with 0 where nothing is wrong, else with 1.`
}

func (c *templatesCheckCmd) Run(a *app) error {
	set, problems, err := c.usable(a)
	if err != nil {
		return err
	}
	for _, p := range problems {
		fmt.Fprintln(a.out, p)
	}
	for _, p := range set.Warnings() {
		fmt.Fprintln(a.err, "warning: "+p.String())
	}
	if len(problems) > 0 {
		fmt.Fprintf(a.err, "allclear: %s of yours cannot be used\n", plural(int64(len(problems)), "file"))
		return &failure{exitFailed}
	}
	yours := 0
	for _, f := range set.Files() {
		if f.Overridden {
			yours++
		}
	}
	_, err = fmt.Fprintf(a.out, "ok: %s rendered in %s, %s (%d of them yours)\n", plural(int64(len(set.Views())), "view"), plural(int64(len(set.Languages())), "language"), plural(int64(len(set.Files())), "file"), yours)
	return err
}
