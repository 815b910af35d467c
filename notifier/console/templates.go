package console

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"

	"allclear/notifier"
	"allclear/templates"
)

// TemplateDesk is what templates are looked at and edited with.
type TemplateDesk struct {
	// Now is the set in use here, and what is wrong with edits that are not.
	Now func() (*templates.Set, []templates.Problem)
	// Try makes a set in which a text takes a file's place, and tries it out in
	// every language. Where it cannot be used it says why, and the set is nil.
	Try func(ctx context.Context, file, text string) (*templates.Set, templates.Problem, error)
	// Changed has this process use at once what was saved or taken back.
	Changed func(ctx context.Context)
	// Folder is that of the service's own files; "" is none.
	Folder string
}

// maxTemplate is the size of the longest text that is edited, in bytes.
const maxTemplate = 128 << 10

// templateGroup is a folder of files.
type templateGroup struct {
	Name, Says string
	Files      []templateFile
	Open       bool // mails, and wherever something is not embedded
}

type templateFile struct {
	templates.File
	Editable bool
	Edit     notifier.TemplateEdit // where it is edited
	Problem  *templates.Problem    // why the edit is not used
}

type templatesPage struct {
	Folder string
	Groups []templateGroup
	Edited int
}

func (c *console) templates(q *request) (answer, error) {
	files, err := c.templateFiles(q)
	if err != nil {
		return answer{}, err
	}
	p := templatesPage{Folder: c.o.Templates.Folder, Groups: []templateGroup{
		{Name: "mail", Says: "Mails", Open: true}, {Name: "page", Says: "Public pages"}, {Name: "lang", Says: "Words, by language"}, {Name: "asset", Says: "What pages load"},
	}}
	for _, f := range files {
		if f.Edit.Name != "" {
			p.Edited++
		}
		in, _, _ := strings.Cut(f.Name, "/")
		for i := range p.Groups {
			if p.Groups[i].Name == in {
				p.Groups[i].Files = append(p.Groups[i].Files, f)
				p.Groups[i].Open = p.Groups[i].Open || f.Overridden || f.Edit.Name != ""
			}
		}
	}
	return answer{page: "templates", title: "Templates", data: p}, nil
}

// templateFiles are all files with their edits. An edit of which the set in use
// has not heard yet is there too.
func (c *console) templateFiles(q *request) ([]templateFile, error) {
	set, problems := c.o.Templates.Now()
	edits, _, err := c.o.Store.TemplateEdits(q.Context())
	if err != nil {
		return nil, err
	}
	var out []templateFile
	for _, f := range set.Files() {
		x := templateFile{File: f, Editable: templates.Editable(f.Name)}
		if i := slices.IndexFunc(edits, func(e notifier.TemplateEdit) bool { return e.Name == f.Name }); i >= 0 {
			x.Edit = edits[i]
		}
		if i := slices.IndexFunc(problems, func(p templates.Problem) bool { return p.File == f.Name }); i >= 0 {
			x.Problem = &problems[i]
		}
		out = append(out, x)
	}
	return out, nil
}

type templatePage struct {
	File     templateFile
	Was      string // what the edit was when the page was shown
	Text     string
	Embedded bool // the text is the embedded one, to begin anew
	Wrong    string
	Line     int
	Diff     string // what turns the embedded one into the text
	Views    []string
	View     string
	Language string
	Zone     string
	Tongues  []string
	Frame    string // address of the preview
	Below    string // what an edit that is taken back leaves: folder or embedded
	Rows     int
}

// templateNamed finds a file.
func (c *console) templateNamed(q *request, name string) (templateFile, error) {
	files, err := c.templateFiles(q)
	if err != nil {
		return templateFile{}, err
	}
	for _, f := range files {
		if f.Name == name {
			return f, nil
		}
	}
	return templateFile{}, notifier.Refuse(notifier.ErrNotFound, "There is no template %q.", notifier.Clip(name))
}

