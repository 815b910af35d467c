package web_test

import (
	"bytes"
	"fmt"
	"mime/multipart"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"allclear/notifier"
	"allclear/subscribers"
)

func (h *house) confirmLink(n subscribers.Number) string {
	return "/confirm/" + h.links.Token(subscribers.ForConfirm, n, h.clock().Add(notifier.ConfirmLife))
}

func (h *house) leaveLink(n subscribers.Number) string {
	return "/unsubscribe/" + h.links.Token(subscribers.ForUnsubscribe, n, time.Time{})
}

func TestConfirmingTakesOneButtonAndSendsNothing(t *testing.T) {
	h := newHouse(t)
	n := h.reader("ann@example.com", subscribers.Pending)
	link := h.confirmLink(n)
	h.ask(http.MethodGet, link, "").says(http.StatusOK, `<form method="post" action="?">`, "Confirm")
	for range 2 {
		h.ask(http.MethodPost, link, "").says(http.StatusOK, "You are subscribed")
		h.pass(time.Hour)
	}
	h.ask(http.MethodGet, link, "").says(http.StatusOK, "You are subscribed").silent("<form")
	s, err := h.store.whole.Subscriber(t.Context(), n)
	if err != nil || s.State != subscribers.Active || !s.ConfirmedAt.Equal(time.Date(2026, 11, 23, 16, 11, 0, 0, time.UTC)) {
		t.Errorf("became %+v, %v", s, err)
	}
	if slice, err := h.store.ExpandSlice(t.Context(), 10); err != nil || !slice.Idle {
		t.Errorf("confirming caused an event: %+v, %v", slice, err)
	}
}

func TestWhoeverConfirmsSeesWhatIsOpenRightNow(t *testing.T) {
	h := newHouse(t)
	link := h.confirmLink(h.reader("ann@example.com", subscribers.Pending))
	h.post(notifier.Announcement{Title: "News", Kind: notifier.KindPost, Body: "b"})
	h.post(notifier.Announcement{Title: "Not begun", Kind: notifier.KindMaintenance, StartsAt: h.clock().Add(time.Hour)})
	h.post(notifier.Announcement{Title: "Not shown", State: notifier.Draft})
	h.post(notifier.Announcement{Title: "Over", Status: notifier.Resolved})
	h.ask(http.MethodPost, link, "").says(http.StatusOK, "You are subscribed").silent("Open right now")
	open := h.post(notifier.Announcement{Title: "Mail is late"})
	h.ask(http.MethodPost, link, "").says(http.StatusOK, "Open right now", `href="/incidents/`+open.ID+`"`, "Mail is late", "Investigating").
		silent("News", "Not begun", "Not shown", "Over")
}

func TestASubscriptionIsConfirmedEvenWhereWhatIsOpenCannotBeRead(t *testing.T) {
	h := newHouse(t)
	n := h.reader("ann@example.com", subscribers.Pending)
	h.store.unread = notifier.ErrUnavailable
	h.ask(http.MethodPost, h.confirmLink(n), "").says(http.StatusOK, "You are subscribed")
	if h.state(n) != subscribers.Active {
		t.Errorf("became %s", h.state(n))
	}
}

func TestAConfirmationIsGoodForSevenDays(t *testing.T) {
	h := newHouse(t)
	n := h.reader("ann@example.com", subscribers.Pending)
	link := h.confirmLink(n)
	h.pass(notifier.ConfirmLife + 2*time.Hour)
	for _, method := range []string{http.MethodGet, http.MethodPost} {
		h.ask(method, link, "").says(http.StatusGone, "This link is too old", `href="/subscribe"`)
	}
	if h.state(n) != subscribers.Pending {
		t.Errorf("became %s", h.state(n))
	}
}

