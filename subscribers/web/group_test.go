package web_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"allclear/subscribers"
)

// group adds a subscriber that many read.
func (h *house) group(address, contact string) subscribers.Number {
	h.t.Helper()
	s := subscribers.Subscriber{Address: address, State: subscribers.Active, Group: true, Contact: contact, CreatedAt: h.clock()}
	if err := s.Validate(); err != nil {
		h.t.Fatal(err)
	}
	s, err := h.store.AddSubscriber(h.t.Context(), s, nil)
	if err != nil {
		h.t.Fatal(err)
	}
	return s.Number
}

func TestOneReaderOfAGroupCanOnlyHaveItsOwnerAsked(t *testing.T) {
	h := newHouse(t)
	n := h.group("ops@example.com", "boss@example.com")
	for _, path := range []string{h.leaveLink(n), h.manageLink(n), h.manageLink(n) + "/erase"} {
		got := h.ask(http.MethodGet, path, "").says(http.StatusOK, "Many read this address", "Ask the owner").silent("boss@", "ops@")
		if strings.Count(got.text, "<button") != 1 {
			t.Errorf("%s: %d buttons", path, strings.Count(got.text, "<button"))
		}
	}
	h.ask(http.MethodGet, h.manageLink(n)+"/data.json", "").says(http.StatusOK, "Many read this address").silent("boss@")
	for name, c := range clicks(t) {
		got := h.ask(http.MethodPost, h.leaveLink(n), c[1], "Content-Type", c[0]).says(http.StatusOK, "The owner is asked").silent("boss@")
		if got.header.Get("Location") != "" {
			t.Errorf("%s: %v", name, got.header)
		}
	}
	for _, do := range []string{"pause", "save", "move", "stay", "resume"} {
		h.send(h.manageLink(n), "do", do, "address", "x@example.com").says(http.StatusOK, "The owner is asked")
	}
	h.send(h.manageLink(n)+"/erase").says(http.StatusOK, "The owner is asked")
	if got := fmt.Sprint(h.waits()); got != "[boss@example.com subscriber.owner]" {
		t.Errorf("mails %s", got)
	}
	if s := h.who(n); s.State != subscribers.Active {
		t.Errorf("became %+v", s)
	}
}

func TestTheOwnerOfAGroupDecidesForIt(t *testing.T) {
	h := newHouse(t)
	n := h.group("ops@example.com", "boss@example.com")
	h.ask(http.MethodGet, h.ownerLink(n), "").says(http.StatusOK, "ops@example.com", "You decide for all of them")
	h.send(h.ownerLink(n), "do", "pause", "until", "").says(http.StatusOK, "Mails are paused")
	leave := strings.Replace(h.ownerLink(n), "/manage/", "/unsubscribe/", 1)
	h.ask(http.MethodGet, h.ownerLink(n), "").says(http.StatusOK, "Stop all mails to this address").silent("Stop all mails to me")
	h.ask(http.MethodGet, leave, "").says(http.StatusOK, "Nobody who reads ops@example.com will be told", "Stop all mails to this address").silent("Stop all mails to me")
	h.send(leave).says(http.StatusOK, "The address is unsubscribed", "Undo").silent("You are unsubscribed")
	for _, by := range []shown{h.ask(http.MethodGet, h.leaveLink(n), ""), h.send(h.leaveLink(n)), h.send(h.leaveLink(n), "step", "reason", "reason", "I am a reader")} {
		by.says(http.StatusOK, "The address is unsubscribed").silent("Undo", `name="reason"`) // that is the owner's to take back
	}
	if r := h.who(n).Left.Reason; r != "" {
		t.Errorf("a reader gave the reason %q", r)
	}
	if h.state(n) != subscribers.Unsubscribed {
		t.Errorf("became %s", h.state(n))
	}
	h.pass(subscribers.ManageLife + 2*time.Hour)
	h.send(leave).says(http.StatusOK) // has left
	alone := h.reader("ann@example.com", subscribers.Active)
	h.send("/unsubscribe/" + h.links.Token(subscribers.ForOwner, alone, time.Time{})).says(http.StatusNotFound)
	if h.state(alone) != subscribers.Active {
		t.Errorf("became %s", h.state(alone))
	}
}

func TestTheLinkOfAnEarlierOwnerDecidesNothingAnyMore(t *testing.T) {
	h := newHouse(t)
	n := h.group("ops@example.com", "boss@example.com")
	before := h.ownerLink(n)
	h.ask(http.MethodGet, before, "").says(http.StatusOK, "You decide for all of them")
	if _, err := h.store.ChangeSubscriber(t.Context(), n, func(s *subscribers.Subscriber) error { s.Contact = "chief@example.com"; return nil }); err != nil {
		t.Fatal(err)
	}
	leave := strings.Replace(before, "/manage/", "/unsubscribe/", 1)
	for _, path := range []string{before, before + "/erase", before + "/data.json", leave} {
		h.ask(http.MethodGet, path, "").says(http.StatusGone).silent("ops@", "chief@")
	}
	h.send(before, "do", "pause").says(http.StatusGone)
	h.send(before + "/erase").says(http.StatusGone)
	h.send(leave).says(http.StatusGone)
	if h.state(n) != subscribers.Active {
		t.Errorf("became %s", h.state(n))
	}
	h.send(h.ownerLink(n), "do", "pause").says(http.StatusOK, "Mails are paused")
}
