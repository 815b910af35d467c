package console

import (
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"allclear/notifier"
)

type noticesPage struct {
	Found []notifier.Notice
	Next  string
}

func (c *console) notices(q *request) (answer, error) {
	found, cursor, err := c.o.Store.Notices(q.Context(), q.URL.Query().Get("cursor"), perPage)
	if err != nil {
		return answer{}, err
	}
	return answer{page: "notices", title: "Notices", data: noticesPage{found, nextPage(q, cursor)}}, nil
}

// draftPage is where a notice is written.
type draftPage struct {
	Form      url.Values
	Of        *notifier.Notice
	Templates []templateOf
	Open      []notifier.Incident // it may belong to one of these
	Wrong     map[string]string
}

// templateOf is a template, and the columns that its file needs.
type templateOf struct {
	Name             string
	Needed, Optional []string
}

// Get is a field's value.
func (p draftPage) Get(field string) string { return p.Form.Get(field) }

// Is reports whether a field of the form has a value.
func (p draftPage) Is(field, value string) bool { return p.Form.Get(field) == value }

func (c *console) draftAsk(q *request) (answer, error) {
	return c.draftAgain(q, draftPage{Form: url.Values{"template": {notifier.RestoreCompleted}, "incident": {q.URL.Query().Get("incident")}}})
}

func (c *console) draftAgain(q *request, p draftPage) (answer, error) {
	for _, name := range notifier.NoticeTemplates {
		needed, optional := c.o.Notices.Columns(name)
		p.Templates = append(p.Templates, templateOf{name, needed, optional})
	}
	var err error
	if p.Open, _, err = c.o.Store.Incidents(q.Context(), notifier.IncidentQuery{State: notifier.Published, Limit: 30}); err != nil {
		return answer{}, err
	}
	if id := p.Form.Get("incident"); id != "" && !slices.ContainsFunc(p.Open, func(i notifier.Incident) bool { return i.ID == id }) {
		if i, err := c.o.Store.Incident(q.Context(), id); err == nil {
			p.Open = append(p.Open, i)
		}
	}
	said := answer{page: "draft", title: "Write a notice", data: p}
	if p.Wrong != nil {
		said.status = http.StatusUnprocessableEntity
	}
	return said, nil
}

func (c *console) draft(q *request) (answer, error) {
	approvals, err := number(q.form, "approvals")
	var n notifier.Notice
	if err == nil {
		n, _, err = c.o.Notices.Draft(notifier.Notice{
			Title: q.form.Get("title"), Template: q.form.Get("template"), Subject: q.form.Get("subject"), Body: q.form.Get("body"),
			IncidentID: q.form.Get("incident"), Approvals: approvals,
		}, notifier.ActorFrom(q.Context()))
	}
	if err == nil {
		err = c.o.Store.CreateNotice(q.Context(), n)
	}
	if wrong := wrongOf(err); wrong != nil {
		return c.draftAgain(q, draftPage{Form: q.form, Wrong: wrong})
	}
	return answer{to: Path + "/notices/" + n.ID + "?done=draft"}, err
}

// number reads a field that holds a whole number, or nothing.
func number(form url.Values, field string) (int, error) {
	given := strings.TrimSpace(form.Get(field))
	if given == "" {
		return 0, nil
	}
	n, err := strconv.Atoi(given)
	if err != nil || n < 0 {
		return 0, notifier.Invalidf(field, "%q is no whole number", notifier.Clip(given))
	}
	return n, nil
}

func (c *console) editAsk(q *request) (answer, error) {
	n, err := c.o.Store.Notice(q.Context(), q.PathValue("id"))
	if err != nil {
		return answer{}, err
	}
	return c.draftAgain(q, draftPage{Of: &n, Form: url.Values{
		"title": {n.Title}, "template": {n.Template}, "subject": {n.Subject}, "body": {n.Body}, "incident": {n.IncidentID}, "approvals": {strconv.Itoa(n.Approvals)},
	}})
}

func (c *console) edit(q *request) (answer, error) {
	id := q.PathValue("id")
	n, err := c.o.Store.Notice(q.Context(), id)
	if err != nil {
		return answer{}, err
	}
	approvals, err := number(q.form, "approvals")
	var body string
	if err == nil {
		body, _, err = notifier.ResolveTimes(q.form.Get("body"), c.o.Now(), c.o.Zone)
	}
	if err == nil {
		title, template, subject, incident := strings.TrimSpace(q.form.Get("title")), q.form.Get("template"), strings.TrimSpace(q.form.Get("subject")), q.form.Get("incident")
		_, err = c.o.Store.ChangeNotice(q.Context(), id, notifier.NoticeChange{
			Title: &title, Template: &template, Subject: &subject, Body: &body, IncidentID: &incident, Approvals: &approvals,
		})
	}
	if wrong := wrongOf(err); wrong != nil {
		return c.draftAgain(q, draftPage{Of: &n, Form: q.form, Wrong: wrong})
	}
	return answer{to: Path + "/notices/" + id + "?done=changed"}, err
}

func (c *console) removeNotice(q *request) (answer, error) {
	return answer{to: Path + "/notices?done=gone"}, c.o.Store.DeleteNotice(q.Context(), q.PathValue("id"))
}
