package web

import (
	"errors"
	"net/http"
	"net/url"
	"strings"
	"time"

	"allclear/notifier"
	"allclear/subscribers"
	"allclear/templates"
)

// phoneDo does what one of the page's buttons says.
func (s *site) phoneDo(r *http.Request, who subscribers.Subscriber) (answer, error) {
	page := templates.PhonePage{}
	var err error
	switch r.PostForm.Get("do") {
	case "save":
		page.Done = "saved"
		who, err = s.phoneSave(r, who, &page)
	case "pause":
		page.Done, page.PauseUntil = "paused", r.PostForm.Get("until")
		who, err = s.pauseDoor(r, who)
	case "resume":
		page.Done = "resumed"
		who, err = s.resumeDoor(r, who)
	default:
		return answer{}, errForm
	}
	var bad wrongs
	switch {
	case errors.As(err, &bad):
		page.Done, page.Choices.Wrong = "", bad
	case err != nil:
		return answer{}, err
	}
	said, err := s.phoneShow(r, who, page)
	if bad != nil {
		said.status = http.StatusUnprocessableEntity
	}
	return said, err
}

// phoneSave writes what was chosen.
func (s *site) phoneSave(r *http.Request, who subscribers.Subscriber, page *templates.PhonePage) (subscribers.Subscriber, error) {
	parts, err := s.posts.Components(r.Context())
	if err != nil {
		return who, err
	}
	e := entry{in: r.PostForm, fields: phoneFields, channel: notifier.SMS}
	is := who
	e.phone(&is, parts, s.speaking(who))
	page.Choices.Entered = enteredOf(r.PostForm, phoneFields) // so that what was entered is not lost
	if e.wrong != nil {
		return who, wrongs(e.wrong)
	}
	who, err = s.changeDoor(r, who, func(x *subscribers.Subscriber) error {
		if x.State == subscribers.Pending || x.State == subscribers.Unsubscribed {
			return notifier.Invalidf("state", "is %s", x.State)
		}
		x.Filter.Components, x.Filter.Severity, x.Filter.Kinds = is.Filter.Components, is.Filter.Severity, is.Filter.Kinds
		x.Cadence, x.Quiet, x.Timezone, x.Language = is.Cadence, is.Quiet, is.Timezone, is.Language
		return nil
	})
	if err == nil {
		page.Choices.Entered = nil
	}
	return who, err
}

// phoneShow fills the page in with what is kept.
func (s *site) phoneShow(r *http.Request, who subscribers.Subscriber, page templates.PhonePage) (answer, error) {
	parts, err := s.posts.Components(r.Context())
	if err != nil {
		return answer{}, err
	}
	if page.Choices.Entered == nil {
		page.Choices.Entered = chosen(who)
		from, until, _ := strings.Cut(string(who.Quiet), "-")
		setAll(page.Choices.Entered, "quiet_from", from, "quiet_until", until)
	}
	page.Choices.Components, page.Choices.Cadences = parts, cadences(notifier.SMS)
	if page.Path == "" {
		page.Path = "/manage/" + r.PathValue("token")
	}
	page.Phone, page.State, page.Until, page.Now = who.Address, string(who.State), who.PausedUntil, s.now()
	switch barred, err := s.phones.Barred.Suppression(r.Context(), notifier.SMS, who.Address); {
	case errors.Is(err, notifier.ErrNotFound):
	case err != nil:
		return answer{}, err
	case barred.Reason == subscribers.ReasonStop:
		page.Stopped = barred.CreatedAt
	default:
		page.Barred = true
	}
	if who.State != subscribers.Unsubscribed {
		page.Leave = "/unsubscribe/" + s.links.Token(subscribers.ForUnsubscribe, who.Number, time.Time{})
	}
	return answer{name: templates.PagePhoneManage, data: page, lang: who.Language}, nil
}

func setAll(in url.Values, pairs ...string) {
	for i := 0; i+1 < len(pairs); i += 2 {
		in.Set(pairs[i], pairs[i+1])
	}
}
