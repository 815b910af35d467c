package web

import (
	"errors"
	"net/http"
	"net/url"
	"slices"

	"allclear/notifier"
	"allclear/subscribers"
	"allclear/subscribers/web/gate"
	"allclear/templates"
)

// doors are the ways in beside mail, those that there are.
func (s *site) doors(mux *http.ServeMux) {
	if s.endpoints != nil {
		mux.Handle("/endpoints", s.page(s.endpointForm, s.endpointSignUp))
	}
	if s.phones != nil {
		mux.Handle("/phone", s.page(s.phoneForm, s.phoneSignUp))
		mux.Handle("/phone/code", s.page(s.phoneAgain, s.phoneCode))
		mux.Handle("/s/{token}", s.page(s.short, nil))
	}
}

func (s *site) aboutEndpoint(who subscribers.Subscriber) bool {
	return who.Channel == notifier.Webhook && s.endpoints != nil
}

func (s *site) aboutPhone(who subscribers.Subscriber) bool {
	return who.Channel == notifier.SMS && s.phones != nil
}

// queue puts what somebody asked for where mail's sign-ups wait, too. The answer
// is not nil where it had no room.
func (d door) queue(r *http.Request, who subscribers.Subscriber, proof gate.Proof) (*answer, error) {
	x := subscribers.SignUp{
		Subscriber: who, Solved: proof == gate.Worked, Trapped: trapped(r.PostForm),
		Network: subscribers.Truncate(gate.Client(r, d.proxies)),
	}
	x.Consent.Language, x.Consent.Words = d.pages.Consent(r.Header.Get("Accept-Language"), who.Channel)
	if x.Language == "" {
		x.Language = x.Consent.Language
	}
	switch err := d.signUps.QueueSignUp(r.Context(), x); {
	case errors.Is(err, subscribers.ErrFull) && proof == gate.None:
		again := d.step(r.PostForm, who.Address, "")
		return &again, nil
	case errors.Is(err, subscribers.ErrFull):
		busy := d.busy()
		return &busy, nil
	case err != nil:
		return nil, err
	}
	return nil, nil //nolint:nilnil // there is nothing to say, and nothing is wrong
}

// common reads the choices that every door has.
func (e *entry) common(who *subscribers.Subscriber, known []notifier.Component, speaks func(lang string) bool) {
	for _, name := range []string{"timezone", "language"} {
		e.check(name, func(p *subscribers.Subscriber) { *e.field(p, name) = e.text(name) }, func(p subscribers.Subscriber) { *e.field(who, name) = *e.field(&p, name) })
	}
	if who.Language != "" && !speaks(who.Language) {
		e.is("language", "language")
	}
	level, err := notifier.ParseSeverity(e.one("severity"))
	if err != nil {
		e.is("severity", "severity")
	}
	who.Filter.Severity, who.Filter.Components = level, e.many("components")
	if slices.ContainsFunc(who.Filter.Components, func(key string) bool {
		return !slices.ContainsFunc(known, func(c notifier.Component) bool { return c.Key == key })
	}) {
		e.is("components", "components")
	}
}

// whole checks a subscriber in whom every field was found right by itself.
func (e *entry) whole(who *subscribers.Subscriber) {
	if e.wrong != nil {
		return
	}
	if err := who.Validate(); err != nil { // nothing that was not found before
		e.is("", "other")
	}
}

// wrongs is what is wrong with a form, as an error.
type wrongs []templates.WrongField

func (wrongs) Error() string { return "the form has wrong fields" }

func wrong(field, why string) error { return wrongs{{Field: field, Why: why}} }

// speaking reports whether a subscriber may have a language: one that there are
// texts in, or the one that it has.
func (s *site) speaking(who subscribers.Subscriber) func(lang string) bool {
	return func(lang string) bool { return lang == who.Language || s.pages.Speaks(lang) }
}

// changeDoor writes what change makes of an endpoint or a phone, checked.
func (s *site) changeDoor(r *http.Request, who subscribers.Subscriber, change func(*subscribers.Subscriber) error) (subscribers.Subscriber, error) {
	is, err := s.change(r, who, change)
	var bad *notifier.Invalid
	if errors.As(err, &bad) {
		return who, wrong("state", "state")
	}
	return is, err
}

// pauseDoor stops what is sent until a day begins where the subscriber lives,
// or for good.
func (s *site) pauseDoor(r *http.Request, who subscribers.Subscriber) (subscribers.Subscriber, error) {
	until, err := readDay(r.PostForm.Get("until"), s.location(who), s.now())
	if err != nil {
		return who, wrong("until", "until")
	}
	return s.changeDoor(r, who, func(x *subscribers.Subscriber) error {
		if x.State != subscribers.Active && x.State != subscribers.Paused {
			return notifier.Invalidf("state", "is %s", x.State)
		}
		x.State, x.PausedUntil = subscribers.Paused, until
		return nil
	})
}

func (s *site) resumeDoor(r *http.Request, who subscribers.Subscriber) (subscribers.Subscriber, error) {
	return s.changeDoor(r, who, func(x *subscribers.Subscriber) error {
		if x.State != subscribers.Paused && x.State != subscribers.Active { // pressed twice, it is done
			return notifier.Invalidf("state", "is not paused")
		}
		x.State = subscribers.Active
		return nil
	})
}

// chosen is what a subscriber chose, by the fields of the form.
func chosen(who subscribers.Subscriber) url.Values {
	out := url.Values{
		"components": who.Filter.Components, "severity": {who.Filter.Severity.String()}, "cadence": {string(who.Cadence)}, "format": {string(who.Format)},
		"timezone": {who.Timezone}, "language": {who.Language},
	}
	for _, t := range who.Filter.Types {
		out.Add("types", string(t))
	}
	for _, k := range who.Filter.Kinds {
		out.Add("kinds", string(k))
	}
	return out
}
