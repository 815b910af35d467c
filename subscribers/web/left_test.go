package web_test

import (
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"allclear/notifier"
	"allclear/subscribers"
)

var undoPath = regexp.MustCompile(`action="(/undo/[^"]+)"`)

// undo finds where a page takes leaving back; "" where it does not.
func (s shown) undo() string {
	if m := undoPath.FindStringSubmatch(s.text); m != nil {
		return m[1]
	}
	return ""
}

func TestLeavingIsTakenBackWithOneButton(t *testing.T) {
	for _, state := range []subscribers.State{subscribers.Active, subscribers.Paused, subscribers.Pending, subscribers.Quarantined} {
		t.Run(string(state), func(t *testing.T) {
			h := newHouse(t)
			n := h.reader("ann@example.com", state)
			undo := h.ask(http.MethodPost, h.leaveLink(n), "").says(http.StatusOK, "You are unsubscribed", "Undo").undo()
			if undo == "" {
				t.Fatal("there is no way back")
			}
			h.ask(http.MethodGet, undo, "").says(http.StatusOK, "Take it back?")
			if h.state(n) != subscribers.Unsubscribed {
				t.Fatal("looking brought it back")
			}
			for range 2 {
				h.send(undo).says(http.StatusOK, "Welcome back")
			}
			if s := h.who(n); s.State != state || !s.Unsubscribed.IsZero() {
				t.Errorf("came back as %+v", s)
			}
		})
	}
}

func TestAPauseThatWasLeftGoesOnUntilItsDay(t *testing.T) {
	h := newHouse(t)
	n := h.reader("ann@example.com", subscribers.Active)
	h.send(h.manageLink(n), "do", "pause", "until", "2026-12-01").says(http.StatusOK)
	before := h.who(n)
	h.send(h.ask(http.MethodPost, h.leaveLink(n), "").undo()).says(http.StatusOK)
	if s := h.who(n); s.State != subscribers.Paused || !s.PausedUntil.Equal(before.PausedUntil) {
		t.Errorf("came back as %+v", s)
	}
}

func TestThereIsNoWayBackForWhoLeftLongAgoOrOtherwise(t *testing.T) {
	h := newHouse(t)
	old := h.reader("old@example.com", subscribers.Active)
	undo := h.ask(http.MethodPost, h.leaveLink(old), "").undo()
	h.pass(2*subscribers.UndoLife + time.Second)
	h.ask(http.MethodGet, undo, "").says(http.StatusGone)
	h.send(undo).says(http.StatusGone)
	if got := h.ask(http.MethodPost, h.leaveLink(old), "").says(http.StatusOK).undo(); got != "" {
		t.Error("the page offers a way back after hours")
	}
	staff := h.reader("staff@example.com", subscribers.Active)
	if _, err := h.store.ChangeSubscriber(t.Context(), staff, func(s *subscribers.Subscriber) error { s.State = subscribers.Unsubscribed; return nil }); err != nil {
		t.Fatal(err)
	}
	if got := h.ask(http.MethodGet, h.leaveLink(staff), "").says(http.StatusOK).undo(); got != "" {
		t.Error("the page offers to take back what staff did")
	}
	h.send("/undo/" + h.links.Token(subscribers.ForUndo, staff, time.Time{})).says(http.StatusGone)
	h.send("/undo/" + h.links.Token(subscribers.ForUndo, 4711, time.Time{})).says(http.StatusGone)
	for _, n := range []subscribers.Number{old, staff} {
		if h.state(n) != subscribers.Unsubscribed {
			t.Errorf("%s became %s", n, h.state(n))
		}
	}
}

// Anybody can have the form ask whom it likes: until they confirm, nobody is told that they are back.
func TestWhoLeftAndIsAskedAgainIsNotToldThatTheyAreBack(t *testing.T) {
	h := newHouse(t)
	n := h.reader("ann@example.com", subscribers.Active)
	undo := h.ask(http.MethodPost, h.leaveLink(n), "").undo()
	again := subscribers.Subscriber{Channel: notifier.Email, Address: "ann@example.com", State: subscribers.Pending, Cadence: subscribers.Instant}
	if _, err := h.store.AddSubscriber(t.Context(), again, nil); err != nil {
		t.Fatal(err)
	}
	h.ask(http.MethodGet, undo, "").says(http.StatusGone).silent("Welcome back")
	h.send(undo).says(http.StatusGone).silent("Welcome back")
	if h.state(n) != subscribers.Pending {
		t.Errorf("became %s", h.state(n))
	}
}

