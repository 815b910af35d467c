package web_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"allclear/notifier"
	"allclear/subscribers"
	"allclear/subscribers/web"
)

// ownHouse is a house whose own mail, at example.com, depends on imap7.
func ownHouse(t *testing.T) *house {
	t.Helper()
	h := newHouse(t, func(h *house, o *web.Options) { o.Seconds = h.store.whole })
	h.part("imap7", "IMAP seven")
	if err := h.store.whole.SetOwnDomains(t.Context(), []subscribers.OwnDomain{{Domain: "example.com", Component: "imap7"}}); err != nil {
		t.Fatal(err)
	}
	return h
}

// answerSignUps asks those who wait.
func (h *house) answerSignUps() {
	h.t.Helper()
	if _, err := h.store.whole.AnswerSignUps(h.t.Context(), nil, subscribers.SignUpLimits(), func(s subscribers.Subscriber) notifier.Event {
		return s.ConfirmEvent(notifier.Desk{Now: h.clock(), NewID: func() string { return "ask" + s.Number.String() }})
	}, 10); err != nil {
		h.t.Fatal(err)
	}
}

func TestAReaderNamesASecondAddressAndItsOwnerConfirms(t *testing.T) {
	h := ownHouse(t)
	n := h.reader("ann@example.com", subscribers.Active)
	link := h.manageLink(n)
	h.ask(http.MethodGet, link, "").says(http.StatusOK, "If mail to example.com itself is down, where can we reach you?", "Mail address elsewhere")
	h.send(link, "do", "second", "second", "ann@elsewhere.example").says(http.StatusOK, "The second address is asked", "Waiting for confirmation: ann@elsewhere.example")
	h.answerSignUps()
	if got := strings.Join(h.waits(), ","); got != "ann@elsewhere.example subscriber.second" {
		t.Fatalf("mails wait: %s", got)
	}
	second := h.who(n).Second.Number
	token := h.links.TokenAbout(subscribers.ForSecond, second, h.clock().Add(time.Hour), "ann@elsewhere.example")
	h.ask(http.MethodGet, "/confirm/"+token, "").says(http.StatusOK, "writes here while mail to the first address is down")
	if h.who(second).State != subscribers.Pending {
		t.Error("a GET confirmed")
	}
	own := h.links.TokenAbout(subscribers.ForConfirm, second, h.clock().Add(time.Hour), "ann@elsewhere.example")
	h.ask(http.MethodPost, "/confirm/"+own, "").says(http.StatusGone, "This link is too old")
	h.ask(http.MethodPost, "/confirm/"+token, "").says(http.StatusOK, "<h1 tabindex=\"-1\" autofocus>This address is confirmed</h1>", "This address is confirmed as a second one")
	h.ask(http.MethodGet, link, "").says(http.StatusOK, "Confirmed: ann@elsewhere.example")
	h.ask(http.MethodGet, link+"/data.json", "").says(http.StatusOK, `"second": {`, `"address": "ann@elsewhere.example"`)
	h.ask(http.MethodGet, h.manageLink(second)+"/data.json", "").says(http.StatusOK, `"second": null`).silent("ann@example.com")
	h.ask(http.MethodGet, h.manageLink(second), "").says(http.StatusOK, "This is the second address of the subscription of a…@example.com").silent(`value="save"`, `value="move"`, "ann@example.com")
	h.send(link, "do", "second", "second", "next@elsewhere.example").says(http.StatusOK, "Confirmed: ann@elsewhere.example", "Waiting for confirmation: next@elsewhere.example", "stays in use until this one is")
	h.ask(http.MethodGet, link+"/data.json", "").says(http.StatusOK, `"second_next": {`, `"used": true`)
	bounced := subscribers.Suppression{Channel: notifier.Email, Address: "ann@elsewhere.example", Reason: subscribers.ReasonBounce}
	if err := h.store.whole.Suppress(t.Context(), bounced); err != nil {
		t.Fatal(err)
	}
	h.ask(http.MethodGet, link, "").says(http.StatusOK, "Not in use, because it gives trouble or is paused: ann@elsewhere.example").silent("Confirmed: ann@elsewhere.example")
	h.ask(http.MethodGet, link+"/data.json", "").silent(`"used": true`)
	h.send(link, "do", "second-remove").says(http.StatusOK, "The second address is removed").silent("ann@elsewhere.example")
	if h.who(second).State != subscribers.Unsubscribed || h.who(n).State != subscribers.Active {
		t.Errorf("%+v, %+v", h.who(second), h.who(n))
	}
}

func TestTheOwnerOfASecondAddressConfirmsASubscriptionOfTheirOwn(t *testing.T) {
	h := ownHouse(t)
	n := h.reader("ann@example.com", subscribers.Active)
	s, err := h.store.whole.SetSecond(t.Context(), n, subscribers.Second{Channel: notifier.Email, Address: "bob@elsewhere.example", State: subscribers.Active}, nil)
	if err != nil {
		t.Fatal(err)
	}
	link := "/confirm/" + h.links.TokenAbout(subscribers.ForConfirm, s.Second.Number, h.clock().Add(time.Hour), "bob@elsewhere.example")
	h.ask(http.MethodPost, link, "").says(http.StatusGone, "This link is too old") // nobody asked
	if err := h.store.whole.QueueSignUp(t.Context(), subscribers.SignUp{
		Subscriber: subscribers.Subscriber{Channel: notifier.Email, Address: "bob@elsewhere.example", State: subscribers.Pending, Cadence: subscribers.Instant, CreatedAt: h.clock()},
		Consent:    subscribers.Consent{Language: "en", Words: "Yes."}, Solved: true,
	}); err != nil {
		t.Fatal(err)
	}
	h.answerSignUps()
	h.ask(http.MethodGet, link, "").says(http.StatusOK, "<button").silent("first address is down")
	if h.who(s.Second.Number).SecondOf != n {
		t.Error("a GET confirmed")
	}
	h.ask(http.MethodPost, link, "").says(http.StatusOK, "You are subscribed")
	h.ask(http.MethodPost, link, "").says(http.StatusOK, "You are subscribed")
	if who := h.who(s.Second.Number); who.SecondOf != 0 || who.State != subscribers.Active || h.who(n).Second.Address != "" {
		t.Errorf("%+v, %+v", who, h.who(n).Second)
	}
}

