package web

import (
	"errors"
	"net/http"

	"allclear/notifier"
	"allclear/subscribers"
	"allclear/templates"
)

// undoAsk shows the button that takes leaving back, or that it was taken back.
func (s *site) undoAsk(r *http.Request) (answer, error) {
	who, err := s.undoing(r)
	if err != nil {
		return answer{}, err
	}
	name := templates.PageUndo
	if who.State != subscribers.Unsubscribed { // undoing saw to the others
		name = templates.PageReturned
	}
	return answer{name: name, data: templates.ActionPage{}, lang: who.Language}, nil
}

// undo brings the subscription back as it was. Pressing it again changes nothing.
func (s *site) undo(r *http.Request) (answer, error) {
	if err := s.form(r); err != nil {
		return answer{}, err
	}
	who, err := s.undoing(r)
	if err != nil {
		return answer{}, err
	}
	if who.State == subscribers.Unsubscribed {
		_, err := s.account.Return(acting(r, who.Number), who.Number)
		switch {
		case errors.Is(err, notifier.ErrNotFound):
			return answer{}, errGone
		case errors.Is(err, notifier.ErrConflict):
			return answer{}, subscribers.ErrLinkExpired
		case err != nil:
			return answer{}, err
		}
	}
	return answer{name: templates.PageReturned, data: templates.ActionPage{}, lang: who.Language}, nil
}

// undoing finds who an undo is for. Where it can no longer be done, the link is
// as good as expired.
func (s *site) undoing(r *http.Request) (subscribers.Subscriber, error) {
	n, err := s.links.Open(subscribers.ForUndo, r.PathValue("token"), s.now())
	if err != nil {
		return subscribers.Subscriber{}, err
	}
	who, err := s.people.Subscriber(r.Context(), n)
	if err != nil {
		if errors.Is(err, notifier.ErrNotFound) {
			err = errGone
		}
		return who, err
	}
	switch trial := who; {
	case who.State == subscribers.Unsubscribed && !trial.Return(s.now()),
		who.State == subscribers.Pending && !who.Unsubscribed.IsZero(): // asked again since, by whomever: only confirming brings it back
		return who, subscribers.ErrLinkExpired
	}
	return who, nil
}
