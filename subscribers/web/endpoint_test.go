package web_test

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"html"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"allclear/notifier"
	"allclear/subscribers"
)

var shownSecret = regexp.MustCompile(`<p class="key"[^>]*>([^<]+)</p>`)

// secret is the one that a page shows; "" is none.
func (s shown) secret() string {
	m := shownSecret.FindStringSubmatch(s.text)
	if m == nil {
		return ""
	}
	return html.UnescapeString(m[1])
}

func TestAnEndpointIsConfirmedByItsContactAndByItsOwnAnswer(t *testing.T) {
	d := newDoors(t)
	d.part("imap7", "IMAP seven")
	d.ask(http.MethodGet, "/endpoints", "").says(http.StatusOK, "Register an endpoint", "IMAP seven", "Guess from the URL", `value="incident.created"`, "/api/docs")
	who := d.endpoint("https://example.com/hook", "ops@example.com", "components", "imap7", "types", "incident.created", "types", "incident.resolved", "severity", "major", "timezone", "Europe/Oslo")
	if who.State != subscribers.Pending || who.Channel != notifier.Webhook || who.Contact != "ops@example.com" || who.Format != notifier.FormatStandard ||
		fmt.Sprint(who.Filter) != "{[imap7] major []  [incident.created incident.resolved] false}" || who.Timezone != "Europe/Oslo" {
		t.Fatalf("became %+v", who)
	}
	link := d.contactLink(who)
	d.ask(http.MethodGet, link, "").says(http.StatusOK, "Confirm your endpoint", "https://example.com/hook")
	d.ask(http.MethodGet, link, "").says(http.StatusOK, "Confirm your endpoint")
	page := d.ask(http.MethodPost, link, "", "X-Forwarded-For", "198.51.100.7").says(http.StatusOK, "You have confirmed. Now send a test", "One step is left", "Nothing was posted yet").
		silent("whsec_", "Make a new secret")
	if page.header.Get("Cache-Control") != "no-store" {
		t.Error("the page may be kept")
	}
	action := regexp.MustCompile(`action="(/manage/[^"]+)"`).FindStringSubmatch(page.text)
	if action == nil {
		t.Fatalf("the page leads nowhere: %s", page.text)
	}
	d.ask(http.MethodPost, link, "").says(http.StatusOK, "You have confirmed") // pressed twice
	if got := d.state(who.Number); got != subscribers.Pending {
		t.Errorf("it is %s before it has answered", got)
	}
	proof, err := d.store.Evidence(t.Context(), who.Number)
	if err != nil || len(proof) != 2 || proof[1].Network != "198.51.100.0/24" || !strings.Contains(proof[0].Words, "post to this URL") {
		t.Errorf("the evidence is %+v, %v", proof, err)
	}

	d.answers = []notifier.Attempt{{Status: 503, Took: 120 * time.Millisecond, Answer: "<script>alert(1)</script>"}, {Trouble: "The endpoint did not answer."}}
	d.send(action[1], "do", "test").says(http.StatusOK, "The endpoint did not take the test", ">503<", "120 ms", "&lt;script&gt;alert(1)", "endpoint.test").silent("<script>alert", "whsec_")
	d.send(action[1], "do", "test").says(http.StatusOK, "The endpoint did not take the test", "no answer", "The endpoint did not answer.")
	proven := d.send(action[1], "do", "test").says(http.StatusOK, "It works: the endpoint is switched on", "It is called as chosen below", "It is shown this once", "webhook-signature")
	if secret, err := notifier.ParseSecret(proven.secret()); err != nil || len(secret.Key()) != notifier.SecretSize {
		t.Errorf("the page shows %q", proven.secret())
	}
	if d.state(who.Number) != subscribers.Active {
		t.Errorf("it is %s", d.state(who.Number))
	}
	d.ask(http.MethodGet, action[1], "").says(http.StatusOK, "Your endpoint").silent(proven.secret(), "whsec_")
	d.send(action[1], "do", "test").says(http.StatusOK, "The endpoint took the test").silent("whsec_")
	d.send(action[1], "do", "secret").says(http.StatusUnprocessableEntity, "which happens once").silent("whsec_")
	d.ask(http.MethodGet, link, "").says(http.StatusOK, "Its contact has confirmed", `href="/manage/`)
	d.pass(notifier.ConfirmLife + 2*time.Hour)
	d.ask(http.MethodGet, link, "").says(http.StatusOK, "Its contact has confirmed").silent(`href="/manage/`)
}