func (c *console) template(q *request) (answer, error) {
	v := q.URL.Query()
	f, err := c.templateNamed(q, v.Get("file"))
	if err != nil {
		return answer{}, err
	}
	p := templatePage{File: f, Embedded: v.Get("from") == "embedded"}
	set, _ := c.o.Templates.Now()
	switch {
	case p.Embedded:
		p.Text, err = set.Embedded(f.Name)
	case f.Edit.Name != "":
		p.Text = f.Edit.Text
	default:
		p.Text, err = set.Under(f.Name)
	}
	if err != nil {
		return answer{}, err
	}
	if f.Edit.Name != "" {
		p.Was = notifier.HashTemplate(f.Edit.Text)
	}
	if f.Problem != nil {
		p.Wrong, p.Line = f.Problem.Text, f.Problem.Line
	}
	return c.templateAgain(http.StatusOK, p)
}

// templateAgain shows the page of a template.
func (c *console) templateAgain(status int, p templatePage) (answer, error) {
	set, _ := c.o.Templates.Now()
	came, err := set.Embedded(p.File.Name)
	if err != nil {
		return answer{}, err
	}
	p.Diff = templates.DiffFile(p.File.Name, came, p.Text)
	p.Views, p.Tongues = templates.ViewsOf(p.File.Name), set.Languages()
	if p.View == "" && len(p.Views) > 0 {
		p.View = p.Views[0]
	}
	if p.Language == "" {
		p.Language = templates.LanguageOf(p.File.Name)
	}
	p.Below = "embedded"
	if under, err := set.Under(p.File.Name); err == nil && under != came {
		p.Below = "folder"
	}
	p.Rows = min(max(strings.Count(p.Text, "\n")+2, 12), 32)
	return answer{status: status, page: "template", title: p.File.Name, data: p, frames: true}, nil
}

// editTemplate saves a text that can be used, or takes an edit back.
func (c *console) editTemplate(q *request) (answer, error) {
	f, err := c.templateNamed(q, q.form.Get("file"))
	if err != nil {
		return answer{}, err
	}
	at := Path + "/templates/edit?file=" + f.Name
	if q.form.Get("do") == "drop" {
		if err := c.o.Store.DropTemplate(q.Context(), f.Name, q.form.Get("was")); err != nil {
			return answer{}, err
		}
		c.o.Templates.Changed(q.Context())
		return answer{to: at + "&done=back"}, nil
	}
	p := templatePage{File: f, Was: q.form.Get("was"), Text: q.form.Get("text"), View: q.form.Get("view"), Language: q.form.Get("language"), Zone: q.form.Get("zone")}
	if p.Text != "" && !strings.HasSuffix(p.Text, "\n") {
		p.Text += "\n" // files end so, and a diff says so where one does not
	}
	set, wrong, err := c.tryText(q, f.Name, p.Text)
	if err != nil {
		return answer{}, err
	}
	if set == nil {
		p.Wrong, p.Line = said(wrong, f.Name), wrong.Line
		return c.templateAgain(http.StatusUnprocessableEntity, p)
	}
	err = c.o.Store.SaveTemplate(q.Context(), notifier.TemplateEdit{Name: f.Name, Text: p.Text}, p.Was)
	if errors.Is(err, notifier.ErrConflict) { // nothing that was typed is lost
		p.Wrong = "Somebody else changed it since this page was opened, so yours was not saved. Open it in another tab, and bring the two together."
		return c.templateAgain(http.StatusConflict, p)
	}
	if err != nil {
		return answer{}, err
	}
	c.o.Templates.Changed(q.Context())
	return answer{to: at + "&done=saved"}, nil
}

// said is why a text cannot be used, with the file where that is another.
func said(p templates.Problem, file string) string {
	if p.File != "" && p.File != file {
		return "in " + p.String()
	}
	return p.Text
}

// tryText judges a text that somebody typed.
func (c *console) tryText(q *request, file, text string) (*templates.Set, templates.Problem, error) {
	switch {
	case !templates.Editable(file):
		return nil, templates.Problem{}, notifier.Refuse(notifier.ErrConflict, "%s is what pages load; it is overridden by a file only.", file)
	case len(text) > maxTemplate:
		return nil, templates.Problem{File: file, Text: "is longer than 128 KiB"}, nil
	case strings.TrimSpace(text) == "":
		return nil, templates.Problem{File: file, Text: "is empty; to have the one below it, take the edit back"}, nil
	}
	return c.o.Templates.Try(q.Context(), file, text)
}
