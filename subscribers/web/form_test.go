package web_test

import (
	"bytes"
	"errors"
	"mime/multipart"
	"net/http"
	"testing"

	"allclear/subscribers"
)

func TestAFormThatNoDatabaseKeepsIsRefusedOnEveryPage(t *testing.T) {
	h := newHouse(t)
	manage := h.manageLink(h.reader("ann@example.com", subscribers.Active))
	var files bytes.Buffer
	m := multipart.NewWriter(&files)
	if _, err := m.CreateFormFile("address", "ann.txt"); err != nil {
		t.Fatal(err)
	}
	if err := m.Close(); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{"/subscribe", "/link", manage} {
		for _, body := range []string{"address=%00", "address=%ff", "%00=x", "%ff=x", "incident=%00&address=ann@example.com", "address=%zz"} {
			if got := h.ask(http.MethodPost, path, body, "Content-Type", formType); got.status != http.StatusBadRequest {
				t.Errorf("%s with %s: %d", path, body, got.status)
			}
		}
		h.ask(http.MethodPost, path, files.String(), "Content-Type", m.FormDataContentType()).says(http.StatusBadRequest)
		h.ask(http.MethodPost, path, "{}", "Content-Type", "application/json").says(http.StatusBadRequest)
	}
}

func TestWhatIsNoIdOfAnIncidentIsNotLookedFor(t *testing.T) {
	h := newHouse(t)
	h.ask(http.MethodGet, "/subscribe", "").says(http.StatusOK)
	h.store.unread = errors.New("it was looked for")
	for _, id := range []string{"%00", "%ff", "%20", "a%0ab"} {
		h.ask(http.MethodGet, "/subscribe?incident="+id, "").says(http.StatusNotFound)
	}
	h.ask(http.MethodPost, "/subscribe", "address=ann@example.com&incident=a%0ab", "Content-Type", formType).says(http.StatusUnprocessableEntity, "not there any more")
}
