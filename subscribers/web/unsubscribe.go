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
	who, owner, err := s.leaving(r)
	switch {
	case errors.Is(err, notifier.ErrNotFound):
		return s.left(subscribers.Subscriber{}, false), nil
	case err != nil:
		return answer{}, err
	case who.State == subscribers.Unsubscribed && !who.EndedWithFirst():
		return s.left(who, owner), nil
	case who.Group && !owner:
		return s.askOwner(r, who)
	}
	return leave(who), nil
}

// unsubscribe ends a subscription: by the page's button, which sends nothing,
// or by a mail provider's one click (RFC 8058), which sends
// List-Unsubscribe=One-Click as a form of either type. It always answers 200
// and never redirects, also where there is nothing left to end, and where only
// the owner of a group's address may end it.
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
	who, owner, err := s.leaving(r)
	reason := !click && r.PostFormValue("step") == "reason" && (owner || !who.Group)
	switch {
	case errors.Is(err, notifier.ErrNotFound):
		return s.left(subscribers.Subscriber{}, false), nil
	case err != nil:
		return answer{}, err
	case reason:
		return s.because(r, who, owner)
	case who.State == subscribers.Unsubscribed && !who.EndedWithFirst():
		return s.left(who, owner), nil
	case who.Group && !owner:
		return s.askOwner(r, who)
	}
	now := s.now()
	is, err := s.people.ChangeSubscriber(acting(r, who.Number), who.Number, func(x *subscribers.Subscriber) error {
		x.Depart(subscribers.ByLink, now)
		return nil
	})
	if errors.Is(err, notifier.ErrNotFound) { // erased between the two
		return s.left(subscribers.Subscriber{}, false), nil
	}
	if err != nil {
		return answer{}, err
	}
	return s.left(is, owner), nil
}

// because keeps why somebody left. It never ends a subscription: whoever took
// leaving back and goes back to this form stays.
func (s *site) because(r *http.Request, who subscribers.Subscriber, owner bool) (answer, error) {
	reason := subscribers.CleanReason(r.PostFormValue("reason"))
	if who.State != subscribers.Unsubscribed {
		return leave(who), nil
	}
	if reason != "" {
		is, err := s.people.ChangeSubscriber(acting(r, who.Number), who.Number, func(x *subscribers.Subscriber) error {
			if x.State == subscribers.Unsubscribed {
				x.Left.Reason = reason
			}
			return nil
		})
		switch {
		case errors.Is(err, notifier.ErrNotFound):
		case err != nil:
			return answer{}, err
		default:
			who = is
		}
	}
	said := s.left(who, owner)
	page := said.data.(templates.ActionPage) //nolint:forcetypeassert // left made it
	page.Thanks, page.Ask = reason != "", reason == ""
	said.data = page
	return said, nil
}

// left says that it is done. Where it was done just now by a link, it can be
// taken back; what a group's owner did, by the owner only.
func (s *site) left(who subscribers.Subscriber, owner bool) answer {
	page := templates.ActionPage{Group: who.Group}
	if trial := who; (owner || !who.Group) && trial.Return(s.now()) {
		page.Undo = "/undo/" + s.links.Token(subscribers.ForUndo, who.Number, s.now().Add(subscribers.UndoLife))
		page.Ask = who.Left.Reason == ""
	}
	return answer{name: leftPage(who), data: page, lang: who.Language}
}

// leave shows the button to whoever may press it: of a group, its owner.
func leave(who subscribers.Subscriber) answer {
	page := templates.ActionPage{Group: who.Group}
	if who.Group {
		page.To = who.Address
	}
	return answer{name: leavePage(who), data: page, lang: who.Language}
}

// leavePage is the page with the button that ends a subscription of a channel.
func leavePage(who subscribers.Subscriber) string {
	switch who.Channel {
	case notifier.Webhook:
		return templates.PageEndpointLeave
	case notifier.SMS:
		return templates.PagePhoneLeave
	}
	return templates.PageUnsubscribe
}

// leftPage says that it is done.
func leftPage(who subscribers.Subscriber) string {
	switch who.Channel {
	case notifier.Webhook:
		return templates.PageEndpointLeft
	case notifier.SMS:
		return templates.PagePhoneLeft
	}
	return templates.PageUnsubscribed
}

// leaving finds who an unsubscribe link is for, and whether it is the one that
// a group's owner got. It never expires, because mails are kept for years; but
// an endpoint's is good only for who was its contact when it was made.
func (s *site) leaving(r *http.Request) (who subscribers.Subscriber, owner bool, err error) {
	token := r.PathValue("token")
	n, err := s.links.Open(subscribers.ForUnsubscribe, token, s.now())
	if errors.Is(err, subscribers.ErrLink) {
		owner = true
		n, err = s.links.Open(subscribers.ForOwner, token, s.now())
	}
	if err != nil && !errors.Is(err, subscribers.ErrLinkExpired) {
		return who, owner, err
	}
	who, err = s.people.Subscriber(r.Context(), n)
	switch {
	case err != nil:
	case who.Channel == notifier.Webhook && who.Contact != "" && !s.links.About(token, who.Contact): // somebody else looks after it by now
		err = subscribers.ErrLinkExpired
	case !owner:
	case !who.Group: // nobody's to decide for others any more
		err = subscribers.ErrLink
	case !s.links.About(token, who.Contact): // somebody else decides by now
		err = subscribers.ErrLinkExpired
	}
	return who, owner, err
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
