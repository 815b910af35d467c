package web_test

import (
	"bytes"
	"errors"
	"fmt"
	"html"
	"mime/multipart"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"allclear/notifier"
	"allclear/subscribers"
	"allclear/subscribers/web/gate"
)

// signUp sends the form as a visitor does, who takes a while to fill it in.
func (h *house) signUp(fields url.Values, more ...string) shown {
	h.t.Helper()
	if fields.Get("form") == "" {
		fields.Set("form", h.gate.Form(h.clock().Add(-gate.LeastAge)))
	}
	return h.ask(http.MethodPost, "/subscribe", fields.Encode(), append([]string{"Content-Type", formType}, more...)...)
}

// answer goes through the queue as serve does.
func (h *house) answer() subscribers.Answered {
	h.t.Helper()
	did, err := h.store.AnswerSignUps(h.t.Context(), nil, subscribers.SignUpLimits(), func(s subscribers.Subscriber) notifier.Event {
		return s.ConfirmEvent(h.desk())
	}, 1000)
	if err != nil {
		h.t.Fatal(err)
	}
	return did
}

func (h *house) find(address string) subscribers.Subscriber {
	h.t.Helper()
	found, _, err := h.store.Subscribers(h.t.Context(), subscribers.Query{Address: address, Limit: 1})
	if err != nil {
		h.t.Fatal(err)
	}
	if len(found) == 0 {
		return subscribers.Subscriber{}
	}
	return found[0]
}

var inputs = regexp.MustCompile(`<input type="hidden" name="([^"]+)" value="([^"]*)">`)

// hidden are the fields that a page's form carries along.
func (s shown) hidden() url.Values {
	out := url.Values{}
	for _, m := range inputs.FindAllStringSubmatch(s.text, -1) {
		out.Add(m[1], html.UnescapeString(m[2]))
	}
	return out
}

func TestSigningUpTakesAnAddressAndAButtonAndIsConfirmedByMail(t *testing.T) {
	h := newHouse(t)
	page := h.ask(http.MethodGet, "/subscribe", "").says(http.StatusOK, `action="/subscribe"`, `name="address"`, "Subscribe")
	form := page.hidden()
	form.Set("address", "Ann@Example.com")
	h.pass(gate.LeastAge)
	h.signUp(form, "Accept-Language", "de", "X-Forwarded-For", "203.0.113.9, 198.51.100.7").says(http.StatusOK, "Sehen Sie jetzt in Ihre Mail")
	if h.find("Ann@example.com").Number != 0 {
		t.Error("the request itself looked at the address")
	}
	if did := h.answer(); did.Fates[subscribers.SignUpAsked] != 1 {
		t.Errorf("answered %+v", did)
	}
	who := h.find("Ann@example.com")
	if who.State != subscribers.Pending || who.Language != "de" || who.Cadence != subscribers.Instant {
		t.Errorf("became %+v", who)
	}
	h.pass(time.Hour)
	h.ask(http.MethodPost, h.confirmLink(who.Number), "", "X-Forwarded-For", "2001:db8:1:2:3::4").says(http.StatusOK, "You are subscribed")
	if h.state(who.Number) != subscribers.Active {
		t.Errorf("became %s", h.state(who.Number))
	}
	proof, err := h.store.Evidence(t.Context(), who.Number)
	if err != nil || len(proof) != 2 || proof[0].Network != "198.51.100.0/24" || proof[1].Network != "2001:db8:1:2::/64" ||
		!strings.Contains(proof[0].Words, "Example Status") || !strings.HasPrefix(proof[0].Version, "de-") || proof[1].Version != proof[0].Version {
		t.Errorf("the evidence is %+v, %v", proof, err)
	}
}

