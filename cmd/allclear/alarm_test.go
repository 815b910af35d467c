package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"allclear/notifier"
	"allclear/notifier/alarm"
	"allclear/notifier/email"
	"allclear/notifier/email/emailtest"
	"allclear/store/storetest"
)

// alarmSaid is what an endpoint of ALLCLEAR_ALERT was posted.
type alarmSaid struct {
	Type, About, State, Title, Text, URL string
	Since                                time.Time
	Over                                 *time.Time
}

func (c *customer) alarms(t *testing.T) (out []alarmSaid) {
	t.Helper()
	for _, x := range c.calls() {
		var a alarmSaid
		if err := json.Unmarshal(x.body, &a); err != nil || a.Type != "alarm" {
			t.Fatalf("posted %s: %v", x.body, err)
		}
		out = append(out, a)
	}
	return out
}

// alarm waits until one is posted that is about something and stands so.
func (s *service) alarm(c *customer, about, state string) alarmSaid {
	s.t.Helper()
	return s.alarmAfter(c, about, state, nil, 0)
}

// alarmAfter is alarm where a look has to come some time after another: the
// clock is put forward again and again, so seldom that looks come in between.
func (s *service) alarmAfter(c *customer, about, state string, clock *movingClock, step time.Duration) alarmSaid {
	s.t.Helper()
	var found alarmSaid
	var put time.Time
	eventually(s.t, about+" is told of as "+state, func() bool {
		if clock != nil && time.Since(put) > time.Second {
			clock.forward(step)
			put = time.Now()
		}
		s.alarms.Nudge()
		said := c.alarms(s.t)
		i := slices.IndexFunc(said, func(a alarmSaid) bool { return a.About == about && a.State == state })
		if i >= 0 {
			found = said[i]
		}
		return i >= 0
	})
	return found
}

// alarmed is a service on a clock of its own that tells c and a mail address of trouble.
func alarmed(t *testing.T, dsn, relays string, c *customer, clock *movingClock, change ...func(*programOptions)) *service {
	t.Helper()
	settings := settingsFor(t, dsn, relays)
	settings.WebhookAllow = "127.0.0.0/8"
	settings.Alert = "ops@fjordpost.example, " + c.URL + "/hooks/geheim"
	o := programOptions{settings: settings, now: clock.now}
	for _, f := range change {
		f(&o)
	}
	return boot(t, o)
}

func TestStaffAreToldOfARelayThatGoesAwayAndComesBack(t *testing.T) {
	onBoth(t, func(t *testing.T, dsn string) {
		var clock movingClock
		c := newCustomer(t)
		first, second := emailtest.NewServer(t, emailtest.Options{}), emailtest.NewServer(t, emailtest.Options{})
		s := alarmed(t, dsn, first.URL("tls=off")+","+second.URL("tls=off"), c, &clock)
		follow(t, s.db, 1)
		first.Close()
		incident, event := s.announce("Mail is late", nil)
		s.done(event)
		resting := func() bool { return s.pool.Relays()[0].State != email.RelayWorking }
		eventually(t, "the first relay rests", resting)
		about := "relay:" + first.Addr
		began := s.alarmAfter(c, about, "began", &clock, relayPatience+time.Second)
		if !strings.Contains(began.Text, "refused") || !strings.Contains(began.Text, "Mail goes by the others") || began.Over != nil {
			t.Errorf("%+v", began)
		}
		staff := func() (out []letter) { return byReader(t, second.Messages())["ops@fjordpost.example"] }
		eventually(t, "staff have a mail by the other relay", func() bool { return len(staff()) == 1 })
		m := staff()[0]
		if m.subject != "[Fjordpost] Relay "+first.Addr+" is down" || m.leave != "" || !strings.Contains(m.text, "allclear send-test") {
			t.Errorf("%+v\n%s", m, m.raw)
		}
		back := emailtest.NewServerAt(t, emailtest.Options{}, first.Addr)
		tell := func() { s.done(s.update(incident, "identified", "Nothing new.")) }
		tell()
		eventually(t, "the first relay works", func() bool { // what is on trial needs a mail
			if s.pool.Relays()[0].State == email.RelayTrying {
				tell()
			}
			return !resting()
		})
		over := s.alarmAfter(c, about, "over", &clock, notifier.AlarmCalm+time.Second)
		if over.Over == nil || !over.Since.Equal(began.Since) {
			t.Errorf("%+v", over)
		}
		eventually(t, "staff have a mail by whatever relay", func() bool {
			return len(staff())+len(byReader(t, back.Messages())["ops@fjordpost.example"]) == 2
		})
		if n := len(c.alarms(t)); n != 2 {
			t.Errorf("%d alarms: %+v", n, c.alarms(t))
		}
		for _, bad := range []string{"ops@", "geheim", "a1@example.com"} {
			if strings.Contains(s.log.String(), bad) {
				t.Errorf("%s stands in the log", bad)
			}
		}
	})
}

