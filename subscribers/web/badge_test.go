package web_test

import (
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"allclear/notifier"
	"allclear/subscribers"
)

func TestTheBadgeSaysInWordsHowThingsAreAndHowManyFollow(t *testing.T) {
	h := newHouse(t)
	for n := range 3 {
		h.reader(fmt.Sprintf("reader%d@example.com", n), subscribers.Active)
	}
	clear := h.ask(http.MethodGet, "/badge.svg", "").says(http.StatusOK, ">All clear</text>", ">3 followers</text>", `aria-label="Example Status: All clear, 3 followers"`, "#14713d")
	if kind := clear.header.Get("Content-Type"); kind != "image/svg+xml; charset=utf-8" {
		t.Errorf("Content-Type %q", kind)
	}
	h.post(notifier.Announcement{Title: "x", Severity: notifier.SeverityCritical})
	trouble := h.ask(http.MethodGet, "/badge.svg", "").says(http.StatusOK, ">The service has trouble</text>", "#a3123a")
	h.ask(http.MethodGet, "/badge.svg?language=de", "").says(http.StatusOK, ">Der Dienst ist gestört</text>", `xml:lang="de"`, "3 Follower")
	for _, text := range []string{clear.text, trouble.text} {
		d := xml.NewDecoder(strings.NewReader(text))
		for {
			tok, err := d.Token()
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				t.Fatalf("%v: %s", err, text)
			}
			if e, ok := tok.(xml.StartElement); ok {
				for _, a := range e.Attr {
					if a.Name.Local == "style" || e.Name.Local == "style" {
						t.Errorf("the policy forbids %v", e)
					}
				}
			}
		}
	}
}
