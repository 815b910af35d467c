package web_test

import (
	"fmt"
	"net/http"
	"regexp"
	"testing"
	"time"

	"allclear/notifier"
)

func TestEveryMonthHasAPage(t *testing.T) {
	h := newHouse(t)
	h.ask(http.MethodGet, "/history", "").says(http.StatusOK, "<h1>November 2026</h1>", "<title>November 2026: nothing was posted · Example Status</title>", "Nothing was posted in November 2026").silent("Earlier:", "Later:")
	i := h.post(notifier.Announcement{Title: "Long ago", At: time.Date(2026, 8, 31, 23, 59, 59, 0, time.UTC), Body: "First words."})
	h.say(i.ID, notifier.Saying{Status: notifier.Resolved, Body: "Last words."})
	h.post(notifier.Announcement{Title: "Today", Kind: notifier.KindPost, Body: "x"})
	h.post(notifier.Announcement{Title: "Not yet", State: notifier.Draft})
	h.ask(http.MethodGet, "/history", "").says(http.StatusOK, "November 2026: 1 post ", "Today", `rel="prev" href="/history/2026-10"`).silent("Long ago", "Not yet", "Later:")
	h.ask(http.MethodGet, "/history/2026-10", "").says(http.StatusOK, "Nothing was posted in October 2026", `rel="prev" href="/history/2026-09"`, `rel="next" href="/history/2026-11"`)
	h.ask(http.MethodGet, "/history/2026-08", "").says(http.StatusOK, "August 2026: 1 post ", "Long ago", "Last words.", "/incidents/"+i.ID, "Later: September 2026").silent("Earlier:", "First words.")
	h.ask(http.MethodGet, "/history/2026-08", "", "Accept-Language", "de").says(http.StatusOK, "August 2026: 1 Meldung", "Später: September 2026")
	h.ask(http.MethodGet, "/", "").says(http.StatusOK, `href="/history"`)
}

func TestAMonthThatIsNoneOrHasNotBegunHasNoPage(t *testing.T) {
	h := newHouse(t)
	for _, month := range []string{"2026-12", "9999-01", "2026-13", "2026-00", "2026-1", "20261-1", "1969-12", "0000-01", "-001-01", "2026-11-01", "nonsense", "%00", "%ff"} {
		h.ask(http.MethodGet, "/history/"+month, "").says(http.StatusNotFound, "There is no such page")
	}
	h.ask(http.MethodGet, "/history/2026-11?cursor=nonsense!", "").says(http.StatusNotFound)
	h.ask(http.MethodGet, "/history/1970-01", "").says(http.StatusOK, "Nothing was posted in January 1970")
}

func TestABusyMonthHasSeveralPages(t *testing.T) {
	h := newHouse(t)
	for n := range 103 {
		h.post(notifier.Announcement{Title: fmt.Sprintf("Post number %03d.", n), Kind: notifier.KindPost, Body: "x"})
		h.pass(time.Second)
	}
	first := h.ask(http.MethodGet, "/history/2026-11", "").says(http.StatusOK, "Post number 102.", "Post number 003.").silent("Post number 002.", "100 posts")
	older := regexp.MustCompile(`href="(/history/2026-11\?cursor=[^"]+)"`).FindStringSubmatch(first.text)
	if older == nil {
		t.Fatal("nothing leads to the rest of the month")
	}
	h.ask(http.MethodGet, older[1], "").says(http.StatusOK, "Post number 002.", "Post number 000.").silent("Post number 003.", "?cursor=")
}
