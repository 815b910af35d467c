package web_test

import (
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"allclear/notifier"
	"allclear/subscribers"
	"allclear/subscribers/web/gate"
)

func TestTheFirstPageSaysHowEverythingIs(t *testing.T) {
	h := newHouse(t)
	h.ask(http.MethodGet, "/", "").says(http.StatusOK, "All clear", "Nothing has been posted yet", "Nobody follows this page yet")

	if err := h.store.AddComponent(t.Context(), notifier.Component{Key: "imap7", Name: "IMAP seven", State: notifier.Operational, CreatedAt: h.clock()}); err != nil {
		t.Fatal(err)
	}
	i := h.post(notifier.Announcement{Title: "imap7 does not <answer>", Severity: notifier.SeverityMajor, Components: []string{"imap7"}, Body: "A *disk* failed. <script>alert(1)</script>"})
	h.post(notifier.Announcement{Title: "Not yet", State: notifier.Draft})
	for n := range 3 {
		h.reader(fmt.Sprintf("reader%d@example.com", n), subscribers.Active)
	}
	h.reader("waits@example.com", subscribers.Pending)
	h.pass(time.Minute)
	h.ask(http.MethodGet, "/", "").
		says(http.StatusOK, "One part has trouble", "imap7 does not &lt;answer&gt;", "/incidents/"+i.ID, "<em>disk</em>", "Investigating", "IMAP seven", "3 people follow this page").
		silent("<script>", "Not yet", "reader0@")
}

func TestTheFollowersAreCountedOnceInAFewSeconds(t *testing.T) {
	h := newHouse(t)
	for range 5 {
		h.ask(http.MethodGet, "/", "").says(http.StatusOK, "Nobody follows")
	}
	h.reader("ann@example.com", subscribers.Active)
	h.ask(http.MethodGet, "/", "").says(http.StatusOK, "Nobody follows")
	if h.store.counts != 1 {
		t.Errorf("counted %d times", h.store.counts)
	}
	h.pass(5 * time.Second)
	h.ask(http.MethodGet, "/", "").says(http.StatusOK, "1 person follows")
}

func TestOlderPostsAreOnPagesOfTheirOwn(t *testing.T) {
	h := newHouse(t)
	for n := range 25 {
		h.post(notifier.Announcement{Title: fmt.Sprintf("Post number %02d.", n), Kind: notifier.KindPost, Body: "x"})
		h.pass(time.Second)
	}
	first := h.ask(http.MethodGet, "/", "").says(http.StatusOK, "Post number 24.", "Post number 05.").silent("Post number 04.")
	older := regexp.MustCompile(`href="(/\?cursor=[^"]+)"`).FindStringSubmatch(first.text)
	if older == nil {
		t.Fatal("nothing leads to older posts")
	}
	h.ask(http.MethodGet, older[1], "").says(http.StatusOK, "Post number 04.", "Post number 00.").silent("Post number 05.", "?cursor=")
	h.ask(http.MethodGet, "/?cursor=nonsense!", "").says(http.StatusNotFound, "There is no such page")
}

func TestAPostHasAPageOfItsOwn(t *testing.T) {
	h := newHouse(t)
	i := h.post(notifier.Announcement{Title: "Mail is late", Body: "We look."})
	h.ask(http.MethodGet, "/incidents/"+i.ID, "").says(http.StatusOK, "Mail is late", "We look.")
	if got := h.ask(http.MethodHead, "/incidents/"+i.ID, "").says(http.StatusOK); got.text != "" {
		t.Errorf("HEAD answered %q", got.text)
	}
	for _, path := range []string{"/incidents/nosuch", "/incidents/%00", "/incidents/%ff", "/incidents/" + h.post(notifier.Announcement{Title: "x", State: notifier.Draft}).ID} {
		h.ask(http.MethodGet, path, "").says(http.StatusNotFound, "There is no such page")
	}
	if _, err := h.store.ReviseIncident(t.Context(), i.ID, func(i notifier.Incident) (notifier.Posting, error) { return i.Retract("A mistake.", false, h.desk()) }); err != nil {
		t.Fatal(err)
	}
	h.ask(http.MethodGet, "/incidents/"+i.ID, "").says(http.StatusOK, "A mistake.")
	h.ask(http.MethodGet, "/", "").says(http.StatusOK).silent("Mail is late")
}

