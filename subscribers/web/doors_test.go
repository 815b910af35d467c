package web_test

import (
	"context"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"allclear/notifier"
	"allclear/subscribers"
	"allclear/subscribers/web"
	"allclear/subscribers/web/gate"
)

// kept is what the doors keep beside what mail does. The real store does.
type kept interface {
	web.Hooks
	web.Secrets
	web.Attempts
	web.Codes
	web.Barred
	MakeEndpointToken(ctx context.Context, n subscribers.Number) (string, error)
	EndpointByToken(ctx context.Context, hash [32]byte) (subscribers.Number, error)
}

// doorHouse is a house with the doors for webhooks and text messages open. What
// lies behind its endpoints is scripted: every test posted takes the next answer.
type doorHouse struct {
	*house
	kept    kept
	answers []notifier.Attempt
	formats []notifier.Format // of the tests, in their order
	probes  int
	refused []string // URLs that may not be called
	looked  int      // how often it was asked whether one may
}

func newDoors(t testing.TB) *doorHouse {
	t.Helper()
	d := &doorHouse{}
	d.house = newHouse(t, func(h *house, o *web.Options) {
		d.kept = h.store.whole.(kept) //nolint:forcetypeassert // the real store is everything
		o.Endpoints = &web.Endpoints{
			Hooks: d.kept, Secrets: d.kept, Attempts: d.kept, Probe: d.probe, Allowed: d.allowed}
		o.Phones = &web.Phones{Codes: d.kept, Barred: d.kept, Countries: []string{"NO", "DE"}, Short: d.short}
	})
	return d
}

func (d *doorHouse) probe(_ context.Context, _ subscribers.Number, f notifier.Format) (notifier.Attempt, error) {
	d.probes, d.formats = d.probes+1, append(d.formats, f)
	a := notifier.Attempt{Type: notifier.EndpointTest, At: d.clock(), Status: http.StatusNoContent, Took: 12 * time.Millisecond}
	if len(d.answers) > 0 {
		a, d.answers = d.answers[0], d.answers[1:]
		a.Type, a.At = notifier.EndpointTest, d.clock()
	}
	return a, nil
}

func (d *doorHouse) allowed(_ context.Context, url string) bool {
	d.looked++
	for _, r := range d.refused {
		if r == url {
			return false
		}
	}
	return true
}

// short reads a number as it stands, as if it were a token.
func (d *doorHouse) short(token string) (subscribers.Number, error) {
	n, err := subscribers.ParseNumber(token)
	if err != nil {
		return 0, subscribers.ErrLink
	}
	return n, nil
}

// post sends a form of a door as a visitor does, who takes a while to fill it in.
func (d *doorHouse) visit(path string, fields url.Values, more ...string) shown {
	d.t.Helper()
	if fields.Get("form") == "" {
		purpose := map[string]string{"/endpoints": "endpoints", "/phone": "phone"}[path]
		fields.Set("form", d.gate.For(purpose).Form(d.clock().Add(-gate.LeastAge)))
	}
	return d.ask(http.MethodPost, path, fields.Encode(), append([]string{"Content-Type", formType}, more...)...)
}

// endpoint registers one, up to where its contact is to confirm.
func (d *doorHouse) endpoint(address, contact string, more ...string) subscribers.Subscriber {
	d.t.Helper()
	fields := url.Values{"address": {address}, "contact": {contact}}
	for i := 0; i+1 < len(more); i += 2 {
		fields.Add(more[i], more[i+1])
	}
	d.visit("/endpoints", fields).says(http.StatusOK, "Now look at your mail")
	if did := d.answer(); did.Fates[subscribers.SignUpAsked] != 1 {
		d.t.Fatalf("answered %+v", did)
	}
	return d.find(address)
}

// contactLink is in the mail that asks the contact to confirm.
func (d *doorHouse) contactLink(who subscribers.Subscriber) string {
	return "/confirm/" + d.links.TokenAbout(subscribers.ForConfirm, who.Number, d.clock().Add(notifier.ConfirmLife), who.Contact)
}

// page is the link to the page of an endpoint.
func (d *doorHouse) page(who subscribers.Subscriber) string {
	return "/manage/" + d.links.TokenAbout(subscribers.ForManage, who.Number, d.clock().Add(subscribers.ManageLife), who.Contact)
}

// proven registers an endpoint that has done everything, and returns its page.
func (d *doorHouse) proven(address string) (subscribers.Subscriber, string) {
	d.t.Helper()
	who := d.endpoint(address, "ops@example.com", "timezone", "Europe/Oslo")
	d.ask(http.MethodPost, d.contactLink(who), "").says(http.StatusOK)
	d.send(d.page(who), "do", "test").says(http.StatusOK, "It works")
	d.pass(time.Hour)
	return d.who(who.Number), d.page(who)
}

func (d *doorHouse) hook(n subscribers.Number) subscribers.Hook {
	d.t.Helper()
	hook, err := d.kept.Hook(d.t.Context(), n)
	if err != nil {
		d.t.Fatal(err)
	}
	return hook
}

