package main

import (
	"errors"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"allclear/notifier"
	"allclear/notifier/email/emailtest"
	"allclear/store/storetest"
	"allclear/subscribers"
)

func subjects(all []letter) string {
	var out []string
	for _, l := range all {
		out = append(out, l.subject)
	}
	return strings.Join(out, " | ")
}

func TestWhileTheMailboxIsTheOutageReadersAreToldElsewhereAndGetOneSummary(t *testing.T) {
	onBoth(t, func(t *testing.T, dsn string) {
		relay := emailtest.NewServer(t, emailtest.Options{})
		settings := settingsFor(t, dsn, relay.URL("tls=off"))
		settings.OwnDomains = "own.example=imap7"
		s := boot(t, programOptions{settings: settings})
		if !strings.Contains(s.log.String(), "names a component that there is not") {
			t.Error("no warning of the component")
		}
		s.call("POST", "/components", object{"key": "imap7", "name": "IMAP"}, http.StatusCreated)
		d := &desktop{t: t, environ: []string{"ALLCLEAR_DATABASE=" + dsn, "USER=kari"}}
		if out := d.ok("subscriber", "add", "ann@own.example", "--active", "--second", "ann@elsewhere.example"); !strings.Contains(out, "its second address is ann@elsewhere.example, active") {
			t.Errorf("added:\n%s", out)
		}
		if data := d.ok("subscriber", "data", "ann@elsewhere.example"); !strings.Contains(data, "who said that this address agreed.") {
			t.Errorf("%s", data)
		}
		d.refused("no gateway of text messages (ALLCLEAR_SMS)", "subscriber", "add", "cec@own.example", "--active", "--second", "+4791234567")
		follow(t, s.db, 1)

		incident, opened := s.announce("imap7 does not answer", object{"components": []string{"imap7"}})
		s.done(opened)
		s.done(s.update(incident, "identified", "A power supply has burnt out."))
		got := byReader(t, relay.Messages())
		if len(got["ann@own.example"]) != 0 || len(got["ann@elsewhere.example"]) != 2 || len(got["a1@example.com"]) != 2 {
			t.Fatalf("while it was down: %d at the first, %d at the second, %d of the others", len(got["ann@own.example"]), len(got["ann@elsewhere.example"]), len(got["a1@example.com"]))
		}
		if text := strings.Join(strings.Fields(got["ann@elsewhere.example"][0].text), " "); !strings.Contains(text, "this is the second address of the subscription of a=E2=80=A6@own.example") {
			t.Errorf("it does not say why it came:\n%s", text)
		}
		if out := d.ok("told", "ann@elsewhere.example"); !strings.Contains(out, "is the second address of ann@own.example") {
			t.Errorf("told for whom:\n%s", out)
		}
		if out := d.ok("told", "ann@elsewhere.example", "--json"); strings.Count(out, `"in_place_of":"ann@own.example"`) != 2 {
			t.Errorf("told for whom:\n%s", out)
		}
		s.stop() // and another process goes on
		s = boot(t, programOptions{settings: settings})
		s.done(s.update(incident, "resolved", "Everyone reads from the copy."))
		eventually(t, "the first address gets its summary", func() bool { return len(byReader(t, relay.Messages())["ann@own.example"]) > 0 })
		s.stop()
		s = boot(t, programOptions{settings: settings}) // to whom nothing is left to tell
		_, after := s.announce("The web is slow", object{"severity": "minor"})
		s.done(after)
		got = byReader(t, relay.Messages())
		if second := got["ann@elsewhere.example"]; len(second) != 3 || !strings.Contains(second[2].subject, "Resolved") {
			t.Errorf("at the second: %s", subjects(second))
		}
		first := got["ann@own.example"]
		if len(first) != 2 || !strings.Contains(first[0].subject, "own.example was down") || !strings.Contains(first[1].subject, "The web is slow") {
			t.Fatalf("at the first: %s", subjects(first))
		}
		if !strings.Contains(first[0].text, "imap7 does not answer") || !strings.Contains(first[0].text, "Resolved") {
			t.Errorf("the summary does not tell it:\n%s", first[0].text)
		}
		if out := d.ok("told", "ann@own.example"); !strings.Contains(out, "summary: own.example") {
			t.Errorf("the summary is not named:\n%s", out)
		}
		// An endpoint's secret is shown by its own number, which nothing else names.
		out := d.ok("subscriber", "add", "bea@own.example", "--active", "--second", "https://127.0.0.1:9/x")
		page, _, err := s.db.Subscribers(t.Context(), subscribers.Query{Channel: notifier.Webhook, Limit: 1})
		if err != nil || len(page) != 1 || !strings.Contains(out, "/subscribers/"+page[0].Number.String()+"/rotate-secret") {
			t.Errorf("added: %+v, %v\n%s", page, err, out)
		}
	})
}

