package web_test

import (
	"fmt"
	"net/http"
	"net/url"
	"testing"

	"allclear/subscribers"
	"allclear/subscribers/web/gate"
	"strings"
	"time"
)

// askLink asks for a link as a visitor does, who takes a while to type.
func (h *house) askLink(address string) shown {
	h.t.Helper()
	return h.send("/link", "address", address, "form", h.gate.For("link").Form(h.clock().Add(-gate.LeastAge)))
}

func TestWhoAsksForALinkTooFastIsShownTheButtonAgain(t *testing.T) {
	h := newHouse(t)
	form := h.ask(http.MethodGet, "/link", "").hidden()
	form.Set("address", "ann@example.com")
	again := h.ask(http.MethodPost, "/link", form.Encode(), "Content-Type", formType).
		says(http.StatusUnprocessableEntity, "Please press the button once more", `action="/link"`, "Send the link", `name="address" value="ann@example.com"`)
	for _, token := range []string{"", "forged", h.gate.Form(h.clock().Add(-gate.LeastAge))} { // the last is another form's
		h.send("/link", "address", "ann@example.com", "form", token).says(http.StatusUnprocessableEntity, "Please press the button once more")
	}
	if len(h.lost.all) != 0 {
		t.Errorf("asked %v", h.lost.all)
	}
	h.pass(gate.LeastAge)
	h.ask(http.MethodPost, "/link", again.hidden().Encode(), "Content-Type", formType).says(http.StatusOK, "Look into your mailbox")
	if fmt.Sprint(h.lost.all) != "[ann@example.com]" {
		t.Errorf("asked %v", h.lost.all)
	}
}

func TestInARushForLinksAVisitorWorksOrCopiesACode(t *testing.T) {
	h := newHouse(t)
	n := 0
	for h.askLink(fmt.Sprintf("junk%d@example.net", n)).status == http.StatusOK {
		if n++; n > 1000 {
			t.Fatal("a thousand at once were taken")
		}
	}
	post := func(in url.Values) shown {
		return h.ask(http.MethodPost, "/link", in.Encode(), "Content-Type", formType)
	}
	worked := h.askLink("ann@example.com").says(http.StatusTooManyRequests, "One more step", `action="/link"`, "Send the link").solve()
	post(worked).says(http.StatusOK, "Look into your mailbox")
	post(worked).says(http.StatusTooManyRequests, "One more step")
	step := h.askLink("bob@example.com")
	code := step.hidden()
	code.Set("code", step.code())
	post(code).says(http.StatusOK, "Look into your mailbox")
	if len(h.lost.all) != n+2 {
		t.Errorf("%d were asked for, of %d", len(h.lost.all), n+2)
	}
}

func TestALinkToManageIsGoodForAMonthAndThenLeadsToANewOne(t *testing.T) {
	h := newHouse(t)
	n := h.reader("ann@example.com", subscribers.Active)
	link := h.manageLink(n)
	h.pass(subscribers.ManageLife + 2*time.Hour)
	for _, path := range []string{link, link + "/erase", link + "/data.json"} {
		h.ask(http.MethodGet, path, "").says(http.StatusGone, "This link is too old", `action="/link"`).silent("ann@")
	}
	h.send(link, "do", "pause").says(http.StatusGone)
	h.send(link + "/erase").says(http.StatusGone)
	if h.state(n) != subscribers.Active {
		t.Errorf("became %s", h.state(n))
	}
}

func TestAskingForALinkIsAnsweredAlikeWhateverTheAddress(t *testing.T) {
	h := newHouse(t)
	h.reader("ann@example.com", subscribers.Active)
	h.ask(http.MethodGet, "/link", "").says(http.StatusOK, "Send me my link", `autocomplete="email"`)
	known, unknown := h.askLink("ann@example.com").says(http.StatusOK, "Look into your mailbox"), h.askLink("nobody@example.com")
	if known.text != unknown.text || known.status != unknown.status || fmt.Sprint(known.header["Content-Length"]) != fmt.Sprint(unknown.header["Content-Length"]) {
		t.Error("the answers differ")
	}
	if fmt.Sprint(h.lost.all) != "[ann@example.com nobody@example.com]" {
		t.Errorf("asked %v", h.lost.all)
	}
	for _, address := range []string{"", "ann", "a@b\r\nBcc: c@d", strings.Repeat("a", 300) + "@example.com", `"><script>`} {
		h.askLink(address).says(http.StatusUnprocessableEntity, "no email address", `href="#field-address"`).silent("<script>")
	}
	if len(h.lost.all) != 2 || len(h.waits()) != 0 {
		t.Errorf("asked %v", h.lost.all)
	}
}
