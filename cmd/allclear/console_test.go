package main

import (
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"allclear/store/storetest"
)

var consoleToken = regexp.MustCompile(`name="form" value="([^"]+)"`)

func TestWhoTheDemoNamesCanSignInOnTheConsole(t *testing.T) {
	s := boot(t, programOptions{settings: settingsFor(t, storetest.DSN(t, "sqlite"), mailboxRelay)})
	says, err := hireDemo(t.Context(), s.db)
	if err != nil {
		t.Fatal(err)
	}
	at := s.URL() + "/mailbox/"
	elsewhere := http.Header{"X-Forwarded-For": {"198.51.100.7"}}
	if got := knock(t, http.DefaultClient, at, elsewhere); got != http.StatusForbidden {
		t.Errorf("the mailbox answers anybody: %d", got)
	}
	people := regexp.MustCompile(`(\S+) +\((\w+)\)  password (\S+)  code (\S+)`).FindAllStringSubmatch(says, -1)
	if len(people) != 2 {
		t.Fatalf("it says %q", says)
	}
	for _, who := range people {
		jar, err := cookiejar.New(nil)
		if err != nil {
			t.Fatal(err)
		}
		browser := http.Client{Jar: jar}
		at := s.URL() + "/console/sign-in"
		page := string(fetch(t, &browser, http.MethodGet, at, nil))
		token := consoleToken.FindStringSubmatch(page)
		if token == nil {
			t.Fatalf("no form\n%s", page)
		}
		inside := string(fetch(t, &browser, http.MethodPost, at, url.Values{"form": {token[1]}, "name": {who[1]}, "password": {who[3]}, "code": {who[4]}}))
		if !strings.Contains(inside, fmt.Sprintf(`%s <span class="soft">(%s)</span>`, who[1], who[2])) {
			t.Errorf("%s is shown\n%s", who[1], inside)
		}
		if got := knock(t, &browser, s.URL()+"/mailbox/", elsewhere); got != http.StatusOK {
			t.Errorf("the mailbox answers %s with %d", who[1], got)
		}
	}
}

// knock asks for a page and returns the status.
func knock(t *testing.T, c *http.Client, at string, header http.Header) int {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, at, nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header = header.Clone()
	res, err := c.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	_ = res.Body.Close()
	return res.StatusCode
}

func fetch(t *testing.T, c *http.Client, method, at string, form url.Values) []byte {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, at, strings.NewReader(form.Encode()))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	res, err := c.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	body, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode != http.StatusOK {
		t.Fatalf("%s %s: %d, %v\n%s", method, at, res.StatusCode, err, body)
	}
	return body
}

// Where the public comes by https, so do the console's cookies, and by nothing else.
func TestCookiesOfAConsoleBehindHTTPSAreBoundToItsHost(t *testing.T) {
	settings := settingsFor(t, storetest.DSN(t, "sqlite"), mailboxRelay)
	settings.BaseURL = "https://status.example.com"
	s := boot(t, programOptions{settings: settings})
	res, err := http.Get(s.URL() + "/console/sign-in")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	if got := res.Header.Get("Set-Cookie"); !strings.HasPrefix(got, "__Host-allclear-door=") || !strings.Contains(got, "; Secure") || !strings.Contains(got, "; HttpOnly") {
		t.Errorf("cookie %q", got)
	}
}

func TestTheConsolesSettingsTellOfASecretOnlyThatItIsSet(t *testing.T) {
	settings := settingsFor(t, "postgres://allclear:hunter2@db.example.com/allclear", "smtp://status:hunter2@mail.example.com:587")
	settings.Secret, settings.SMS = "hunter2hunter2hunter2hunter2hunter2", "twilio://sid:hunter2@api.twilio.com?from=+4740000000"
	shown := map[string]string{}
	for _, x := range shownSettings(&settings) {
		shown[x.Name] = x.Value
		if strings.Contains(x.Value, "hunter2") {
			t.Errorf("%s is shown as %q", x.Name, x.Value)
		}
	}
	for _, name := range []string{"ALLCLEAR_DATABASE", "ALLCLEAR_RELAY", "ALLCLEAR_SECRET", "ALLCLEAR_SMS"} {
		if shown[name] != "set (not shown)" {
			t.Errorf("%s is shown as %q", name, shown[name])
		}
	}
	if shown["ALLCLEAR_FROM"] == "" || len(shown) < 20 {
		t.Errorf("%v", shown)
	}
}
