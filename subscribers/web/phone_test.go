package web_test

import (
	"context"
	"errors"
	"fmt"
	"html"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"allclear/notifier"
	"allclear/subscribers"
)

// phone signs a number up and returns the page that asks for the code.
func (d *doorHouse) phone(number string, more ...string) (subscribers.Subscriber, url.Values) {
	d.t.Helper()
	fields := url.Values{"address": {number}}
	for i := 0; i+1 < len(more); i += 2 {
		fields.Add(more[i], more[i+1])
	}
	page := d.visit("/phone", fields).says(http.StatusOK, "Type the code that you get", `inputmode="numeric" autocomplete="one-time-code"`)
	if did := d.answer(); did.Fates[subscribers.SignUpAsked] != 1 {
		d.t.Fatalf("answered %+v", did)
	}
	return d.find(number), page.hidden()
}

// code is the one that was sent last.
func (d *doorHouse) code(who subscribers.Subscriber) string {
	return d.links.Code(who.Number, d.clock())
}

func (d *doorHouse) type6(form url.Values, code string) shown {
	d.t.Helper()
	form.Set("code", code)
	return d.ask(http.MethodPost, "/phone/code", form.Encode(), "Content-Type", formType)
}

func TestAPhoneIsConfirmedByItsCode(t *testing.T) {
	d := newDoors(t)
	d.part("imap7", "IMAP seven")
	d.ask(http.MethodGet, "/phone", "").says(http.StatusOK, "may charge for messages", "Reply STOP", "HELP", `autocomplete="tel"`, "IMAP seven")
	who, form := d.phone("+4740000000", "components", "imap7", "severity", "major", "kinds", "incident", "cadence", "milestones", "quiet_from", "22:00", "quiet_until", "07:00", "timezone", "Europe/Oslo", "language", "de")
	if who.State != subscribers.Pending || fmt.Sprint(who.Filter) != "{[imap7] major [incident]  [] false}" || who.Cadence != subscribers.Milestones || who.Quiet != "22:00-07:00" || who.Timezone != "Europe/Oslo" || who.Language != "de" {
		t.Fatalf("became %+v", who)
	}
	code := d.code(who)
	for _, c := range []string{"", "12345", "1234567", "abcdef", "१२३४५६"} {
		d.type6(form, c).says(http.StatusUnprocessableEntity, "That did not work yet", "Type the six digits", `aria-describedby="wrong-code"`)
	}
	d.type6(form, wrongCode(code)).says(http.StatusUnprocessableEntity, "This is not the code")
	done := d.type6(form, code[:3]+" "+code[3:]).says(http.StatusOK, `<html lang="de"`, "Sie sind angemeldet", "/manage/")
	d.type6(form, code[:3]+" "+code[3:]).says(http.StatusOK, "Sie sind angemeldet") // pressed twice
	if d.state(who.Number) != subscribers.Active {
		t.Errorf("it is %s", d.state(who.Number))
	}
	_, manage, _ := strings.Cut(done.text, `href="/manage/`)
	manage, _, _ = strings.Cut(manage, `"`)
	d.ask(http.MethodGet, "/manage/"+html.UnescapeString(manage), "").says(http.StatusOK, "4740000000</bdi>", `value="22:00"`, `value="07:00"`)
}

func wrongCode(code string) string {
	if code == "000000" {
		return "000001"
	}
	return "000000"
}

func TestACodeMayBeWrittenInTheDigitsOfAKeyboard(t *testing.T) {
	for _, zero := range []rune{'０', '٠', '۰'} {
		d := newDoors(t)
		who, form := d.phone("+4740000000")
		code := strings.Map(func(c rune) rune { return zero + c - '0' }, d.code(who))
		d.type6(form, code).says(http.StatusOK)
		if d.state(who.Number) != subscribers.Active {
			t.Errorf("%s: it is %s", code, d.state(who.Number))
		}
	}
}

func TestACodeIsGoodForTenMinutesAndFiveTries(t *testing.T) {
	d := newDoors(t)
	who, form := d.phone("+4740000000")
	code := d.code(who)
	d.pass(subscribers.CodeLife + time.Second)
	d.type6(form, code).says(http.StatusUnprocessableEntity, "good for 10 minutes", "Ask for another code")

	d = newDoors(t)
	who, form = d.phone("+4740000000")
	code = d.code(who)
	for range subscribers.CodeTries {
		d.type6(form, wrongCode(code)).says(http.StatusUnprocessableEntity, "This is not the code")
	}
	d.type6(form, code).says(http.StatusUnprocessableEntity, "tried too often")
	if d.state(who.Number) != subscribers.Pending {
		t.Errorf("it is %s", d.state(who.Number))
	}
}

