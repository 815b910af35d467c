package subscribers_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"allclear/notifier"
	"allclear/subscribers"
)

func TestLeavingRemembersWhereItWasAndHow(t *testing.T) {
	now := time.Date(2026, 11, 23, 16, 11, 0, 0, time.UTC)
	s := subscribers.Subscriber{State: subscribers.Paused}
	s.Depart(subscribers.ByLink, now)
	s.Depart(subscribers.ByMove, now.Add(time.Hour)) // has left already
	if s.State != subscribers.Unsubscribed || !s.Unsubscribed.Equal(now) || s.Left != (subscribers.Leave{By: subscribers.ByLink, From: subscribers.Paused}) {
		t.Errorf("%+v", s)
	}
	late := s
	if late.Return(now.Add(2*subscribers.UndoLife + time.Second)) {
		t.Error("came back after hours")
	}
	if !s.Return(now.Add(2*subscribers.UndoLife)) || s.State != subscribers.Paused || s.Left != (subscribers.Leave{}) {
		t.Errorf("%+v", s)
	}
	if s.Return(now) {
		t.Error("who has not left came back")
	}
}

func TestAReasonIsOneLineOfPrintableText(t *testing.T) {
	for given, want := range map[string]string{
		"":                              "",
		" \t\r\n":                       "",
		"too\r\nmany  mails":            "too many mails",
		"a\x00b\x1b[31mc\u202ed":        "ab[31mcd",
		"می\u200cخواهم":                 "می\u200cخواهم",
		"\xff\xfeok":                    "ok",
		strings.Repeat("ü", 600):        strings.Repeat("ü", 500),
		strings.Repeat("x", 499) + " y": strings.Repeat("x", 499),
	} {
		if got := subscribers.CleanReason(given); got != want {
			t.Errorf("%q became %q", given, got)
		}
	}
}

func TestAGroupHasAnOwnerAndNobodyElseHas(t *testing.T) {
	for name, c := range map[string]struct {
		group   bool
		contact string
		says    string
	}{
		"alone": {false, "", ""}, "a group": {true, "Boss@Example.com", ""},
		"no owner": {true, "", "must not be empty"}, "an owner of nothing": {false, "boss@example.com", "only for a group"},
		"itself": {true, "ops@example.com", "another address"}, "no address": {true, "boss", "has no @"},
	} {
		s := subscribers.Subscriber{Address: "ops@example.com", Group: c.group, Contact: c.contact}
		err := s.Validate()
		var bad *notifier.Invalid
		switch {
		case c.says == "" && err != nil:
			t.Errorf("%s: %v", name, err)
		case c.says != "" && (!errors.As(err, &bad) || bad.Field != "contact" || !strings.Contains(bad.Message, c.says)):
			t.Errorf("%s: %v", name, err)
		}
		if name == "a group" && s.Contact != "Boss@example.com" {
			t.Errorf("kept %q", s.Contact)
		}
	}
}
