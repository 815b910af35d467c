package web

import (
	"net/http"

	"allclear/subscribers"
	"allclear/subscribers/web/gate"
	"allclear/templates"
)

// linkAsk shows the form by which a subscriber is sent the link to manage.
func (s *site) linkAsk(*http.Request) (answer, error) {
	return answer{name: templates.PageLink, data: templates.LinkPage{Token: s.linkDoor().gate.Form(s.now())}}, nil
}

// link has it sent, past the same gate as a sign-up. Whatever the address, the
// answer is the same in the same time, because whether anything is sent is
// found out elsewhere.
func (s *site) link(r *http.Request) (answer, error) {
	if err := s.form(r); err != nil {
		return answer{}, err
	}
	entered := r.PostForm.Get("address")
	address, err := subscribers.ParseAddress(entered)
	if err != nil {
		return answer{status: http.StatusUnprocessableEntity, name: templates.PageLink, data: templates.LinkPage{Token: s.linkDoor().gate.Form(s.now()), Address: entered, Wrong: true}}, nil //nolint:nilerr // it is told on the page
	}
	proof, again := s.linkDoor().judge(r.PostForm, address)
	if again != nil {
		return *again, nil
	}
	s.lost.Ask(subscribers.Lost{
		Address: address, Network: subscribers.Truncate(gate.Client(r, s.proxies)), Solved: proof == gate.Worked, Trapped: trapped(r.PostForm),
	})
	return answer{name: templates.PageLinkSent, data: templates.ActionPage{}}, nil
}

// tooOld is where a link to manage leads when it no longer works.
func (s *site) tooOld() answer {
	return answer{status: http.StatusGone, name: templates.PageLink, data: templates.LinkPage{Token: s.linkDoor().gate.Form(s.now()), Expired: true}}
}
