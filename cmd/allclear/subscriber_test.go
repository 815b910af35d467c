package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"allclear/store/storetest"
)

// file writes a file for a command to read.
func (d *desktop) file(name, text string) string {
	d.t.Helper()
	path := filepath.Join(d.t.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		d.t.Fatal(err)
	}
	return path
}

func TestWhoLeftIsNotBroughtBackUnasked(t *testing.T) {
	onBoth(t, func(t *testing.T, dsn string) {
		d := newDesktop(t, dsn)
		d.ok("subscriber", "add", "kari@example.com", "--active")
		d.ok("subscriber", "import", "--overwrite", d.file("left.csv", "address,state\nkari@example.com,unsubscribed\n"))
		d.refused("; add --again if it has asked to come back, or leave --active out and it is asked to confirm", "subscriber", "add", "kari@EXAMPLE.com", "--active")
		if got := d.ok("subscriber", "add", "kari@example.com"); !strings.Contains(got, "asked to confirm") {
			t.Error(got)
		}
		d.ok("subscriber", "import", "--overwrite", d.file("left.csv", "address,state\nkari@example.com,unsubscribed\n"))
		if got := d.ok("subscriber", "add", "kari@example.com", "--active", "--again"); got != "added s1 kari@example.com, active\n" {
			t.Error(got)
		}
		if data := d.ok("subscriber", "data", "kari@example.com"); !strings.Contains(data, "Added by local:kari, who said that this address agreed.") {
			t.Errorf("nothing tells who said so: %s", data)
		}
	})
}

func TestAnErasedAddressIsListedAsErasedAndNotAsAnAddress(t *testing.T) {
	onBoth(t, func(t *testing.T, dsn string) {
		d := newDesktop(t, dsn)
		d.ok("subscriber", "add", "kari@example.com", "--active")
		d.ok("subscriber", "erase", "kari@example.com", "--yes")
		if got := shape(d.ok("suppression", "list")); got != "SINCE              REASON  ADDRESS  NOTE\n2026-11-23 16:11Z  erased  erased   -\n" {
			t.Errorf("%q", got)
		}
	})
}

func TestARecipientWhoNeverSubscribedIsErasedByTheirAddress(t *testing.T) {
	onBoth(t, func(t *testing.T, dsn string) {
		d := newDesktop(t, dsn)
		file := d.file("who.csv", "email,subject\nKari@example.com,Invoice\nola@example.com,Minutes\n")
		d.ok("notice", "create", "--title", "Restore", "--template", "blank", "--body", d.file("body.md", "Hello"), "--audience", file)
		d.refused("nothing is kept of this address", "subscriber", "erase", "nobody@example.com", "--yes")
		if got := d.ok("subscriber", "erase", "kari@EXAMPLE.com", "--yes"); got != "erased an address that no subscriber has\n" {
			t.Error(got)
		}
		d.ok("subscriber", "add", "ola@example.com", "--active")
		if got := d.ok("subscriber", "erase", "OLA@example.com", "--yes"); got != "erased s1\n" {
			t.Error(got)
		}
		d.refused("nothing is kept of this address", "subscriber", "erase", "kari@example.com", "--yes")
		d.refused("no subscriber s1", "subscriber", "erase", "s1", "--yes")
	})
}

