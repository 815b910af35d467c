package main

import (
	"bytes"
	"encoding/json"
	"log/slog"
	"regexp"
	"strings"
	"testing"
	"time"

	"allclear/notifier"
	"allclear/subscribers"
)

func TestALinkToLeaveIsGoodForEverAndOneToConfirmForAWeek(t *testing.T) {
	l := links{subscribers.NewLinks(bytes.Repeat([]byte("k"), 32))}
	now := time.Date(2026, 11, 23, 16, 11, 0, 0, time.UTC)
	if n, err := l.Open(subscribers.ForUnsubscribe, l.Unsubscribe(17), now.AddDate(80, 0, 0)); err != nil || n != 17 {
		t.Errorf("to leave, after 80 years: %v, %v", n, err)
	}
	if token := l.Remove(17, "ops@example.com"); !l.About(token, "ops@example.com") || l.About(token, "mallory@example.com") {
		t.Error("to unsubscribe an endpoint: not about its contact")
	}
	token := l.Personal(notifier.SubscriberConfirm, 17, now, "ann@example.com")
	if n, err := l.Open(subscribers.ForConfirm, token, now.Add(notifier.ConfirmLife-time.Hour)); err != nil || n != 17 {
		t.Errorf("to confirm, within the week: %v, %v", n, err)
	}
	if _, err := l.Open(subscribers.ForConfirm, token, now.Add(notifier.ConfirmLife+2*time.Hour)); err == nil {
		t.Error("to confirm, after the week: still good")
	}
	if _, err := l.Open(subscribers.ForUnsubscribe, token, now); err == nil {
		t.Error("a link to confirm leaves")
	}
}

func TestTheLinksOfAnOwnerAndOfAMoveAreAboutThatOwnerAndThatMove(t *testing.T) {
	l := links{subscribers.NewLinks(bytes.Repeat([]byte("k"), 32))}
	now := time.Date(2026, 11, 23, 16, 11, 0, 0, time.UTC)
	owner := l.Personal(notifier.SubscriberOwner, 17, now, "boss@example.com")
	if n, err := l.Open(subscribers.ForOwner, owner, now); err != nil || n != 17 || !l.About(owner, "boss@example.com") || l.About(owner, "chief@example.com") {
		t.Errorf("%v, %v", n, err)
	}
	for kind, purpose := range map[notifier.EventType]subscribers.Purpose{notifier.SubscriberMoveFrom: subscribers.ForMoveFrom, notifier.SubscriberMoveTo: subscribers.ForMoveTo} {
		token := l.Personal(kind, 17, now, "ann@example.com")
		this, later := subscribers.Move{AskedAt: now}, subscribers.Move{AskedAt: now.Add(time.Microsecond)}
		if n, err := l.Open(purpose, token, now); err != nil || n != 17 || !l.About(token, this.About()) || l.About(token, later.About()) {
			t.Errorf("%s: %v, %v", kind, n, err)
		}
	}
}

func TestTheSendersNameIsTheSitesUnlessItHasOne(t *testing.T) {
	for from, want := range map[string]string{
		"status@example.com":              `"Fjordpost" <status@example.com>`,
		"Ops <status@Example.COM>":        `"Ops" <status@example.com>`,
		`"Status, all" <s@example.com>`:   `"Status, all" <s@example.com>`,
		"  Plain <status@example.com>   ": `"Plain" <status@example.com>`,
	} {
		m := Mail{From: from}
		a, err := m.sender("Fjordpost")
		if err != nil || a.String() != want {
			t.Errorf("%q: %v, %v; want %s", from, a, err, want)
		}
	}
	for _, from := range []string{"", "x", "a@b@c", "a@example.com, b@example.com", "a@example.com\r\nBcc: b@example.com", "<>"} {
		m := Mail{From: from}
		if a, err := m.sender("x"); err == nil {
			t.Errorf("%q is taken as %v", from, a)
		}
	}
}

func TestTheBaseURLIsSchemeAndHost(t *testing.T) {
	for given, want := range map[string]string{
		"": "http://here", "https://status.example.com": "https://status.example.com", "https://status.example.com/": "https://status.example.com",
		"http://[::1]:8080": "http://[::1]:8080",
	} {
		s := Site{BaseURL: given}
		if got, err := s.base("http://here"); err != nil || got != want {
			t.Errorf("%q: %q, %v", given, got, err)
		}
	}
	for _, given := range []string{"status.example.com", "ftp://x", "https://", "https://u:p@x", "https://x/status", "https://x?y", "https://x#y", "javascript:alert(1)"} {
		s := Site{BaseURL: given}
		if got, err := s.base(""); err == nil {
			t.Errorf("%q is taken as %q", given, got)
		}
	}
}