func TestADoorThatIsNotConfiguredIsNotThereAndNothingLeadsToIt(t *testing.T) {
	closed, open := newHouse(t), newDoors(t)
	for _, path := range []string{"/endpoints", "/phone", "/phone/code", "/s/abc"} {
		closed.ask(http.MethodGet, path, "").says(http.StatusNotFound, "There is no such page")
	}
	for _, path := range []string{"/", "/subscribe"} {
		closed.ask(http.MethodGet, path, "").says(http.StatusOK).silent("/endpoints", "/phone")
		open.ask(http.MethodGet, path, "").says(http.StatusOK, `href="/endpoints"`, `href="/phone"`)
	}
	i := open.post(notifier.Announcement{Title: "Mail is late"})
	open.ask(http.MethodGet, "/incidents/"+i.ID, "").says(http.StatusOK, "Follow only this").silent("/endpoints", "/phone")
}

func TestTheFormsOfEveryDoorPassTheSameGate(t *testing.T) {
	for path, c := range map[string]struct {
		fields url.Values
		sent   string
		button string
	}{
		"/endpoints": {url.Values{"address": {"https://example.com/hook"}, "contact": {"ops@example.com"}, "types": {"incident.created", "incident.resolved"}}, "Now look at your mail", "Register"},
		"/phone":     {url.Values{"address": {"+47 400 00 000"}, "kinds": {"incident", "post"}}, "Type the code that you get", "Send me a code"},
	} {
		d := newDoors(t)
		form := d.ask(http.MethodGet, path, "").says(http.StatusOK, `<p class="trap" aria-hidden="true">`, c.button).hidden()
		for name, values := range c.fields {
			form[name] = values
		}
		again := d.visit(path, form).says(http.StatusUnprocessableEntity, "Please press the button once more", `action="`+path+`"`, "<button>"+c.button)
		for name, values := range c.fields {
			if got := again.hidden()[name]; strings.Join(got, " ") != strings.Join(values, " ") {
				t.Errorf("%s: %s is %q, want %q", path, name, got, values)
			}
		}
		d.pass(gate.LeastAge)
		d.visit(path, again.hidden()).says(http.StatusOK, c.sent)
		if did := d.answer(); did.Fates[subscribers.SignUpAsked] != 1 {
			t.Errorf("%s: answered %+v", path, did)
		}

		trap := url.Values{"leave_empty": {"http://spam.example"}}
		for name, values := range c.fields {
			trap[name] = values
		}
		d.visit(path, trap).says(http.StatusOK, c.sent).silent("spam.example")
		if did := d.answer(); did.Fates[subscribers.SignUpTrapped] != 1 || len(did.Fates) != 1 {
			t.Errorf("%s: a trapped form was taken: %+v", path, did)
		}

		foreign := url.Values{"form": {d.gate.Form(d.clock().Add(-time.Minute))}}
		for name, values := range c.fields {
			foreign[name] = values
		}
		d.visit(path, foreign).says(http.StatusUnprocessableEntity, "Please press the button once more") // another form's

		d.flood().says(http.StatusTooManyRequests, "One more step")
		rush := url.Values{}
		for name, values := range c.fields {
			rush[name] = values
		}
		step := d.visit(path, rush).says(http.StatusTooManyRequests, "One more step", `action="`+path+`"`)
		work := step.hidden()
		work.Set("code", step.code())
		d.visit(path, work).says(http.StatusOK, c.sent)

		d.store.full = subscribers.ErrFull
		d.pass(time.Hour)
		rush.Del("form")
		d.visit(path, rush).says(http.StatusTooManyRequests, "One more step", `action="`+path+`"`)
	}
}

func TestTheFormsOfDoorsRefuseWhatNoBrowserOfOursSends(t *testing.T) {
	d := newDoors(t)
	_, page := d.proven("https://example.com/hook")
	for _, path := range []string{"/endpoints", "/phone", "/phone/code", page} {
		d.ask(http.MethodPost, path, "do=pause&address=a@example.com", "Content-Type", formType, "Sec-Fetch-Site", "cross-site", "Origin", "https://evil.example").says(http.StatusForbidden)
		d.ask(http.MethodPost, path, "x="+strings.Repeat("x", 100<<10), "Content-Type", formType).says(http.StatusRequestEntityTooLarge)
		for _, body := range []string{"address=%00", "address=%ff", "%00=x", "address=%zz"} {
			d.ask(http.MethodPost, path, body, "Content-Type", formType).says(http.StatusBadRequest)
		}
		d.ask(http.MethodPost, path, "{}", "Content-Type", "application/json").says(http.StatusBadRequest)
		d.ask(http.MethodDelete, path, "").says(http.StatusMethodNotAllowed)
	}
	d.send(page).says(http.StatusBadRequest)
	d.send(page, "do", "everything").says(http.StatusBadRequest)
}
