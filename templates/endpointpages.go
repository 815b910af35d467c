package templates

import (
	"net/url"
	"slices"
	"strconv"
	"time"

	"allclear/notifier"
)

// The pages of endpoints.
const (
	PageEndpoint          = "endpoint" // the form to register one
	PageEndpointSent      = "endpoint-sent"
	PageEndpointConfirm   = "endpoint-confirm"   // its contact's button
	PageEndpointConfirmed = "endpoint-confirmed" // and that it was pressed
	PageEndpointManage    = "endpoint-manage"
	PageEndpointLeave     = "endpoint-leave"
	PageEndpointLeft      = "endpoint-left"
)

// EndpointForm is the data of PageEndpoint.
type EndpointForm struct {
	Token   string // signed when the form was shown
	Choices Choices
}

// EndpointPage is where whoever looks after an endpoint sees and changes everything about it.
type EndpointPage struct {
	Path       string // of the page itself, with its token
	Leave      string // of the page with the button that removes it; "" where there is nothing to remove
	URL        string
	Contact    string
	State      string    // active, paused and so on
	Until      time.Time // when a pause ends by itself
	Off        string    // why it is switched off: gone, failing, staff; "" where that is not known, or it is not
	OffAt      time.Time
	Failing    time.Time   // since when posts fail; zero: the last one was taken
	Confirmed  bool        // by its contact
	Proven     bool        // it answered a test
	Shown      bool        // its secret was
	Olds       []time.Time // until when each of the secrets before signs as well
	ID         string
	HasToken   bool
	Now        time.Time
	Done       string // what was just done, one of endpointDoings; "" for nothing
	Count      int    // of messages that are sent again
	Test       *notifier.Attempt
	Secret     string // to be shown, this once
	Token      string // to be shown, this once
	Since      string // as it was entered, 2026-11-23T16:11
	PauseUntil string // as it was entered, 2026-11-30
	Choices    Choices
	Attempts   []notifier.Attempt // a page of them, newest first
	Older      string             // the cursor of the next page; "" at the end
	Cursor     string             // of this page
}

// endpointManage is what page/endpoint-manage.html is given.
type endpointManage struct {
	frame
	EndpointPage
	Form                       choices
	Heading, Standing, Trouble string
	Ready                      bool // it can be tested
	Live                       bool // its choices can be changed
	First                      string
	Zone, Clock                string
	Old                        []string
	Call                       string // what its owner's program may ask, as a command
	Mark                       string // of the secrets as the page knows them
	Result                     *attemptLine
	Lines                      []attemptLine
	OlderURL, NewestURL, Docs  string
}

// attemptLine is one row of what was posted.
type attemptLine struct {
	ID, Type, Title, At, Status, Took, Next, Tone, Answer string
}

// Why is what is wrong with a field; "" where nothing is.
func (m endpointManage) Why(field string) string { return m.Form.Why(field) }

func endpointDoings() []string {
	return []string{"confirmed", "proven", "tested", "failed", "saved", "paused", "resumed", "rotated", "shown", "token", "replayed", "recovered"}
}

func (p *Pages) endpointForm(f frame, cat *catalogue, data EndpointForm) any {
	f.Title = cat.must("page.endpoint.title")
	if len(data.Choices.Wrong) > 0 {
		f.Title = cat.must("page.subscribe.wrong.title")
	}
	heading := f.Title
	f.Title += " · " + cat.isolate(p.set.brand.Name)
	return struct {
		frame
		Action, Token, Heading, Docs string
		Form                         choices
	}{f, p.set.root + "/endpoints", data.Token, heading, p.docs(), p.choices(cat, notifier.Webhook, data.Choices)}
}

// docs is where it stands what is posted, and how it is signed.
func (p *Pages) docs() string { return p.set.root + "/api/docs#webhooks" }

