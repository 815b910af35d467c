package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"allclear/notifier"
	"allclear/store/storetest"
)

// desktop is a database with a person at the command line.
type desktop struct {
	t       *testing.T
	environ []string
}

func newDesktop(t *testing.T, dsn string) *desktop {
	t.Helper()
	d := &desktop{t: t, environ: []string{"ALLCLEAR_DATABASE=" + dsn, "USER=kari", "ALLCLEAR_TIMEZONE=Europe/Oslo"}}
	d.ok("migrate")
	return d
}

// ok runs a command that must succeed without a word on standard error.
func (d *desktop) ok(args ...string) string {
	d.t.Helper()
	code, out, errs := runOnce(d.t, d.environ, args...)
	if code != exitDone || errs != "" {
		d.t.Fatalf("%v: exit %d\n%s%s", args, code, out, errs)
	}
	return out
}

// refused runs a command that must fail with exit 1 and one line that holds want.
func (d *desktop) refused(want string, args ...string) {
	d.t.Helper()
	code, out, errs := runOnce(d.t, d.environ, args...)
	if code != exitFailed || out != "" || !strings.HasPrefix(errs, "allclear: ") || !strings.Contains(errs, want) || strings.Count(errs, "\n") != 1 {
		d.t.Errorf("%v: exit %d, %q %q; want one line with %q", args, code, out, errs, want)
	}
}

// shape replaces what differs from run to run.
func shape(out string) string {
	out = regexp.MustCompile(`\b[a-z2-7]{16}\b`).ReplaceAllString(out, "IDIDIDIDIDIDIDID")
	out = regexp.MustCompile(`\d{4}-\d\d-\d\d \d\d:\d\d(:\d\d)?Z`).ReplaceAllStringFunc(out, func(s string) string {
		return "2026-11-23 16:11:00"[:len(s)-1] + "Z"
	})
	return regexp.MustCompile(`\d{4}-\d\d-\d\d\b`).ReplaceAllString(out, "2026-11-23")
}

