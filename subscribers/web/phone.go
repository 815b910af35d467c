package web

import (
	"context"
	"errors"
	"net/http"
	"net/netip"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"allclear/notifier"
	"allclear/subscribers"
	"allclear/templates"
)

// Phones is what the pages of phones need. All are mandatory but Countries.
type Phones struct {
	Codes  Codes
	Barred Barred
	// Short reads the token of the short link in a text message. Its errors are
	// subscribers.ErrLink and ErrLinkExpired.
	Short func(token string) (subscribers.Number, error)
	// Countries are those whose numbers may sign up, by their ISO 3166 codes;
	// empty: every country's.
	Countries []string
}

// Codes judges the code that was sent to a phone: whose it is by now, or
// subscribers.ErrCode, ErrCodeExpired or ErrCodeTries.
type Codes interface {
	CheckCode(ctx context.Context, phone, code string, network netip.Prefix) (subscribers.Subscriber, error)
}

// Barred tells why an address may not be written to; notifier.ErrNotFound where it may.
type Barred interface {
	Suppression(ctx context.Context, channel notifier.Channel, address string) (subscribers.Suppression, error)
}

// phoneFields are those that a person fills in to sign a phone up.
var phoneFields = []string{"address", "components", "kinds", "severity", "cadence", "quiet_from", "quiet_until", "timezone", "language"}

func (s *site) phoneDoor() door {
	return door{site: s, gate: s.gate.For("phone"), name: "phone", fields: phoneFields}
}

// phoneForm shows the form.
func (s *site) phoneForm(r *http.Request) (answer, error) {
	return s.phonePage(r, url.Values{}, nil, http.StatusOK)
}

func (s *site) phonePage(r *http.Request, in url.Values, wrong []templates.WrongField, status int) (answer, error) {
	parts, err := s.offer.get(r.Context(), s.now())
	if err != nil {
		return answer{}, err
	}
	d := s.phoneDoor()
	return answer{name: templates.PagePhone, status: status, data: templates.PhoneForm{
		Token: d.gate.Form(s.now()), Choices: templates.Choices{Components: parts, Cadences: cadences(notifier.SMS), Entered: enteredOf(in, d.fields), Wrong: wrong},
	}}, nil
}

// phoneSignUp takes what somebody asks for and asks for the code, whether one is
// sent or not: nobody is told whether a number is known.
func (s *site) phoneSignUp(r *http.Request) (answer, error) {
	if err := s.form(r); err != nil {
		return answer{}, err
	}
	in, d := r.PostForm, s.phoneDoor()
	parts, err := s.offer.get(r.Context(), s.now())
	if err != nil {
		return answer{}, err
	}
	who, wrong := readPhone(in, parts, s.pages.Speaks, s.phones.Countries)
	if len(wrong) > 0 {
		return s.phonePage(r, in, wrong, http.StatusUnprocessableEntity)
	}
	proof, again := d.judge(in, who.Address)
	if again != nil {
		return *again, nil
	}
	full, err := d.queue(r, who, proof)
	if err != nil || full != nil {
		return full.or(err)
	}
	return answer{name: templates.PagePhoneCode, data: templates.PhoneCode{Phone: who.Address, Pass: d.gate.Pass(who.Address, s.now())}}, nil
}

// readPhone makes a subscriber of what was entered, and says what of it is wrong.
func readPhone(in url.Values, known []notifier.Component, speaks func(lang string) bool, countries []string) (subscribers.Subscriber, []templates.WrongField) {
	e := entry{in: in, fields: phoneFields, channel: notifier.SMS}
	e.refuse()
	who := subscribers.Subscriber{Channel: notifier.SMS, State: subscribers.Pending}
	var err error
	switch who.Address, err = subscribers.ParsePhone(e.one("address")); {
	case err != nil:
		e.is("address", "address")
	case !subscribers.Textable(who.Address):
		e.is("address", "kind")
	case len(countries) > 0 && !slices.Contains(countries, subscribers.Country(who.Address)):
		e.is("address", "country")
	}
	e.phone(&who, known, speaks)
	e.whole(&who)
	return who, e.wrong
}

// phone reads what can be changed of a phone later, too.
func (e *entry) phone(who *subscribers.Subscriber, known []notifier.Component, speaks func(lang string) bool) {
	e.common(who, known, speaks)
	who.Filter.Kinds = nil
	for _, k := range e.many("kinds") {
		if !slices.Contains(notifier.Kinds, notifier.Kind(k)) {
			e.is("kinds", "kinds")
			break
		}
		who.Filter.Kinds = append(who.Filter.Kinds, notifier.Kind(k))
	}
	if len(who.Filter.Kinds) == len(notifier.Kinds) {
		who.Filter.Kinds = nil // all, and whatever comes
	}
	switch c := e.text("cadence"); {
	case c == "":
		who.Cadence = subscribers.Instant
	case slices.Contains([]string{string(subscribers.Instant), string(subscribers.Milestones)}, c):
		who.Cadence = subscribers.Cadence(c)
	default:
		e.is("cadence", "cadence")
	}
	from, until := e.text("quiet_from"), e.text("quiet_until")
	who.Quiet = ""
	if from != "" || until != "" {
		who.Quiet = notifier.Quiet(from + "-" + until)
	}
	if err := who.Quiet.Validate(); err != nil {
		e.is("quiet", "quiet")
	}
}

// phoneAgain leads to the form whoever opens the page of the code by itself.
func (s *site) phoneAgain(r *http.Request) (answer, error) { return s.phoneForm(r) }

// zeros begin the digits that keyboards of our languages write beside 0 to 9:
// wide ones, Arabic and Persian.
var zeros = []rune{'０', '٠', '۰'}

var sixDigits = regexp.MustCompile(`^[0-9]{6}$`)

// phoneCode confirms a phone by the code that was sent to it. Only who came
// through the form with a number may guess at its code.
func (s *site) phoneCode(r *http.Request) (answer, error) {
	if err := s.form(r); err != nil {
		return answer{}, err
	}
	in, d := r.PostForm, s.phoneDoor()
	phone, err := subscribers.ParsePhone(in.Get("address"))
	if err == nil {
		err = d.gate.CheckPass(in.Get("pass"), phone, s.now())
	}
	if err != nil {
		return s.phonePage(r, in, []templates.WrongField{{Field: "", Why: "old"}}, http.StatusUnprocessableEntity) // it is told on the page
	}
	page := templates.PhoneCode{Phone: phone, Pass: in.Get("pass"), Code: notifier.Clip(in.Get("code"))}
	code := strings.Map(func(c rune) rune {
		if strings.ContainsRune(" \t\u00a0\u3000-", c) {
			return -1
		}
		for _, zero := range zeros {
			if c >= zero && c <= zero+9 {
				return '0' + c - zero
			}
		}
		return c
	}, in.Get("code"))
	if !sixDigits.MatchString(code) { // no code of ours: it costs no try
		page.Wrong = "digits"
	} else {
		done, err := s.checkCode(r, phone, in.Get("pass"), code)
		switch {
		case err == nil:
			return done, nil
		case errors.Is(err, subscribers.ErrCode), errors.Is(err, notifier.ErrNotFound):
			page.Wrong = "code"
		case errors.Is(err, subscribers.ErrCodeExpired):
			page.Wrong = "late"
		case errors.Is(err, subscribers.ErrCodeTries):
			page.Wrong = "tries"
		default:
			return answer{}, err
		}
	}
	return answer{name: templates.PagePhoneCode, status: http.StatusUnprocessableEntity, data: page}, nil
}
