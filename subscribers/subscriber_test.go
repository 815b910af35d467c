package subscribers

import (
	"errors"
	"strings"
	"testing"
	"time"
	_ "time/tzdata" // the zones must not depend on the machine

	"pgregory.net/rapid"

	"allclear/notifier"
)

func TestASubscriberNeedsOnlyAnAddress(t *testing.T) {
	s := Subscriber{Address: " Ann@B.Example"}
	if err := s.Validate(); err != nil {
		t.Fatal(err)
	}
	if s.Address != "Ann@b.example" || s.Channel != notifier.Email || s.State != Pending || s.Cadence != Instant {
		t.Errorf("%+v", s)
	}
	before := s
	if err := s.Validate(); err != nil || s.Address != before.Address || s.State != before.State || s.Cadence != before.Cadence {
		t.Errorf("checking twice changes it: %+v, %v", s, err)
	}
}

func TestABadSubscriberNamesItsField(t *testing.T) {
	good := func() Subscriber { return Subscriber{Address: "a@b.example"} }
	for field, cases := range map[string][]func(*Subscriber){
		"address":       {func(s *Subscriber) { s.Address = "" }, func(s *Subscriber) { s.Address = "a@b.example\r\nx" }},
		"channel":       {func(s *Subscriber) { s.Channel = "fax" }},
		"format":        {func(s *Subscriber) { s.Format = notifier.FormatSlack }},
		"types":         {func(s *Subscriber) { s.Filter.Types = []notifier.EventType{notifier.IncidentCreated} }},
		"quiet":         {func(s *Subscriber) { s.Quiet = "22:00-07:00" }},
		"state":         {func(s *Subscriber) { s.State = "gone" }, func(s *Subscriber) { s.State = "Active" }},
		"cadence":       {func(s *Subscriber) { s.Cadence = "hourly" }},
		"hour":          {func(s *Subscriber) { s.Hour = 25 }, func(s *Subscriber) { s.Hour = -1 }},
		"weekday":       {func(s *Subscriber) { s.Weekday = "mon" }},
		"timezone":      {func(s *Subscriber) { s.Timezone = "Europe/Nowhere" }, func(s *Subscriber) { s.Timezone = "Local" }, func(s *Subscriber) { s.Timezone = "../etc/passwd" }, func(s *Subscriber) { s.Timezone = "+02:00" }},
		"language":      {func(s *Subscriber) { s.Language = "english!" }, func(s *Subscriber) { s.Language = "e" }, func(s *Subscriber) { s.Language = "en_GB" }, func(s *Subscriber) { s.Language = "en-" + strings.Repeat("abcdefgh-", 5) + "x1" }},
		"components[0]": {func(s *Subscriber) { s.Filter.Components = []string{"A B"} }},
		"kinds[0]":      {func(s *Subscriber) { s.Filter.Kinds = []notifier.Kind{"x"} }},
		"severity":      {func(s *Subscriber) { s.Filter.Severity = -1 }},
	} {
		for n, spoil := range cases {
			s := good()
			spoil(&s)
			err := s.Validate()
			var invalid *notifier.Invalid
			if !errors.As(err, &invalid) || invalid.Field != field {
				t.Errorf("%s/%d: %v", field, n, err)
			}
		}
	}
}