func TestTheAnswerToASecondAddressTellsNothingAboutIt(t *testing.T) {
	h := ownHouse(t)
	h.reader("known@elsewhere.example", subscribers.Active)
	pages := map[string]string{}
	for i, address := range []string{"known@elsewhere.example", "fresh@elsewhere.example"} {
		n := h.reader([]string{"ann@example.com", "bob@example.com"}[i], subscribers.Active)
		h.send(h.manageLink(n), "do", "second", "second", address).says(http.StatusOK)
		h.answerSignUps()
		page := h.ask(http.MethodGet, h.manageLink(n), "")
		page.says(http.StatusOK, "Waiting for confirmation: "+address)
		at := strings.Index(page.text, `id="second"`)
		pages[address] = strings.NewReplacer(address, "X", h.manageLink(n), "L").Replace(page.text[at : at+strings.Index(page.text[at:], "</section>")])
	}
	if pages["known@elsewhere.example"] != pages["fresh@elsewhere.example"] {
		t.Errorf("they differ:\n%s\n%s", pages["known@elsewhere.example"], pages["fresh@elsewhere.example"])
	}
}

func TestASecondAddressThatIsNoHelpIsRefusedWithAClearWord(t *testing.T) {
	h := ownHouse(t)
	n := h.reader("ann@example.com", subscribers.Active)
	h.send(h.manageLink(n), "do", "second", "second", "bob@example.com").says(http.StatusUnprocessableEntity, "Its mail would be down at the same time")
	h.send(h.manageLink(n), "do", "second", "second", "nonsense").says(http.StatusUnprocessableEntity, "This cannot be a second address", `value="nonsense"`)
	h.send(h.manageLink(n), "do", "second", "second", "+4791234567").says(http.StatusUnprocessableEntity, "Text messages are not sent from here", `value="&#43;4791234567"`) // there is no gateway
	other := h.reader("dan@elsewhere.example", subscribers.Active)
	h.ask(http.MethodGet, h.manageLink(other), "").says(http.StatusOK).silent("A second address")
	h.send(h.manageLink(other), "do", "second", "second", "dan@other.example").says(http.StatusUnprocessableEntity)
}

func TestWhoConfirmsAtAnOwnDomainIsAskedForASecondAddress(t *testing.T) {
	h := ownHouse(t)
	for address, asked := range map[string]bool{"ann@example.com": true, "bob@elsewhere.example": false} {
		n := h.reader(address, subscribers.Pending)
		page := h.ask(http.MethodPost, "/confirm/"+h.links.Token(subscribers.ForConfirm, n, h.clock().Add(time.Hour)), "")
		page.says(http.StatusOK, "You are subscribed")
		if got := strings.Contains(page.text, "where can we reach you?") && strings.Contains(page.text, "#second"); got != asked {
			t.Errorf("%s is asked: %t", address, got)
		}
	}
}

func TestAConfirmationLinkLeadsToManagingOnlyOnce(t *testing.T) {
	h := ownHouse(t)
	n := h.reader("ann@example.com", subscribers.Pending)
	link := "/confirm/" + h.links.Token(subscribers.ForConfirm, n, h.clock().Add(time.Hour))
	old := "/confirm/" + h.links.Token(subscribers.ForConfirm, n, h.clock().Add(-time.Hour))
	h.ask(http.MethodPost, link, "").says(http.StatusOK, "You are subscribed", "/manage/")
	for _, path := range []string{link, old} {
		for _, method := range []string{http.MethodGet, http.MethodPost} {
			h.ask(method, path, "").says(http.StatusOK, "You are subscribed").silent("/manage/")
		}
	}
}

func TestTheOwnerOfASecondAddressThatEndedWithItsFirstCanStillLeave(t *testing.T) {
	h := ownHouse(t)
	n := h.reader("ann@example.com", subscribers.Active)
	s, err := h.store.whole.SetSecond(t.Context(), n, subscribers.Second{Channel: notifier.Email, Address: "bob@elsewhere.example", State: subscribers.Active}, nil)
	if err != nil {
		t.Fatal(err)
	}
	undo := h.ask(http.MethodPost, h.leaveLink(n), "").undo()
	bob := h.leaveLink(s.Second.Number)
	h.ask(http.MethodGet, bob, "").says(http.StatusOK, "<button").silent("You are unsubscribed")
	for range 2 {
		if back := h.ask(http.MethodPost, bob, "").says(http.StatusOK).undo(); back != "" {
			t.Error("it comes back without its first")
		}
	}
	h.ask(http.MethodGet, bob, "").says(http.StatusOK).silent("<button")
	h.send(undo).says(http.StatusOK, "Welcome back")
	if h.state(n) != subscribers.Active || h.state(s.Second.Number) != subscribers.Unsubscribed {
		t.Errorf("%+v, %+v", h.who(n), h.who(s.Second.Number))
	}
}