func (p *Pages) endpointManage(f frame, data EndpointPage) endpointManage {
	cat := f.cat
	times := Times{cat: cat, zone: p.set.location(data.Choices.Entered.Get("timezone"))}
	m := endpointManage{
		frame: f, EndpointPage: data, Form: p.choices(cat, notifier.Webhook, data.Choices), Docs: p.docs(),
		Heading: cat.must("page.endpoint.yours"), First: data.Now.In(times.zone).AddDate(0, 0, 1).Format(time.DateOnly),
		Zone: times.zone.String(), Clock: times.Full(data.Now), Mark: EndpointMark(data.Olds),
		Call: `curl -H "Authorization: Bearer whtk_..." ` + p.set.base + "/api/v1/subscribers/" + data.ID + "/attempts",
	}
	m.Path, m.Leave = p.set.root+data.Path, rooted(p.set.root, data.Leave)
	m.Live = slices.Contains([]string{"active", "paused", "quarantined"}, data.State) || data.State == "pending" && data.Confirmed
	m.Ready = m.Live && data.Confirmed
	switch {
	case data.Done == "recovered" && data.Count > 0:
		m.Heading = cat.count("page.endpoint.recovered", data.Count)
	case slices.Contains(endpointDoings(), data.Done):
		m.Heading = cat.must("page.endpoint.done." + data.Done)
	}
	if len(m.Form.Wrong) > 0 {
		m.Heading = cat.must("page.endpoint.wrong")
	}
	m.Title = m.Heading + " · " + f.Title
	m.Standing = p.endpointStanding(cat, times, data)
	if data.State == "active" && !data.Failing.IsZero() {
		m.Trouble = cat.must("page.endpoint.is.troubled", "time", times.Full(data.Failing))
	}
	for _, until := range data.Olds {
		if until.After(data.Now) {
			m.Old = append(m.Old, cat.must("page.endpoint.old", "time", times.Full(until)))
		}
	}
	if data.Test != nil {
		line := attempted(cat, times, data.Now, *data.Test)
		m.Result = &line
	}
	for _, a := range data.Attempts {
		m.Lines = append(m.Lines, attempted(cat, times, data.Now, a))
	}
	if data.Older != "" {
		m.OlderURL = m.Path + "?attempts=" + url.QueryEscape(data.Older) + "#attempts"
	}
	if data.Cursor != "" {
		m.NewestURL = m.Path + "#attempts"
	}
	return m
}

func (p *Pages) endpointStanding(cat *catalogue, times Times, data EndpointPage) string {
	is := func(end string, args ...any) string { return cat.must("page.endpoint.is."+end, args...) }
	switch {
	case data.State == "unsubscribed":
		return is("removed")
	case data.State == "pending" && !data.Confirmed:
		return is("unconfirmed")
	case data.State == "pending":
		return is("unproven")
	case data.State == "paused" && !data.Until.IsZero():
		return is("paused-until", "time", times.Full(data.Until))
	case data.State == "paused":
		return is("paused")
	case data.State != "quarantined":
		return is("active")
	case data.Off == "staff":
		return is("staff")
	case (data.Off == "gone" || data.Off == "failing") && !data.OffAt.IsZero():
		return is(data.Off, "time", times.Full(data.OffAt))
	}
	return is("off")
}

func attempted(cat *catalogue, times Times, now time.Time, a notifier.Attempt) attemptLine {
	l := attemptLine{Type: string(a.Type), Title: a.Title, At: times.Exact(a.At, now), Tone: toneMajor, Answer: a.Answer, Status: cat.must("page.endpoint.silent")}
	if a.Status != 0 {
		l.Status = strconv.Itoa(a.Status)
	}
	if a.Status/100 == 2 {
		l.Tone = toneOK
	}
	if l.Answer == "" {
		l.Answer = a.Trouble
	}
	if a.Took > 0 || a.Status != 0 {
		l.Took = cat.must("page.endpoint.ms", "n", int(a.Took.Round(time.Millisecond)/time.Millisecond))
	}
	if a.Delivery != 0 {
		l.ID = a.Delivery.String()
	}
	if !a.Next.IsZero() {
		l.Next = cat.must("page.endpoint.next", "time", times.Exact(a.Next, now))
	}
	return l
}

// EndpointMark tells the secrets that an endpoint has from those after the next
// change, so that a button that is pressed twice changes them once.
func EndpointMark(olds []time.Time) string {
	mark := strconv.Itoa(len(olds))
	for _, until := range olds {
		mark += "-" + strconv.FormatInt(until.Unix(), 10)
	}
	return mark
}

// rooted is a path of ours as a browser asks for it; "" stays that.
func rooted(root, path string) string {
	if path == "" {
		return ""
	}
	return root + path
}