func TestTwoProcessesRemindOnceOfAnIncidentWithoutAWord(t *testing.T) {
	dsn := storetest.DSN(t, "postgres")
	var clock movingClock
	c := newCustomer(t)
	relay := emailtest.NewServer(t, emailtest.Options{}).URL("tls=off")
	s, other := alarmed(t, dsn, relay, c, &clock), alarmed(t, dsn, relay, c, &clock)
	incident, _ := s.announce("Mail is late", nil)
	s.announce("A draft", object{"state": "draft"})
	s.announce("A post", object{"kind": "post", "severity": "none"})
	soon := clock.now().Add(48 * time.Hour)
	s.announce("New disks", object{"kind": "maintenance", "severity": "none", "starts_at": soon, "ends_at": soon.Add(time.Hour)})
	resolved, _ := s.announce("It is over", nil)
	s.update(resolved, "resolved", "It is.")
	// The clock goes on when it is noted that staff know, by mail and endpoint:
	// who has not noted it by notifier.AlarmTry is taken for dead, and the other tells.
	know := func(n int) {
		t.Helper()
		eventually(t, fmt.Sprintf("%d reminders are told and noted", n), func() bool {
			s.alarms.Nudge()
			other.alarms.Nudge()
			all, err := s.db.AlarmLog(t.Context(), 100)
			if err != nil {
				t.Fatal(err)
			}
			return len(all) == n && !slices.ContainsFunc(all, func(a notifier.Alarm) bool { return a.Told.IsZero() || len(a.To) < 2 })
		})
	}
	for i, after := range []time.Duration{3 * time.Hour, 3 * time.Hour, 6 * time.Hour, 12 * time.Hour} {
		clock.forward(after + time.Minute)
		know(i + 1)
	}
	s.update(incident, "identified", "We know.")
	clock.forward(2 * time.Hour)
	s.alarms.Nudge()
	other.alarms.Nudge()
	clock.forward(2 * time.Hour)
	know(5)
	got := c.alarms(t)
	var titles []string
	for _, a := range got {
		titles = append(titles, a.Title)
		if a.About != "incident:"+incident || a.State != "reminder" || !strings.HasSuffix(a.URL, "/incidents/"+incident) || !strings.Contains(a.Text, "allclear incident update "+incident) {
			t.Errorf("%+v", a)
		}
	}
	want := []string{`"Mail is late" is open, and nothing was said of it for 3 hours`, `"Mail is late" is open, and nothing was said of it for 6 hours`,
		`"Mail is late" is open, and nothing was said of it for 12 hours`, `"Mail is late" is open, and nothing was said of it for 24 hours`,
		`"Mail is late" is open, and nothing was said of it for 3 hours`}
	if !slices.Equal(titles, want) {
		t.Errorf("%q", titles)
	}
}

func TestAWorkerTellsWhatItSees(t *testing.T) {
	dsn := storetest.DSN(t, "postgres")
	relay := emailtest.NewServer(t, emailtest.Options{}).URL("tls=off")
	boot(t, programOptions{settings: settingsFor(t, dsn, relay)}) // tells nobody
	var clock movingClock
	c := newCustomer(t)
	w := alarmed(t, dsn, relay, c, &clock, func(o *programOptions) { o.worker, o.settings.BaseURL = true, "https://status.fjordpost.example" })
	storetest.Exec(t, dsn, `INSERT INTO notices (id, title, template, state, halted, event_number, begun_at, created_at, created_by)
		VALUES ('not1', 'Your mail was restored', 'blank', 'halted', '9 of 100 failed or bounced', 99, 1, 1, 'staff:ann')`)
	w.alarm(c, "notice:not1", "began")
}

