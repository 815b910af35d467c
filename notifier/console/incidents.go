package console

import (
	"slices"
	"time"

	"allclear/notifier"
)

type incidentsPage struct {
	Found []notifier.Incident
	Kind  notifier.Kind
	State notifier.PublishState
	Open  bool
	Kinds []notifier.Kind
	Next  string
}

func (c *console) incidents(q *request) (answer, error) {
	v := q.URL.Query()
	p := incidentsPage{Kind: notifier.Kind(v.Get("kind")), State: notifier.PublishState(v.Get("state")), Open: v.Get("open") != "", Kinds: notifier.Kinds}
	switch {
	case p.Kind != "" && !slices.Contains(notifier.Kinds, p.Kind):
		return answer{}, notifier.Invalidf("kind", "%q is not one of incident, maintenance, post", notifier.Clip(string(p.Kind)))
	case p.State != "" && !slices.Contains(publishStates(), p.State):
		return answer{}, notifier.Invalidf("state", "%q is not one of draft, published, retracted", notifier.Clip(string(p.State)))
	}
	found, cursor, err := c.o.Store.Incidents(q.Context(), notifier.IncidentQuery{Kind: p.Kind, State: p.State, Open: p.Open, Cursor: v.Get("cursor"), Limit: perPage})
	if err != nil {
		return answer{}, err
	}
	p.Found, p.Next = found, nextPage(q, cursor)
	return answer{page: "incidents", title: "Incidents", data: p}, nil
}

func publishStates() []notifier.PublishState {
	return []notifier.PublishState{notifier.Draft, notifier.Published, notifier.Retracted}
}

// held is an update that waits, and the title of the notice it waits for.
type held struct {
	notifier.HeldUpdate
	Title string
}

type incidentPage struct {
	notifier.Incident
	Names  []string // of its components
	Felt   []felt
	Told   []told
	Held   []held    // updates that wait for a notice
	Until  time.Time // until when what was said waits for the all-clear; zero: it does not
	Public string    // where the public sees it; "" where it does not
	// Of a draft: what is published is what was shown.
	Mark    string
	Preview *preview
	Hold    hold
}

func (c *console) incident(q *request) (answer, error) {
	i, err := c.o.Store.Incident(q.Context(), q.PathValue("id"))
	if err != nil {
		return answer{}, err
	}
	p := incidentPage{Incident: i, Mark: i.Mark(), Felt: feltOf(i.Impact)}
	if i.State == notifier.Draft {
		posting, err := i.Publish(false, c.desk())
		if err == nil {
			p.Preview, err = c.preview(q, posting)
		}
		if err == nil {
			p.Hold, err = c.holdOf(q, nil, posting)
		}
		if err != nil {
			return answer{}, err
		}
	}
	for n := range p.Updates {
		p.Updates[n].Body = shownTimes(p.Updates[n].Body)
	}
	slices.Reverse(p.Updates)
	names, err := c.componentNames(q)
	if err != nil {
		return answer{}, err
	}
	for _, key := range i.Components {
		p.Names = append(p.Names, names[key])
	}
	if p.Told, err = c.toldOf(q, i.ID, 20); err != nil {
		return answer{}, err
	}
	if p.Held, err = c.held(q, i.ID); err != nil {
		return answer{}, err
	}
	for _, t := range p.Told {
		if t.Held && t.Event.HeldUntil.After(p.Until) {
			p.Until = t.Event.HeldUntil
		}
	}
	if i.State == notifier.Published {
		p.Public = c.o.BaseURL + "/incidents/" + i.ID
	}
	said := answer{page: "incident", title: i.Title, data: p}
	if p.Preview != nil {
		said.styles = p.Preview.styles
	}
	return said, nil
}

func (c *console) held(q *request, incident string) ([]held, error) {
	waiting, err := c.o.Store.HeldUpdates(q.Context(), incident)
	if err != nil {
		return nil, err
	}
	var out []held
	for _, h := range waiting {
		n, err := c.o.Store.Notice(q.Context(), h.After.ID)
		if err != nil {
			return nil, err
		}
		h.Saying.Body = shownTimes(h.Saying.Body)
		out = append(out, held{h, n.Title})
	}
	return out, nil
}

func (c *console) componentNames(q *request) (map[string]string, error) {
	all, err := c.o.Store.Components(q.Context())
	if err != nil {
		return nil, err
	}
	names := map[string]string{}
	for _, x := range all {
		names[x.Key] = x.Name
	}
	return names, nil
}

// publish lets a draft go out, as whoever does it saw it.
func (c *console) publish(q *request) (answer, error) {
	id, quiet, desk := q.PathValue("id"), q.form.Get("do") == "quiet", c.desk()
	done := "published"
	p, err := c.o.Store.ReviseIncident(q.Context(), id, func(i notifier.Incident) (notifier.Posting, error) {
		if i.State == notifier.Draft && q.form.Get("version") != i.Mark() {
			return notifier.Posting{}, notifier.Refuse(notifier.ErrConflict, "The draft was changed since you looked at it, and is not published.")
		}
		return i.Publish(quiet, desk)
	})
	if err == nil && p.Event != nil && !p.Event.HeldUntil.IsZero() {
		done = "held"
	}
	return answer{to: Path + "/incidents/" + id + "?done=" + done}, err
}
