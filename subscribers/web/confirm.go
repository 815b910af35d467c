package web

import (
	"errors"
	"net/http"
	"slices"

	"allclear/notifier"
	"allclear/subscribers"
	"allclear/templates"
)

// confirmAsk shows the button.
func (s *site) confirmAsk(r *http.Request) (answer, error) {
	who, err := s.confirming(r)
	if err != nil {
		return answer{}, err
	}
	if who.State == subscribers.Pending {
		return answer{name: templates.PageConfirm, data: templates.ActionPage{}}, nil
	}
	return s.confirmed(r), nil
}

// confirm makes a pending subscriber active. It sends no mail, and pressing it
// again changes nothing.
func (s *site) confirm(r *http.Request) (answer, error) {
	if err := s.foreign(r); err != nil {
		return answer{}, err
	}
	who, err := s.confirming(r)
	if err != nil {
		return answer{}, err
	}
	if who.State == subscribers.Pending {
		now := s.now()
		who, err = s.people.ChangeSubscriber(acting(r, who.Number), who.Number, func(x *subscribers.Subscriber) error {
			if x.State == subscribers.Pending { // nobody was quicker
				x.State, x.ConfirmedAt = subscribers.Active, now
			}
			return nil
		})
		if err != nil {
			return answer{}, err
		}
		if who.State == subscribers.Unsubscribed {
			return answer{}, subscribers.ErrLinkExpired
		}
	}
	return s.confirmed(r), nil
}

// confirmed says that it is done, and what is open right now: of that the
// reader was told nothing. The subscription stands, whether that can be read or not.
func (s *site) confirmed(r *http.Request) answer {
	open, _, err := s.posts.Incidents(r.Context(), notifier.IncidentQuery{State: notifier.Published, Open: true, Limit: postsPerPage})
	if err != nil && r.Context().Err() == nil {
		s.log.WarnContext(r.Context(), "read what is open", "route", r.Pattern, "error", err)
	}
	open = slices.DeleteFunc(open, func(i notifier.Incident) bool { return i.Status == notifier.Scheduled })
	return answer{name: templates.PageConfirmed, data: templates.ActionPage{Open: open}}
}

// confirming finds who a confirmation link is for. To one who has left since,
// or is gone, the link is as good as expired: whoever wants to come back
// subscribes anew.
func (s *site) confirming(r *http.Request) (subscribers.Subscriber, error) {
	n, err := s.links.Open(subscribers.ForConfirm, r.PathValue("token"), s.now())
	if err != nil {
		return subscribers.Subscriber{}, err
	}
	who, err := s.people.Subscriber(r.Context(), n)
	if errors.Is(err, notifier.ErrNotFound) || err == nil && who.State == subscribers.Unsubscribed {
		return subscribers.Subscriber{}, subscribers.ErrLinkExpired
	}
	return who, err
}