func TestAFormatIsGuessedUnlessItIsChosen(t *testing.T) {
	d := newDoors(t)
	if who := d.endpoint("https://hooks.slack.com/services/T/B/x", "ops@example.com"); who.Format != notifier.FormatSlack {
		t.Errorf("guessed %s", who.Format)
	}
	if who := d.endpoint("https://hooks.slack.com/services/T/B/y", "dev@example.com", "format", "standard"); who.Format != notifier.FormatStandard {
		t.Errorf("chosen %s", who.Format)
	}
}

func TestWhatIsWrongWithAnEndpointIsSaidAtItsField(t *testing.T) {
	d := newDoors(t)
	d.part("imap7", "IMAP seven")
	d.refused = []string{"http://example.com/hook", "https://example.com:6379/hook", "https://127.0.0.1/hook"}
	for _, c := range []struct{ field, value, says string }{
		{"address", "", `aria-invalid="true" aria-describedby="wrong-address"`}, {"address", "example.com/hook", `href="#field-address"`},
		{"address", "https://user:pass@example.com/", `href="#field-address"`}, {"address", "https://example.com/\r\nHost: x", `href="#field-address"`},
		{"address", "ftp://example.com/", `href="#field-address"`}, {"address", "javascript:alert(1)", `href="#field-address"`}, {"address", "https://example.com/#x", `href="#field-address"`},
		{"address", "https://example.com/" + strings.Repeat("x", 3000), `href="#field-address"`},
		{"address", "http://example.com/hook", "Only https is called"}, {"address", "https://example.com:6379/hook", "Use 443 or 8443"}, {"address", "https://127.0.0.1/hook", "not open to webhooks"},
		{"contact", "", `aria-invalid="true"`}, {"contact", "nobody", `href="#field-contact"`}, {"contact", "a@example.com\nBcc: b@example.com", `href="#field-contact"`},
		{"format", "xml", `href="#field-format"`}, {"types", "endpoint.test", `href="#field-types"`}, {"types", "<script>", `href="#field-types"`},
		{"components", "nosuch", `href="#field-components"`}, {"severity", "dreadful", `href="#field-severity"`},
		{"timezone", "../../etc/passwd", `href="#field-timezone"`}, {"language", "<script>", `href="#field-language"`}, {"language", "xx", `href="#field-language"`},
		{"state", "active", "cannot be chosen here"}, {"cadence", "instant", "has no field"}, {"channel", "sms", "not available yet"}, {"<b>", "x", "&lt;b&gt;"},
	} {
		fields := url.Values{"address": {"https://example.com/hook"}, "contact": {"ops@example.com"}, "components": {"imap7"}}
		fields.Set(c.field, c.value)
		got := d.visit("/endpoints", fields).says(http.StatusUnprocessableEntity, "<title>Something is to be corrected", c.says).silent("<script>alert", "<b>")
		if c.field != "contact" {
			got.says(http.StatusUnprocessableEntity, `value="ops@example.com"`)
		}
		if c.field != "components" {
			got.says(http.StatusUnprocessableEntity, `value="imap7" checked`)
		}
	}
	d.visit("/endpoints", url.Values{"address": {"https://a.example", "https://b.example"}, "contact": {"ops@example.com"}}).says(http.StatusUnprocessableEntity, "more than once")
	if did := d.answer(); len(did.Fates) != 0 {
		t.Errorf("something was taken: %+v", did)
	}
}

