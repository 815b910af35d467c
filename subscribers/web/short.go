package web

import (
	"net/http"
	"time"

	"allclear/notifier"
	"allclear/subscribers"
	"allclear/templates"
)

// shortVisit is how long the buttons of a page work that a text message led to.
const shortVisit = 24 * time.Hour

// short shows the page of a phone to who has a text message with its link, and
// where the code goes as long as it is not confirmed: staff may have added it,
// so that its owner was on no page of ours. The buttons go to the page's own,
// longer address.
func (s *site) short(r *http.Request) (answer, error) {
	n, err := s.phones.Short(r.PathValue("token"))
	if err != nil {
		return answer{}, err
	}
	who, err := s.people.Subscriber(r.Context(), n)
	switch {
	case err != nil:
		return answer{}, goneIf(err)
	case who.Channel != notifier.SMS:
		return answer{}, subscribers.ErrLink
	case who.State == subscribers.Pending:
		return answer{name: templates.PagePhoneCode, data: templates.PhoneCode{Phone: who.Address, Pass: s.phoneDoor().gate.Pass(who.Address, s.now())}, lang: who.Language}, nil
	}
	return s.phoneShow(r, who, templates.PhonePage{Path: "/manage/" + s.links.Token(subscribers.ForManage, n, s.now().Add(shortVisit))})
}
