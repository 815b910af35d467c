package web

import (
	"context"
	"errors"
	"net/http"
	"slices"

	"allclear/notifier"
	"allclear/subscribers"
	"allclear/subscribers/web/gate"
	"allclear/templates"
)

// confirmAsk shows the button.
func (s *site) confirmAsk(r *http.Request) (answer, error) {
	who, said, err := s.confirming(r)
	if err != nil || said != nil {
		return said.or(err)
	}
	if s.aboutEndpoint(who) {
		return s.endpointConfirmAsk(r, who)
	}
	if who.State == subscribers.Pending || s.wishes(r, who) {
		title, over, err := s.followed(r.Context(), who)
		switch {
		case err != nil:
			return answer{}, err
		case over:
			return confirmOver(title), nil
		}
		return answer{name: templates.PageConfirm, data: templates.ActionPage{Only: title, Second: who.SecondOf > 0 && !s.wishes(r, who)}}, nil
	}
	return s.confirmed(r, who, false)
}

// confirm makes a pending subscriber active. It sends no mail, and pressing it
// again changes nothing.
func (s *site) confirm(r *http.Request) (answer, error) {
	if err := s.foreign(r); err != nil {
		return answer{}, err
	}
	who, said, err := s.confirming(r)
	if err != nil || said != nil {
		return said.or(err)
	}
	if s.aboutEndpoint(who) {
		return s.endpointConfirm(r, who)
	}
	fresh := who.State == subscribers.Pending || s.wishes(r, who)
	if fresh {
		title, over, err := s.followed(r.Context(), who)
		switch {
		case err != nil:
			return answer{}, err
		case over:
			return confirmOver(title), nil
		}
		who, err = s.signUps.ConfirmSubscriber(acting(r, who.Number), who.Number, subscribers.Truncate(gate.Client(r, s.proxies)))
		switch {
		case errors.Is(err, notifier.ErrNotFound):
			return answer{}, errGone
		case err != nil:
			return answer{}, err
		case who.State == subscribers.Unsubscribed:
			return confirmLeft(), nil
		}
	}
	return s.confirmed(r, who, fresh)
}

// followed is the title of the one incident that somebody follows, and whether
// that is over, so that there is nothing more to hear; "" for who follows everything.
func (s *site) followed(ctx context.Context, who subscribers.Subscriber) (title string, over bool, err error) {
	id := who.Filter.Incident
	if id == "" {
		return "", false, nil
	}
	i, err := s.posts.Incident(ctx, id)
	if err != nil && !errors.Is(err, notifier.ErrNotFound) {
		return "", false, err
	}
	return i.Title, !i.Open(), nil
}

// confirmed says that it is done, and what is open right now of what the reader
// follows: of that they were told nothing. The subscription stands, whether that
// can be read or not. fresh is for who has just confirmed, and may go on to manage it.
func (s *site) confirmed(r *http.Request, who subscribers.Subscriber, fresh bool) (answer, error) {
	title, over, err := s.followed(r.Context(), who)
	switch {
	case err != nil:
		return answer{}, err
	case over:
		return confirmOver(title), nil
	}
	if who.SecondOf > 0 {
		return answer{name: templates.PageConfirmed, data: templates.ActionPage{Second: true}}, nil
	}
	manage := ""
	if _, err := s.links.Open(subscribers.ForConfirm, r.PathValue("token"), s.now()); fresh && err == nil { // an old link opens nothing
		if manage, err = s.offerSecond(r.Context(), who); err != nil {
			return answer{}, err
		}
	}
	open, _, err := s.posts.Incidents(r.Context(), notifier.IncidentQuery{State: notifier.Published, Open: true, Limit: postsPerPage})
	if err != nil && r.Context().Err() == nil {
		s.log.WarnContext(r.Context(), "read what is open", "route", r.Pattern, "error", err)
	}
	open = slices.DeleteFunc(open, func(i notifier.Incident) bool {
		return i.Status == notifier.Scheduled || who.Filter.Incident != "" && i.ID != who.Filter.Incident
	})
	return answer{name: templates.PageConfirmed, data: templates.ActionPage{Open: open, Only: title, Manage: manage, Domain: subscribers.Domain(who.Address)}}, nil
}

// confirming finds who a confirmation link is for, or what to say instead: that
// it is too late, or that who it is for has left since. Who confirmed and opens
// an old link is told how things are, not that the link is old.
func (s *site) confirming(r *http.Request) (subscribers.Subscriber, *answer, error) {
	n, err := s.links.Open(subscribers.ForConfirm, r.PathValue("token"), s.now())
	second := errors.Is(err, subscribers.ErrLink)
	if second { // what was asked about a second address is agreed to for that alone
		n, err = s.links.Open(subscribers.ForSecond, r.PathValue("token"), s.now())
	}
	late := errors.Is(err, subscribers.ErrLinkExpired)
	if err != nil && !late {
		return subscribers.Subscriber{}, nil, err
	}
	who, err := s.people.Subscriber(r.Context(), n)
	var said answer
	switch {
	case errors.Is(err, notifier.ErrNotFound) && !late:
		return who, nil, errGone
	case errors.Is(err, notifier.ErrNotFound), err == nil && late && (who.State == subscribers.Pending || who.Wishes && !second):
		said = confirmLate()
	case err != nil:
		return who, nil, err
	case who.State == subscribers.Unsubscribed:
		said = confirmLeft()
	case who.Channel == notifier.Email && second != (who.SecondOf > 0) && !s.wishes(r, who): // it was asked about something else since
		said = confirmLate()
	case s.aboutEndpoint(who) && !s.links.About(r.PathValue("token"), who.Contact): // registered anew since, with another contact
		said = confirmLate()
	default:
		return who, nil, nil
	}
	return who, &said, nil
}

// wishes reports whether a link is for the owner of a second address who wishes for
// a subscription of their own.
func (s *site) wishes(r *http.Request, who subscribers.Subscriber) bool {
	_, err := s.links.Open(subscribers.ForConfirm, r.PathValue("token"), s.now())
	return err == nil && who.Wishes
}

func confirmLate() answer {
	return answer{name: templates.PageConfirmLate, status: http.StatusGone, data: templates.ActionPage{}}
}

func confirmOver(title string) answer {
	return answer{name: templates.PageConfirmOver, status: http.StatusGone, data: templates.ActionPage{Only: title}}
}

func confirmLeft() answer {
	return answer{name: templates.PageConfirmLeft, status: http.StatusGone, data: templates.ActionPage{}}
}

// or is what is said, where there is something to say.
func (a *answer) or(err error) (answer, error) {
	if a == nil {
		return answer{}, err
	}
	return *a, err
}
