package main

import (
	"regexp"
	"strings"
	"testing"
)

func TestADraftIsEditedAtTheCommandLineAsByTheAPI(t *testing.T) {
	onBoth(t, func(t *testing.T, dsn string) {
		d := newDesktop(t, dsn)
		incident := regexp.MustCompile(`[a-z2-7]{16}`).FindString(d.ok("incident", "open", "imap7 is down", "--severity", "major", "-m", "x"))
		id := last(d.ok("notice", "create", "--title", "Restore", "--template", "restore-completed", "--subject", "Yours", "--body", keep(t, "b", "Hello")))
		if out := d.ok("notice", "edit", id, "--title", "Account", "--template", "account-affected", "--incident", incident, "--subject", "", "--body", keep(t, "c", "Dear {{name}}"), "--approvals", "2"); out != "notice "+id+" is draft: Account\n" {
			t.Errorf("printed %q", out)
		}
		want := map[string]any{"title": "Account", "template": "account-affected", "incident_id": incident, "subject": "", "body": "Dear {{name}}", "approvals_needed": 2.0}
		for range 2 {
			got := d.status(id)
			for field, value := range want {
				if got[field] != value {
					t.Errorf("%s is %v, want %v", field, got[field], value)
				}
			}
			d.ok("notice", "edit", id, "--body", keep(t, "e", ""), "--incident", "")
			want = map[string]any{"title": "Account", "incident_id": nil, "body": "", "approvals_needed": 2.0}
		}
		d.refused("may only be raised", "notice", "edit", id, "--approvals", "1")
		d.refused("is not one of restore-started", "notice", "edit", id, "--template", "restored")
		d.refused("{{at", "notice", "edit", id, "--body", keep(t, "f", `At {{at "soon"}}`))
		d.refused("no notice", "notice", "edit", "nosuch", "--title", "x")
		if code, _, errs := runOnce(t, d.environ, "notice", "edit", id); code != exitUsage || !strings.Contains(errs, "nothing is to be changed") {
			t.Errorf("exit %d, %q", code, errs)
		}
		if got := d.status(id); got["title"] != "Account" {
			t.Errorf("it is %v", got)
		}
	})
}