func TestEverythingThatCanBeChosenIsKept(t *testing.T) {
	h := newHouse(t)
	h.part("imap7", "IMAP seven")
	h.part("web", "The web")
	h.ask(http.MethodGet, "/subscribe", "").says(http.StatusOK, "IMAP seven", `value="web"`, `<option>Asia/Kathmandu`, "Only when something begins, gets worse or ends")
	h.signUp(url.Values{
		"channel": {"email"}, "address": {"ann@example.com"}, "components": {"web", "imap7"}, "severity": {"major"}, "kinds": {"incident", "post"},
		"cadence": {"milestones"}, "timezone": {"Asia/Kathmandu"}, "language": {"de"}, "hour": {""},
	}).says(http.StatusOK)
	h.answer()
	got := h.find("ann@example.com")
	if fmt.Sprint(got.Filter.Components, got.Filter.Severity, got.Filter.Kinds, got.Filter.Incident) != "[imap7 web] major [incident post]" || got.Cadence != subscribers.Milestones || got.Timezone != "Asia/Kathmandu" || got.Language != "de" {
		t.Errorf("kept %+v", got)
	}
}

func TestOneIncidentCanBeFollowedByItself(t *testing.T) {
	h := newHouse(t)
	i := h.post(notifier.Announcement{Title: "Mail is late"})
	draft := h.post(notifier.Announcement{Title: "Not yet", State: notifier.Draft})
	form := h.ask(http.MethodGet, "/subscribe?incident="+i.ID, "").says(http.StatusOK, "Follow only this: Mail is late").hidden()
	h.ask(http.MethodGet, "/subscribe?incident="+draft.ID, "").says(http.StatusNotFound).silent("Not yet")
	form.Set("address", "ann@example.com")
	h.pass(time.Minute)
	h.signUp(form).says(http.StatusOK)
	h.signUp(url.Values{"address": {"bob@example.com"}, "incident": {draft.ID}}).says(http.StatusUnprocessableEntity, "not there any more").silent("Not yet")
	h.answer()
	if got := h.find("ann@example.com"); got.Filter.Incident != i.ID {
		t.Errorf("follows %+v", got.Filter)
	}
}

func TestWhatIsWrongIsSaidAtItsFieldAndNothingEnteredIsLost(t *testing.T) {
	h := newHouse(t)
	h.part("imap7", "IMAP seven")
	for _, c := range []struct {
		field, value, says string
	}{
		{"address", "", `href="#subscribe-address"`}, {"address", "nobody", `aria-invalid="true" aria-describedby="subscribe-address-wrong"`},
		{"address", "a@example.com\r\nBcc: b@example.com", `href="#subscribe-address"`}, {"address", "<a@b.c>,<d@e.f>", `href="#subscribe-address"`},
		{"components", "nosuch", `href="#subscribe-components"`}, {"severity", "dreadful", `href="#subscribe-severity"`}, {"kinds", "rumour", `href="#subscribe-kinds"`},
		{"cadence", "hourly", `href="#subscribe-cadence"`}, {"timezone", "../../etc/passwd", `href="#subscribe-timezone"`}, {"language", "<script>", `href="#subscribe-language"`},
		{"incident", "nosuch", "not there any more"}, {"state", "active", "cannot be chosen here"}, {"group", "", "cannot be chosen here"}, {"contact", "x", "cannot be chosen here"},
		{"hour", "24", `href="#subscribe-hour"`}, {"format", "slack", "not available yet"}, {"channel", "sms", "not available yet"}, {"colour", "red", "has no field “colour”"}, {"<b>", "x", "&lt;b&gt;"},
	} {
		fields := url.Values{"address": {"ann@example.com"}, "components": {"imap7"}, c.field: {c.value}}
		if c.field != "components" {
			fields.Set("timezone", "Europe/Oslo")
		}
		fields.Set(c.field, c.value)
		got := h.signUp(fields).says(http.StatusUnprocessableEntity, "<title>Something is to be corrected", c.says).silent("<script>", "<b>")
		if c.field != "address" {
			got.says(http.StatusUnprocessableEntity, `value="ann@example.com"`)
		}
		if c.field != "components" {
			got.says(http.StatusUnprocessableEntity, `value="imap7" checked`)
		}
	}
	h.signUp(url.Values{"address": {"a@example.com", "b@example.com"}}).says(http.StatusUnprocessableEntity, "more than once")
	if did := h.answer(); len(did.Fates) != 0 {
		t.Errorf("something was taken: %+v", did)
	}
}