func TestStaffAreToldWhatElseIsWrong(t *testing.T) {
	onBoth(t, func(t *testing.T, dsn string) {
		var clock movingClock
		c, gone := newCustomer(t), newCustomer(t)
		gone.answer(http.StatusGone)
		txt := func(context.Context, string) ([]string, error) { return nil, &net.DNSError{IsNotFound: true} }
		s := alarmed(t, dsn, emailtest.NewServer(t, emailtest.Options{}).URL("tls=off"), c, &clock, func(o *programOptions) {
			o.settings.DKIM, o.lookupTXT = makeKeys(t), txt
		})
		s.endpoint(gone.URL+"/verborgen", nil)
		incident, event := s.announce("Mail is late", nil)
		s.done(event)
		gone.wait(t, 1)
		storetest.Exec(t, dsn, `INSERT INTO notices (id, title, template, state, halted, event_number, begun_at, created_at, created_by)
			VALUES ('not1', 'Your mail was restored', 'blank', 'halted', '9 of 100 failed or bounced', 99, 1, 1, 'staff:ann')`)
		halted := s.alarm(c, "notice:not1", "began")
		if !strings.Contains(halted.Title, "Your mail was restored") || !strings.Contains(halted.Text, "9 of 100 failed or bounced") || !strings.Contains(halted.Text, "allclear notice resume not1") {
			t.Errorf("%+v", halted)
		}
		found := s.alarmAfter(c, "endpoint:s1", "reminder", &clock, seldom+time.Second)
		if host := strings.TrimPrefix(gone.URL, "http://"); !strings.Contains(found.Title, host) || strings.Contains(found.Title+found.Text, "verborgen") || !strings.Contains(found.Text, "410") {
			t.Errorf("%+v", found)
		}
		key := s.alarmAfter(c, "dkim:rsa._domainkey.fjordpost.example", "began", &clock, dkimDoubt+time.Second)
		if !strings.Contains(key.Text, "has no TXT record") {
			t.Errorf("%+v", key)
		}
		storetest.Exec(t, dsn, `UPDATE notices SET state = 'cancelled', halted = '', ordered_at = `+fmt.Sprint(clock.now().UnixMicro())+`, approved = '[{"By":"ann","At":"`+clock.now().UTC().Format(time.RFC3339Nano)+`","Reason":"alone on shift"}]'`,
			`INSERT INTO held_updates (id, incident_id, notice_id, moment, saying, created_at, created_by) SELECT 'upd9', id, 'not1', 'tried', '{}', 1, 'staff:ann' FROM incidents`)
		stuck := s.alarmAfter(c, "incident:"+incident, "reminder", &clock, seldom+time.Second)
		if !strings.Contains(stuck.Text, "the notice was cancelled") {
			t.Errorf("%+v", stuck)
		}
		alone := s.alarm(c, "notice:not1", "reminder")
		if !strings.Contains(alone.Title, "ann sends the notice") || !strings.Contains(alone.Text, "alone on shift") {
			t.Errorf("%+v", alone)
		}
		s.alarmAfter(c, "notice:not1", "over", &clock, notifier.AlarmCalm+time.Second)
	})
}

func TestStaffAreToldThatTheQueueStands(t *testing.T) {
	onBoth(t, func(t *testing.T, dsn string) {
		var clock movingClock
		c := newCustomer(t)
		s := alarmed(t, dsn, emailtest.NewServer(t, emailtest.Options{}).URL("tls=off"), c, &clock)
		follow(t, s.db, 2)
		if err := s.db.Pause(t.Context(), notifier.Pause{Scope: notifier.PauseLane, Key: "incident"}); err != nil {
			t.Fatal(err)
		}
		_, event := s.announce("Mail is late", nil)
		waitProgress(t, s.db, event, func(p notifier.Progress) bool { return p.Total == 2 })
		clock.forward(6 * time.Minute)
		late := s.alarm(c, "queue:email:incident", "began")
		if !strings.Contains(late.Text, "2 messages there") || !strings.Contains(late.Text, "allclear queue status") {
			t.Errorf("%+v", late)
		}
		if err := s.db.Resume(t.Context(), notifier.PauseLane, "incident"); err != nil {
			t.Fatal(err)
		}
		s.done(event)
		s.alarmAfter(c, "queue:email:incident", "over", &clock, notifier.AlarmCalm+time.Second)
	})
}

func TestADatabaseThatTakesNoWritesIsToldOf(t *testing.T) {
	onBoth(t, func(t *testing.T, dsn string) {
		var clock movingClock
		c := newCustomer(t)
		s := alarmed(t, dsn, emailtest.NewServer(t, emailtest.Options{}).URL("tls=off"), c, &clock)
		if strings.Contains(dsn, "://") {
			storetest.Exec(t, dsn, `CREATE FUNCTION full_disk() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'no space left on device'; END $$`,
				`CREATE TRIGGER full_disk BEFORE UPDATE ON counters FOR EACH ROW EXECUTE FUNCTION full_disk()`)
		} else {
			storetest.Exec(t, dsn, `CREATE TRIGGER full_disk BEFORE UPDATE ON counters BEGIN SELECT RAISE(ABORT, 'no space left on device'); END`)
		}
		if said := s.alarmAfter(c, "database", "began", &clock, alarm.Patience+time.Second); !strings.Contains(said.Text, "no space left on device") {
			t.Errorf("%+v", said)
		}
		drop := `DROP TRIGGER full_disk`
		if strings.Contains(dsn, "://") {
			drop += ` ON counters`
		}
		storetest.Exec(t, dsn, drop)
		s.alarmAfter(c, "database", "over", &clock, notifier.AlarmCalm+time.Second)
	})
}

