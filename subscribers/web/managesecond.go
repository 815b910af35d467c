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

// Seconds is where readers name a second address, for when their mail itself is
// what is broken. AskSecond answers the same in the same time, whatever is known
// of the address.
type Seconds interface {
	OwnDomains(ctx context.Context) ([]subscribers.OwnDomain, error)
	AskSecond(ctx context.Context, n subscribers.Number, x subscribers.SignUp) error
	RemoveSecond(ctx context.Context, n subscribers.Number) error
}

// mayName reports whether a subscriber is asked for a second address: mail to
// the first depends on something of ours.
func (s *site) mayName(ctx context.Context, who subscribers.Subscriber) (bool, error) {
	if s.seconds == nil || who.Channel != notifier.Email || who.Group || who.SecondOf > 0 || !who.State.Movable() {
		return false, nil
	}
	own, err := s.seconds.OwnDomains(ctx)
	return err == nil && subscribers.DependsOn(own, who.Channel, who.Address) != "", err
}

// nameSecond has the second address asked. A phone's owner goes on to where its
// code is entered; said is nil for everybody else.
func (s *site) nameSecond(r *http.Request, who subscribers.Subscriber) (page templates.ManagePage, said *answer, err error) {
	page = templates.ManagePage{Done: "second", SecondEntered: r.PostForm.Get("second")}
	if may, err := s.mayName(r.Context(), who); err != nil || !may {
		if err == nil {
			err = notifier.Invalidf("state", "has no second address")
		}
		return page, nil, err
	}
	channel, address, err := subscribers.ParseAny(page.SecondEntered)
	if err == nil && channel == notifier.SMS && s.phones == nil {
		return page, nil, notifier.Invalidf("second-phone", "is a telephone number, and there is no gateway")
	}
	if err != nil || !s.reaches(channel, address) {
		return page, nil, notifier.Invalidf("second", "is no address")
	}
	own, err := s.seconds.OwnDomains(r.Context())
	if err != nil {
		return page, nil, err
	}
	if on := subscribers.DependsOn(own, channel, address); on != "" && on == subscribers.DependsOn(own, who.Channel, who.Address) {
		return page, nil, notifier.Invalidf("second-same", "is down at the same time")
	}
	language, words := s.pages.Consent(who.Language, channel)
	err = s.seconds.AskSecond(acting(r, who.Number), who.Number, subscribers.SignUp{
		Subscriber: subscribers.Subscriber{Channel: channel, Address: address, State: subscribers.Pending, CreatedAt: s.now()},
		Network:    subscribers.Truncate(gate.Client(r, s.proxies)), Consent: subscribers.Consent{Language: language, Words: words}, Solved: true,
	})
	switch {
	case errors.Is(err, notifier.ErrConflict), errors.Is(err, subscribers.ErrFull):
		return page, nil, notifier.Invalidf("second-often", "was asked often")
	case err != nil:
		return page, nil, err
	}
	page.SecondEntered = ""
	if channel == notifier.SMS {
		return page, &answer{name: templates.PagePhoneCode, data: templates.PhoneCode{Phone: address, Pass: s.phoneDoor().gate.Pass(address, s.now())}}, nil
	}
	return page, nil, nil
}

// reaches reports whether the service has a door for an address.
func (s *site) reaches(channel notifier.Channel, address string) bool {
	switch channel {
	case notifier.SMS:
		return s.phones != nil && subscribers.Textable(address) && (len(s.phones.Countries) == 0 || slices.Contains(s.phones.Countries, subscribers.Country(address)))
	case notifier.Webhook:
		return s.endpoints != nil
	}
	return true
}

// showSecond fills in what the page shows of a second address.
func (s *site) showSecond(ctx context.Context, who subscribers.Subscriber, page *templates.ManagePage) error {
	may, err := s.mayName(ctx, who)
	if err != nil {
		return err
	}
	if page.SecondAsked = may || who.Second.Address != "" && who.State.Movable(); page.SecondAsked {
		page.SecondDomain, page.SecondPhones, page.SecondHooks = subscribers.Domain(who.Address), s.phones != nil, s.endpoints != nil
		page.Second, page.SecondState, page.SecondNext = who.Second.Address, string(who.Second.State), who.SecondNext.Address
		page.SecondUnused = who.Second.Unused != ""
	}
	if who.SecondOf == 0 {
		return nil
	}
	first, err := s.people.Subscriber(ctx, who.SecondOf)
	if err != nil && !errors.Is(err, notifier.ErrNotFound) {
		return err
	}
	if page.SecondOf = subscribers.Veil(first.Address); err != nil {
		page.SecondOf = "…" // forgotten meanwhile
	}
	return nil
}

// offerSecond is where somebody who just confirmed names a second address; "" for who is not asked.
func (s *site) offerSecond(ctx context.Context, who subscribers.Subscriber) (string, error) {
	may, err := s.mayName(ctx, who)
	if err != nil || !may || who.Second.Address != "" {
		return "", err
	}
	return "/manage/" + s.links.Token(subscribers.ForManage, who.Number, s.now().Add(subscribers.ManageLife)) + "#second", nil
}