func TestABodyThatIsNoFormIsRefusedKindly(t *testing.T) {
	h := newHouse(t)
	h.ask(http.MethodPost, "/subscribe", `{"address":"a@example.com"}`, "Content-Type", "application/json").says(http.StatusBadRequest, "This could not be read")
	h.ask(http.MethodPost, "/subscribe", "address=%zz", "Content-Type", formType).says(http.StatusBadRequest)
	h.ask(http.MethodPost, "/subscribe", "address="+strings.Repeat("a", 70<<10), "Content-Type", formType).says(http.StatusRequestEntityTooLarge)
	h.ask(http.MethodPost, "/subscribe?address=ann@example.com", "", "Content-Type", formType).says(http.StatusUnprocessableEntity)
	h.ask(http.MethodPost, "/subscribe", "address=ann@example.com", "Content-Type", formType, "Sec-Fetch-Site", "cross-site").says(http.StatusForbidden)
	if got := h.ask(http.MethodPut, "/subscribe", "").says(http.StatusMethodNotAllowed); got.header.Get("Allow") != "GET, HEAD, POST" {
		t.Errorf("Allow %q", got.header.Get("Allow"))
	}
	var body bytes.Buffer
	m := multipart.NewWriter(&body)
	for name, value := range map[string]string{"address": "ann@example.com", "form": h.gate.Form(h.clock().Add(-time.Minute))} {
		if err := m.WriteField(name, value); err != nil {
			t.Fatal(err)
		}
	}
	if err := m.Close(); err != nil {
		t.Fatal(err)
	}
	h.ask(http.MethodPost, "/subscribe", body.String(), "Content-Type", m.FormDataContentType()).says(http.StatusOK, "Now look at your mail")
}

// The answer says nothing about the address: not by a byte of the page, not by
// a header, not by the status.
func TestEveryAddressGetsTheSameAnswer(t *testing.T) {
	h := newHouse(t)
	for _, s := range subscribers.States {
		h.reader(string(s)+"@example.com", s)
	}
	if err := h.store.Suppress(t.Context(), subscribers.Suppression{Channel: notifier.Email, Address: "barred@example.com", Reason: subscribers.ReasonBounce}); err != nil {
		t.Fatal(err)
	}
	want := h.signUp(url.Values{"address": {"new@example.com"}}).says(http.StatusOK, "Now look at your mail")
	want.header.Del("Date")
	h.store.broken = errors.New("somebody was looked up")
	for _, who := range []string{"pending", "active", "paused", "quarantined", "unsubscribed", "barred", "new", "other"} {
		got := h.signUp(url.Values{"address": {who + "@example.com"}})
		got.header.Del("Date")
		if got.status != want.status || got.text != want.text || fmt.Sprint(got.header) != fmt.Sprint(want.header) {
			t.Errorf("%s gets another answer: %d %v %s", who, got.status, got.header, got.text)
		}
	}
	h.store.broken = nil
	if did := h.answer(); did.Fates[subscribers.SignUpAsked] != 4 || did.Fates[subscribers.SignUpKnown] != 3 || did.Fates[subscribers.SignUpBarred] != 1 || did.Fates[subscribers.SignUpAgain] != 1 {
		t.Errorf("answered %+v", did)
	}
}