func TestAStateFolderThatTakesNoWritesIsATrouble(t *testing.T) {
	var clock movingClock
	folder := filepath.Join(t.TempDir(), "state")
	n := newNearby(folder, clock.now)
	for _, step := range []struct {
		there bool
		want  int
	}{{true, 0}, {false, 0}, {false, 1}, {false, 1}, {true, 0}} {
		var err error
		if err = os.RemoveAll(folder); step.there {
			err = os.Mkdir(folder, 0o700)
		}
		if err != nil {
			t.Fatal(err)
		}
		clock.forward(folderEvery + time.Second)
		got := n.look(t.Context())
		if len(got) != step.want {
			t.Errorf("%+v: %+v", step, got)
		}
		if left, err := os.ReadDir(folder); step.there && (err != nil || len(left) > 0) {
			t.Errorf("left behind: %v, %v", left, err)
		}
	}
}

func TestADKIMRecordIsBelievedToBeGoneOnlyAtASecondLook(t *testing.T) {
	var clock movingClock
	keys, _, err := email.ParseKeys(makeKeys(t))
	if err != nil {
		t.Fatal(err)
	}
	there, asked := publicKeys(keys), 0
	answer := there
	w := &dkimWatch{keys: keys[:1], lookup: func(_ context.Context, name string) ([]string, error) { asked++; return answer(name) }}
	missing := func(string) ([]string, error) { return nil, &net.DNSError{IsNotFound: true} }
	silent := func(string) ([]string, error) { return nil, errors.New("no answer") }
	for i, step := range []struct {
		after  time.Duration
		answer func(string) ([]string, error)
		asked  int
		want   int
	}{
		{0, there, 1, 0}, {30 * time.Minute, missing, 0, 0}, {31 * time.Minute, missing, 1, 0}, {time.Minute, there, 1, 0},
		{dkimEvery, missing, 1, 0}, {dkimDoubt, missing, 1, 1}, {time.Minute, there, 0, 1}, {dkimSoon, silent, 1, 1}, {dkimSoon, there, 1, 0},
		{dkimEvery, silent, 1, 0}, {dkimSoon, silent, 1, 0},
	} {
		clock.forward(step.after)
		answer = step.answer
		before := asked
		got := w.troubles(t.Context(), clock.now())
		if len(got) != step.want || asked-before != step.asked {
			t.Errorf("step %d: %d troubles, asked %d times: %+v", i+1, len(got), asked-before, got)
		}
	}
}

func TestAUsedUpBudgetOfTextMessagesLastsUntilTheNextDay(t *testing.T) {
	var clock movingClock
	var x shortOfTexts
	if got := x.troubles(clock.now()); len(got) > 0 {
		t.Errorf("%+v", got)
	}
	x.note(false, clock.now().Add(time.Hour))
	x.note(true, clock.now().Add(2*time.Hour))
	if got := x.troubles(clock.now()); len(got) != 2 || got[0].About != "sms:budget" || got[1].About != "sms:codes" {
		t.Errorf("%+v", got)
	}
	clock.forward(61 * time.Minute)
	if got := x.troubles(clock.now()); len(got) != 1 || got[0].About != "sms:codes" {
		t.Errorf("%+v", got)
	}
}

func TestOneRelayAndNoEndpointIsWarnedOf(t *testing.T) {
	const warning = "an alarm about that relay cannot reach you; add an https endpoint"
	one, two := emailtest.NewServer(t, emailtest.Options{}).URL("tls=off"), emailtest.NewServer(t, emailtest.Options{}).URL("tls=off")
	for _, x := range []struct {
		relay, alert string
		want         bool
	}{
		{one, "ops@fjordpost.example", true},
		{one + "," + two, "ops@fjordpost.example", false},
		{one, "ops@fjordpost.example,https://hooks.example.com/x", false},
		{one, "", false},
		{mailboxRelay, "ops@fjordpost.example", false},
	} {
		settings := settingsFor(t, storetest.DSN(t, "sqlite"), x.relay)
		settings.Alert = x.alert
		s := boot(t, programOptions{settings: settings})
		s.stop()
		if got := strings.Contains(s.log.String(), warning); got != x.want {
			t.Errorf("%+v:\n%s", x, s.log)
		}
	}
}
