package console

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"

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
	p := writePage{Form: form, Of: &i}
	if p.Notices, err = c.noticesOf(q, i.ID); err != nil {
		return answer{}, err
	}
	return c.writeAgain(q, http.StatusOK, p)
}

// noticesOf are the latest notices of an incident for which an update can wait.
func (c *console) noticesOf(q *request, incident string) ([]notifier.Notice, error) {
	found, _, err := c.o.Store.Notices(q.Context(), "", perPage)
	return slices.DeleteFunc(found, func(n notifier.Notice) bool {
		return n.IncidentID != incident || n.State == notifier.NoticeCancelled
	}), err
}

// after reads for which notice an update is to wait, and how long; nil: for none.
func after(form url.Values) *notifier.AfterNotice {
	when, id, ok := strings.Cut(form.Get("after"), " ")
	if !ok {
		return nil
	}
	return &notifier.AfterNotice{ID: id, When: notifier.NoticeMoment(when)}
}

// asHeld is an update that waits, as it would be if its notice stood then as it
// does now: what a preview can show.
func (c *console) asHeld(q *request, i notifier.Incident, s notifier.Saying) (notifier.Posting, error) {
	n, err := c.o.Store.Notice(q.Context(), s.AfterNotice.ID)
	if errors.Is(err, notifier.ErrNotFound) {
		return notifier.Posting{}, notifier.Invalidf("after", "names no notice that there is")
	}
	if err != nil {
		return notifier.Posting{}, err
	}
	s.AfterNotice = nil
	if s.Body, err = n.Figures(s.Body); err != nil {
		return notifier.Posting{}, err
	}
	p, err := i.Say(s, c.desk())
	p.Warnings = append(p.Warnings, "it waits for the notice "+n.Title+", and its figures are those of then")
	return p, err
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
	s.Impact, s.AfterNotice = &figures, after(form)
	return s, err
}

// errMeanwhile ends a posting to an incident of which more was said than its
// form knows.
var errMeanwhile = errors.New("something else was posted meanwhile")

// meanwhile are the updates that a form does not know of.
func meanwhile(i notifier.Incident, form url.Values) []notifier.Update {
	known := strings.Fields(form.Get("known"))
	return slices.DeleteFunc(slices.Clone(i.Updates), func(u notifier.Update) bool { return slices.Contains(known, u.ID) })
}

// Known are the ids of the updates that the page's reader can know of.
func (p writePage) Known() string {
	var ids []string
	for _, u := range p.Of.Updates {
		ids = append(ids, u.ID)
	}
	return strings.Join(ids, " ")
}

func hasUpdate(i notifier.Incident, id string) bool {
	return slices.ContainsFunc(i.Updates, func(u notifier.Update) bool { return u.ID == id })
}

func (c *console) say(q *request) (answer, error) {
	i, err := c.o.Store.Incident(q.Context(), q.PathValue("id"))
	if err != nil {
		return answer{}, err
	}
	p := writePage{Form: q.form, Of: &i}
	if p.Notices, err = c.noticesOf(q, i.ID); err != nil {
		return answer{}, err
	}
	here := Path + "/incidents/" + i.ID
	form, id := c.once(q)
	asked := q.form.Get("do") == "post" && q.form.Get("seen") == c.seen(q.form)
	if asked && hasUpdate(i, id) {
		return answer{to: here + "?done=twice"}, nil
	}
	if other, err := c.waitsOtherwise(q, i.ID, form, id); err != nil {
		return answer{}, err
	} else if asked && other {
		p.Form.Del("once")
		p.Warnings = append(p.Warnings, "this page was sent already with another text, which waits for its notice; what stands here now was not posted. Take the other back, or post both")
	}
	for _, u := range meanwhile(i, q.form) {
		p.Warnings = append(p.Warnings, fmt.Sprintf("“%s” was posted meanwhile, at %s UTC, and yours is not posted yet: %s",
			strings.ReplaceAll(string(u.Status), "_", " "), u.CreatedAt.UTC().Format("15:04"), notifier.Clip(shownTimes(u.Body))))
	}
	s, err := c.saying(i, q.form)
	var posting notifier.Posting
	if err == nil {
		posting, err = i.Say(s, c.naming(id))
	}
	if wrong := wrongOf(err); wrong != nil {
		p.Wrong = wrong
		return c.writeAgain(q, http.StatusUnprocessableEntity, p)
	}
	if err != nil {
		return answer{}, err
	}
	if !asked || len(p.Warnings) > 0 {
		if s.AfterNotice != nil {
			posting, err = c.asHeld(q, i, s)
		}
		if wrong := wrongOf(err); wrong != nil {
			p.Wrong = wrong
			return c.writeAgain(q, http.StatusUnprocessableEntity, p)
		}
		if err != nil {
			return answer{}, err
		}
		return c.previewed(q, p, posting)
	}
	_, err = c.o.Store.ReviseIncident(q.Context(), i.ID, func(i notifier.Incident) (notifier.Posting, error) {
		if len(meanwhile(i, q.form)) > 0 && !hasUpdate(i, id) {
			return notifier.Posting{}, errMeanwhile
		}
		if hasUpdate(i, id) { // its twin, a moment ago
			return notifier.Posting{}, notifier.ErrConflict
		}
		return i.Say(s, c.naming(id)) // it may run more than once
	})
	if errors.Is(err, errMeanwhile) {
		return c.say(q) // it reads what was posted, and shows it
	}
	var refusal *notifier.Refusal
	if errors.Is(err, notifier.ErrConflict) && !errors.As(err, &refusal) { // the same update, a moment ago
		return answer{to: here + "?done=twice"}, nil
	}
	if wrong := wrongOf(err); wrong != nil {
		p.Wrong = wrong
		return c.writeAgain(q, http.StatusUnprocessableEntity, p)
	}
	if err != nil {
		return answer{}, err
	}
	if s.AfterNotice != nil {
		return answer{to: here + "?done=waits"}, nil
	}
	if until, err := c.heldUntil(q, i.ID); err == nil && !until.IsZero() && !s.Quiet {
		return answer{to: here + "?done=held"}, nil // where that cannot be read, it was posted all the same
	}
	return answer{to: here + "?done=posted"}, nil
}

// waitsOtherwise reports whether an update waits that was sent by the same form
// with another text.
func (c *console) waitsOtherwise(q *request, incident, form, text string) (bool, error) {
	waiting, err := c.o.Store.HeldUpdates(q.Context(), incident)
	return slices.ContainsFunc(waiting, func(h notifier.HeldUpdate) bool { return h.ID != text && strings.HasPrefix(h.ID, form) }), err
}

// dropHeld takes back an update that waits for a notice.
func (c *console) dropHeld(q *request) (answer, error) {
	id := q.PathValue("id")
	return answer{to: Path + "/incidents/" + id + "?done=dropped"}, c.o.Store.DropHeldUpdate(q.Context(), id, q.PathValue("uid"))
}