func TestAnOldConfirmationBringsNobodyBack(t *testing.T) {
	h := newHouse(t)
	n := h.reader("ann@example.com", subscribers.Pending)
	link := h.confirmLink(n)
	h.ask(http.MethodPost, link, "").says(http.StatusOK)
	h.ask(http.MethodPost, h.leaveLink(n), "").says(http.StatusOK)
	h.ask(http.MethodPost, link, "").says(http.StatusGone, "This subscription has ended", `href="/subscribe"`)
	if h.state(n) != subscribers.Unsubscribed {
		t.Errorf("became %s", h.state(n))
	}
	h.ask(http.MethodPost, h.confirmLink(4711), "").says(http.StatusGone)
}

func TestATokenThatIsNotOursOpensNothing(t *testing.T) {
	h := newHouse(t)
	n := h.reader("ann@example.com", subscribers.Active)
	good := h.links.Token(subscribers.ForUnsubscribe, n, time.Time{})
	bad := []string{"x", good[:43], good + "A", strings.Repeat("A", 44), h.links.Token(subscribers.ForConfirm, n, time.Time{}), h.links.Token(subscribers.ForManage, n, time.Time{}),
		subscribers.NewLinks([]byte("another service's secret, 32 byte")).Token(subscribers.ForUnsubscribe, n, time.Time{}), "%00", "%ff"}
	for i := range good {
		flipped := []byte(good)
		if flipped[i]++; flipped[i] > 'z' {
			flipped[i] = 'A'
		}
		if s := string(flipped); !strings.ContainsAny(s, "{[\\]^`:;<=>?@./") {
			bad = append(bad, s)
		}
	}
	for _, token := range bad {
		for _, method := range []string{http.MethodGet, http.MethodPost} {
			if got := h.ask(method, "/unsubscribe/"+token, ""); got.status != http.StatusNotFound {
				t.Errorf("%s with %q: %d", method, token, got.status)
			}
		}
	}
	h.ask(http.MethodGet, "/unsubscribe/x", "").says(http.StatusNotFound, "This link does not work")
	h.ask(http.MethodPost, "/confirm/"+good, "").says(http.StatusNotFound, "This link does not work")
	if h.state(n) != subscribers.Active {
		t.Errorf("became %s", h.state(n))
	}
}

// clicks are the ways in which providers and our own button send the form.
func clicks(t *testing.T) map[string][2]string {
	t.Helper()
	var form bytes.Buffer
	m := multipart.NewWriter(&form)
	if err := m.WriteField("List-Unsubscribe", "One-Click"); err != nil {
		t.Fatal(err)
	}
	if err := m.Close(); err != nil {
		t.Fatal(err)
	}
	return map[string][2]string{
		"urlencoded":         {"application/x-www-form-urlencoded", "List-Unsubscribe=One-Click"},
		"with a charset":     {"application/x-www-form-urlencoded; charset=UTF-8", "List-Unsubscribe=One-Click"},
		"multipart":          {m.FormDataContentType(), form.String()},
		"the page's button":  {"application/x-www-form-urlencoded", ""},
		"no body, no type":   {"", ""},
		"something else":     {"text/plain", "unsubscribe please"},
		"a broken multipart": {"multipart/form-data", "--x"},
	}
}

func TestLeavingTakesOneClick(t *testing.T) {
	h := newHouse(t)
	i := 0
	for name, c := range clicks(t) {
		i++
		n := h.reader(fmt.Sprintf("reader%d@example.com", i), subscribers.Active)
		for range 2 { // and again, which changes nothing
			got := h.ask(http.MethodPost, h.leaveLink(n), c[1], "Content-Type", c[0]).says(http.StatusOK, "You are unsubscribed")
			if got.header.Get("Location") != "" || got.header.Get("Set-Cookie") != "" {
				t.Errorf("%s: headers %v", name, got.header)
			}
		}
		if h.state(n) != subscribers.Unsubscribed {
			t.Errorf("%s: %s", name, h.state(n))
		}
	}
}

