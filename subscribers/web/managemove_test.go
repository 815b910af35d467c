package web_test

import (
	"fmt"
	"net/http"
	"slices"
	"testing"
	"time"

	"allclear/subscribers"
)

// moveLinks are those in the two mails of a move.
func (h *house) moveLinks(m subscribers.Move) (from, to string) {
	until := m.AskedAt.Add(subscribers.MoveLife)
	return "/move/" + h.links.TokenAbout(subscribers.ForMoveFrom, m.From, until, m.About()), "/move/" + h.links.TokenAbout(subscribers.ForMoveTo, m.To, until, m.About())
}

// move is the one that a subscriber asked for.
func (h *house) move(n subscribers.Number) subscribers.Move {
	h.t.Helper()
	m, err := h.store.Move(h.t.Context(), n, false)
	if err != nil {
		h.t.Fatal(err)
	}
	return m
}

func TestAMoveIsConfirmedAtBothAddresses(t *testing.T) {
	h := newHouse(t)
	n := h.reader("old@example.com", subscribers.Active)
	link := h.manageLink(n)
	for _, address := range []string{"", "nonsense", "old@example.com", "a@b@c"} {
		h.send(link, "do", "move", "address", address).says(http.StatusUnprocessableEntity, `<a href="#field-address"`)
	}
	h.send(link, "do", "move", "address", "new@example.com").says(http.StatusOK, "Both addresses have been asked", "new@example.com", "Call the move off")
	if got := fmt.Sprint(h.waits()); got != "[new@example.com subscriber.move_to old@example.com subscriber.move_from]" {
		t.Errorf("mails %s", got)
	}
	m, err := h.store.Move(t.Context(), n, false)
	if err != nil {
		t.Fatal(err)
	}
	from, to := h.moveLinks(m)
	h.ask(http.MethodGet, from, "").says(http.StatusOK, "old@example.com", "new@example.com", "Agree")
	h.ask(http.MethodGet, to, "").says(http.StatusOK, "new@example.com", "Agree").silent("old@example.com")
	h.send(to).says(http.StatusOK, "One address has agreed")
	h.ask(http.MethodGet, to, "").says(http.StatusOK, "One address has agreed").silent("<form")
	if h.state(n) != subscribers.Active || h.state(m.To) != subscribers.Pending {
		t.Errorf("one agreed: %s, %s", h.state(n), h.state(m.To))
	}
	h.send(from).says(http.StatusOK, "The subscription has moved")
	if h.state(n) != subscribers.Unsubscribed || h.state(m.To) != subscribers.Active {
		t.Errorf("both agreed: %s, %s", h.state(n), h.state(m.To))
	}
	for _, path := range []string{from, to} {
		h.ask(http.MethodGet, path, "").says(http.StatusOK, "The subscription has moved")
		h.send(path).says(http.StatusOK, "The subscription has moved")
	}
	h.ask(http.MethodGet, link, "").says(http.StatusOK, "This address has left")
}

func TestTheAnswerToAMoveDoesNotTellOfSomebodyElses(t *testing.T) {
	h := newHouse(t)
	for _, address := range []string{"a@example.com", "b@example.com"} {
		n := h.reader(address, subscribers.Active)
		h.send(h.manageLink(n), "do", "move", "address", "new@example.com").says(http.StatusOK, "Both addresses have been asked", "new@example.com", "Call the move off")
		h.pass(time.Minute)
		h.ask(http.MethodGet, h.manageLink(n), "").says(http.StatusOK, "A move to new@example.com is waiting", "Call the move off")
		from, _ := h.moveLinks(h.move(n))
		h.ask(http.MethodGet, from, "").says(http.StatusOK, "new@example.com", "Agree")
		h.send(from).says(http.StatusOK, "One address has agreed")
		if got := h.waits(); !slices.Contains(got, address+" subscriber.move_from") {
			t.Errorf("%s waits for %v", address, got)
		}
		if address == "b@example.com" {
			h.send(h.manageLink(n), "do", "stay").says(http.StatusOK, "The move is called off")
			h.ask(http.MethodGet, h.manageLink(n), "").says(http.StatusOK).silent("is waiting", "Call the move off")
			h.send(from).says(http.StatusGone)
		}
	}
}