func TestTheLogIsTextOrJSONFromALevelOn(t *testing.T) {
	for setting, want := range map[string]struct{ machine, info, debug bool }{
		"": {false, true, false}, "json": {true, true, false}, "json,debug": {true, true, true}, "debug": {false, true, true}, "warn text": {false, false, false},
	} {
		var b bytes.Buffer
		log, err := logger(&b, setting, slog.LevelInfo)
		if err != nil {
			t.Fatalf("%q: %v", setting, err)
		}
		log.Info("one")
		log.Debug("two")
		log.Error("three")
		if got := strings.Contains(b.String(), "one"); got != want.info {
			t.Errorf("%q: info %v", setting, got)
		}
		if got := strings.Contains(b.String(), "two"); got != want.debug {
			t.Errorf("%q: debug %v", setting, got)
		}
		first, _, _ := strings.Cut(b.String(), "\n")
		if json.Valid([]byte(first)) != want.machine {
			t.Errorf("%q: %s", setting, first)
		}
	}
}

func TestAMeterTellsEveryTenthOnceWorkTakesLongerThanAMoment(t *testing.T) {
	var b bytes.Buffer
	now := time.Date(2026, 11, 23, 16, 11, 0, 0, time.UTC)
	m := (&app{world: &world{err: &b, now: func() time.Time { return now }}, env: &environment{}}).meter("mails", 1000)
	m.set(200)
	if b.Len() != 0 {
		t.Errorf("at once: %q", b.String())
	}
	now = now.Add(2 * moment)
	for _, n := range []int64{210, 290, 310, 305, 310, 999, 1000} {
		m.set(n)
	}
	m.close()
	want := "mails: 210 of 1,000\nmails: 310 of 1,000\nmails: 999 of 1,000\nmails: 1,000 of 1,000\n"
	if b.String() != want {
		t.Errorf("told %q, want %q", b.String(), want)
	}
}

func TestATimeOnTheCommandLineIsReadAsInATag(t *testing.T) {
	oslo, err := time.LoadLocation("Europe/Oslo")
	if err != nil {
		t.Fatal(err)
	}
	d := desk(time.Date(2026, 11, 23, 16, 11, 0, 0, time.UTC), oslo)
	for given, want := range map[string]string{
		"now": "2026-11-23T16:11:00Z", "-20m": "2026-11-23T15:51:00Z", "16:11": "2026-11-23T15:11:00Z",
		"2026-11-22 09:30 America/New_York": "2026-11-22T14:30:00Z", "2026-11-23T12:00:00+02:00": "2026-11-23T10:00:00Z",
	} {
		if got, err := instant("at", given, d); err != nil || got.UTC().Format(time.RFC3339) != want {
			t.Errorf("%q: %v, %v; want %s", given, got, err, want)
		}
	}
	for _, given := range []string{"noon", `"}} x {{at "now`, "25:00", "16:11\n", "-20", " "} {
		if got, err := instant("at", given, d); err == nil {
			t.Errorf("%q is taken as %v", given, got)
		}
	}
	if got, err := instant("at", "", d); err != nil || !got.IsZero() {
		t.Errorf("nothing: %v, %v", got, err)
	}
}

func TestTheLogSaysOnceWhoseRSASigns(t *testing.T) {
	settings := Mail{From: "status@example.com", Relay: mailboxRelay, SMTPConnections: "1", DKIM: makeKeys(t)}
	for mode, want := range map[string]string{"go": `signer=go`, "": `signer=(libcrypto|go reason=.+)`, "auto": `signer=(libcrypto|go reason=.+)`} {
		var out bytes.Buffer
		settings.Signer = mode
		m, err := settings.readMail("x", slog.New(slog.NewTextHandler(&out, nil)))
		if err != nil {
			t.Fatal(err)
		}
		if lines := strings.Count(out.String(), "\n"); lines != 1 || !regexp.MustCompile(`level=INFO msg=signing `+want+`\n$`).MatchString(out.String()) {
			t.Errorf("%q: %q", mode, out.String())
		}
		if err := m.close(); err != nil {
			t.Error(err)
		}
	}
	var out bytes.Buffer
	settings.DKIM = ""
	if _, err := settings.readMail("x", slog.New(slog.NewTextHandler(&out, nil))); err != nil || out.Len() > 0 {
		t.Errorf("without a key: %q, %v", out.String(), err)
	}
}