// Whoever tries numbers learns nothing, neither by the form nor by the code.
func TestEveryNumberGetsTheSameAnswer(t *testing.T) {
	d := newDoors(t)
	who, form := d.phone("+4740000000")
	d.type6(form, d.code(who)).says(http.StatusOK)
	blank := func(s shown, number string) string {
		out := strings.ReplaceAll(html.UnescapeString(s.text), number, "N")
		return strings.ReplaceAll(out, s.hidden().Get("pass"), "P")
	}
	d.store.broken = errors.New("somebody was looked up")
	known := d.visit("/phone", url.Values{"address": {"+4740000000"}}).says(http.StatusOK)
	other := d.visit("/phone", url.Values{"address": {"+4740000001"}}).says(http.StatusOK)
	if blank(known, "+4740000000") != blank(other, "+4740000001") {
		t.Errorf("the form tells them apart:\n%s\n%s", known.text, other.text)
	}
	d.store.broken = nil
	for range subscribers.CodeTries + 2 {
		a, b := d.type6(known.hidden(), "000000"), d.type6(other.hidden(), "000000")
		if a.status != b.status || blank(a, "+4740000000") != blank(b, "+4740000001") {
			t.Errorf("the code tells them apart:\n%s\n%s", a.text, b.text)
		}
	}
}

func TestOnlyWhoCameThroughTheFormMayGuessACode(t *testing.T) {
	d := newDoors(t)
	who, form := d.phone("+4740000000")
	code := d.code(who)
	for name, bad := range map[string]url.Values{
		"no pass": {"address": {"+4740000000"}}, "a forged one": {"address": {"+4740000000"}, "pass": {"x"}},
		"another number's": {"address": {"+4740000001"}, "pass": form["pass"]}, "no number": {"pass": form["pass"]},
	} {
		got := d.type6(bad, code)
		if got.status != http.StatusUnprocessableEntity || !strings.Contains(got.text, "Enter your number again") {
			t.Errorf("%s: %d %s", name, got.status, got.text)
		}
	}
	d.ask(http.MethodGet, "/phone/code", "").says(http.StatusOK, "Your mobile number")
	d.pass(25 * time.Hour)
	d.type6(form, code).says(http.StatusUnprocessableEntity, "Enter your number again")
	if d.state(who.Number) != subscribers.Pending {
		t.Errorf("it is %s", d.state(who.Number))
	}
}

func TestWhatIsWrongWithAPhoneIsSaidAtItsField(t *testing.T) {
	d := newDoors(t)
	d.part("imap7", "IMAP seven")
	for _, c := range []struct{ field, value, says string }{
		{"address", "", `aria-describedby="hint-address wrong-address"`}, {"address", "40000000", `href="#field-address"`}, {"address", "+47 12", `href="#field-address"`},
		{"address", "ann@example.com", `href="#field-address"`}, {"address", "+4740000000;ext=1", `href="#field-address"`}, {"address", "+47 829 00 000", "numbers of this kind, such as premium"}, {"address", "+882161234567", "numbers of this kind, such as premium"}, {"address", "+1 212 555 0123", "numbers of that country"},
		{"quiet_from", "25:00", `href="#field-quiet"`}, {"quiet_until", "", `href="#field-quiet"`}, {"quiet_until", "22:00", `href="#field-quiet"`}, {"quiet_from", "<b>", "both a beginning and an end"},
		{"cadence", "daily", `href="#field-cadence"`}, {"kinds", "rumour", `href="#field-kinds"`}, {"components", "nosuch", `href="#field-components"`}, {"severity", "dreadful", `href="#field-severity"`},
		{"timezone", "Local", `href="#field-timezone"`}, {"language", "xx", `href="#field-language"`}, {"contact", "a@example.com", "cannot be chosen here"}, {"channel", "email", "not available yet"},
	} {
		fields := url.Values{"address": {"+4740000000"}, "components": {"imap7"}, "quiet_from": {"22:00"}, "quiet_until": {"07:00"}}
		fields.Set(c.field, c.value)
		got := d.visit("/phone", fields).says(http.StatusUnprocessableEntity, "<title>Something is to be corrected", c.says).silent("<b>")
		if c.field != "address" {
			got.says(http.StatusUnprocessableEntity, `4740000000"`)
		}
	}
	if did := d.answer(); len(did.Fates) != 0 {
		t.Errorf("something was taken: %+v", did)
	}
}