func TestTheCommandLineTellsAStoryFromBeginningToEnd(t *testing.T) {
	onBoth(t, func(t *testing.T, dsn string) {
		d := newDesktop(t, dsn)
		for _, step := range []struct{ line, want string }{
			{"component list", "no components yet; allclear component add KEY adds one\n"},
			{"component add imap7 --name=Mail_store_imap7 --group=Mail_stores", "added component imap7 (Mail store imap7), operational\n"},
			{"component add web", "added component web (web), operational\n"},
			{"component set imap7 --state partial_outage", "imap7 (Mail store imap7) is partial outage\n"},
			{"component list", "" +
				"KEY    STATE           GROUP        NAME\n" +
				"web    operational     -            web\n" +
				"imap7  partial outage  Mail stores  Mail store imap7\n"},
			{"subscriber add kari@example.com --active -c imap7 --zone Europe/Oslo", "added s1 kari@example.com, active\n"},
			{"subscriber add ola@example.org", "added s2 ola@example.org, asked to confirm\n"},
			{"subscriber list", "" +
				"ID  STATE    CADENCE  COMPONENTS  ADDRESS\n" +
				"s1  active   instant  imap7       kari@example.com\n" +
				"s2  pending  instant  all         ola@example.org\n"},
			{"subscriber show s1", "" +
				"s1  kari@example.com\nstate       active\ncadence     instant\ncomponents  imap7\nseverity    none and up\nkinds       all\n" +
				"time zone   Europe/Oslo\nlanguage    the service's\nsince       2026-11-23 16:11:00Z\nconfirmed   2026-11-23 16:11:00Z\n"},
			{"subscriber export", "" +
				"channel,address,components,severity,kinds,cadence,timezone,language,state,group,contact,incident,format,types,quiet,hour,weekday,critical,all_quiet,mine,second_channel,second_address\n" +
				"email,kari@example.com,imap7,none,,instant,Europe/Oslo,,active,,,,,,,,,,,,,\n" +
				"email,ola@example.org,,none,,instant,,,pending,,,,,,,,,,,,,\n"},
			{"incident open imap7_is_down --severity major -c imap7 -m Words.", "" +
				"opened incident IDIDIDIDIDIDIDID: imap7 is down\n" +
				"telling everyone who asked (event IDIDIDIDIDIDIDID); allclear incident show IDIDIDIDIDIDIDID follows it\n"},
			{"incident list", "" +
				"ID                OPENED             STATE          SEVERITY  TITLE\n" +
				"IDIDIDIDIDIDIDID  2026-11-23 16:11Z  investigating  major     imap7 is down\n"},
			{"suppression list", "no address is suppressed\n"},
			{"suppression add junk@example.net --note trap", "suppressed junk@example.net: nothing is sent to it any more\n"},
			{"suppression list", "SINCE              REASON  ADDRESS           NOTE\n2026-11-23 16:11Z  manual  junk@example.net  trap\n"},
			{"suppression remove junk@example.net", "junk@example.net may be written to again\n"},
			{"told nobody@example.com", "nothing was sent to nobody@example.com\n"},
			{"queue pause lane incident", "paused lane incident; allclear queue resume lane incident lets it go on\n"},
			{"queue status", "nothing waits\npaused: lane incident, by local:kari since 2026-11-23 16:11:00Z\n"},
			{"queue resume lane incident", "lane incident goes on\n"},
			{"queue status", "nothing waits\n"},
			{"token list", "no tokens; allclear token create --role poster --name monitor makes one\n"},
		} {
			args := strings.Fields(step.line)
			for i := range args {
				args[i] = strings.ReplaceAll(args[i], "_", " ")
				if strings.HasPrefix(args[i], "partial") {
					args[i] = "partial_outage"
				}
			}
			if got := shape(d.ok(args...)); got != step.want {
				t.Errorf("%s:\n%swant\n%s", step.line, got, step.want)
			}
		}
		d.refused("there is a component \"imap7\" already", "component", "add", "imap7")
		d.refused(`no component "x"`, "component", "remove", "x")
		d.refused("subscribed already", "subscriber", "add", "kari@example.com")
		d.refused("no subscriber s9", "subscriber", "show", "s9")
		d.refused("components[0]", "incident", "open", "x", "-c", "nowhere")
		d.refused("title: must not be empty", "incident", "open", " ")
		d.refused(`"19 o'clock" is no time`, "incident", "open", "x", "--at", "19 o'clock")
		d.refused(`no incident "abc"`, "incident", "resolve", "abc")
		d.refused("is not suppressed", "suppression", "remove", "a@example.com")
		d.refused("line break", "suppression", "add", "a@example.com\r\nRCPT TO:<b@example.com>")
		d.refused("is not one of viewer", "token", "create", "--role", "king", "--name", "x")
		d.refused("is not one of all, channel, lane, relay, domain", "queue", "pause", "everything")
		d.refused("no delivery 1-99", "queue", "retry", "1-99")
		d.refused("no event", "queue", "retry", "abc")
		d.refused("no token", "token", "revoke", "abc")
		d.refused(`kind: "foo" is not one of incident, maintenance, post`, "incident", "list", "--kind", "foo")
		d.refused(`state: "foo" is not one of pending, active`, "subscriber", "list", "--state", "foo")
		d.refused(`lang: there are no texts in "pt"; there are en, ar, de, es, fr, ja`, "templates", "render", "--lang", "pt", "incident-created")
		d.refused(`zone: "Oslo" is no time zone`, "templates", "render", "--zone", "Oslo", "incident-created")
	})
}

func TestAnIncidentIsToldToItsEndOnTheCommandLine(t *testing.T) {
	d := newDesktop(t, storetest.DSN(t, "sqlite"))
	var opened struct {
		ID      string  `json:"id"`
		EventID *string `json:"event_id"`
	}
	if err := json.Unmarshal([]byte(d.ok("incident", "open", "Draft of a maintenance", "--kind", "maintenance", "--starts-at", "+2h", "--ends-at", "+3h", "--draft", "-m", "Soon.", "--json")), &opened); err != nil || opened.EventID != nil {
		t.Fatalf("opened %+v, %v", opened, err)
	}
	d.ok("incident", "publish", opened.ID)
	d.ok("incident", "update", opened.ID, "--status", "in_progress", "-m", "We begin.")
	d.ok("incident", "correct", opened.ID, "--title", "Moving imap7")
	if out := d.ok("incident", "resolve", opened.ID, "-m", "Done.", "--quiet"); !strings.HasPrefix(out, "completed maintenance "+opened.ID) {
		t.Errorf("resolve: %q", out)
	}
	d.refused("this is completed already, since ", "incident", "resolve", opened.ID, "--quiet")
	shown := d.ok("incident", "show", opened.ID)
	for _, want := range []string{"Moving imap7\n", "completed", "\n  We begin.\n", "\n  Done.\n", "mail: ", "nobody to tell"} {
		if !strings.Contains(shown, want) {
			t.Errorf("no %q in\n%s", want, shown)
		}
	}
	d.ok("incident", "retract", opened.ID)
	d.refused("retracted", "incident", "update", opened.ID, "-m", "x")
	code, _, errs := runOnce(t, d.environ, "incident", "open", "Late", "-m", "It began at 16:11.", "--quiet")
	if code != exitDone || !strings.HasPrefix(errs, "warning: ") || !strings.Contains(errs, "16:11") {
		t.Errorf("a bare clock time: exit %d, %q", code, errs)
	}
	if code, _, errs := runWith(t, "From a file.\n", d.environ, "incident", "open", "Filed", "--body-file", "-"); code != exitDone || errs != "" {
		t.Errorf("a body from standard input: exit %d, %q", code, errs)
	}
}

