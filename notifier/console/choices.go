package console

import (
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"allclear/notifier"
	"allclear/subscribers"
)

// choicesPage is where staff change what somebody hears, for whoever asks them to.
type choicesPage struct {
	Who        subscribers.Subscriber
	Form       url.Values
	Wrong      map[string]string
	Components []notifier.Component
	Kinds      []notifier.Kind
	Levels     []string
	Cadences   []subscribers.Cadence
	Weekdays   []subscribers.Weekday
	Hours      []string
}

// Is reports whether a field of the form has a value.
func (p choicesPage) Is(field, value string) bool { return slices.Contains(p.Form[field], value) }

// Get is a field's value.
func (p choicesPage) Get(field string) string { return p.Form.Get(field) }

func (c *console) chooseAsk(q *request) (answer, error) {
	n, err := subscribers.ParseNumber(q.PathValue("id"))
	if err != nil {
		return answer{}, err
	}
	s, err := c.o.Store.Subscriber(q.Context(), n)
	if err != nil {
		return answer{}, err
	}
	form := url.Values{
		"components": s.Filter.Components, "severity": {s.Filter.Severity.String()}, "cadence": {string(s.Cadence)},
		"hour": {s.Hour.String()}, "weekday": {string(s.Weekday)}, "timezone": {s.Timezone}, "language": {s.Language},
	}
	for _, k := range s.Filter.Kinds {
		form.Add("kinds", string(k))
	}
	for field, on := range map[string]bool{"critical": s.Critical, "all_quiet": s.AllQuiet, "mine": s.Filter.Mine} {
		if on {
			form.Set(field, "1")
		}
	}
	return c.chooseAgain(q, http.StatusOK, choicesPage{Who: s, Form: form})
}

func (c *console) chooseAgain(q *request, status int, p choicesPage) (answer, error) {
	var err error
	p.Components, err = c.o.Store.Components(q.Context())
	p.Kinds, p.Levels, p.Weekdays = notifier.Kinds, levels(), subscribers.Weekdays
	p.Cadences = subscribers.Offered(p.Who.Channel)
	for h := range 24 {
		p.Hours = append(p.Hours, strconv.Itoa(h))
	}
	return answer{status: status, page: "choices", title: "What " + p.Who.Address + " hears", data: p}, err
}

// choose keeps what somebody is to hear from now on. Whether they hear anything
// is not among it: they agreed to that themselves.
func (c *console) choose(q *request) (answer, error) {
	n, err := subscribers.ParseNumber(q.PathValue("id"))
	if err != nil {
		return answer{}, err
	}
	var was subscribers.Subscriber
	_, err = c.o.Store.ChangeSubscriber(q.Context(), n, func(s *subscribers.Subscriber) error {
		was = *s
		return takeChoices(s, q.form)
	})
	if wrong := wrongOf(err); wrong != nil {
		return c.chooseAgain(q, http.StatusUnprocessableEntity, choicesPage{Who: was, Form: q.form, Wrong: wrong})
	}
	return answer{to: Path + "/subscribers/" + n.String() + "?done=changed"}, err
}

// takeChoices takes over what the form shows for the channel.
func takeChoices(s *subscribers.Subscriber, form url.Values) error {
	level, err := notifier.ParseSeverity(form.Get("severity"))
	if err != nil {
		return err
	}
	s.Filter.Components, s.Filter.Severity = form["components"], level
	s.Timezone, s.Language = strings.TrimSpace(form.Get("timezone")), strings.TrimSpace(form.Get("language"))
	if s.Channel == notifier.Webhook {
		return s.Validate()
	}
	s.Filter.Kinds = nil
	for _, k := range form["kinds"] {
		s.Filter.Kinds = append(s.Filter.Kinds, notifier.Kind(k))
	}
	s.Cadence = subscribers.Cadence(form.Get("cadence"))
	if s.Channel == notifier.Email {
		s.Filter.Mine = form.Get("mine") != ""
		s.Weekday, s.Critical, s.AllQuiet, s.Hour = subscribers.Weekday(form.Get("weekday")), form.Get("critical") != "", form.Get("all_quiet") != "", 0
		if h := form.Get("hour"); h != "" {
			hour, err := strconv.Atoi(h)
			if err != nil {
				return notifier.Invalidf("hour", "%q is no hour of the day; write 0 to 23", notifier.Clip(h))
			}
			if s.Hour, err = subscribers.HourOf(hour); err != nil {
				return err
			}
		}
	}
	return s.Validate()
}