func TestAPhoneIsLookedAfterFromItsShortLink(t *testing.T) {
	d := newDoors(t)
	who, form := d.phone("+4740000000", "timezone", "Europe/Oslo", "language", "en")
	d.type6(form, d.code(who)).says(http.StatusOK)
	page := d.ask(http.MethodGet, "/s/"+who.Number.String(), "").says(http.StatusOK, "Your text messages", "4740000000</bdi>", "Text messages come as chosen below")
	if page.header.Get("Cache-Control") != "no-store" {
		t.Error("the page may be kept")
	}
	_, path, _ := strings.Cut(page.text, `action="/manage/`)
	path, _, _ = strings.Cut(path, `"`)
	path = "/manage/" + path
	d.send(path, "do", "save", "severity", "critical", "cadence", "milestones", "kinds", "incident", "quiet_from", "23:30", "quiet_until", "06:00", "timezone", "Asia/Tokyo", "language", "en").
		says(http.StatusOK, "Your choices are saved", `value="23:30"`)
	if got := d.who(who.Number); got.Quiet != "23:30-06:00" || got.Filter.Severity != notifier.SeverityCritical || got.Cadence != subscribers.Milestones || got.Timezone != "Asia/Tokyo" {
		t.Errorf("became %+v", got)
	}
	d.send(path, "do", "save", "severity", "critical", "quiet_from", "23:30").says(http.StatusUnprocessableEntity, "both a beginning and an end", `value="23:30"`)
	d.send(path, "do", "save", "severity", "critical", "language", "en").says(http.StatusOK)
	if got := d.who(who.Number); got.Quiet != "" {
		t.Errorf("became %+v", got)
	}
	d.send(path, "do", "pause").says(http.StatusOK, "Text messages are paused")
	d.send(path, "do", "resume").says(http.StatusOK, "Text messages come again")
	d.send(path, "do", "pause", "until", "x").says(http.StatusUnprocessableEntity, "Choose a day")
	d.send(path, "do", "test").says(http.StatusBadRequest)
	leave := "/unsubscribe/" + d.links.Token(subscribers.ForUnsubscribe, who.Number, time.Time{})
	d.ask(http.MethodGet, leave, "").says(http.StatusOK, "Stop all text messages?")
	d.send(leave).says(http.StatusOK, "No more text messages come", "Undo")
	d.ask(http.MethodGet, path, "").says(http.StatusOK, "This number has left").silent(leave)
	d.send(path, "do", "save", "severity", "none").says(http.StatusUnprocessableEntity, "not possible")

	d.pass(26 * time.Hour)
	d.ask(http.MethodGet, path, "").says(http.StatusGone)
	d.ask(http.MethodGet, "/s/nosuch", "").says(http.StatusNotFound, "This link does not work")
	d.ask(http.MethodGet, "/s/"+d.reader("ann@example.com", subscribers.Active).String(), "").says(http.StatusNotFound)
	d.ask(http.MethodGet, "/s/s999", "").says(http.StatusGone)
}

func TestWhoSaidStopReadsOnThePageThatTheyDidAndHowTextsComeAgain(t *testing.T) {
	d := newDoors(t)
	who, form := d.phone("+4740000000", "timezone", "Europe/Oslo", "language", "en")
	d.type6(form, d.code(who)).says(http.StatusOK)
	stops := d.kept.(interface { //nolint:forcetypeassert // the real store is everything
		StopPhone(ctx context.Context, phone string) (bool, error)
		StartPhone(ctx context.Context, phone, message string) (bool, error)
		Suppress(ctx context.Context, x subscribers.Suppression) error
	})
	if _, err := stops.StopPhone(t.Context(), who.Address); err != nil {
		t.Fatal(err)
	}
	d.ask(http.MethodGet, "/s/"+who.Number.String(), "").says(http.StatusOK, "STOP came from this number on", "Send START from it").silent("come as chosen below")
	if _, err := stops.StartPhone(t.Context(), who.Address, ""); err != nil {
		t.Fatal(err)
	}
	d.ask(http.MethodGet, "/s/"+who.Number.String(), "").says(http.StatusOK, "come as chosen below").silent("STOP came")
	if err := stops.Suppress(t.Context(), subscribers.Suppression{Channel: notifier.SMS, Address: who.Address, Reason: subscribers.ReasonManual, Note: "his ex asked"}); err != nil {
		t.Fatal(err)
	}
	d.ask(http.MethodGet, "/s/"+who.Number.String(), "").says(http.StatusOK, "This number is barred").silent("STOP came", "ex asked")
}

func TestAPhoneThatStaffAddedIsConfirmedFromItsShortLink(t *testing.T) {
	d := newDoors(t)
	who := subscribers.Subscriber{Address: "+4740000000", CreatedAt: d.clock()}
	if err := who.Validate(); err != nil {
		t.Fatal(err)
	}
	who, err := d.store.AddSubscriber(t.Context(), who, func(s subscribers.Subscriber) *notifier.Event {
		e := s.ConfirmEvent(notifier.Desk{Now: d.clock(), NewID: func() string { return "confirm" }})
		return &e
	})
	if err != nil {
		t.Fatal(err)
	}
	n := who.Number
	form := d.ask(http.MethodGet, "/s/"+n.String(), "").says(http.StatusOK, "Type the code that you get").hidden()
	d.type6(form, d.links.Code(n, d.clock())).says(http.StatusOK)
	if d.state(n) != subscribers.Active {
		t.Errorf("it is %s", d.state(n))
	}
	d.ask(http.MethodGet, "/s/"+n.String(), "").says(http.StatusOK, "Your text messages")
}