func TestAFormThatComesBackTooFastShowsItsButtonAgain(t *testing.T) {
	h := newHouse(t)
	form := h.ask(http.MethodGet, "/subscribe", "").hidden()
	form.Set("address", "ann@example.com")
	form.Add("kinds", "post")
	again := h.signUp(form).says(http.StatusUnprocessableEntity, "Please press the button once more", `name="address" value="ann@example.com"`, `name="kinds" value="post"`)
	if again.hidden().Get("form") != form.Get("form") {
		t.Error("the form begins to grow old anew")
	}
	h.pass(gate.LeastAge)
	h.signUp(again.hidden()).says(http.StatusOK, "Now look at your mail")
	for _, token := range []string{"", "forged", h.gate.Form(h.clock().Add(-48 * time.Hour)), gate.New([]byte("another secret"), "subscribe").Form(h.clock().Add(-time.Hour))} {
		again := h.ask(http.MethodPost, "/subscribe", url.Values{"address": {"bob@example.com"}, "form": {token}}.Encode(), "Content-Type", formType).
			says(http.StatusUnprocessableEntity, "Please press the button once more")
		h.pass(gate.LeastAge)
		h.signUp(again.hidden()).says(http.StatusOK)
	}
}

func TestWhoFillsInTheTrapIsAnsweredAsEverybodyAndNothingIsDone(t *testing.T) {
	h := newHouse(t)
	h.ask(http.MethodGet, "/subscribe", "").says(http.StatusOK, `<p class="trap" aria-hidden="true">`, `name="leave_empty" tabindex="-1" autocomplete="off"`)
	trapped := h.signUp(url.Values{"address": {"bot@example.com"}, "leave_empty": {"http://spam.example"}}).says(http.StatusOK)
	ordinary := h.signUp(url.Values{"address": {"ann@example.com"}}).says(http.StatusOK, "Now look at your mail")
	if trapped.text != ordinary.text || fmt.Sprint(trapped.header["Content-Length"]) != fmt.Sprint(ordinary.header["Content-Length"]) {
		t.Error("the answers differ")
	}
	// It waits as the other does, so that the time does not tell either.
	if did := h.answer(); did.Fates[subscribers.SignUpAsked] != 1 || did.Fates[subscribers.SignUpTrapped] != 1 || len(did.Fates) != 2 {
		t.Errorf("%+v", did)
	}
	if got := fmt.Sprint(h.waits()); got != "[ann@example.com subscriber.confirm]" {
		t.Errorf("mails %s", got)
	}
	h.send("/link", "address", "bot@example.com", "leave_empty", "x", "form", h.gate.For("link").Form(h.clock().Add(-gate.LeastAge))).says(http.StatusOK, "Look into your mailbox")
	if len(h.lost.all) != 1 || !h.lost.last.Trapped {
		t.Errorf("asked %v, trapped: %t", h.lost.all, h.lost.last.Trapped)
	}
	h.flood() // in a rush as in any other hour
	h.signUp(url.Values{"address": {"bot@example.com"}, "leave_empty": {"x"}}).says(http.StatusTooManyRequests, "One more step").silent("leave_empty")
}

func TestALanguageThatThereAreNoTextsInIsRefusedByItsField(t *testing.T) {
	h := newHouse(t)
	for _, lang := range []string{"xx", "pt-BR", "zh"} {
		h.signUp(url.Values{"address": {"ann@example.com"}, "language": {lang}}).says(http.StatusUnprocessableEntity, "Choose one of the languages", `href="#subscribe-language"`)
	}
	h.signUp(url.Values{"address": {"ann@example.com"}, "language": {"de-AT"}}).says(http.StatusOK)
	if did := h.answer(); did.Fates[subscribers.SignUpAsked] != 1 {
		t.Errorf("%+v", did)
	}
}

func TestTheFormOffersTheSameZonesWhereverItStandsAsThePageToManage(t *testing.T) {
	h := newHouse(t)
	n := h.reader("ann@example.com", subscribers.Active)
	list := regexp.MustCompile(`<datalist[^>]*>(.*?)</datalist>`)
	var all []string
	for _, path := range []string{"/", "/subscribe", h.manageLink(n)} {
		m := list.FindStringSubmatch(h.ask(http.MethodGet, path, "").says(http.StatusOK).text)
		if m == nil || strings.Count(m[1], "<option>") < 400 {
			t.Fatalf("%s offers %v", path, m)
		}
		all = append(all, m[1])
	}
	if all[0] != all[1] || all[1] != all[2] {
		t.Error("the lists differ")
	}
}

