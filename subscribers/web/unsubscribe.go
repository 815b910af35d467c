package web

import (
	"context"
	"errors"
	"net/http"

	"allclear/notifier"
	"allclear/subscribers"
	"allclear/templates"
)

// unsubscribeAsk shows the button, or that it was pressed already.
func (s *site) unsubscribeAsk(r *http.Request) (answer, error) {
	n, err := s.leaving(r)
	if err != nil {
		return answer{}, err
	}
	who, err := s.people.Subscriber(r.Context(), n)
	switch {
	case errors.Is(err, notifier.ErrNotFound), err == nil && who.State == subscribers.Unsubscribed:
		return answer{name: templates.PageUnsubscribed, data: templates.ActionPage{}}, nil
	case err != nil:
		return answer{}, err
	}
	return answer{name: templates.PageUnsubscribe, data: templates.ActionPage{}}, nil
}

// unsubscribe ends a subscription: by the page's button, which sends nothing,
// or by a mail provider's one click (RFC 8058), which sends
// List-Unsubscribe=One-Click as a form of either type. It always answers 200
// and never redirects, also where there is nothing left to end.
//
// One click is not held against forgery from other sites, by design: a provider
// has no cookie, no origin and no page of ours, and the token alone says who
// leaves.
func (s *site) unsubscribe(r *http.Request) (answer, error) {
	click, err := oneClick(r)
	if err != nil {
		return answer{}, err
	}
	if !click {
		if err := s.foreign(r); err != nil {
			return answer{}, err
		}
	}
	n, err := s.leaving(r)
	if err != nil {
		return answer{}, err
	}
	left := answer{name: templates.PageUnsubscribed, data: templates.ActionPage{}}
	who, err := s.people.Subscriber(r.Context(), n)
	switch {
	case errors.Is(err, notifier.ErrNotFound), err == nil && who.State == subscribers.Unsubscribed:
		return left, nil
	case err != nil:
		return answer{}, err
	}
	now := s.now()
	_, err = s.people.ChangeSubscriber(acting(r, n), n, func(x *subscribers.Subscriber) error {
		if x.State != subscribers.Unsubscribed {
			x.State, x.Unsubscribed = subscribers.Unsubscribed, now
		}
		return nil
	})
	if errors.Is(err, notifier.ErrNotFound) {
		err = nil // erased between the two
	}
	return left, err
}

// leaving finds who an unsubscribe link is for. It never expires: mails are kept for years.
func (s *site) leaving(r *http.Request) (subscribers.Number, error) {
	n, err := s.links.Open(subscribers.ForUnsubscribe, r.PathValue("token"), s.now())
	if errors.Is(err, subscribers.ErrLinkExpired) {
		return n, nil
	}
	return n, err
}

// oneClick reports whether the form is RFC 8058's. A body that is no form is
// no one-click and no error; one that is too large is.
func oneClick(r *http.Request) (bool, error) {
	// One after the other, because ParseMultipartForm hides what ParseForm met.
	err := errors.Join(r.ParseForm(), r.ParseMultipartForm(maxForm))
	var large *http.MaxBytesError
	if errors.As(err, &large) {
		return false, err
	}
	return r.PostFormValue("List-Unsubscribe") == "One-Click", nil
}

// acting notes for the audit that the subscriber did it.
func acting(r *http.Request, n subscribers.Number) context.Context {
	return notifier.WithActor(r.Context(), notifier.Actor{Name: "subscriber:" + n.String()})
}
