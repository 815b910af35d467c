package subscribers

import (
	"errors"
	"testing"

	"allclear/notifier"
)

func TestOwnDomainsAreReadOrTheWrongOneIsNamed(t *testing.T) {
	own, err := ParseOwnDomains(" Example.COM=imap7, example.net = smtp ,")
	if err != nil || len(own) != 2 || own[0] != (OwnDomain{"example.com", "imap7"}) || own[1] != (OwnDomain{"example.net", "smtp"}) {
		t.Fatalf("%+v, %v", own, err)
	}
	if own, err := ParseOwnDomains(""); own != nil || err != nil {
		t.Errorf("%v, %v", own, err)
	}
	for _, bad := range []string{"example.com", "example.com=", "=imap7", "exa mple.com=imap7", "example.com=IMAP 7", "a.example=x,A.example=y"} {
		var wrong *notifier.Invalid
		if _, err := ParseOwnDomains(bad); !errors.As(err, &wrong) || wrong.Field != "domains" {
			t.Errorf("%q: %v", bad, err)
		}
	}
}

func TestAVeiledAddressShowsEnoughForWhoKnowsIt(t *testing.T) {
	for address, want := range map[string]string{"ann@example.com": "a…@example.com", "ø@example.com": "ø…@example.com", `"a@b"@example.com`: `"…@example.com`} {
		if got := Veil(address); got != want {
			t.Errorf("%s is shown as %s", address, got)
		}
	}
}

func TestASecondAddressMustHelpWhenTheFirstIsDown(t *testing.T) {
	own := []OwnDomain{{"example.com", "imap7"}, {"example.net", "imap7"}, {"example.org", "imap8"}}
	first := Subscriber{Number: 1, Channel: notifier.Email, Address: "ann@example.com"}
	for _, c := range []struct {
		first  func(Subscriber) Subscriber
		second Second
		fits   bool
	}{
		{nil, Second{Channel: notifier.Email, Address: "ann@elsewhere.example"}, true},
		{nil, Second{Channel: notifier.SMS, Address: "+4791234567"}, true},
		{nil, Second{Channel: notifier.Email, Address: "ann@example.org"}, true}, // of ours, but another machine
		{nil, Second{Channel: notifier.Email, Address: "ann@example.com"}, false},
		{nil, Second{Channel: notifier.Email, Address: "bob@example.com"}, false},
		{nil, Second{Channel: notifier.Email, Address: "ann@example.net"}, false}, // the same machine
		{func(s Subscriber) Subscriber { s.Address = "ann@foreign.example"; return s }, Second{Channel: notifier.Email, Address: "x@elsewhere.example"}, false},
		{func(s Subscriber) Subscriber { s.SecondOf = 7; return s }, Second{Channel: notifier.Email, Address: "x@elsewhere.example"}, false},
		{func(s Subscriber) Subscriber { s.Group = true; return s }, Second{Channel: notifier.Email, Address: "x@elsewhere.example"}, false},
	} {
		s := first
		if c.first != nil {
			s = c.first(s)
		}
		err := s.Suits(own, c.second)
		var wrong *notifier.Invalid
		if (err == nil) != c.fits || err != nil && (!errors.As(err, &wrong) || wrong.Field != "second") {
			t.Errorf("%+v for %s: %v", c.second, s.Address, err)
		}
	}
}