func TestAnOwnDomainThatIsWrittenWrongStopsTheStart(t *testing.T) {
	settings := settingsFor(t, t.TempDir()+"/x.db", "mailbox:")
	settings.OwnDomains = "own.example"
	_, err := newProgram(t.Context(), programOptions{settings: settings, env: &environment{}})
	var bad *settingError
	if !errors.As(err, &bad) || bad.setting != "OWN_DOMAINS" {
		t.Errorf("%v", err)
	}
}

func TestACommandOnANewDatabaseTakesTheOwnDomainsFromItsOwnEnvironment(t *testing.T) {
	onBoth(t, func(t *testing.T, dsn string) {
		d := newDesktop(t, dsn)
		file := keep(t, "s.csv", "address,state,second_address\nann@own.example,active,ann@elsewhere.example\n")
		if code, _, errs := runOnce(t, d.environ, "subscriber", "import", "--dry-run", file); code != exitFailed || !strings.Contains(errs, "ALLCLEAR_OWN_DOMAINS") {
			t.Errorf("without it: exit %d, %s", code, errs)
		}
		plain := d.environ
		d.environ = append(slices.Clone(plain), "ALLCLEAR_OWN_DOMAINS=own.example=imap7")
		if out := d.ok("subscriber", "import", "--dry-run", file); !strings.Contains(out, "second addresses: 1 taken, 0 refused") {
			t.Errorf("tried: %s", out)
		}
		if code, _, _ := runOnce(t, plain, "subscriber", "import", "--dry-run", file); code != exitFailed {
			t.Error("trying it out kept the domains")
		}
		if out := d.ok("subscriber", "import", file); !strings.Contains(out, "second addresses: 1 taken, 0 refused") {
			t.Errorf("imported: %s", out)
		}
		d.ok("subscriber", "add", "bo@own.example", "--active", "--second", "bo@elsewhere.example")
		d.refused("no gateway of text messages", "subscriber", "add", "cy@own.example", "--active", "--second", "+4791234567")
		bounced := subscribers.Suppression{Channel: notifier.Email, Address: "bo@elsewhere.example", Reason: subscribers.ReasonBounce}
		if err := storetest.At(t, dsn)(storetest.Clock(time.Now)).Suppress(t.Context(), bounced); err != nil {
			t.Fatal(err)
		}
		if out := d.ok("told", "bo@elsewhere.example"); !strings.Contains(out, "is the second address of bo@own.example, suppressed (bounce): updates go to the first address") {
			t.Errorf("told: %s", out)
		}
	})
}

func TestACommandDoesNotChangeWhatAServiceSaidOfTheGatewayAndTheOwnDomains(t *testing.T) {
	onBoth(t, func(t *testing.T, dsn string) {
		d := newDesktop(t, dsn)
		db := storetest.At(t, dsn)(storetest.Clock(time.Now))
		kept := func() (open bool, own []subscribers.OwnDomain) {
			t.Helper()
			open, err := db.DoorOpen(t.Context(), notifier.SMS)
			own, ownErr := db.OwnDomains(t.Context())
			if err := errors.Join(err, ownErr); err != nil {
				t.Fatal(err)
			}
			return open, own
		}
		plain := d.environ
		d.environ = append(slices.Clone(plain), "ALLCLEAR_OWN_DOMAINS=own.example=imap7")
		file := keep(t, "s.csv", "address,state\nann@own.example,active\n")
		d.ok("subscriber", "import", "--dry-run", file)
		if open, own := kept(); !open || len(own) > 0 {
			t.Errorf("a dry run where nobody said anything kept: open %t, %v", open, own)
		}
		for _, said := range []bool{true, false} { // the service has a gateway, then none, and no own domains
			if _, err := db.SetDoor(t.Context(), notifier.SMS, said); err != nil {
				t.Fatal(err)
			}
			for _, how := range [][]string{{"--dry-run", file}, {file}} {
				d.ok(append([]string{"subscriber", "import"}, how...)...)
				if open, own := kept(); open != said || len(own) > 0 {
					t.Errorf("%q where the service said %t: open %t, %v", how, said, open, own)
				}
			}
		}
	})
}

func TestAServiceStartsWhereItCannotWriteWhetherThereIsAGateway(t *testing.T) {
	dsn := storetest.DSN(t, "sqlite")
	_ = storetest.At(t, dsn)(storetest.Clock(time.Now)).Close() // makes the schema
	if _, err := storetest.SQL(t, dsn).ExecContext(t.Context(), `CREATE TRIGGER shut BEFORE INSERT ON doors BEGIN SELECT RAISE(ABORT, 'takes no writes'); END`); err != nil {
		t.Fatal(err)
	}
	s := boot(t, programOptions{settings: settingsFor(t, dsn, "mailbox:")})
	if !strings.Contains(s.log.String(), "tell whether there is a gateway of text messages") {
		t.Error("no warning")
	}
}
