package web

import (
	"context"
	"errors"
	"net/http"
	"net/url"

	"allclear/notifier"
	"allclear/subscribers"
	"allclear/templates"
)

// subscribeAsk shows the form on a page of its own: of everything, or of the
// one incident that the query names.
func (s *site) subscribeAsk(r *http.Request) (answer, error) {
	in := url.Values{}
	if id := r.URL.Query().Get("incident"); id != "" {
		if _, err := s.followable(r.Context(), id); err != nil {
			return answer{}, err
		}
		in.Set("incident", id)
	}
	return s.subscribePage(r, in, nil, http.StatusOK)
}

// subscribePage is the form with what was entered and what is wrong with it.
func (s *site) subscribePage(r *http.Request, in url.Values, wrong []templates.WrongField, status int) (answer, error) {
	parts, err := s.offer.get(r.Context(), s.now())
	if err != nil {
		return answer{}, err
	}
	mine, err := s.listed.get(r.Context(), s.now())
	if err != nil {
		return answer{}, err
	}
	form := templates.SubscribeForm{
		Mine:  mine,
		Token: s.gate.Form(s.now()), Components: parts, Cadences: cadences(notifier.Email), Entered: entered(in), Wrong: wrong, Whole: true,
		Endpoints: s.endpoints != nil, Phones: s.phones != nil,
	}
	if id := in.Get("incident"); id != "" {
		switch i, err := s.followable(r.Context(), id); {
		case err == nil:
			form.Only = &i
		case !errors.Is(err, notifier.ErrNotFound):
			return answer{}, err
		}
	}
	return answer{name: templates.PageSubscribe, status: status, data: form}, nil
}

// box is the form on another page, of everything or of one incident.
func (s *site) box(ctx context.Context, parts []notifier.Component, only *notifier.Incident) (*templates.SubscribeForm, error) {
	mine, err := s.listed.get(ctx, s.now())
	return &templates.SubscribeForm{
		Mine:  mine,
		Token: s.gate.Form(s.now()), Components: parts, Cadences: cadences(notifier.Email), Only: only,
		Endpoints: s.endpoints != nil, Phones: s.phones != nil,
	}, err
}

// followable finds an incident that can be followed by itself. What is no id is
// not looked for: there are databases that fail over it.
func (s *site) followable(ctx context.Context, id string) (notifier.Incident, error) {
	if only := (subscribers.Filter{Incident: id}); only.Validate() != nil {
		return notifier.Incident{}, notifier.ErrNotFound
	}
	i, err := s.posts.Incident(ctx, id)
	if err == nil && !i.Open() { // of what is over there is nothing to hear
		err = notifier.ErrNotFound
	}
	return i, err
}

// subscribe takes what somebody asks for. It judges the form and nothing else,
// and puts it into a queue: what is known of the address is looked at later, by
// nobody's clock but ours, so that the answer, its status and its time are the
// same for an address that is new, known, barred or refused.
func (s *site) subscribe(r *http.Request) (answer, error) {
	if err := s.form(r); err != nil {
		return answer{}, err
	}
	in := r.PostForm
	parts, err := s.offer.get(r.Context(), s.now())
	if err != nil {
		return answer{}, err
	}
	who, wrong := readEntry(in, parts, s.pages.Speaks)
	if id := who.Filter.Incident; id != "" && len(wrong) == 0 {
		switch _, err := s.followable(r.Context(), id); {
		case errors.Is(err, notifier.ErrNotFound):
			wrong = append(wrong, templates.WrongField{Field: "incident", Why: "incident"})
		case err != nil:
			return answer{}, err
		}
	}
	if len(wrong) > 0 {
		return s.subscribePage(r, in, wrong, http.StatusUnprocessableEntity)
	}
	proof, again := s.signUpDoor().judge(in, who.Address)
	if again != nil {
		return *again, nil
	}
	full, err := s.signUpDoor().queue(r, who, proof)
	if err != nil || full != nil {
		return full.or(err)
	}
	return answer{name: templates.PageSubscribeSent, data: templates.ActionPage{}}, nil
}
