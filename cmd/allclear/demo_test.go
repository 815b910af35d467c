package main

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"allclear/notifier/email/emailtest"
	"allclear/store/storetest"
	"allclear/subscribers"
)

func TestTheDemoTellsEveryoneChecksEverySignatureAndLeavesNothing(t *testing.T) {
	for _, dialect := range storetest.Dialects() {
		t.Run(dialect, func(t *testing.T) {
			dsn := storetest.EmptyDSN(t, dialect)
			code, out, errs := runOnce(t, nil, "demo", "--subscribers", "60", "--database", dsn, "--json")
			if code != exitDone {
				t.Fatalf("exit %d\n%s%s", code, out, errs)
			}
			keys := map[string]any{}
			var r reportJSON
			if err := json.Unmarshal([]byte(out), &keys); err != nil || len(keys) != 14 {
				t.Fatalf("%d keys, %v: %s", len(keys), err, out)
			}
			if err := json.Unmarshal([]byte(out), &r); err != nil {
				t.Fatal(err)
			}
			if r.Subscribers != 60 || r.Failed != 0 || r.Sent+r.Superseded != r.Deliveries || r.Sent < 120 {
				t.Errorf("report %s", out)
			}
			if r.Webhooks.Posts == 0 || r.Webhooks.Pass != r.Webhooks.Posts || r.Webhooks.Fail != 0 || r.Texts.Sent == 0 {
				t.Errorf("programs and phones %s", out)
			}
			if *r.DKIMPass != 2*r.Sent || *r.DKIMFail != 0 {
				t.Errorf("of %d mails %d signatures hold, %d fail", r.Sent, *r.DKIMPass, *r.DKIMFail)
			}
			if r.FirstMS <= 0 || r.FirstMS > r.P50MS || r.P50MS > r.P99MS || r.P99MS > r.LastMS || r.Rate <= 0 {
				t.Errorf("times %s", out)
			}
			leftNothing(t, dialect, dsn)
		})
	}
}

func TestTheDemoTakesNoDatabaseThatIsThere(t *testing.T) {
	file := keep(t, "mine.db", "mine")
	code, _, errs := runOnce(t, nil, "demo", "--subscribers", "5", "--database", file)
	if code != exitFailed || !strings.Contains(errs, "is there already") {
		t.Errorf("exit %d, %q", code, errs)
	}
	if text, err := os.ReadFile(file); err != nil || string(text) != "mine" {
		t.Errorf("the file holds %q, %v", text, err)
	}
}

func TestTheDemoSendsToTheRelayThatIsNamed(t *testing.T) {
	relay := emailtest.NewServer(t, emailtest.Options{})
	code, out, errs := runOnce(t, nil, "demo", "--subscribers", "30", "--relay", relay.URL("tls=off"))
	if code != exitDone || !strings.Contains(out, "not checked here") {
		t.Fatalf("exit %d\n%s%s", code, out, errs)
	}
	readers := byReader(t, relay.Messages())
	if len(readers) != 30 {
		t.Errorf("%d readers", len(readers))
	}
	for reader, got := range readers {
		if n := len(got); n != 2 && n != 3 || !regexp.MustCompile("Resolved|Behoben|復旧済み").MatchString(got[n-1].subject) {
			t.Errorf("%s got %d mails, the last is %q", reader, n, got[n-1].subject)
		}
	}
}

func TestTheReportExplainsWhatItsNumbersLeaveOpenAndNoMore(t *testing.T) {
	three := make([]told, 3)
	for _, c := range []struct {
		r     reportJSON
		wants string
		not   string
	}{
		{reportJSON{Subscribers: 10, Deliveries: 27, Sent: 25, Superseded: 2}, "\nnot wanted  3 of 30 mails: the readers", ""},
		{reportJSON{Subscribers: 10, Deliveries: 30, Sent: 28, Superseded: 2}, "\nsuperseded  the first mail", "not wanted"},
		{reportJSON{Subscribers: 10, Deliveries: 30, Sent: 30}, "\nDKIM  ", "superseded  the"},
	} {
		var b bytes.Buffer
		if err := (&report{json: c.r, Sent: c.r.Sent}).print(&b, three, time.Now()); err != nil {
			t.Fatal(err)
		}
		if got := b.String(); !strings.Contains(got, c.wants) || c.not != "" && strings.Contains(got, c.not) {
			t.Errorf("%+v:\n%s", c.r, got)
		}
	}
}

