package console

import (
	"maps"
	"net/http"
	"net/url"
	"slices"

	"allclear/notifier"
)

// correctPage is where what was written is changed: of an incident, or of one
// update.
type correctPage struct {
	Of         notifier.Incident
	Update     *notifier.Update // nil: the incident itself
	Form       url.Values
	Components []notifier.Component
	Levels     []string
	Wrong      map[string]string
	Told       int64
}

// Is reports whether a field of the form has a value.
func (p correctPage) Is(field, value string) bool { return slices.Contains(p.Form[field], value) }

// Get is a field's value.
func (p correctPage) Get(field string) string { return p.Form.Get(field) }

func (c *console) correctAsk(q *request) (answer, error) {
	i, err := c.o.Store.Incident(q.Context(), q.PathValue("id"))
	if err != nil {
		return answer{}, err
	}
	form := url.Values{
		"title": {i.Title}, "severity": {i.Severity.String()}, "components": i.Components, "starts_at": {inputTime(i.StartsAt)}, "ends_at": {inputTime(i.EndsAt)},
	}
	maps.Copy(form, written(i.Impact))
	form.Set("figures", figuresOf(form))
	return c.correctAgain(q, correctPage{Of: i, Form: form})
}

func (c *console) correctAgain(q *request, p correctPage) (answer, error) {
	var err error
	if p.Components, err = c.o.Store.Components(q.Context()); err != nil {
		return answer{}, err
	}
	p.Levels = levels()
	events, err := c.toldOf(q, p.Of.ID, 20)
	if err != nil {
		return answer{}, err
	}
	for _, e := range events {
		p.Told = max(p.Told, e.Total)
	}
	said := answer{page: "correct", title: "Correct: " + p.Of.Title, data: p}
	if p.Wrong != nil {
		said.status = http.StatusUnprocessableEntity
	}
	return said, nil
}

func (c *console) correct(q *request) (answer, error) {
	i, err := c.o.Store.Incident(q.Context(), q.PathValue("id"))
	if err != nil {
		return answer{}, err
	}
	change, err := c.correction(i, q.form)
	if err == nil {
		desk := c.desk()
		_, err = c.o.Store.ReviseIncident(q.Context(), i.ID, func(i notifier.Incident) (notifier.Posting, error) { return i.Correct(change, desk) })
	}
	if wrong := wrongOf(err); wrong != nil {
		return c.correctAgain(q, correctPage{Of: i, Form: q.form, Wrong: wrong})
	}
	return answer{to: Path + "/incidents/" + i.ID + "?done=corrected"}, err
}

func (c *console) correction(i notifier.Incident, form url.Values) (notifier.Correction, error) {
	title, components := form.Get("title"), slices.Clone(form["components"])
	change := notifier.Correction{Title: &title, Components: &components, Tell: form.Get("tell") != ""}
	if i.Kind == notifier.KindIncident {
		level, err := notifier.ParseSeverity(form.Get("severity"))
		if err != nil {
			return change, err
		}
		change.Severity = &level
	}
	if i.Kind == notifier.KindMaintenance {
		starts, err := c.instant("starts_at", form.Get("starts_at"))
		if err != nil {
			return change, err
		}
		ends, err := c.instant("ends_at", form.Get("ends_at"))
		if err != nil {
			return change, err
		}
		change.StartsAt, change.EndsAt = &starts, &ends
	}
	// What an update said meanwhile stays where nobody touched the figures.
	if figuresOf(form) != form.Get("figures") {
		figures, err := impact(form)
		if err != nil {
			return change, err
		}
		change.Impact = &figures
	}
	return change, nil
}

// updateOf finds an update of an incident by the path.
func (c *console) updateOf(q *request) (notifier.Incident, notifier.Update, error) {
	i, err := c.o.Store.Incident(q.Context(), q.PathValue("id"))
	if err != nil {
		return i, notifier.Update{}, err
	}
	for _, u := range i.Updates {
		if u.ID == q.PathValue("uid") {
			return i, u, nil
		}
	}
	return i, notifier.Update{}, notifier.ErrNotFound
}

func (c *console) correctUpdateAsk(q *request) (answer, error) {
	i, u, err := c.updateOf(q)
	if err != nil {
		return answer{}, err
	}
	return c.correctAgain(q, correctPage{Of: i, Update: &u, Form: url.Values{"body": {u.Body}, "at": {inputTime(u.At)}}})
}

func (c *console) correctUpdate(q *request) (answer, error) {
	i, u, err := c.updateOf(q)
	if err != nil {
		return answer{}, err
	}
	body := q.form.Get("body")
	at, err := c.instant("at", q.form.Get("at"))
	if err == nil {
		desk := c.desk()
		_, err = c.o.Store.CorrectUpdate(q.Context(), i.ID, u.ID, func(i notifier.Incident, u notifier.Update) (notifier.Update, *notifier.Event, error) {
			moment := &at
			if at.IsZero() || inputTime(at) == inputTime(u.At) { // the field shows it to the minute
				moment = nil
			}
			next, _, err := u.Correct(&body, moment, desk)
			if err != nil || q.form.Get("tell") == "" {
				return next, nil, err
			}
			event, err := i.Corrected(u.ID, desk)
			return next, event, err
		})
	}
	if wrong := wrongOf(err); wrong != nil {
		return c.correctAgain(q, correctPage{Of: i, Update: &u, Form: q.form, Wrong: wrong})
	}
	return answer{to: Path + "/incidents/" + i.ID + "?done=corrected"}, err
}
