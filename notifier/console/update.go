package console

import (
	"errors"
	"net/http"
	"net/url"
	"slices"

	"allclear/notifier"
)

func (c *console) sayAsk(q *request) (answer, error) {
	i, err := c.o.Store.Incident(q.Context(), q.PathValue("id"))
	if err != nil {
		return answer{}, err
	}
	form := url.Values{
		"status": {string(i.Status)}, "severity": {i.Severity.String()}, "components": i.Components,
		"starts_at": {inputTime(i.StartsAt)}, "ends_at": {inputTime(i.EndsAt)},
	}
	if to := notifier.Status(q.URL.Query().Get("status")); slices.Contains(notifier.Statuses(i.Kind), to) {
		form.Set("status", string(to))
	}
	return c.writeAgain(q, http.StatusOK, writePage{Form: form, Of: &i})
}

// saying reads what is said of an incident: everything that the form shows.
func (c *console) saying(i notifier.Incident, form url.Values) (notifier.Saying, error) {
	components := slices.DeleteFunc(slices.Clone(form["components"]), func(k string) bool { return k == "" })
	s := notifier.Saying{Status: notifier.Status(form.Get("status")), Body: form.Get("body"), Quiet: form.Get("quiet") != "", Components: &components}
	var err error
	if i.Kind == notifier.KindIncident {
		level, err := notifier.ParseSeverity(form.Get("severity"))
		if err != nil {
			return s, err
		}
		s.Severity = &level
	}
	if s.At, err = c.instant("at", form.Get("at")); err != nil {
		return s, err
	}
	if i.Kind == notifier.KindMaintenance {
		starts, err := c.instant("starts_at", form.Get("starts_at"))
		if err != nil {
			return s, err
		}
		ends, err := c.instant("ends_at", form.Get("ends_at"))
		if err != nil {
			return s, err
		}
		s.StartsAt, s.EndsAt = &starts, &ends
	}
	figures, err := impact(form)
	s.Impact = &figures
	return s, err
}

func (c *console) say(q *request) (answer, error) {
	i, err := c.o.Store.Incident(q.Context(), q.PathValue("id"))
	if err != nil {
		return answer{}, err
	}
	p := writePage{Form: q.form, Of: &i}
	s, err := c.saying(i, q.form)
	desk, id := c.once(q)
	var posting notifier.Posting
	if err == nil {
		posting, err = i.Say(s, desk)
	}
	if wrong := wrongOf(err); wrong != nil {
		p.Wrong = wrong
		return c.writeAgain(q, http.StatusUnprocessableEntity, p)
	}
	if err != nil {
		return answer{}, err
	}
	if q.form.Get("do") != "post" || q.form.Get("seen") != c.seen(q.form) {
		return c.previewed(q, p, posting)
	}
	here := Path + "/incidents/" + i.ID
	if slices.ContainsFunc(i.Updates, func(u notifier.Update) bool { return u.ID == id }) {
		return answer{to: here + "?done=twice"}, nil
	}
	_, err = c.o.Store.ReviseIncident(q.Context(), i.ID, func(i notifier.Incident) (notifier.Posting, error) {
		desk, _ := c.once(q) // it may run more than once
		return i.Say(s, desk)
	})
	var refusal *notifier.Refusal
	if errors.Is(err, notifier.ErrConflict) && !errors.As(err, &refusal) { // the same update, a moment ago
		return answer{to: here + "?done=twice"}, nil
	}
	if wrong := wrongOf(err); wrong != nil {
		p.Wrong = wrong
		return c.writeAgain(q, http.StatusUnprocessableEntity, p)
	}
	return answer{to: here + "?done=posted"}, err
}
