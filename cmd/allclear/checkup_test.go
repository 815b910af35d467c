package main

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"testing"

	"allclear/notifier"
	"allclear/notifier/email/emailtest"
)

func TestAPreflightTellsOfDNSAndTheRelayByEveryWay(t *testing.T) {
	relay := emailtest.NewServer(t, emailtest.Options{})
	dsn := filepath.Join(t.TempDir(), "a.db")
	o := programOptions{settings: settingsFor(t, dsn, relay.URL(""))}
	asked := 0
	o.settings.DKIM = makeKeys(t)
	o.lookupTXT = func(_ context.Context, name string) ([]string, error) {
		if name == "fjordpost.example" {
			asked++
			return []string{"v=spf1 mx -all"}, nil
		}
		return nil, &net.DNSError{IsNotFound: true}
	}
	var clock movingClock
	o.now = clock.now
	s := boot(t, o)
	relay.Close()
	d := newDesktop(t, dsn)
	out, _ := d.tells("notice", "create", "--title", "x", "--template", "blank", "--body", keep(t, "b", "Hello"), "--audience", keep(t, "a.csv", "email,channel\nann@example.com,\n+4791234567,sms\nhttps://example.com/x,webhook\n"))
	id := last(out)
	got := s.call("GET", "/notices/"+id+"/preflight", nil, 200)
	want := []string{"DKIM false rsa._domainkey.fjordpost.example has no TXT record", "DKIM false ed25519._domainkey", "SPF true fjordpost.example", "DMARC false publish _dmarc.fjordpost.example", "relay false does not answer"}
	checks, _ := got["checks"].([]any)
	if len(checks) != len(want) {
		t.Fatalf("%v", got["checks"])
	}
	for i, c := range checks {
		c := c.(map[string]any)
		for j, part := range strings.SplitN(want[i], " ", 3) {
			if said := fmt.Sprint(c[[]string{"name", "ok", "text"}[j]]); !strings.Contains(said, part) {
				t.Errorf("%v, want %s", c, want[i])
			}
		}
	}
	noPhones := "1 recipient is to be told by text message, and nothing reaches them: there is no gateway (ALLCLEAR_SMS)"
	if w := fmt.Sprint(got["warnings"]); !strings.Contains(w, noPhones) || !strings.Contains(w, "1 row of the file could not be used") {
		t.Errorf("warnings %s", w)
	}
	for _, wanted := range []int{1, 2} { // a second look within half a minute asks nobody
		if s.call("GET", "/notices/"+id+"/preflight", nil, 200); asked != wanted {
			t.Errorf("asked %d times, want %d", asked, wanted)
		}
		clock.forward(checkupFresh)
	}
	if p := d.ok("notice", "preflight", id); !strings.Contains(p, "warning: mail: DNS and relays were not looked at: ALLCLEAR_FROM (--from): is not set") || !strings.Contains(p, "warning: "+noPhones) {
		t.Errorf("without settings\n%s", p)
	}
	d.environ = append(d.environ, "ALLCLEAR_FROM=status@fjordpost.example", "ALLCLEAR_RELAY="+relay.URL(""), "ALLCLEAR_DKIM="+o.settings.DKIM)
	if p := d.ok("notice", "preflight", id); !strings.Contains(p, "warning: relay: "+strings.TrimPrefix(relay.URL(""), "smtp://")+" does not answer") {
		t.Errorf("the relay is stopped\n%s", p)
	}
}

func TestTheAuditTellsFromWhereATokenActed(t *testing.T) {
	o := programOptions{settings: settingsFor(t, filepath.Join(t.TempDir(), "a.db"), emailtest.NewServer(t, emailtest.Options{}).URL(""))}
	o.settings.TrustedProxies = "127.0.0.0/8"
	s := boot(t, o)
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.URL()+"/api/v1/components", strings.NewReader(`{"key":"imap7","name":"imap7"}`))
	if err != nil {
		t.Fatal(err)
	}
	r.Header = http.Header{"Authorization": {"Bearer " + s.token}, "Content-Type": {"application/json"}, "X-Forwarded-For": {"198.51.100.1, 203.0.113.77"}}
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	found, _, err := s.db.AuditLog(t.Context(), notifier.AuditQuery{Action: "component."})
	if err != nil || len(found) != 1 || !strings.HasPrefix(found[0].Actor, "token:") || found[0].Network != "203.0.113.0/24" {
		t.Errorf("%+v, %v", found, err)
	}
}