func TestASuppressedAddressDoesNotComeBack(t *testing.T) {
	h := newHouse(t)
	n := h.reader("ann@example.com", subscribers.Active)
	undo := h.ask(http.MethodPost, h.leaveLink(n), "").undo()
	if err := h.store.Suppress(t.Context(), subscribers.Suppression{Channel: notifier.Email, Address: "ann@example.com", Reason: subscribers.ReasonComplaint}); err != nil {
		t.Fatal(err)
	}
	h.send(undo).says(http.StatusGone)
	if h.state(n) != subscribers.Unsubscribed {
		t.Errorf("became %s", h.state(n))
	}
}

func TestAReasonIsKeptInOneLineAndWithinBounds(t *testing.T) {
	h := newHouse(t)
	n := h.reader("ann@example.com", subscribers.Active)
	link := h.leaveLink(n)
	h.ask(http.MethodPost, link, "").says(http.StatusOK, `name="reason"`)
	h.send(link, "step", "reason", "reason", " ").says(http.StatusOK, "You are unsubscribed", `name="reason"`)
	got := h.send(link, "step", "reason", "reason", "Too\r\nmany\x00 <mails>\u202e "+strings.Repeat("é", 900)).says(http.StatusOK, "Thank you for telling us").silent(`name="reason"`)
	if got.undo() == "" {
		t.Error("who gives a reason cannot take it back any more")
	}
	s := h.who(n)
	if !strings.HasPrefix(s.Left.Reason, "Too many <mails> é") || len([]rune(s.Left.Reason)) != 500 {
		t.Errorf("kept %q", s.Left.Reason)
	}
	h.send(got.undo()).says(http.StatusOK)
	if s := h.who(n); s.Left != (subscribers.Leave{}) {
		t.Errorf("still kept: %+v", s.Left)
	}
}

func TestTheFormForAReasonEndsNoSubscription(t *testing.T) {
	h := newHouse(t)
	n := h.reader("ann@example.com", subscribers.Active)
	h.send(h.leaveLink(n), "step", "reason", "reason", "changed my mind").says(http.StatusOK, "Stop all mails")
	if s := h.who(n); s.State != subscribers.Active || s.Left.Reason != "" {
		t.Errorf("became %+v", s)
	}
}

// FuzzForms sends any form to every page that takes one: none fails, none shows
// what was sent as html, and none makes a subscriber that would not be taken.
func FuzzForms(f *testing.F) {
	for _, seed := range []string{
		"do=save&scope=some&components=web&kinds=post&severity=major&cadence=instant&timezone=Europe/Oslo&language=de", "do=pause&until=2026-12-01",
		"do=move&address=new@example.com", "do=resume", "do=stay", "do=", "List-Unsubscribe=One-Click", "step=reason&reason=<script>alert(1)</script>",
		"do=save&timezone=%00", "do=%ff", "%zz", "address=%22%3E%3Cscript%3E", "do=pause&until=9999-12-31", "do=save&scope=some&components=../../x",
	} {
		f.Add(seed, uint8(0))
		f.Add(seed, uint8(3))
	}
	h := newHouse(f)
	n := h.reader("ann@example.com", subscribers.Active)
	paths := []string{h.manageLink(n), h.leaveLink(n), "/link", "/undo/" + h.links.Token(subscribers.ForUndo, n, time.Time{}), "/move/" + h.links.Token(subscribers.ForMoveFrom, n, time.Time{})}
	f.Fuzz(func(t *testing.T, body string, which uint8) {
		h.t = t
		path := paths[int(which)%len(paths)]
		got := h.ask(http.MethodPost, path, body, "Content-Type", formType)
		if got.status >= 500 {
			t.Fatalf("%s with %q: %d %s", path, body, got.status, h.log)
		}
		got.silent("<script>")
		s := h.who(n)
		if err := s.Validate(); err != nil {
			t.Fatalf("%q made %+v: %v", body, s, err)
		}
	})
}
