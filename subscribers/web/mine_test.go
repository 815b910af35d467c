package web_test

import (
	"net/http"
	"net/url"
	"testing"
	"time"

	"allclear/subscribers"
)

// lives makes a list the members of a component.
func (h *house) lives(component string, addresses ...string) {
	h.t.Helper()
	u, err := h.store.BeginMembers(h.t.Context(), component)
	if err == nil {
		err = h.store.AddMembers(h.t.Context(), u, addresses)
	}
	if err == nil {
		_, err = h.store.FinishMembers(h.t.Context(), u)
	}
	if err != nil {
		h.t.Fatal(err)
	}
	h.pass(2 * time.Second)
}

func TestOnlyWhatTouchesMeIsOfferedOnceItIsKnownWhoLivesWhere(t *testing.T) {
	h := newHouse(t)
	h.part("imap7", "Mail store imap7")
	n := h.reader("ann@example.com", subscribers.Active)
	for _, path := range []string{"/", "/subscribe", h.manageLink(n)} {
		h.ask(http.MethodGet, path, "").says(http.StatusOK).silent(`name="mine"`)
	}
	h.lives("imap7", "ann@example.com")
	for _, path := range []string{"/", "/subscribe", h.manageLink(n)} {
		h.ask(http.MethodGet, path, "").says(http.StatusOK, `name="mine" value="true"`, "Only what touches me").silent(`value="true" checked`)
	}
	save := func(more ...string) shown {
		return h.send(h.manageLink(n), append([]string{"do", "save", "scope", "all", "kinds", "incident", "severity", "none", "cadence", "instant", "timezone", "", "language", ""}, more...)...)
	}
	save("mine", "true").says(http.StatusOK, `name="mine" value="true" aria-describedby="mine-hint" checked`)
	if s := h.who(n); !s.Filter.Mine {
		t.Errorf("became %+v", s)
	}
	h.ask(http.MethodGet, h.manageLink(n)+"/data.json", "").says(http.StatusOK, `"mine": true`)
	h.lives("imap7") // nobody is known to live anywhere, and what was chosen can still be taken back
	h.ask(http.MethodGet, h.manageLink(n), "").says(http.StatusOK, `name="mine"`)
	save().says(http.StatusOK).silent(`name="mine"`)
	if s := h.who(n); s.Filter.Mine {
		t.Errorf("became %+v", s)
	}
}

func TestNoAnswerSaysWhoIsOnAListOfMembers(t *testing.T) {
	h := newHouse(t)
	h.part("imap7", "Mail store imap7")
	h.lives("imap7", "member@example.com")
	var answers, pages []string
	for _, address := range []string{"member@example.com", "nobody@example.com"} {
		answers = append(answers, h.signUp(url.Values{"address": {address}, "mine": {"true"}}, "X-Forwarded-For", "192.0.2.7").says(http.StatusOK).text)
		h.answer()
		s := h.find(address)
		if !s.Filter.Mine {
			t.Errorf("%s became %+v", address, s)
		}
		pages = append(pages, h.ask(http.MethodGet, h.confirmLink(s.Number), "").says(http.StatusOK).silent("imap7").text)
	}
	if answers[0] != answers[1] {
		t.Errorf("a member is answered\n%s\nand another\n%s", answers[0], answers[1])
	}
	if len(pages[0]) != len(pages[1]) {
		t.Errorf("a member confirms on\n%s\nand another on\n%s", pages[0], pages[1])
	}
	h.signUp(url.Values{"address": {"x@example.com"}, "mine": {"perhaps"}}).says(http.StatusUnprocessableEntity, `href="#subscribe-mine"`)
}