func TestEveryEndpointAndEveryContactGetsTheSameAnswer(t *testing.T) {
	d := newDoors(t)
	d.proven("https://known.example.com/hook")
	if err := d.store.Suppress(t.Context(), subscribers.Suppression{Channel: notifier.Email, Address: "barred@example.com", Reason: subscribers.ReasonBounce}); err != nil {
		t.Fatal(err)
	}
	d.store.broken = errors.New("somebody was looked up")
	probes := d.probes
	want := d.visit("/endpoints", url.Values{"address": {"https://new.example.com/hook"}, "contact": {"new@example.com"}}).says(http.StatusOK)
	want.header.Del("Date")
	for address, contact := range map[string]string{"https://known.example.com/hook": "ops@example.com", "https://other.example.com/": "barred@example.com", "https://third.example.com/": "ops@example.com"} {
		got := d.visit("/endpoints", url.Values{"address": {address}, "contact": {contact}})
		got.header.Del("Date")
		if got.status != want.status || got.text != want.text || fmt.Sprint(got.header) != fmt.Sprint(want.header) {
			t.Errorf("%s gets another answer: %d %s", address, got.status, got.text)
		}
	}
	if d.probes != probes {
		t.Error("an endpoint was called that nobody confirmed")
	}
}

func TestNobodyIsAskedByAResolverBeforeTheGate(t *testing.T) {
	d := newDoors(t)
	d.visit("/endpoints", url.Values{"form": {"forged"}, "address": {"https://example.com/hook"}, "contact": {"ops@example.com"}}).says(http.StatusUnprocessableEntity, "once more")
	if d.looked != 0 {
		t.Error("a name was looked up for a forged form")
	}
}

func TestWhoWasItsContactBeforeHasNoSayAnyMore(t *testing.T) {
	d := newDoors(t)
	before := d.endpoint("https://example.com/hook", "mallory@example.com")
	confirm, page := d.contactLink(before), d.page(before)
	d.ask(http.MethodPost, confirm, "").says(http.StatusOK)
	d.pass(25 * time.Hour)
	now := d.endpoint("https://example.com/hook", "ops@example.com")
	if now.Number != before.Number || now.Contact != "ops@example.com" {
		t.Fatalf("became %+v", now)
	}
	d.ask(http.MethodPost, confirm, "").says(http.StatusGone)
	for _, leave := range []string{
		d.links.TokenAbout(subscribers.ForUnsubscribe, now.Number, time.Time{}, before.Contact), d.links.Token(subscribers.ForUnsubscribe, now.Number, time.Time{}),
	} {
		d.ask(http.MethodGet, "/unsubscribe/"+leave, "").says(http.StatusGone)
		d.ask(http.MethodPost, "/unsubscribe/"+leave, "List-Unsubscribe=One-Click", "Content-Type", formType).says(http.StatusGone)
	}
	if d.state(now.Number) != subscribers.Pending {
		t.Error("who was its contact before has removed it")
	}
	d.ask(http.MethodGet, page, "").says(http.StatusGone).silent("https://example.com/hook")
	d.send(page, "do", "test").says(http.StatusGone)
	if d.probes != 0 {
		t.Error("it was called")
	}
	d.ask(http.MethodGet, "/manage/"+d.links.Token(subscribers.ForManage, now.Number, time.Time{}), "").says(http.StatusGone)
	d.ask(http.MethodPost, d.contactLink(now), "").says(http.StatusOK, "You have confirmed")
}

func TestBeforeItsContactHasConfirmedAnEndpointIsNotCalled(t *testing.T) {
	d := newDoors(t)
	who := d.endpoint("https://example.com/hook", "ops@example.com")
	page := d.page(who)
	d.ask(http.MethodGet, page, "").says(http.StatusOK, "waits for its contact").silent("Send a test", ">Save<")
	for _, do := range []string{"test", "secret", "rotate", "token", "save", "pause", "resume", "replay", "recover"} {
		d.send(page, "do", do, "severity", "none").says(http.StatusUnprocessableEntity, "Something could not be done").silent("whsec_", "whtk_")
	}
	if d.probes != 0 || d.state(who.Number) != subscribers.Pending {
		t.Errorf("%d probes, it is %s", d.probes, d.state(who.Number))
	}
}