var shownCode = regexp.MustCompile(`<p class="code"[^>]*>(\d{6})</p>`)

func (s shown) code() string {
	s.t.Helper()
	m := shownCode.FindStringSubmatch(s.text)
	if m == nil {
		s.t.Fatalf("no code: %s", s.text)
	}
	return m[1]
}

// flood sends forms until one is not simply taken.
func (h *house) flood() shown {
	h.t.Helper()
	for i := range 1000 {
		if got := h.signUp(url.Values{"address": {fmt.Sprintf("junk%d@example.net", i)}}); got.status != http.StatusOK {
			return got
		}
	}
	h.t.Fatal("a thousand at once were taken")
	return shown{}
}

func TestInARushAVisitorWorksOrCopiesACode(t *testing.T) {
	h := newHouse(t)
	h.flood().says(http.StatusTooManyRequests, "One more step")
	step := h.signUp(url.Values{"address": {"ann@example.com"}, "kinds": {"incident"}}).
		says(http.StatusTooManyRequests, "One more step", `<script src="/assets/work.js?v=`, `role="status"`, `data-bits="16"`)
	if got := step.header.Get("Content-Security-Policy"); !strings.Contains(got, "script-src 'self'") || !strings.Contains(got, "default-src 'none'") {
		t.Errorf("the policy is %s", got)
	}
	h.ask(http.MethodGet, "/assets/work.js", "").says(http.StatusOK, "SHA-256")

	work := step.hidden()
	work.Set("number", gate.Challenge{Token: work.Get("challenge"), Bits: 16}.Solve())
	bent := url.Values{"address": {"eve@example.com"}, "challenge": work["challenge"], "number": work["number"]}
	h.signUp(bent).says(http.StatusTooManyRequests, "That was not the code")
	h.signUp(work).says(http.StatusOK)

	code := h.signUp(url.Values{"address": {"bob@example.com"}}).says(http.StatusTooManyRequests)
	wrong := code.hidden()
	wrong.Set("code", "none")
	code = h.signUp(wrong).says(http.StatusTooManyRequests, "That was not the code", `aria-invalid="true"`)
	right := code.hidden()
	right.Set("code", code.code())
	h.signUp(right).says(http.StatusOK)

	h.pass(time.Hour) // the rush is over
	h.signUp(url.Values{"address": {"carl@example.com"}}).says(http.StatusOK)

	// The flood used up what there was for all, and who worked got in before.
	h.answer()
	if who := h.find("ann@example.com"); who.State != subscribers.Pending || len(who.Filter.Kinds) != 1 {
		t.Errorf("who worked became %+v", who)
	}
}

func TestABusyDatabaseIsSaidAndNothingIsLogged(t *testing.T) {
	h := newHouse(t)
	h.store.full = subscribers.ErrFull
	h.signUp(url.Values{"address": {"ann@example.com"}}).says(http.StatusTooManyRequests, "One more step")
	step := h.signUp(url.Values{"address": {"ann@example.com"}}).hidden()
	step.Set("number", gate.Challenge{Token: step.Get("challenge"), Bits: 16}.Solve())
	if got := h.signUp(step).says(http.StatusServiceUnavailable, "Too many ask at this moment"); got.header.Get("Retry-After") == "" {
		t.Error("no Retry-After")
	}
	h.store.full = notifier.ErrUnavailable
	h.signUp(url.Values{"address": {"ann@example.com"}}).says(http.StatusServiceUnavailable, "does not work at the moment")
	if strings.Contains(h.log.String(), "ann@") {
		t.Errorf("the log says %s", h.log)
	}
}
