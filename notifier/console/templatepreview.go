package console

import (
	"bytes"
	"cmp"
	"encoding/json"
	"net/url"
	"slices"
	"strings"
	"time"

	"allclear/notifier"
	"allclear/templates"
)

// framePage is a preview in its frame.
type framePage struct {
	preview
	File     string
	Line     int
	Wrong    string
	Warnings []string
	Page     bool // a public page, which has no other forms
	Only     bool // a mail that is nothing but a mail
}

// templatePreview shows a file as it is in use.
func (c *console) templatePreview(q *request) (answer, error) {
	v := q.URL.Query()
	f, err := c.templateNamed(q, v.Get("file"))
	if err != nil {
		return answer{}, err
	}
	set, _ := c.o.Templates.Now()
	return c.framed(set, f.Name, v)
}

// tryTemplate shows a text that was typed, in the place of its file.
func (c *console) tryTemplate(q *request) (answer, error) {
	f, err := c.templateNamed(q, q.form.Get("file"))
	if err != nil {
		return answer{}, err
	}
	set, wrong, err := c.tryText(q, f.Name, q.form.Get("text"))
	if err != nil {
		return answer{}, err
	}
	if set == nil {
		return unusable(f.Name, said(wrong, f.Name), wrong.Line), nil
	}
	return c.framed(set, f.Name, q.form)
}

// unusable says in the frame why there is nothing to show. It is an answer like any
// other: a text is wrong for most of the time that it is typed.
func unusable(file, why string, line int) answer {
	return answer{page: "frame", title: "Preview", data: framePage{File: file, Wrong: why, Line: line}, framed: true}
}

// framed is the preview of a view of a set.
func (c *console) framed(set *templates.Set, file string, v url.Values) (answer, error) {
	views := templates.ViewsOf(file)
	if len(views) == 0 {
		return unusable(file, "What pages load has no preview of its own.", 0), nil
	}
	view, language, zone := cmp.Or(v.Get("view"), views[0]), v.Get("language"), strings.TrimSpace(v.Get("zone"))
	if !slices.Contains(views, view) {
		return unusable(file, "There is no such view.", 0), nil
	}
	if language != "" && !set.Speaks(language) {
		return unusable(file, "There are no texts in this language.", 0), nil
	}
	if _, err := time.LoadLocation(zone); err != nil || zone == "Local" {
		return unusable(file, "The time zone is none; use a name like Europe/Oslo.", 0), nil //nolint:nilerr // it is shown
	}
	p := framePage{File: file}
	if p.Page = strings.HasPrefix(view, "page/"); p.Page {
		body, err := set.RenderSamplePage(view, language)
		if err != nil {
			return unusable(file, err.Error(), 0), nil
		}
		p.HTML = string(body)
		return answer{page: "frame", title: "Preview", data: p, framed: true}, nil
	}
	show := func(ch notifier.Channel) (*notifier.Letter, error) {
		return set.RenderData(view, nil, templates.Preview{Channel: ch, Language: language, Zone: zone})
	}
	mail, err := show(notifier.Email)
	if err != nil {
		return unusable(file, err.Error(), 0), nil
	}
	p.Subject, p.HTML, p.Text, p.NoPhones = mail.Subject, mail.HTML, mail.Text, !c.o.Phones
	text, err := show(notifier.SMS)
	if p.Only = err != nil; !p.Only {
		measured := notifier.MeasureText(text.Text)
		p.SMS, p.Segments, p.Encoding = text.Text, measured.Segments, string(measured.Encoding)
	}
	if hook, err := show(notifier.Webhook); err == nil {
		var pretty bytes.Buffer
		if json.Indent(&pretty, hook.Body, "", "  ") == nil {
			p.Webhook = pretty.String()
		}
	}
	return answer{page: "frame", title: "Preview", data: p, framed: true, styles: styleSources(mail.HTML)}, nil
}