func TestATokenIsPrintedAloneAndOnce(t *testing.T) {
	d := newDesktop(t, storetest.DSN(t, "sqlite"))
	token := d.ok("token", "create", "--role", "poster", "--name", "monitor")
	if !regexp.MustCompile(`^actk_[A-Za-z0-9_-]{43}\n$`).MatchString(token) {
		t.Fatalf("printed %q", token)
	}
	list := d.ok("token", "list")
	if strings.Contains(list, strings.TrimSpace(token)) || !strings.Contains(list, "poster  good") {
		t.Errorf("list:\n%s", list)
	}
	d.ok("token", "revoke", strings.Fields(list)[5])
	if list := d.ok("token", "list"); !strings.Contains(list, "revoked") {
		t.Errorf("list:\n%s", list)
	}
}

func TestAPersonOfTheStaffGetsALinkThatIsPrintedAlone(t *testing.T) {
	onBoth(t, func(t *testing.T, dsn string) {
		d := newDesktop(t, dsn)
		link := d.ok("staff", "add", "ann", "--role", "admin")
		if !regexp.MustCompile(`^http://127\.0\.0\.1:8080/console/set-up/[A-Za-z0-9_-]{43}\n$`).MatchString(link) {
			t.Errorf("printed %q", link)
		}
		d.refused("already", "staff", "add", "ann", "--role", "admin")
		d.refused("a-z", "staff", "add", "Ann B", "--role", "admin")
		d.refused("is not one of viewer", "staff", "add", "kari", "--role", "king")
		if again := d.ok("staff", "reset", "ann", "--base-url", "https://status.example.com"); again == link || !strings.HasPrefix(again, "https://status.example.com/console/set-up/") {
			t.Errorf("printed %q", again)
		}
		if list := d.ok("staff", "list"); !strings.Contains(list, "ann   admin  has a link until") || strings.Contains(list, "/set-up/") {
			t.Errorf("list:\n%s", list)
		}
		d.ok("staff", "remove", "ann")
		d.refused("no member of staff", "staff", "remove", "ann")
		d.refused("no member of staff", "staff", "reset", "ann")
		if list := d.ok("staff", "list"); !strings.Contains(list, "nobody") {
			t.Errorf("list:\n%s", list)
		}
	})
}

func TestAFileOfSubscribersComesInExceptForItsWrongLines(t *testing.T) {
	onBoth(t, func(t *testing.T, dsn string) {
		d := newDesktop(t, dsn)
		d.ok("component", "add", "web")
		file := keep(t, "readers.csv", "\ufeffemail;components;timezone;state\r\n"+
			"a@example.com;web;Europe/Oslo;active\r\n"+
			"b@example.com;nowhere;;active\r\n"+
			"not an address;;;active\r\n"+
			"c@example.com;;Mars/Phobos;active\r\n"+
			"d@example.com;;;active\r\n")
		for _, args := range [][]string{{"subscriber", "import", file, "--dry-run"}, {"subscriber", "import", file}} {
			code, out, errs := runOnce(t, d.environ, args...)
			if code != exitFailed || !strings.HasSuffix(out, "5 rows: 2 added: 2 active; 0 changed, 0 unchanged, 0 suppressed, 3 wrong\n") {
				t.Errorf("%v: exit %d, %q", args, code, out)
			}
			for _, want := range []string{"line 3: components", "line 4: address: ", "line 5: timezone: "} {
				if !strings.Contains(errs, want) {
					t.Errorf("%v: no %q in\n%s", args, want, errs)
				}
			}
			dry := len(args) == 4
			if strings.HasPrefix(out, "dry run, nothing was written: ") != dry {
				t.Errorf("%v: %q", args, out)
			}
			if n := strings.Count(d.ok("subscriber", "export"), "\n") - 1; dry && n != 0 || !dry && n != 2 {
				t.Errorf("%v: %d subscribers", args, n)
			}
		}
		again := keep(t, "again.csv", d.ok("subscriber", "export"))
		if out := d.ok("subscriber", "import", again); !strings.Contains(out, "2 unchanged") {
			t.Errorf("its own export: %q", out)
		}
		code, _, errs := runWith(t, "name\nx\n", d.environ, "subscriber", "import", "-")
		if code != exitFailed || !strings.Contains(errs, `"name" is not a known column`) || strings.Count(errs, "\n") != 1 {
			t.Errorf("a wrong header: exit %d, %q", code, errs)
		}
		d.refused("no such file", "subscriber", "import", "/nowhere.csv")
	})
}