// TestReadingChangesNothing follows every link the way scanners do.
func TestReadingChangesNothing(t *testing.T) {
	h := newHouse(t)
	waits, active := h.reader("waits@example.com", subscribers.Pending), h.reader("ann@example.com", subscribers.Active)
	before, err := h.store.Pulse(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range []subscribers.Number{waits, active} {
		manage := "/manage/" + h.links.Token(subscribers.ForManage, n, time.Time{})
		for _, path := range []string{
			"/unsubscribe/" + h.links.Token(subscribers.ForUnsubscribe, n, time.Time{}), "/confirm/" + h.links.Token(subscribers.ForConfirm, n, time.Time{}),
			manage, manage + "/erase", manage + "/data.json", "/move/" + h.links.Token(subscribers.ForMoveFrom, n, time.Time{}),
			"/move/" + h.links.Token(subscribers.ForMoveTo, n, time.Time{}), "/undo/" + h.links.Token(subscribers.ForUndo, n, time.Time{}), "/link",
		} {
			for _, method := range []string{http.MethodGet, http.MethodHead, http.MethodOptions} {
				for range 5 {
					h.ask(method, path+"?List-Unsubscribe=One-Click", "", "Purpose", "prefetch", "Sec-Purpose", "prefetch;prerender")
				}
			}
			h.ask(http.MethodGet, path, "List-Unsubscribe=One-Click", "Content-Type", "application/x-www-form-urlencoded")
		}
	}
	after, err := h.store.Pulse(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if fmt.Sprint(before) != fmt.Sprint(after) || h.state(waits) != subscribers.Pending || h.state(active) != subscribers.Active {
		t.Errorf("reading moved %+v to %+v, %s, %s", before, after, h.state(waits), h.state(active))
	}
}

func TestAPageWithATokenIsNotForSearchEngines(t *testing.T) {
	h := newHouse(t)
	n := h.reader("ann@example.com", subscribers.Active)
	got := h.ask(http.MethodGet, "/unsubscribe/"+h.links.Token(subscribers.ForUnsubscribe, n, time.Time{}), "").says(http.StatusOK, "noindex")
	if strings.Contains(got.text, "ann@") {
		t.Error("the page shows the address to whoever holds the link")
	}
}

// The token of the form on it is another one every time.
func TestWhoHasThePageAlreadyIsToldSoAndItsFormIsStillGood(t *testing.T) {
	h := newHouse(t)
	i := h.post(notifier.Announcement{Title: "Mail is late"})
	h.pass(time.Second)
	for _, path := range []string{"/", "/incidents/" + i.ID} {
		first := h.ask(http.MethodGet, path, "").says(http.StatusOK, `name="form"`)
		tag := first.header.Get("ETag")
		h.pass(30 * time.Second)
		again := h.ask(http.MethodGet, path, "", "If-None-Match", tag).says(http.StatusNotModified)
		if again.text != "" || again.header.Get("ETag") != tag {
			t.Errorf("%s: 304 with %q, %v", path, again.text, again.header)
		}
		in := first.hidden()
		in.Set("address", "ann@example.com")
		h.ask(http.MethodPost, "/subscribe", in.Encode(), "Content-Type", formType).says(http.StatusOK, "Now look at your mail")
		h.pass(gate.MostAge / 2) // then its form would soon be too old
		h.ask(http.MethodGet, path, "", "If-None-Match", tag).says(http.StatusOK, `name="form"`)
	}
	tag := h.ask(http.MethodGet, "/", "").header.Get("ETag")
	h.post(notifier.Announcement{Title: "Mail is lost"})
	h.ask(http.MethodGet, "/", "", "If-None-Match", tag).says(http.StatusOK, "Mail is lost")
}

func TestHowThePartsDoStandsAboveWhatWasPosted(t *testing.T) {
	h := newHouse(t)
	h.part("imap7", "IMAP seven")
	h.post(notifier.Announcement{Title: "Mail is late"})
	page := h.ask(http.MethodGet, "/", "").says(http.StatusOK, `class="parts"`, "<article").text
	if strings.Index(page, `class="parts"`) > strings.Index(page, "<article") {
		t.Error("one has to look for how the parts do below all posts")
	}
}
