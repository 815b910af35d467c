package main

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"allclear/notifier/email/emailtest"
)

// Anybody can write, from any number and as often as they like; what is
// answered is paid for.
func TestWhatIsWrittenToUsIsAnsweredSeldomAndNotEverywhere(t *testing.T) {
	onBoth(t, func(t *testing.T, dsn string) {
		h, relay := newHandset(t), emailtest.NewServer(t, emailtest.Options{})
		settings := settingsFor(t, dsn, relay.URL("tls=off"))
		settings.SMS = h.setting(t) + "&budget=40"
		s := boot(t, programOptions{settings: settings})
		inbound, n := s.intake.InboundURL(), 0
		say := func(phone, text string) string {
			t.Helper()
			n++
			status, said := post(t, inbound, url.Values{"from": {phone}, "text": {text}, "id": {fmt.Sprint("m", n)}}.Encode())
			if status != http.StatusOK {
				t.Fatalf("%s: %d %s", text, status, said)
			}
			return said
		}
		answered := func(phone string, texts ...string) (k int) {
			for range 20 {
				for _, text := range texts {
					if say(phone, text) != "" {
						k++
					}
				}
			}
			return k
		}
		if k := answered("+12025550123", "HELP"); k != 3 {
			t.Errorf("HELP is answered %d times", k)
		}
		if k := answered("+12025550124", "STOP", "START"); k != 3 {
			t.Errorf("STOP and START are answered %d times", k)
		}
		for _, phone := range []string{"+4791234567", "+19005550123", "+882161234567"} {
			if k := answered(phone, "HELP", "STOP"); k != 0 {
				t.Errorf("%s, where nobody can sign up, is answered %d times", phone, k)
			}
		}
		if said := say("+12025550125", "HELP"); strings.Contains(said, "/s/") || !strings.Contains(said, s.URL()) {
			t.Errorf("whom nobody knows is told %q", said)
		}
		k := 0
		for i := range 60 {
			if say(fmt.Sprintf("+1202555%04d", 130+i), "HELP") != "" {
				k++
			}
		}
		if k == 0 || k >= 30 {
			t.Errorf("%d of 60 are answered", k)
		}
	})
}

// A telephone without a browser has this way to learn where its settings are.
func TestHelpTellsASubscriberWhereTheirSettingsAre(t *testing.T) {
	h, relay := newHandset(t), emailtest.NewServer(t, emailtest.Options{})
	settings := settingsFor(t, t.TempDir()+"/a.db", relay.URL("tls=off"))
	settings.SMS = h.setting(t)
	s := boot(t, programOptions{settings: settings})
	const phone = "+4791234567" // staff may add numbers of any country
	s.call("POST", "/subscribers", object{"channel": "sms", "address": phone, "state": "active", "language": "de"}, http.StatusCreated)
	_, said := post(t, s.intake.InboundURL(), url.Values{"from": {phone}, "text": {"help"}, "id": {"m1"}}.Encode())
	_, link, _ := strings.Cut(said, "Mehr: ")
	if !strings.Contains(said, "Fjordpost") || !strings.Contains(link, "/s/") {
		t.Fatalf("told %q", said)
	}
	if status, page := get(t, strings.TrimSpace(link)); status != http.StatusOK || !strings.Contains(page, phone[1:]) {
		t.Errorf("%s leads to %d", link, status)
	}
}