func TestCommandsThatCreateNothingSayThatThereIsNoDatabase(t *testing.T) {
	path := filepath.Join(t.TempDir(), "none.db")
	d := &desktop{t: t, environ: []string{"ALLCLEAR_DATABASE=" + path}}
	for _, line := range []string{"component list", "incident list", "subscriber export", "token list", "queue status", "told a@example.com"} {
		d.refused("no database at "+path, strings.Fields(line)...)
	}
	if _, err := os.Stat(path); err == nil {
		t.Error("a database was made")
	}
}

func TestADatabaseThatCannotBeReachedIsOneClearLineWithoutItsPassword(t *testing.T) {
	code, _, errs := runOnce(t, []string{"ALLCLEAR_DATABASE=postgres://u:geheim@127.0.0.1:1/x?connect_timeout=2"}, "component", "list")
	if code != exitFailed || strings.Count(errs, "\n") != 1 || strings.Contains(errs, "geheim") || !strings.Contains(errs, "127.0.0.1:1") {
		t.Errorf("exit %d, %q", code, errs)
	}
}

func TestAKeyIsWrittenForItsOwnerAndOnlyItsRecordIsPrinted(t *testing.T) {
	d := &desktop{t: t}
	for algorithm, want := range map[string]string{"rsa": `^s2026\._domainkey\.example\.com TXT "v=DKIM1; k=rsa; p=[A-Za-z0-9+/=]+"\n$`, "ed25519": `^s2026\._domainkey\.example\.com TXT "v=DKIM1; k=ed25519; p=[A-Za-z0-9+/=]{44}"\n$`} {
		file := filepath.Join(t.TempDir(), "key.pem")
		args := []string{"dkim", "generate", "--domain", "Example.com", "--selector", "s2026", "--algorithm", algorithm, "--out", file}
		record := d.ok(args...)
		if !regexp.MustCompile(want).MatchString(record) {
			t.Errorf("%s: printed %q", algorithm, record)
		}
		if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: the key file is %v, %v", algorithm, info.Mode(), err)
		}
		d.refused("exists already", args...)
		if got := d.ok("dkim", "dns", "--dkim", "example.com:s2026:"+file); got != record {
			t.Errorf("dkim dns prints %q, generate %q", got, record)
		}
	}
	d.refused("is not one of rsa, ed25519", "dkim", "generate", "--domain", "example.com", "--selector", "s", "--algorithm", "dsa", "--out", filepath.Join(t.TempDir(), "k"))
}

func TestSubscribersAreListedByAStateThatThereIs(t *testing.T) {
	d := newDesktop(t, filepath.Join(t.TempDir(), "allclear.db"))
	d.ok("subscriber", "add", "ingrid@example.com", "--active")
	d.ok("subscriber", "add", "lars@example.com")
	if out := d.ok("subscriber", "list", "--state", "pending"); strings.Contains(out, "ingrid@") || !strings.Contains(out, "lars@example.com") {
		t.Errorf("the pending ones:\n%s", out)
	}
	d.refused(`"gone" is not one of pending, active, paused, quarantined, unsubscribed`, "subscriber", "list", "--state", "gone")
}

