package web

import (
	"net/http"
	"net/url"
	"slices"
	"strings"

	"allclear/notifier"
	"allclear/subscribers"
	"allclear/subscribers/web/gate"
	"allclear/templates"
)

// endpointFields are those that a person fills in to register an endpoint.
var endpointFields = []string{"address", "contact", "format", "components", "severity", "types", "timezone", "language"}

func (s *site) endpointDoor() door {
	return door{site: s, gate: s.gate.For("endpoints"), name: "endpoints", fields: endpointFields}
}

// endpointForm shows the form.
func (s *site) endpointForm(r *http.Request) (answer, error) {
	return s.endpointPage(r, url.Values{}, nil, http.StatusOK)
}

func (s *site) endpointPage(r *http.Request, in url.Values, wrong []templates.WrongField, status int) (answer, error) {
	parts, err := s.offer.get(r.Context(), s.now())
	if err != nil {
		return answer{}, err
	}
	d := s.endpointDoor()
	return answer{name: templates.PageEndpoint, status: status, data: templates.EndpointForm{
		Token: d.gate.Form(s.now()), Choices: templates.Choices{Components: parts, Entered: enteredOf(in, d.fields), Wrong: wrong},
	}}, nil
}

// endpointSignUp takes what somebody asks for. Nothing is called and nobody is
// looked up: the answer is the same for every endpoint and every contact.
func (s *site) endpointSignUp(r *http.Request) (answer, error) {
	if err := s.form(r); err != nil {
		return answer{}, err
	}
	in, d := r.PostForm, s.endpointDoor()
	parts, err := s.offer.get(r.Context(), s.now())
	if err != nil {
		return answer{}, err
	}
	who, wrong := readEndpoint(in, parts, s.pages.Speaks)
	if len(wrong) > 0 {
		return s.endpointPage(r, in, wrong, http.StatusUnprocessableEntity)
	}
	proof, again := d.judge(in, who.Address)
	if again != nil {
		return *again, nil
	}
	// Behind the gate, because whoever asks may choose what a resolver is asked.
	if !s.endpoints.Allowed(r.Context(), who.Address) {
		return s.endpointPage(r, in, []templates.WrongField{{Field: "address", Why: refusedFor(who.Address)}}, http.StatusUnprocessableEntity)
	}
	full, err := d.queue(r, who, proof)
	if err != nil || full != nil {
		return full.or(err)
	}
	return answer{name: templates.PageEndpointSent, data: templates.ActionPage{}}, nil
}

// readEndpoint makes an endpoint of what was entered, and says what of it is
// wrong.
func readEndpoint(in url.Values, known []notifier.Component, speaks func(lang string) bool) (subscribers.Subscriber, []templates.WrongField) {
	e := entry{in: in, fields: endpointFields, channel: notifier.Webhook}
	e.refuse()
	who := subscribers.Subscriber{Channel: notifier.Webhook, State: subscribers.Pending}
	var err error
	if who.Address, err = subscribers.ParseEndpoint(e.one("address")); err != nil {
		e.is("address", "address")
	}
	if who.Contact, err = subscribers.ParseAddress(e.one("contact")); err != nil {
		e.is("contact", "contact")
	}
	e.endpoint(&who, known, speaks)
	e.whole(&who)
	return who, e.wrong
}

// endpoint reads what can be changed of an endpoint later, too.
func (e *entry) endpoint(who *subscribers.Subscriber, known []notifier.Component, speaks func(lang string) bool) {
	e.common(who, known, speaks)
	who.Format = notifier.Format(e.one("format"))
	if who.Format != "" && !slices.Contains(notifier.Formats, who.Format) {
		e.is("format", "format")
	}
	who.Filter.Types = nil
	for _, t := range e.many("types") {
		if !slices.Contains(notifier.Announcements, notifier.EventType(t)) {
			e.is("types", "types")
			break
		}
		who.Filter.Types = append(who.Filter.Types, notifier.EventType(t))
	}
	if len(who.Filter.Types) == len(notifier.Announcements) {
		who.Filter.Types = nil // all, and whatever comes
	}
}

// refusedFor says what may be wrong with a URL that may not be called, as far as
// its words tell; of what its host leads to nothing is said.
func refusedFor(address string) string {
	u, err := url.Parse(address)
	switch {
	case err != nil:
		return "address"
	case strings.EqualFold(u.Scheme, "http"):
		return "scheme"
	case !slices.Contains([]string{"", "443", "8443"}, u.Port()):
		return "port"
	}
	return "closed"
}

// endpointConfirmAsk shows the contact's button, or that it was pressed.
func (s *site) endpointConfirmAsk(r *http.Request, who subscribers.Subscriber) (answer, error) {
	h, err := s.endpoints.Hooks.Hook(r.Context(), who.Number)
	switch {
	case err != nil:
		return answer{}, goneIf(err)
	case h.ContactAt.IsZero():
		return answer{name: templates.PageEndpointConfirm, data: templates.ActionPage{To: h.Address}, lang: h.Language}, nil
	}
	return s.endpointConfirmed(r, h), nil
}

// endpointConfirmed says that the contact has confirmed. As long as its link is
// good it leads on, as every mail to the contact does.
func (s *site) endpointConfirmed(r *http.Request, h subscribers.Hook) answer {
	page := templates.ActionPage{}
	if _, err := s.links.Open(subscribers.ForConfirm, r.PathValue("token"), s.now()); err == nil {
		page.Manage = s.endpointPath(h)
	}
	return answer{name: templates.PageEndpointConfirmed, data: page, lang: h.Language}
}

// endpointConfirm notes that the contact agrees, and leads to the endpoint's page.
func (s *site) endpointConfirm(r *http.Request, who subscribers.Subscriber) (answer, error) {
	h, err := s.endpoints.Hooks.Hook(r.Context(), who.Number)
	if err != nil {
		return answer{}, goneIf(err)
	}
	if !h.ContactAt.IsZero() && h.State != subscribers.Pending {
		return s.endpointConfirmed(r, h), nil
	}
	if _, err = s.signUps.ConfirmSubscriber(acting(r, who.Number), who.Number, subscribers.Truncate(gate.Client(r, s.proxies))); err == nil {
		h, err = s.endpoints.Hooks.Hook(r.Context(), who.Number)
	}
	if err != nil {
		return answer{}, goneIf(err)
	}
	return s.endpointShow(r, h, s.endpointPath(h), templates.EndpointPage{Done: "confirmed"})
}

// endpointPath is where an endpoint's contact sees and changes everything, for
// as long as it is its contact.
func (s *site) endpointPath(h subscribers.Hook) string {
	return "/manage/" + s.links.TokenAbout(subscribers.ForManage, h.Number, s.now().Add(subscribers.ManageLife), h.Contact)
}