func TestABadEndpointOrPhoneNamesItsField(t *testing.T) {
	hook := func() Subscriber {
		return Subscriber{Channel: notifier.Webhook, Address: "https://example.com/hook", Contact: "ops@example.com"}
	}
	phone := func() Subscriber { return Subscriber{Channel: notifier.SMS, Address: "+47 400 00 000"} }
	for _, c := range []struct {
		field string
		good  func() Subscriber
		spoil func(*Subscriber)
	}{
		{"address", hook, func(s *Subscriber) { s.Address = "https://user:pass@example.com/" }},
		{"format", hook, func(s *Subscriber) { s.Format = "xml" }},
		{"types[0]", hook, func(s *Subscriber) { s.Filter.Types = []notifier.EventType{notifier.SubscriberConfirm} }},
		{"contact", hook, func(s *Subscriber) { s.Contact = "" }},
		{"contact", hook, func(s *Subscriber) { s.Contact = "nobody" }},
		{"group", hook, func(s *Subscriber) { s.Group = true }},
		{"address", phone, func(s *Subscriber) { s.Address = "40000000" }},
		{"address", phone, func(s *Subscriber) { s.Address = "+47 1" }},
		{"quiet", phone, func(s *Subscriber) { s.Quiet = "22-7" }},
		{"cadence", phone, func(s *Subscriber) { s.Cadence = Daily }},
		{"cadence", hook, func(s *Subscriber) { s.Cadence = Weekly }},
		{"hour", phone, func(s *Subscriber) { s.Hour = 1 }},
		{"weekday", hook, func(s *Subscriber) { s.Weekday = "monday" }},
		{"critical", phone, func(s *Subscriber) { s.Critical = true }},
		{"types", phone, func(s *Subscriber) { s.Filter.Types = []notifier.EventType{notifier.IncidentCreated} }},
	} {
		s := c.good()
		if err := s.Validate(); err != nil {
			t.Fatalf("a good one: %v", err)
		}
		s = c.good()
		c.spoil(&s)
		var invalid *notifier.Invalid
		if err := s.Validate(); !errors.As(err, &invalid) || invalid.Field != c.field {
			t.Errorf("%s: %v", c.field, err)
		}
	}
}

func TestAnEndpointIsKeptInOneSpelling(t *testing.T) {
	for in, want := range map[string]string{
		" HTTPS://Example.COM:443/Hook?x=1 ": "https://example.com/Hook?x=1",
		"https://bücher.example/":            "https://xn--bcher-kva.example/",
		"https://example.com.:8443":          "https://example.com:8443",
		"http://[::1]:80/x":                  "http://[::1]/x",
	} {
		if got, err := ParseEndpoint(in); err != nil || got != want {
			t.Errorf("%q: %q, %v", in, got, err)
		}
	}
	for _, in := range []string{"", "ftp://example.com/", "example.com/hook", "https://", "https://a b.example/", "https://example.com/#x", "https://example.com/\n", "https://example.com\\@evil.example/", "https://-.example/", "https://example.com/" + strings.Repeat("x", maxEndpoint)} {
		if got, err := ParseEndpoint(in); err == nil {
			t.Errorf("%q was taken as %q", in, got)
		}
	}
}

func TestEveryStateZoneAndLanguageInUseIsAccepted(t *testing.T) {
	for _, state := range States {
		for _, zone := range []string{"", "UTC", "Europe/Oslo", "America/Argentina/Buenos_Aires"} {
			for _, lang := range []string{"", "en", "pt-BR", "zh-Hant-TW", "nb"} {
				s := Subscriber{Address: "a@b.example", State: state, Timezone: zone, Language: lang, Cadence: Milestones}
				if err := s.Validate(); err != nil {
					t.Errorf("%s %s %s: %v", state, zone, lang, err)
				}
			}
		}
	}
}

func TestASubscribersIDReadsBackAndHasOneSpelling(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := Number(rapid.Int64Range(1, 1<<62).Draw(t, "n"))
		if back, err := ParseNumber(n.String()); err != nil || back != n {
			t.Fatalf("%s: %d, %v", n, back, err)
		}
	})
	for _, s := range []string{"", "s", "7", "s0", "s-1", "s+7", "s07", "ss7", "S7", "s7 ", "s9223372036854775808"} {
		if n, err := ParseNumber(s); !errors.Is(err, notifier.ErrNotFound) {
			t.Errorf("%q: %d, %v", s, n, err)
		}
	}
}

func TestAConfirmationReachesOnlyTheOneWhoAsked(t *testing.T) {
	s := Subscriber{Number: 7, Address: "a@b.example"}
	now := time.Date(2026, 11, 23, 15, 20, 0, 123456789, time.FixedZone("", 3600))
	e := s.ConfirmEvent(notifier.Desk{Now: now, NewID: func() string { return "id" }})
	if e.Reader != 7 || e.Type != notifier.SubscriberConfirm || e.Lane != notifier.LaneConfirm || e.ID != "id" || e.IncidentID != "" || e.Type.Closing() {
		t.Errorf("%+v", e)
	}
	if e.AcceptedAt.Location() != time.UTC || e.AcceptedAt.Nanosecond()%1000 != 0 || e.ExpiresAt.Sub(e.AcceptedAt) != notifier.ConfirmLife {
		t.Errorf("accepted %s, expires %s", e.AcceptedAt, e.ExpiresAt)
	}
}
