package web_test

import (
	"net/http"
	"net/url"
	"testing"
	"time"

	"allclear/notifier"
	"allclear/subscribers"
)

// follows has an address ask for one incident only.
func (h *house) follows(id, address string) subscribers.Subscriber {
	h.t.Helper()
	h.signUp(url.Values{"address": {address}, "incident": {id}}).says(http.StatusOK)
	if did := h.answer(); did.Fates[subscribers.SignUpAsked] != 1 {
		h.t.Fatalf("%+v", did)
	}
	all, _, err := h.store.Subscribers(h.t.Context(), subscribers.Query{Address: address, Limit: 1})
	if err != nil || len(all) != 1 || all[0].Filter.Incident != id {
		h.t.Fatalf("%+v, %v", all, err)
	}
	return all[0]
}

func TestWhoFollowsOneIncidentIsToldThatItIsOnlyThatAndUntilWhen(t *testing.T) {
	h := newHouse(t)
	i := h.post(notifier.Announcement{Title: "imap7 does not answer"})
	other := h.post(notifier.Announcement{Title: "The web is slow"})
	h.ask(http.MethodGet, "/incidents/"+i.ID, "").says(http.StatusOK, "Follow only this", "It ends by itself when this is over")
	who := h.follows(i.ID, "ann@example.com")
	h.ask(http.MethodGet, h.confirmLink(who.Number), "").says(http.StatusOK, "of this only: imap7 does not answer. When it is over, the subscription ends by itself")
	h.ask(http.MethodPost, h.confirmLink(who.Number), "").says(http.StatusOK, "You are subscribed", "of this only: imap7 does not answer", "/incidents/"+i.ID).silent(other.Title)
	h.ask(http.MethodGet, h.manageLink(who.Number), "").says(http.StatusOK, "You follow only this: imap7 does not answer", `name="follow" value="only" checked`)
	all := h.reader("bob@example.com", subscribers.Active)
	h.ask(http.MethodGet, h.manageLink(all), "").says(http.StatusOK).silent(`name="follow"`)
}

func TestTheMailThatAsksToConfirmKnowsWhatItIsAbout(t *testing.T) {
	h := newHouse(t)
	i := h.post(notifier.Announcement{Title: "imap7 does not answer"})
	h.follows(i.ID, "ann@example.com")
	h.signUp(url.Values{"address": {"bob@example.com"}}).says(http.StatusOK)
	h.answer()
	h.waits()
	found, _, err := h.store.Deliveries(t.Context(), notifier.DeliveryQuery{Limit: 200})
	if err != nil || len(found) != 2 {
		t.Fatalf("%v, %v", found, err)
	}
	for _, d := range found {
		story, err := h.store.Story(t.Context(), d.ID.Event())
		want := map[string]string{"ann@example.com": "imap7 does not answer"}[d.Address]
		if err != nil || story.Incident.Title != want || story.Event.IncidentID != "" {
			t.Errorf("%s: %+v, %v", d.Address, story, err)
		}
	}
}

func TestSavingDoesNotWidenWhatIsFollowedUnlessThatIsChosen(t *testing.T) {
	h := newHouse(t)
	h.part("web", "The web")
	i := h.post(notifier.Announcement{Title: "imap7 does not answer"})
	who := h.follows(i.ID, "ann@example.com")
	h.ask(http.MethodPost, h.confirmLink(who.Number), "").says(http.StatusOK)
	link := h.manageLink(who.Number)
	save := []string{"do", "save", "scope", "some", "components", "web", "kinds", "post", "severity", "major", "cadence", "milestones", "timezone", "Europe/Oslo", "language", "en"}
	for _, follow := range [][]string{{}, {"follow", "only"}, {"follow", "nonsense"}} {
		h.send(link, append(save, follow...)...).says(http.StatusOK, "Your choices are saved", "You follow only this")
		if s := h.who(who.Number); s.Filter.Incident != i.ID || s.Filter.Components != nil || s.Filter.Kinds != nil || s.Cadence != subscribers.Milestones || s.Timezone != "Europe/Oslo" {
			t.Errorf("%v: became %+v", follow, s)
		}
	}
	// What cannot be saved keeps the choice.
	h.send(link, "do", "save", "follow", "all", "scope", "all", "kinds", "post", "severity", "none", "cadence", "instant", "timezone", "Mars/Base").
		says(http.StatusUnprocessableEntity, `name="follow" value="all" checked`)
	h.send(link, append(save, "follow", "all")...).says(http.StatusOK, "Your choices are saved").silent("You follow only this", `name="follow"`)
	if s := h.who(who.Number); s.Filter.Incident != "" || len(s.Filter.Components) != 1 || len(s.Filter.Kinds) != 1 {
		t.Errorf("became %+v", s)
	}
}

func TestWhatIsOverIsNotFollowedAndSaysSo(t *testing.T) {
	h := newHouse(t)
	i := h.post(notifier.Announcement{Title: "imap7 does not answer"})
	late, in := h.follows(i.ID, "late@example.com"), h.follows(i.ID, "in@example.com")
	h.ask(http.MethodPost, h.confirmLink(in.Number), "").says(http.StatusOK)
	h.pass(time.Minute)
	h.say(i.ID, notifier.Saying{Status: notifier.Resolved})
	for _, method := range []string{http.MethodGet, http.MethodPost} {
		h.ask(method, h.confirmLink(late.Number), "").says(http.StatusGone, "This is over already", "has ended: imap7 does not answer", `href="/subscribe"`)
		h.ask(method, h.confirmLink(in.Number), "").says(http.StatusGone, "This is over already")
	}
	if h.state(late.Number) != subscribers.Pending || h.state(in.Number) != subscribers.Active {
		t.Errorf("became %s and %s", h.state(late.Number), h.state(in.Number))
	}
	h.ask(http.MethodGet, h.manageLink(in.Number), "").says(http.StatusOK, "imap7 does not answer. It is over, and the subscription ends by itself a day later")
	h.signUp(url.Values{"address": {"new@example.com"}, "incident": {i.ID}}).says(http.StatusUnprocessableEntity, "not there any more")
	if _, err := h.store.ChangeSubscriber(t.Context(), in.Number, func(s *subscribers.Subscriber) error { s.State = subscribers.Unsubscribed; return nil }); err != nil {
		t.Fatal(err)
	}
	h.ask(http.MethodGet, h.manageLink(in.Number), "").says(http.StatusOK, "is over, and it has ended with it").silent("This address has left", `name="follow"`)
}