func TestWhatAnAddressIsAndWhatAnEndpointTakesIsSeenWithoutBeingNamed(t *testing.T) {
	onBoth(t, func(t *testing.T, dsn string) {
		d := newDesktop(t, dsn)
		d.ok("subscriber", "add", "https://hooks.slack.com/services/T/B/X", "--contact", "ops@example.com")
		d.ok("subscriber", "add", "https://discord.com/api/webhooks/1/x", "--contact", "ops@example.com", "--format", "standard")
		d.ok("subscriber", "import", d.file("doors.csv", "address,contact\nhttps://a.webhook.office.com/webhookb2/a,ops@example.com\n+4740000000,\nann@example.com,\n"))
		for address, want := range map[string]string{
			"https://hooks.slack.com/services/T/B/X": "format      slack", "https://discord.com/api/webhooks/1/x": "format      standard",
			"https://a.webhook.office.com/webhookb2/a": "format      teams", "+4740000000": "state       pending", "ann@example.com": "state       pending",
		} {
			if got := d.ok("subscriber", "show", address); !strings.Contains(got, want) {
				t.Errorf("%s: %s", address, got)
			}
		}
		d.refused("must begin with + and the country's code", "subscriber", "add", "0047 400 00 000")
		d.refused("no code is sent to (premium, service, satellite and the like)", "subscriber", "add", "+47 829 00 000")
		d.ok("subscriber", "add", "+47 829 00 000", "--active")
	})
}

func TestASubscriberIsShownWithWhatKeepsItFromBeingWrittenTo(t *testing.T) {
	onBoth(t, func(t *testing.T, dsn string) {
		d := newDesktop(t, dsn)
		d.ok("subscriber", "add", "https://example.com/hook", "--contact", "ops@example.com", "--types", "incident.created,incident.resolved", "--active")
		d.ok("subscriber", "add", "+4740000000", "--quiet", "22:00-07:00", "--active")
		d.ok("subscriber", "add", "https://example.com/new", "--contact", "ops@example.com")
		for who, want := range map[string]string{
			"s1": "types       incident.created, incident.resolved\n", "s2": "quiet       22:00-07:00\n", "s3": "waits       for ops@example.com to confirm by the link that was mailed\n",
		} {
			if got := d.ok("subscriber", "show", who); !strings.Contains(got, want) {
				t.Errorf("%s: %s", who, got)
			}
		}
		storetest.Exec(t, dsn,
			`UPDATE subscribers SET state = 'quarantined' WHERE number = 1`, `UPDATE endpoints SET disabled_at = 1795450260000000, disabled_why = 'gone' WHERE subscriber = 1`,
			`INSERT INTO suppressions (channel, address, reason, note, created_at) VALUES ('sms', '+4740000000', 'stop', '', 1795450260000000)`)
		for who, want := range map[string]string{
			"s1": "off         2026-11-23 16:11:00Z, it answered that it is gone (410); it is called again once it takes a test\n",
			"s2": "stopped     2026-11-23 16:11:00Z, by STOP: no texts are sent; START from this number begins them again\n",
		} {
			if got := d.ok("subscriber", "show", who); !strings.Contains(shape(got), want) {
				t.Errorf("%s: %s", who, got)
			}
		}
		var shown struct {
			Suppression struct{ Reason string }
			Endpoint    *struct {
				Why string `json:"disabled_why"`
			}
		}
		if err := json.Unmarshal([]byte(d.ok("subscriber", "show", "s1", "--json")), &shown); err != nil || shown.Endpoint == nil || shown.Endpoint.Why != "gone" {
			t.Errorf("%+v, %v", shown, err)
		}
		if err := json.Unmarshal([]byte(d.ok("subscriber", "show", "s2", "--json")), &shown); err != nil || shown.Suppression.Reason != "stop" {
			t.Errorf("%+v, %v", shown, err)
		}
	})
}

func TestAWebhookThatIsAddedAtAnAddressThatIsNotCalledIsWarnedOf(t *testing.T) {
	onBoth(t, func(t *testing.T, dsn string) {
		d := newDesktop(t, dsn)
		if out, errs := d.tells("subscriber", "add", "https://10.1.2.3/hook", "--contact", "ops@example.com"); !strings.HasPrefix(out, "added s1") || !strings.HasPrefix(errs, "warning: nothing is posted there: ") {
			t.Errorf("%q, %q", out, errs)
		}
		d.ok("subscriber", "add", "https://10.1.2.4/hook", "--contact", "ops@example.com", "--webhook-allow", "10.1.0.0/16")
	})
}
