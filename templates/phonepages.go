package templates

import (
	"slices"
	"time"

	"allclear/notifier"
)

// The pages of phones.
const (
	PagePhone       = "phone"      // the form to sign up with
	PagePhoneCode   = "phone-code" // asks for the six digits
	PagePhoneDone   = "phone-done"
	PagePhoneManage = "phone-manage"
	PagePhoneLeave  = "phone-leave"
	PagePhoneLeft   = "phone-left"
)

// PhoneForm is the data of PagePhone.
type PhoneForm struct {
	Token   string // signed when the form was shown
	Choices Choices
}

// PhoneCode is the data of PagePhoneCode.
type PhoneCode struct {
	Phone string // in the form of E.164
	Pass  string // signed: who sends it has come through the form with this number
	Code  string // as it was entered
	Wrong string // one of phoneWrongs; "" for nothing
}

// PhonePage is where whoever a phone belongs to sees and changes what it gets.
type PhonePage struct {
	Path       string // of the page itself, with its token
	Leave      string // of the page with the button that ends it; "" where there is nothing to end
	Phone      string
	State      string
	Until      time.Time // when a pause ends by itself
	Stopped    time.Time // when STOP came from it; zero: it did not
	Barred     bool      // by anything else: nothing is sent to it
	Now        time.Time
	Done       string // saved, paused, resumed; "" for nothing
	PauseUntil string // as it was entered, 2026-11-30
	Choices    Choices
}

func phoneDoings() []string { return []string{"saved", "paused", "resumed"} }

// phoneManage is what page/phone-manage.html is given.
type phoneManage struct {
	frame
	PhonePage
	Form                     choices
	Heading, Standing, First string
	Live                     bool // its choices can be changed
}

// Why is what is wrong with a field; "" where nothing is.
func (m phoneManage) Why(field string) string { return m.Form.Why(field) }

func (p *Pages) phoneForm(f frame, cat *catalogue, data PhoneForm) any {
	f.Title = cat.must("page.phone.title")
	if len(data.Choices.Wrong) > 0 {
		f.Title = cat.must("page.subscribe.wrong.title")
	}
	heading := f.Title
	f.Title += " · " + cat.isolate(p.set.brand.Name)
	return struct {
		frame
		Action, Token, Heading string
		Form                   choices
	}{f, p.set.root + "/phone", data.Token, heading, p.choices(cat, notifier.SMS, data.Choices)}
}

func (p *Pages) phoneCode(f frame, cat *catalogue, data PhoneCode) any {
	heading, wrong := cat.must("page.phone.code.title"), ""
	if slices.Contains(phoneWrongs(), data.Wrong) {
		heading, wrong = cat.must("page.phone.code.not"), cat.must("page.phone.wrong."+data.Wrong)
	}
	f.Title = heading + " · " + f.Title
	return struct {
		frame
		PhoneCode
		Action, Again, Heading, Text string
	}{f, data, p.set.root + "/phone/code", p.set.root + "/phone", heading, wrong}
}

func (p *Pages) phoneManage(f frame, data PhonePage) phoneManage {
	cat := f.cat
	times := Times{cat: cat, zone: p.set.location(data.Choices.Entered.Get("timezone"))}
	m := phoneManage{
		frame: f, PhonePage: data, Form: p.choices(cat, notifier.SMS, data.Choices),
		Heading: cat.must("page.phone.yours"), First: data.Now.In(times.zone).AddDate(0, 0, 1).Format(time.DateOnly),
	}
	m.Path, m.Leave = p.set.root+data.Path, rooted(p.set.root, data.Leave)
	m.Live = slices.Contains([]string{"active", "paused", "quarantined"}, data.State)
	if slices.Contains(phoneDoings(), data.Done) {
		m.Heading = cat.must("page.phone.done." + data.Done)
	}
	if len(m.Form.Wrong) > 0 {
		m.Heading = cat.must("page.manage.wrong")
	}
	m.Title = m.Heading + " · " + f.Title
	m.Standing = cat.must("page.phone.is." + standing(data.State))
	if data.State == "paused" && !data.Until.IsZero() {
		m.Standing = cat.must("page.phone.is.paused-until", "time", times.Full(data.Until))
	}
	switch {
	case data.State == "unsubscribed":
	case !data.Stopped.IsZero():
		m.Standing = cat.must("page.phone.is.stopped", "time", times.Full(data.Stopped))
	case data.Barred:
		m.Standing = cat.must("page.phone.is.barred")
	}
	return m
}