func TestTestsAreNotEndless(t *testing.T) {
	d := newDoors(t)
	_, page := d.proven("https://example.com/hook")
	for range 5 {
		d.send(page, "do", "test").says(http.StatusOK)
		d.pass(time.Second)
	}
	probes := d.probes
	retry := d.send(page, "do", "test").says(http.StatusTooManyRequests, "Try again in a minute").header.Get("Retry-After")
	if n, err := strconv.Atoi(retry); err != nil || n < 1 || n > 12 {
		t.Errorf("it may be asked again after %q seconds", retry)
	}
	if d.probes != probes {
		t.Error("it was called once more")
	}
	d.pass(time.Minute)
	d.send(page, "do", "test").says(http.StatusOK, "The endpoint took the test")
}

func TestTheSecretIsChangedOnceHoweverOftenTheButtonIsPressed(t *testing.T) {
	d := newDoors(t)
	who, page := d.proven("https://example.com/hook")
	mark := d.ask(http.MethodGet, page, "").says(http.StatusOK, "Make a new secret").hidden().Get("mark")
	first := d.send(page, "do", "rotate", "mark", mark).says(http.StatusOK, "There is a new secret", "still signs as well, until", "Make yet another one")
	if _, err := notifier.ParseSecret(first.secret()); err != nil {
		t.Errorf("the page shows %q", first.secret())
	}
	want := d.clock().Add(24 * time.Hour)
	if olds := d.hook(who.Number).OldSecrets; len(olds) != 1 || !olds[0].Equal(want) {
		t.Errorf("the old one signs until %s, want %s", olds, want)
	}
	d.send(page, "do", "rotate", "mark", mark).says(http.StatusUnprocessableEntity, "changed a moment ago").silent("whsec_")
	d.send(page, "do", "rotate").says(http.StatusUnprocessableEntity, "changed a moment ago").silent("whsec_")
	if olds := d.hook(who.Number).OldSecrets; len(olds) != 1 || !olds[0].Equal(want) {
		t.Errorf("the second press moved the end to %s", olds)
	}
	mark = first.hidden().Get("mark")
	d.send(page, "do", "rotate", "mark", mark).says(http.StatusUnprocessableEntity, "an earlier secret still signs", `href="#field-again"`).silent("whsec_")
	for i := range notifier.OldSecrets - 1 { // those who mean it
		d.pass(time.Minute)
		next := d.send(page, "do", "rotate", "mark", mark, "again", "true").says(http.StatusOK, "There is a new secret")
		if next.secret() == first.secret() || len(d.hook(who.Number).OldSecrets) != i+2 {
			t.Errorf("%s, %v", next.secret(), d.hook(who.Number).OldSecrets)
		}
		mark = next.hidden().Get("mark")
	}
	d.send(page, "do", "rotate", "mark", mark, "again", "true").says(http.StatusUnprocessableEntity, "Three earlier secrets sign already").silent("whsec_")
}

func TestATokenIsShownOnceAndTakesThePlaceOfTheOneBefore(t *testing.T) {
	d := newDoors(t)
	who, page := d.proven("https://example.com/hook")
	first := d.send(page, "do", "token").says(http.StatusOK, "There is a new token", "takes its place at once").secret()
	second := d.send(page, "do", "token").says(http.StatusOK).secret()
	if !strings.HasPrefix(first, "whtk_") || first == second {
		t.Errorf("the page shows %q, then %q", first, second)
	}
	if _, err := d.kept.EndpointByToken(t.Context(), sha256.Sum256([]byte(first))); !errors.Is(err, notifier.ErrNotFound) {
		t.Errorf("the first is still good: %v", err)
	}
	if n, err := d.kept.EndpointByToken(t.Context(), sha256.Sum256([]byte(second))); err != nil || n != who.Number {
		t.Errorf("the second is %v, %v", n, err)
	}
	d.ask(http.MethodGet, page, "").says(http.StatusOK, "number is "+who.Number.String(), "/api/v1/subscribers/"+who.Number.String()+"/attempts").silent(second)
}