func TestLeavingIsPossibleFromEveryStateAndForThoseWhoAreGone(t *testing.T) {
	h := newHouse(t)
	for i, state := range []subscribers.State{subscribers.Pending, subscribers.Paused, subscribers.Quarantined} {
		n := h.reader(fmt.Sprintf("reader%d@example.com", i), state)
		h.ask(http.MethodPost, h.leaveLink(n), "List-Unsubscribe=One-Click", "Content-Type", "application/x-www-form-urlencoded").says(http.StatusOK)
		if h.state(n) != subscribers.Unsubscribed {
			t.Errorf("%s: %s", state, h.state(n))
		}
	}
	for _, method := range []string{http.MethodGet, http.MethodPost} { // erased since
		h.ask(method, h.leaveLink(4711), "").says(http.StatusOK, "You are unsubscribed")
	}
}

func TestWhatWasOnItsWayToWhoLeftStaysHere(t *testing.T) {
	h := newHouse(t)
	n := h.reader("ann@example.com", subscribers.Active)
	h.post(notifier.Announcement{Title: "Mail is late"})
	if slice, err := h.store.ExpandSlice(t.Context(), 100); err != nil || slice.Made != 1 {
		t.Fatalf("slice %+v, %v", slice, err)
	}
	h.ask(http.MethodPost, h.leaveLink(n), "").says(http.StatusOK)
	got, _, err := h.store.Deliveries(t.Context(), notifier.DeliveryQuery{Limit: 10})
	if err != nil || len(got) != 1 || got[0].State != notifier.Suppressed {
		t.Errorf("deliveries %+v, %v", got, err)
	}
}

func TestTwoClicksAtOnceLeaveOnce(t *testing.T) {
	h := newHouse(t)
	n := h.reader("ann@example.com", subscribers.Active)
	link := h.leaveLink(n)
	var wait sync.WaitGroup
	for range 8 {
		wait.Go(func() {
			if got := h.ask(http.MethodPost, link, ""); got.status != http.StatusOK {
				t.Errorf("status %d", got.status)
			}
		})
	}
	wait.Wait()
	if h.state(n) != subscribers.Unsubscribed {
		t.Errorf("became %s", h.state(n))
	}
}

func TestAFormFromAnotherSiteDoesNothingButOneClickWorksFromAnywhere(t *testing.T) {
	h := newHouse(t)
	form := "application/x-www-form-urlencoded"
	waits, active := h.reader("waits@example.com", subscribers.Pending), h.reader("ann@example.com", subscribers.Active)
	for _, headers := range [][]string{{"Sec-Fetch-Site", "cross-site"}, {"Sec-Fetch-Site", "same-site"}, {"Origin", "https://evil.example"}, {"Sec-Fetch-Site", "cross-site", "Origin", "null"}} {
		for _, link := range []string{h.confirmLink(waits), h.leaveLink(active)} {
			h.ask(http.MethodPost, link, "", append(headers, "Content-Type", form)...).says(http.StatusForbidden, "This came from another site")
		}
	}
	if h.state(waits) != subscribers.Pending || h.state(active) != subscribers.Active {
		t.Errorf("became %s, %s", h.state(waits), h.state(active))
	}
	h.ask(http.MethodPost, h.leaveLink(active), "List-Unsubscribe=One-Click", "Content-Type", form, "Sec-Fetch-Site", "cross-site", "Origin", "https://mail.example").says(http.StatusOK)
	if h.state(active) != subscribers.Unsubscribed {
		t.Errorf("became %s", h.state(active))
	}
	// Our own button: with Sec-Fetch-Site, and by plain http behind no-referrer.
	h.ask(http.MethodPost, h.confirmLink(waits), "", "Content-Type", form, "Sec-Fetch-Site", "same-origin", "Origin", "null").says(http.StatusOK)
	h.ask(http.MethodPost, h.leaveLink(waits), "", "Content-Type", form, "Origin", "null").says(http.StatusOK)
}

func TestAFormThatIsTooLargeDoesNothing(t *testing.T) {
	h := newHouse(t)
	n := h.reader("ann@example.com", subscribers.Active)
	h.ask(http.MethodPost, h.leaveLink(n), "List-Unsubscribe=One-Click&x="+strings.Repeat("x", 100<<10), "Content-Type", "application/x-www-form-urlencoded").says(http.StatusRequestEntityTooLarge)
	if h.state(n) != subscribers.Active {
		t.Errorf("became %s", h.state(n))
	}
}
