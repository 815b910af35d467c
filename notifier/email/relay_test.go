package email

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"allclear/notifier"
)

func TestARelayURLSaysHowToReachTheRelay(t *testing.T) {
	for _, c := range []struct {
		url      string
		name     string
		implicit bool
		tls      TLSMode
		login    bool
	}{
		{"smtp://relay.example.com", "relay.example.com:587", false, TLSRequired, false},
		{"smtp://user:pass@relay.example.com:2525", "relay.example.com:2525", false, TLSRequired, true},
		{"smtps://user:p%40ss%2C@Relay.Example.com", "relay.example.com:465", true, TLSRequired, true},
		{"smtp://127.0.0.1:25", "127.0.0.1:25", false, TLSOpportunistic, false},
		{"smtp://localhost:25/", "localhost:25", false, TLSOpportunistic, false},
		{"smtp://[::1]:25", "[::1]:25", false, TLSOpportunistic, false},
		{"smtp://127.0.0.1:25?tls=required", "127.0.0.1:25", false, TLSRequired, false},
		{"smtp://10.0.0.1?tls=off", "10.0.0.1:587", false, TLSOff, false},
		{"smtp://mx.example.com?tls=opportunistic", "mx.example.com:587", false, TLSOpportunistic, false},
		{"smtps://127.0.0.1", "127.0.0.1:465", true, TLSRequired, false},
	} {
		got, err := ParseRelays(c.url)
		if err != nil {
			t.Errorf("%s: %v", c.url, err)
			continue
		}
		r := got[0]
		if r.Name != c.name || r.Implicit != c.implicit || r.TLS != c.tls || (r.login != nil) != c.login {
			t.Errorf("%s: got %s implicit=%v tls=%s login=%v", c.url, r.Name, r.Implicit, r.TLS, r.login != nil)
		}
	}
}

func TestRelaysKeepTheirOrderAndOptions(t *testing.T) {
	got, err := ParseRelays("smtp://a.test?connections=3&rate=2.5&max_messages=100&lanes=confirm+incident, smtps://b.test?lanes=routine&lanes=digest+bulk")
	if err != nil {
		t.Fatal(err)
	}
	a, b := got[0], got[1]
	if a.Connections != 3 || a.Rate != 2.5 || a.MaxMessages != 100 || !slices.Equal(a.Lanes, []notifier.Lane{notifier.LaneConfirm, notifier.LaneIncident}) {
		t.Errorf("first relay: %+v", a)
	}
	if !slices.Equal(b.Lanes, []notifier.Lane{notifier.LaneRoutine, notifier.LaneDigest, notifier.LaneBulk}) || b.Carries(notifier.LaneIncident) || !b.Carries(notifier.LaneBulk) {
		t.Errorf("second relay: %+v", b)
	}
}

func TestAWrongRelayURLIsOneClearErrorWithoutTheCredentials(t *testing.T) {
	for url, want := range map[string]string{
		"":                                  "must not be empty",
		"smtp://a.test,":                    "relay 2: is empty",
		"a.test:25":                         "is not a URL",
		"http://a.test":                     "smtp:// or smtps://",
		"smtp://":                           "names no host",
		"smtp://a.test:0":                   "port",
		"smtp://a.test:70000":               "port",
		"smtp://us er:secret@a.test":        "percent-encode",
		"smtp://user:se/cret@a.test":        "percent-encode",
		"smtp://user:12?secret@a.test":      "percent-encode",
		"smtp://user:12#secret@a.test":      "#",
		"smtp://user:%zzsecret@a.test":      "percent-encode",
		"smtp://user:pa,secret@a.test":      "percent-encode",
		"smtp://user:secret@a.test/path":    "path",
		"smtp://user@a.test":                "both a user and a password",
		"smtp://user:%0asecret@a.test":      "line breaks",
		"smtp://user:secret@a.test?tls=off": "never sent without TLS",
		"smtp://a.test?tls=maybe":           "tls= must be",
		"smtps://a.test?tls=off":            "always TLS",
		"smtp://a.test?connections=0":       "connections= must be a whole number from 1 to 1000",
		"smtp://a.test?connections=x":       "connections=",
		"smtp://a.test?rate=0":              "rate=",
		"smtp://a.test?rate=NaN":            "rate=",
		"smtp://a.test?max_messages=-1":     "max_messages=",
		"smtp://a.test?lanes=fast":          `"fast" is not one of`,
		"smtp://a.test?lanes=":              "names no lane",
		"smtp://a.test?lanes=incident":      "no relay carries the lane confirm",
		"smtp://a.test?speed=1":             `unknown option "speed"`,
		"smtp://a.test?rate=1&rate=2":       "given twice",
		"smtp://a_b c.test":                 "relay 1",
		"smtp://exa\u00e4mple.test":         "host",
	} {
		_, err := ParseRelays(url)
		var bad *notifier.Invalid
		if !errors.As(err, &bad) || bad.Field != "relay" {
			t.Errorf("%s: got %v; want an Invalid for relay", url, err)
			continue
		}
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %q does not say %q", url, err, want)
		}
		if strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: the error repeats the password: %q", url, err)
		}
	}
}

func TestNothingThatPrintsARelayShowsItsCredentials(t *testing.T) {
	got, err := ParseRelays("smtps://horse:battery@relay.example.com")
	if err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(got)
	if err != nil {
		t.Fatal(err)
	}
	out := string(text)
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q"} {
		out += fmt.Sprintf(verb, got) + fmt.Sprintf(verb, got[0]) + fmt.Sprintf(verb, &got[0]) + fmt.Sprintf(verb, struct{ R Relay }{got[0]})
	}
	if strings.Contains(out, "horse") || strings.Contains(out, "battery") {
		t.Errorf("credentials are shown in %s", out)
	}
}

func FuzzParseRelays(f *testing.F) {
	for _, s := range []string{"smtp://user:pass@host:587", "smtps://h", "smtp://[::1]:25?tls=off&lanes=bulk+digest", "smtp://a,smtp://b?rate=1", "smtp://%"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		relays, err := ParseRelays(s)
		if err != nil {
			var bad *notifier.Invalid
			if !errors.As(err, &bad) || strings.ContainsAny(err.Error(), "\r\n") {
				t.Fatalf("%q: %q is not one clear line", s, err)
			}
			return
		}
		for _, r := range relays {
			if r.Host == "" || r.Name == "" || r.TLS == "" || r.login != nil && r.TLS == TLSOff {
				t.Fatalf("%q: half a relay: %+v", s, r)
			}
		}
	})
}
