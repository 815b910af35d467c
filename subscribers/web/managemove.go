package web

import (
	"errors"
	"net/http"

	"allclear/notifier"
	"allclear/subscribers"
	"allclear/templates"
)

// moving finds which address of which move a link is for.
func (s *site) moving(r *http.Request) (n subscribers.Number, to bool, err error) {
	n, err = s.links.Open(subscribers.ForMoveFrom, r.PathValue("token"), s.now())
	if errors.Is(err, subscribers.ErrLink) {
		n, err = s.links.Open(subscribers.ForMoveTo, r.PathValue("token"), s.now())
		return n, true, err
	}
	return n, false, err
}

// moveOf finds the move. A mail agrees to the move that it asked about, and to
// no later one.
func (s *site) moveOf(r *http.Request, n subscribers.Number, to bool) (subscribers.Move, error) {
	m, err := s.moves.Move(r.Context(), n, to)
	if err == nil && !s.links.About(r.PathValue("token"), m.About()) {
		return m, subscribers.ErrLinkExpired
	}
	return m, err
}

// moveAsk shows the button, or how far the move has come.
func (s *site) moveAsk(r *http.Request) (answer, error) {
	n, to, err := s.moving(r)
	if err != nil {
		return answer{}, err
	}
	m, err := s.moveOf(r, n, to)
	if errors.Is(err, notifier.ErrNotFound) {
		return s.movedAlready(r, n, to)
	}
	if err != nil {
		return answer{}, err
	}
	page := templates.ActionPage{To: m.ToAddress}
	if to && m.ToAt.IsZero() {
		return answer{name: templates.PageMove, data: page}, nil // whose it was is not the new address's to know yet
	}
	if page.From = m.FromAddress; !to && m.FromAt.IsZero() {
		return answer{name: templates.PageMove, data: page}, nil
	}
	return answer{name: templates.PageAgreed, data: templates.ActionPage{}}, nil
}

// move notes that an address agrees; with the second the subscription moves.
func (s *site) move(r *http.Request) (answer, error) {
	if err := s.form(r); err != nil {
		return answer{}, err
	}
	n, to, err := s.moving(r)
	if err != nil {
		return answer{}, err
	}
	m, err := s.moveOf(r, n, to)
	if err == nil {
		m, err = s.moves.AgreeMove(acting(r, n), n, to)
	}
	switch {
	case errors.Is(err, notifier.ErrNotFound):
		return s.movedAlready(r, n, to)
	case err != nil:
		return answer{}, err
	case m.Agreed():
		return answer{name: templates.PageMoved, data: templates.ActionPage{}}, nil
	}
	return answer{name: templates.PageAgreed, data: templates.ActionPage{}}, nil
}

// movedAlready tells a move that is through from one that is off.
func (s *site) movedAlready(r *http.Request, n subscribers.Number, to bool) (answer, error) {
	who, err := s.people.Subscriber(r.Context(), n)
	through := who.Left.By == subscribers.ByMove
	if err == nil && to {
		through, err = s.moves.Moved(r.Context(), n)
	}
	switch {
	case errors.Is(err, notifier.ErrNotFound):
		return answer{}, errGone
	case err != nil:
		return answer{}, err
	case through:
		return answer{name: templates.PageMoved, data: templates.ActionPage{}}, nil
	}
	return answer{}, subscribers.ErrLinkExpired
}
