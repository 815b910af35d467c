package console

import (
	"net/http"

	"allclear/notifier"
)

type retractPage struct {
	Of     notifier.Incident
	Told   int64 // how many were told of it at most
	Reason string
	Wrong  map[string]string
}

func (c *console) retractAsk(q *request) (answer, error) {
	i, err := c.o.Store.Incident(q.Context(), q.PathValue("id"))
	if err != nil {
		return answer{}, err
	}
	return c.retractAgain(q, retractPage{Of: i})
}

func (c *console) retractAgain(q *request, p retractPage) (answer, error) {
	events, err := c.toldOf(q, p.Of.ID, 20)
	if err != nil {
		return answer{}, err
	}
	for _, e := range events {
		p.Told = max(p.Told, e.Total)
	}
	said := answer{page: "retract", title: "Retract: " + p.Of.Title, data: p}
	if p.Wrong != nil {
		said.status = http.StatusUnprocessableEntity
	}
	return said, nil
}

// retract withdraws a mistake, with a mail to those who were told where that is
// asked for: most mistakes are seen before anybody was.
func (c *console) retract(q *request) (answer, error) {
	id, reason, tell, desk := q.PathValue("id"), q.form.Get("body"), q.form.Get("do") == "tell", c.desk()
	_, err := c.o.Store.ReviseIncident(q.Context(), id, func(i notifier.Incident) (notifier.Posting, error) { return i.Retract(reason, tell, desk) })
	if wrong := wrongOf(err); wrong != nil {
		i, err := c.o.Store.Incident(q.Context(), id)
		if err != nil {
			return answer{}, err
		}
		return c.retractAgain(q, retractPage{Of: i, Reason: reason, Wrong: wrong})
	}
	return answer{to: Path + "/incidents/" + id + "?done=retracted"}, err
}