func TestATemplateIsRenderedWithDataOfOnesOwn(t *testing.T) {
	d := &desktop{t: t}
	folder := t.TempDir()
	file := filepath.Join(folder, "data.json")
	write := func(text string) {
		t.Helper()
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(d.ok("templates", "show", "incident-updated"))
	for _, format := range []string{"text", "html", "subject", "sms", "webhook", "statuspage", "slack", "teams", "discord"} {
		mine := d.ok("templates", "render", "incident-updated", "--data", file, "--format", format, "--language", "de", "--timezone", "Europe/Oslo")
		if want := d.ok("templates", "render", "incident-updated", "--as", format, "--lang", "de", "--zone", "Europe/Oslo"); mine != want {
			t.Errorf("%s of the sample as data is another:\n%s\nwant\n%s", format, mine, want)
		}
	}
	write(strings.Replace(d.ok("templates", "show", "incident-updated"), "imap7 does not answer", "The shelf burns", 1))
	if out := d.ok("templates", "render", "incident-updated", "--data", file, "--format", "sms"); !strings.Contains(out, "The shelf burns") {
		t.Errorf("%s", out)
	}
	write(`{"incident": {"title": "x", "updates": [{"status": "fixed", "at": "2026-11-23T10:00:00Z"}]}}`)
	d.refused(`incident.updates[0].status: "fixed" is not one of investigating`, "templates", "render", "incident-updated", "--data", file)
	d.refused("no such file", "templates", "render", "incident-updated", "--data", file+"x")
	d.refused("data: is for mails", "templates", "render", "page/home", "--data", file)
	d.refused("format: digest is only ever a mail", "templates", "render", "digest", "--format", "sms")
	if out := d.ok("templates", "show", "--data", "restore-completed"); !strings.Contains(out, `"subject": "Minutes of Thursday"`) {
		t.Errorf("%s", out)
	}
}

func TestATimeThatIsPastMayStandBehindItsFlag(t *testing.T) {
	d := newDesktop(t, storetest.DSN(t, "sqlite"))
	var list []struct {
		ID         string    `json:"id"`
		OpenedAt   time.Time `json:"opened_at"`
		ResolvedAt time.Time `json:"resolved_at"`
	}
	d.ok("incident", "open", "Late", "--at", "-20m", "--quiet")
	if err := json.Unmarshal([]byte(d.ok("incident", "list", "--json")), &list); err != nil || len(list) != 1 {
		t.Fatalf("%+v, %v", list, err)
	}
	if out := d.ok("incident", "resolve", list[0].ID, "--at", "-5m", "--quiet"); !strings.HasPrefix(out, "resolved incident ") {
		t.Errorf("resolve: %q", out)
	}
	if err := json.Unmarshal([]byte(d.ok("incident", "list", "--json")), &list); err != nil || list[0].ResolvedAt.Sub(list[0].OpenedAt).Round(time.Minute) != 15*time.Minute {
		t.Errorf("%+v, %v", list, err)
	}
	if got := joinTimes([]string{"x", "--at", "-x", "--", "--at", "-20m"}); len(got) != 6 {
		t.Errorf("joined %q", got)
	}
}

func TestAPostIsShownAsOne(t *testing.T) {
	d := newDesktop(t, storetest.DSN(t, "sqlite"))
	d.ok("incident", "open", "More room", "--kind", "post", "-m", "x", "--quiet")
	id := strings.Fields(strings.SplitN(d.ok("incident", "list"), "\n", 2)[1])[0]
	if out := d.ok("incident", "show", id); !strings.HasPrefix(out, "More room\npost "+id+"\n") {
		t.Errorf("shown:\n%s", out)
	}
}

func TestAnImportSaysWhoIsAskedToConfirm(t *testing.T) {
	d := newDesktop(t, storetest.DSN(t, "sqlite"))
	file := keep(t, "three.csv", "address,state\na@example.com,active\nb@example.com,\nc@example.com,\n")
	if out := d.ok("subscriber", "import", file, "--dry-run"); !strings.Contains(out, "3 added: 1 active, 2 pending, who would be asked to confirm; 0 changed") {
		t.Errorf("dry: %q", out)
	}
	if out := d.ok("subscriber", "import", file); !strings.Contains(out, "3 added: 1 active, 2 pending, who are asked to confirm; 0 changed") {
		t.Errorf("import: %q", out)
	}
	if out := d.ok("subscriber", "import", file); !strings.Contains(out, "3 rows: 0 added; 0 changed, 3 unchanged") {
		t.Errorf("again: %q", out)
	}
}

func TestAConfirmationIsNamedAsWhatItIs(t *testing.T) {
	if s := subjectOf(notifier.Story{Event: notifier.Event{ID: "x", Type: notifier.SubscriberConfirm}}); s.title != "confirmation" || s.event != "x" {
		t.Errorf("%+v", s)
	}
}

func TestAnIncidentIsShownWithItsNumbers(t *testing.T) {
	d := newDesktop(t, storetest.DSN(t, "sqlite"))
	d.ok("incident", "open", "Mail is late", "--delay-min", "2", "--delay-max", "10", "--error-rate", "0.0004", "--quiet")
	id := strings.Fields(strings.SplitN(d.ok("incident", "list"), "\n", 2)[1])[0]
	if out := d.ok("incident", "show", id); !strings.Contains(out, "\nnumbers     delay-min 2 min, delay-max 10 min, error-rate 0.04 %\n") {
		t.Errorf("%s", out)
	}
}