func TestTheMailsOfAMoveAgreeToThatOneAndToNoLaterOne(t *testing.T) {
	h := newHouse(t)
	n := h.reader("old@example.com", subscribers.Active)
	h.send(h.manageLink(n), "do", "move", "address", "new@example.com").says(http.StatusOK)
	from, to := h.moveLinks(h.move(n))
	h.send(h.manageLink(n), "do", "stay").says(http.StatusOK)
	h.pass(time.Second) // within the same hour, to which tokens are dated
	h.send(h.manageLink(n), "do", "move", "address", "new@example.com").says(http.StatusOK)
	for _, path := range []string{from, to} {
		h.ask(http.MethodGet, path, "").says(http.StatusGone)
		h.send(path).says(http.StatusGone)
	}
	if m := h.move(n); !m.FromAt.IsZero() || !m.ToAt.IsZero() {
		t.Errorf("%+v", m)
	}
}

func TestAskingForTheSameMoveAgainLeavesTheMailsThatBothHaveGood(t *testing.T) {
	h := newHouse(t)
	n := h.reader("old@example.com", subscribers.Active)
	h.send(h.manageLink(n), "do", "move", "address", "new@example.com").says(http.StatusOK)
	from, to := h.moveLinks(h.move(n))
	h.pass(time.Hour)
	mails := len(h.waits())
	h.send(h.manageLink(n), "do", "move", "address", "new@example.com").
		says(http.StatusOK, "Both addresses were asked already today", "at most: look for today’s", "16:11 UTC on, asking again brings new mails", "Call the move off")
	if n := len(h.waits()); n != mails {
		t.Errorf("%d mails became %d", mails, n)
	}
	h.ask(http.MethodGet, h.manageLink(n), "").says(http.StatusOK, "is waiting").silent("asked already today")
	h.send(to).says(http.StatusOK, "One address has agreed")
	h.send(from).says(http.StatusOK, "The subscription has moved")
}

func TestADayLaterTheSameMoveBringsNewMails(t *testing.T) {
	h := newHouse(t)
	n := h.reader("old@example.com", subscribers.Active)
	h.send(h.manageLink(n), "do", "move", "address", "new@example.com").says(http.StatusOK)
	mails := len(h.waits())
	h.pass(subscribers.MoveRest)
	h.send(h.manageLink(n), "do", "move", "address", "new@example.com").says(http.StatusOK, "Both addresses have been asked").silent("asked already today")
	if n := len(h.waits()); n != mails+2 {
		t.Errorf("%d mails became %d", mails, n)
	}
}

func TestAMoveThatIsCalledOffIsNotSaidToBeThrough(t *testing.T) {
	h := newHouse(t)
	n := h.reader("old@example.com", subscribers.Active)
	h.reader("new@example.com", subscribers.Active)
	h.send(h.manageLink(n), "do", "move", "address", "new@example.com").says(http.StatusOK)
	_, path := h.moveLinks(h.move(n))
	h.send(h.manageLink(n), "do", "stay").says(http.StatusOK)
	h.ask(http.MethodGet, path, "").says(http.StatusGone)
	h.send(path).says(http.StatusGone)
}

func TestAMoveThatIsCalledOffLeadsNowhere(t *testing.T) {
	h := newHouse(t)
	n := h.reader("old@example.com", subscribers.Active)
	h.send(h.manageLink(n), "do", "move", "address", "new@example.com").says(http.StatusOK)
	m, err := h.store.Move(t.Context(), n, false)
	if err != nil {
		t.Fatal(err)
	}
	h.send(h.manageLink(n), "do", "stay").says(http.StatusOK, "The move is called off")
	from, to := h.moveLinks(m)
	for _, path := range []string{from, to} {
		h.ask(http.MethodGet, path, "").says(http.StatusGone)
		h.send(path).says(http.StatusGone)
	}
	for _, token := range []string{h.links.Token(subscribers.ForManage, n, time.Time{}), h.links.Token(subscribers.ForUnsubscribe, n, time.Time{}), "x"} {
		h.send("/move/"+token).says(http.StatusNotFound, "This link does not work")
	}
	if h.state(n) != subscribers.Active {
		t.Errorf("became %s", h.state(n))
	}
}
