package main

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"allclear/notifier"
	"allclear/notifier/email/emailtest"
)

// handset gets the texts that a gateway is given.
type handset struct {
	*httptest.Server
	mu    sync.Mutex
	texts []string
}

func newHandset(t *testing.T) *handset {
	t.Helper()
	h := &handset{}
	h.Server = httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		h.mu.Lock()
		defer h.mu.Unlock()
		h.texts = append(h.texts, string(body))
	}))
	t.Cleanup(h.Close)
	return h
}

// wait answers the n-th text.
func (h *handset) wait(t *testing.T, n int) string {
	t.Helper()
	var text string
	eventually(t, fmt.Sprintf("%d texts", n), func() bool {
		h.mu.Lock()
		defer h.mu.Unlock()
		if len(h.texts) < n {
			return false
		}
		text = h.texts[n-1]
		return true
	})
	return text
}

func (h *handset) count() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return len(h.texts)
}

// setting is the gateway's, as ALLCLEAR_SMS.
func (h *handset) setting(t *testing.T) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "gateway")
	if err := os.WriteFile(file, []byte("POST "+h.URL+"/\nX-To: {{.To}}\nX-Report: {{.Report}}\n\n{{.Text}}"), 0o600); err != nil {
		t.Fatal(err)
	}
	return "http-template:" + file + "?countries=US"
}

func TestAPhoneSignsUpByItsCodeHearsAndStopsWithAWord(t *testing.T) {
	onBoth(t, func(t *testing.T, dsn string) {
		const phone = "+12025550123"
		h, relay, clock := newHandset(t), emailtest.NewServer(t, emailtest.Options{}), &movingClock{}
		settings := settingsFor(t, dsn, relay.URL("tls=off"))
		settings.SMS = h.setting(t)
		s := boot(t, programOptions{settings: settings, now: clock.now})

		_, page := get(t, s.URL()+"/phone")
		form := hiddenFields(page)
		form.Set("address", "+1 (202) 555-0123")
		clock.forward(10 * time.Second) // a person reads before they press
		status, page := post(t, s.URL()+"/phone", form.Encode())
		if status != http.StatusOK {
			t.Fatalf("sign-up: %d %s", status, page)
		}
		code := regexp.MustCompile(`\b\d{6}\b`).FindString(h.wait(t, 1))
		answer := hiddenFields(page)
		wrong := url.Values{"address": answer["address"], "pass": answer["pass"], "code": {"000000"}}
		if code == "000000" {
			wrong.Set("code", "000001")
		}
		if status, _ := post(t, s.URL()+"/phone/code", wrong.Encode()); status != http.StatusUnprocessableEntity {
			t.Errorf("a wrong code: %d", status)
		}
		answer.Set("code", code[:3]+" "+code[3:])
		if status, page = post(t, s.URL()+"/phone/code", answer.Encode()); status != http.StatusOK {
			t.Fatalf("the code %s: %d %s", code, status, page)
		}

		incident, opened := s.announce("imap7 does not answer", nil)
		if sent := s.done(opened)[notifier.Sent]; sent != 1 {
			t.Fatalf("%d sent", sent)
		}
		text := h.wait(t, 2)
		if !strings.HasPrefix(text, "Fjordpost: ") || !strings.Contains(text, "imap7 does not answer") || !strings.Contains(text, "STOP") {
			t.Errorf("the text says %q", text)
		}
		short := regexp.MustCompile(`/s/[A-Za-z0-9_-]{16}`).FindString(text)
		if status, page := get(t, s.URL()+short); status != http.StatusOK || !strings.Contains(page, "555") && !strings.Contains(page, phone) {
			t.Errorf("the short link %s leads to %d", short, status)
		}

		inbound := s.intake.InboundURL()
		for range 3 {
			status, said := post(t, inbound, url.Values{"from": {phone}, "text": {"Stop please"}, "id": {"m1"}}.Encode())
			if status != http.StatusOK {
				t.Fatalf("STOP: %d %s", status, said)
			}
		}
		s.done(s.update(incident, "resolved", "All is well."))
		if n := h.count(); n != 2 {
			t.Errorf("%d texts; the last came behind a STOP", n)
		}
		if status, said := post(t, inbound, url.Values{"from": {phone}, "text": {"START"}, "id": {"m2"}}.Encode()); status != http.StatusOK || !strings.Contains(said, "Fjordpost") {
			t.Errorf("START: %d %q", status, said)
		}
		_, opened = s.announce("web is slow", nil)
		s.done(opened)
		if text := h.wait(t, 3); !strings.Contains(text, "web is slow") {
			t.Errorf("behind START came %q", text)
		}
	})
}

func TestANumberOfACountryThatIsNotServedIsToldSo(t *testing.T) {
	h, relay := newHandset(t), emailtest.NewServer(t, emailtest.Options{})
	settings := settingsFor(t, t.TempDir()+"/a.db", relay.URL("tls=off"))
	settings.SMS = h.setting(t)
	s := boot(t, programOptions{settings: settings})
	_, page := get(t, s.URL()+"/phone")
	form := hiddenFields(page)
	form.Set("address", "+4791234567")
	if status, _ := post(t, s.URL()+"/phone", form.Encode()); status != http.StatusUnprocessableEntity {
		t.Errorf("%d", status)
	}
	if h.count() != 0 {
		t.Error("a code was sent")
	}
}
