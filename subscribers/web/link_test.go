package web_test

import (
	"fmt"
	"net/http"
	"net/url"
	"testing"

	"allclear/subscribers/web/gate"
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
