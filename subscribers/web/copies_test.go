package web_test

import (
	"errors"
	"net/http"
	"sync"
	"testing"
	"time"

	"allclear/notifier"
	"allclear/subscribers"
)

func TestACrowdIsAnsweredFromOneReading(t *testing.T) {
	h := newHouse(t)
	h.changes = nil
	i := h.post(notifier.Announcement{Title: "Mail is late"})
	for _, path := range []string{"/", "/incidents/" + i.ID, "/history/2026-11", "/feed.atom", "/feed.json", "/maintenance.ics", "/badge.svg", "/api/v2/summary.json"} {
		h.ask(http.MethodGet, path, "").says(http.StatusOK)
		before := h.store.reads.Load()
		var crowd sync.WaitGroup
		for range 20 {
			crowd.Go(func() { h.ask(http.MethodGet, path, "").says(http.StatusOK) })
		}
		crowd.Wait()
		if n := h.store.reads.Load() - before; n != 0 {
			t.Errorf("%s: a crowd of 20 read the database %d times", path, n)
		}
		h.ask(http.MethodGet, path, "", "Accept-Language", "de").says(http.StatusOK)
	}
}

func TestWhatIsNewShowsWithinHalfASecond(t *testing.T) {
	h := newHouse(t)
	h.changes = nil
	h.ask(http.MethodGet, "/", "").says(http.StatusOK, "All clear")
	h.post(notifier.Announcement{Title: "Mail is late"})
	h.pass(499 * time.Millisecond)
	h.ask(http.MethodGet, "/", "").says(http.StatusOK, "All clear")
	h.pass(time.Millisecond)
	h.ask(http.MethodGet, "/", "").says(http.StatusOK, "Mail is late")
	h.pass(-time.Hour) // a clock that is put back must not keep a copy for an hour
	h.post(notifier.Announcement{Title: "Mail is lost"})
	h.ask(http.MethodGet, "/", "").says(http.StatusOK, "Mail is lost")
}

func TestWhoeverPostsSeesItAtOnce(t *testing.T) {
	h := newHouse(t)
	n := int64(1)
	h.changes = func() int64 { return n }
	h.ask(http.MethodGet, "/", "").says(http.StatusOK, "All clear")
	h.post(notifier.Announcement{Title: "Mail is late"})
	h.ask(http.MethodGet, "/", "").says(http.StatusOK, "All clear")
	n++
	h.ask(http.MethodGet, "/", "").says(http.StatusOK, "Mail is late")
}

func TestACopyIsKeptForEachLanguage(t *testing.T) {
	h := newHouse(t)
	h.changes = nil
	for range 2 {
		h.ask(http.MethodGet, "/", "", "Accept-Language", "de").says(http.StatusOK, "Alles in Ordnung", `<html lang="de"`)
		h.ask(http.MethodGet, "/", "", "Accept-Language", "en").says(http.StatusOK, "All clear", `<html lang="en"`)
	}
}

func TestTroubleIsNotCopied(t *testing.T) {
	h := newHouse(t)
	h.changes = nil
	h.store.unread = errors.New("the disk is gone")
	h.ask(http.MethodGet, "/", "").says(http.StatusInternalServerError, "Something went wrong here")
	h.ask(http.MethodGet, "/feed.atom", "").says(http.StatusInternalServerError)
	h.store.unread = nil
	h.ask(http.MethodGet, "/", "").says(http.StatusOK, "All clear")
	h.ask(http.MethodGet, "/feed.atom", "").says(http.StatusOK)
	h.ask(http.MethodGet, "/incidents/nosuch", "").says(http.StatusNotFound)
}

func TestAPageThatTheBrowserHasIsNotSentAgain(t *testing.T) {
	h := newHouse(t)
	h.reader("ann@example.com", subscribers.Active)
	tag := h.ask(http.MethodGet, "/", "").says(http.StatusOK).header.Get("ETag")
	got := h.ask(http.MethodGet, "/", "", "If-None-Match", tag).says(http.StatusNotModified)
	if got.text != "" || got.header.Get("ETag") != tag || got.header.Get("Vary") != "Accept-Language" {
		t.Errorf("%q, %v", got.text, got.header)
	}
	h.ask(http.MethodGet, "/", "", "If-None-Match", tag, "Accept-Language", "de").says(http.StatusOK, `lang="de"`)
	h.post(notifier.Announcement{Title: "Mail is late"})
	h.ask(http.MethodGet, "/", "", "If-None-Match", tag).says(http.StatusOK, "Mail is late")
}