func TestTheDemoGivesUpOnARelayThatIsNotThere(t *testing.T) {
	relay := emailtest.NewServer(t, emailtest.Options{})
	relay.Close()
	code, _, errs := runOnce(t, nil, "demo", "--subscribers", "5", "--relay", relay.URL("tls=off"))
	if code != exitFailed || !strings.Contains(errs, "allclear: the relay takes no mail: ") || !strings.Contains(errs, "connection refused") {
		t.Errorf("exit %d, %q", code, errs)
	}
}

func TestTheDemoWithServeSaysWhatToTryAndItWorks(t *testing.T) {
	var out, errs lockedBuffer
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	ended := make(chan int, 1)
	go func() {
		ended <- run(ctx, []string{"demo", "--subscribers", "20", "--serve", "--listen", "127.0.0.1:0"}, &world{in: &bytes.Buffer{}, out: &out, err: &errs, now: time.Now})
	}()
	eventually(t, "the demo is up", func() bool { return strings.Contains(out.String(), "listening on ") })
	command := regexp.MustCompile(`(?s)\ncurl -s .*?\n\n`).FindString(out.String())
	answer, err := exec.Command("sh", "-c", command).CombinedOutput()
	if err != nil || !strings.Contains(string(answer), `"event_id"`) {
		t.Fatalf("%s\n%s %v", command, answer, err)
	}
	_, url, _ := strings.Cut(out.String(), "listening on ")
	url = strings.TrimSpace(url)
	for path, want := range map[string]string{"/": "imap7", "/mailbox": "imap7", "/api/docs": "<html"} {
		if status, page := get(t, url+path); status != 200 || !strings.Contains(page, want) {
			t.Errorf("%s: %d without %q", path, status, want)
		}
	}
	cancel()
	select {
	case code := <-ended:
		if code != exitDone {
			t.Errorf("Ctrl-C after the report: exit %d\n%s", code, &errs)
		}
	case <-time.After(patienceOfTests):
		t.Fatal("the demo does not end")
	}
}

func TestCtrlCInTheMiddleOfTheDemoLeavesNothingBehind(t *testing.T) {
	path, err := built.path()
	if err != nil {
		t.Fatal(err)
	}
	tmp := t.TempDir()
	cmd := exec.Command(path, "demo", "--subscribers", "3000")
	var errs lockedBuffer
	cmd.Stderr = &errs
	cmd.Env = []string{"TMPDIR=" + tmp}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the outage is posted", func() bool { return strings.Contains(errs.String(), "outage posted") })
	if err := cmd.Process.Signal(syscall.SIGINT); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait()
	if code := cmd.ProcessState.ExitCode(); code != exitInterrupted || !strings.HasSuffix(errs.String(), "allclear: interrupted\n") || strings.Contains(errs.String(), "WARN") {
		t.Errorf("exit %d\n%s", code, &errs)
	}
	if left, err := os.ReadDir(tmp); err != nil || len(left) != 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

func TestCtrlCAtAnyMomentOfTheDemoSaysThatAndNoMore(t *testing.T) {
	for at := 0; at < 12; at += 3 {
		code, errs := interruptedAt(t, int64(at), "demo", "--subscribers", "300")
		if code != exitInterrupted || !strings.HasSuffix(errs, "allclear: interrupted\n") || strings.Contains(errs, "WARN") || strings.Contains(errs, "(9)") {
			t.Errorf("at question %d: exit %d\n%s", at, code, errs)
		}
	}
}

func TestTheDemosFollowersAreTheSameEveryTimeAndNobodyReal(t *testing.T) {
	a, b := followers(), followers()
	seen := map[string]bool{}
	for n := 1; n <= 3975; n++ {
		x, y := a(n), b(n)
		if x.Address != y.Address || x.Timezone != y.Timezone {
			t.Fatalf("follower %d is %s and %s", n, x.Address, y.Address)
		}
		if err := x.Validate(); err != nil {
			t.Fatalf("follower %d: %v", n, err)
		}
		if d := subscribers.Domain(x.Address); !strings.HasSuffix(d, ".test") && !strings.HasPrefix(d, "example.") {
			t.Errorf("%s may belong to somebody", x.Address)
		}
		if seen[x.Address] {
			t.Errorf("%s twice", x.Address)
		}
		seen[x.Address] = true
	}
}
