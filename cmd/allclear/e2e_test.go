package main

import (
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/emersion/go-smtp"

	"allclear/notifier"
	"allclear/notifier/email/emailtest"
	"allclear/notifier/email/mailbox"
	"allclear/store/storetest"
	"allclear/subscribers"
)

func TestAPostedIncidentReachesEveryoneOnceSignedAndInOneThread(t *testing.T) {
	onBoth(t, func(t *testing.T, dsn string) {
		relay := emailtest.NewServer(t, emailtest.Options{})
		settings := settingsFor(t, dsn, relay.URL("tls=off"))
		settings.DKIM, settings.BounceDomain = makeKeys(t), "bounces.fjordpost.example"
		s := boot(t, programOptions{settings: settings})
		const n = 25
		follow(t, s.db, n)

		incident, opened := s.announce("imap7 does not answer", nil)
		if sent := s.done(opened)[notifier.Sent]; sent != n {
			t.Fatalf("%d sent, want %d", sent, n)
		}
		leaver := byReader(t, relay.Messages())["a7@example.com"][0]
		if status, _ := get(t, leaver.leave); status != http.StatusOK {
			t.Fatalf("GET of the unsubscribe link: %d", status)
		}
		if now, _ := s.db.Followers(t.Context()); now != n {
			t.Fatalf("%d followers after a GET; it must not change anything", now)
		}
		if status, body := post(t, leaver.leave, "List-Unsubscribe=One-Click"); status != http.StatusOK {
			t.Fatalf("one-click: %d %s", status, body)
		}
		if sent := s.done(s.update(incident, "identified", "A power supply has burnt out."))[notifier.Sent]; sent != n-1 {
			t.Fatalf("%d were told of the update, want %d", sent, n-1)
		}
		s.done(s.update(incident, "resolved", "Everyone reads from the copy."))

		relay.CheckLines()
		readers := byReader(t, relay.Messages())
		if len(readers) != n {
			t.Fatalf("%d readers, want %d", len(readers), n)
		}
		keys := publicKeys(s.mail.keys)
		envelopes := map[string]bool{}
		for _, m := range relay.Messages() {
			if !strings.HasSuffix(m.From, "@bounces.fjordpost.example") || envelopes[m.From] {
				t.Errorf("envelope sender %s is not of the bounce domain, or not of its delivery only", m.From)
			}
			envelopes[m.From] = true
		}
		for reader, got := range readers {
			if reader == "a7@example.com" {
				if len(got) != 1 {
					t.Errorf("%s left after the first mail and got %d", reader, len(got))
				}
				continue
			}
			if len(got) != 3 {
				t.Errorf("%s got %d mails, want 3", reader, len(got))
				continue
			}
			root := "<" + incident + "@fjordpost.example>"
			for i, l := range got {
				wantState := []string{"Investigating", "Identified", "Resolved"}[i]
				if !strings.Contains(l.subject, wantState) || !strings.Contains(l.subject, "imap7 does not answer") {
					t.Errorf("mail %d of %s: subject %q; want %s in it", i+1, reader, l.subject, wantState)
				}
				refs := root
				if i > 0 {
					refs += " " + got[i-1].id
				}
				if strings.Join(strings.Fields(l.references), " ") != refs || !strings.HasSuffix(refs, l.inReplyTo) || l.inReplyTo == "" {
					t.Errorf("mail %d of %s: References %q, In-Reply-To %q; want %q", i+1, reader, l.references, l.inReplyTo, refs)
				}
				checkSignatures(t, l.raw, keys)
			}
		}
	})
}

// checkSignatures wants an RSA and an Ed25519 signature that hold.
func checkSignatures(t *testing.T, raw []byte, keys func(string) ([]string, error)) {
	t.Helper()
	good := map[string]bool{}
	for _, sig := range mailbox.Verify(raw, keys) {
		if sig.Err != nil {
			t.Errorf("signature %s: %v", sig.Algorithm, sig.Err)
		}
		good[sig.Algorithm] = sig.Err == nil
	}
	if !good["rsa-sha256"] || !good["ed25519-sha256"] || len(good) != 2 {
		t.Errorf("signatures that hold: %v", good)
	}
}

func TestAReaderWhoHasNotHadTheFirstMailGetsOneWithBoth(t *testing.T) {
	onBoth(t, func(t *testing.T, dsn string) {
		relay := emailtest.NewServer(t, emailtest.Options{})
		s := boot(t, programOptions{settings: settingsFor(t, dsn, relay.URL("tls=off"))})
		const n = 12
		follow(t, s.db, n)
		s.call("POST", "/queue/pause", object{}, http.StatusOK)
		incident, first := s.announce("Mail is late", object{"body": "Words of the first."})
		waitProgress(t, s.db, first, func(p notifier.Progress) bool { return p.Total == n })
		second := s.update(incident, "identified", "Words of the second.")
		waitProgress(t, s.db, second, func(p notifier.Progress) bool { return p.Total == n })
		if got := len(relay.Messages()); got != 0 {
			t.Fatalf("%d mails left a paused queue", got)
		}
		s.call("POST", "/queue/resume", object{}, http.StatusOK)
		if c := s.done(second); c[notifier.Sent] != n {
			t.Fatalf("second event: %v", c)
		}
		if c := s.done(first); c[notifier.Superseded] != n {
			t.Fatalf("first event: %v", c)
		}
		for reader, got := range byReader(t, relay.Messages()) {
			if len(got) != 1 || !strings.Contains(got[0].text, "Words of the first.") || !strings.Contains(got[0].text, "Words of the second.") {
				t.Errorf("%s got %d mails; want one that tells of both", reader, len(got))
			}
		}
	})
}

func TestAnAddressThatIsGreylistedIsTriedAgainAndChargedOnce(t *testing.T) {
	onBoth(t, func(t *testing.T, dsn string) {
		var asked atomic.Int32
		relay := emailtest.NewServer(t, emailtest.Options{OnRcpt: func(_, to string) error {
			if to == "a3@example.com" && asked.Add(1) == 1 {
				return &smtp.SMTPError{Code: 450, EnhancedCode: smtp.EnhancedCode{4, 2, 0}, Message: "come back later"}
			}
			return nil
		}})
		clock := &movingClock{}
		s := boot(t, programOptions{settings: settingsFor(t, dsn, relay.URL("tls=off")), now: clock.now})
		follow(t, s.db, 5)
		_, event := s.announce("Mail is late", nil)
		p := waitProgress(t, s.db, event, func(p notifier.Progress) bool { return p.Counts[notifier.Sent] == 4 && p.Tried == 5 })
		if p.State() != notifier.Settling {
			t.Fatalf("the event is %s", p.State())
		}
		if n := len(relay.Messages()); n != 4 {
			t.Fatalf("%d mails before the retry is due", n)
		}
		clock.forward(90 * time.Second)
		s.done(event)
		page, _, err := s.db.Deliveries(t.Context(), notifier.DeliveryQuery{Address: "a3@example.com", Limit: 10})
		if err != nil || len(page) != 1 || page[0].State != notifier.Sent || page[0].Attempts != 2 { // the one put off and the one that was taken
			t.Fatalf("delivery %+v, %v; want it sent, with two tries counted", page, err)
		}
		if got := byReader(t, relay.Messages()); len(got["a3@example.com"]) != 1 || len(relay.Messages()) != 5 {
			t.Fatalf("mails to %d readers, %d in all", len(got), len(relay.Messages()))
		}
	})
}

func TestTheSecondRelayTakesOverWhereTheFirstIsDown(t *testing.T) {
	onBoth(t, func(t *testing.T, dsn string) {
		for name, first := range map[string]func(t *testing.T) string{
			"unreachable": func(t *testing.T) string {
				s := emailtest.NewServer(t, emailtest.Options{})
				s.Close()
				return s.URL("tls=off")
			},
			"refusing": func(t *testing.T) string {
				return emailtest.NewServer(t, emailtest.Options{OnMail: func(string) error {
					return &smtp.SMTPError{Code: 421, EnhancedCode: smtp.EnhancedCode{4, 3, 2}, Message: "going down"}
				}}).URL("tls=off")
			},
		} {
			t.Run(name, func(t *testing.T) {
				second := emailtest.NewServer(t, emailtest.Options{})
				clock := &movingClock{}
				s := boot(t, programOptions{settings: settingsFor(t, dsn, first(t)+","+second.URL("tls=off")), now: clock.now})
				if known, _ := s.db.Followers(t.Context()); known == 0 {
					follow(t, s.db, 20)
				}
				_, event := s.announce("Mail is late ("+name+")", nil)
				waitProgress(t, s.db, event, func(p notifier.Progress) bool { return p.State() == notifier.Done || p.State() == notifier.Settling })
				// Those by whom the trouble was found out are due again soon. The clock stands
				// while one is on its way: it must not run past the lease of a slow one.
				waitProgress(t, s.db, event, func(p notifier.Progress) bool {
					if p.Counts[notifier.Sending] == 0 {
						clock.forward(100 * time.Millisecond)
					}
					return p.Counts[notifier.Sent] == 20
				})
				for reader, got := range byReader(t, second.WaitFor(20)) {
					if len(got) != 1 {
						t.Errorf("%s got %d mails", reader, len(got))
					}
				}
				page, _, err := s.db.Deliveries(t.Context(), notifier.DeliveryQuery{Event: event, Limit: 50})
				if err != nil {
					t.Fatal(err)
				}
				for _, d := range page {
					if d.Attempts != 1 || d.Relay != second.Addr { // only the one that was taken
						t.Errorf("delivery %s: %d tries charged, sent by %s", d.ID, d.Attempts, d.Relay)
					}
				}
			})
		}
	})
}

func TestAnIncidentOvertakesPostsOfAnyNumber(t *testing.T) {
	onBoth(t, func(t *testing.T, dsn string) {
		const n, before = 60, 5
		tickets := make(chan struct{}, n)
		for range before {
			tickets <- struct{}{}
		}
		var posts atomic.Int32
		relay := emailtest.NewServer(t, emailtest.Options{OnData: func(m emailtest.Message) error {
			if strings.Contains(string(m.Data), "Subject: More room") {
				<-tickets // posts are taken only as the test allows
				posts.Add(1)
			}
			return nil
		}})
		release := sync.OnceFunc(func() { close(tickets) })
		t.Cleanup(release)
		s := boot(t, programOptions{settings: settingsFor(t, dsn, relay.URL("tls=off"))})
		t.Cleanup(release)
		follow(t, s.db, n)
		_, slow := s.announce("More room for attachments", object{"kind": "post", "severity": "none", "body": "70 MB from today on."})
		waitProgress(t, s.db, slow, func(p notifier.Progress) bool { return p.Counts[notifier.Sent] == before })
		_, urgent := s.announce("imap7 does not answer", nil)
		if c := s.done(urgent); c[notifier.Sent] != n {
			t.Fatalf("incident: %v", c)
		}
		if got := posts.Load(); got != before {
			t.Fatalf("%d posts were taken before the incident's last mail, want %d", got, before)
		}
		release()
		if c := s.done(slow); c[notifier.Sent] != n {
			t.Fatalf("post: %v", c)
		}
		for reader, got := range byReader(t, relay.Messages()) {
			if len(got) != 2 {
				t.Errorf("%s got %d mails, want 2", reader, len(got))
			}
		}
	})
}

func TestWhoeverIsAddedConfirmsByTheButtonAndIsToldFromThenOn(t *testing.T) {
	onBoth(t, func(t *testing.T, dsn string) {
		relay := emailtest.NewServer(t, emailtest.Options{})
		s := boot(t, programOptions{settings: settingsFor(t, dsn, relay.URL("tls=off"))})
		environ := []string{"ALLCLEAR_DATABASE=" + dsn, "USER=tester"}
		if code, out, errs := runOnce(t, environ, "subscriber", "add", "new@example.org"); code != exitDone || !strings.Contains(out, "asked to confirm") {
			t.Fatalf("exit %d, %q, %q", code, out, errs)
		}
		ask := readLetter(t, relay.WaitFor(1)[0])
		if ask.leave != "" {
			t.Errorf("a confirmation carries List-Unsubscribe %q", ask.leave)
		}
		_, link, found := strings.Cut(ask.text, s.URL()+"/confirm/")
		if !found || len(link) < subscribers.LinkSize {
			t.Fatalf("no link to confirm in\n%s", ask.text)
		}
		link = s.URL() + "/confirm/" + link[:subscribers.LinkSize]
		if status, page := get(t, link); status != http.StatusOK || !strings.Contains(page, "<button") {
			t.Fatalf("GET: %d\n%s", status, page)
		}
		if n, _ := s.db.Followers(t.Context()); n != 0 {
			t.Fatal("a GET confirmed")
		}
		if status, page := post(t, link, ""); status != http.StatusOK {
			t.Fatalf("POST: %d\n%s", status, page)
		}
		_, event := s.announce("Mail is late", nil)
		if c := s.done(event); c[notifier.Sent] != 1 {
			t.Fatalf("after confirming: %v", c)
		}
	})
}

func TestWhatACommandWritesIsNoticedByTheRunningService(t *testing.T) {
	onBoth(t, func(t *testing.T, dsn string) {
		relay := emailtest.NewServer(t, emailtest.Options{})
		s := boot(t, programOptions{settings: settingsFor(t, dsn, relay.URL("tls=off"))})
		follow(t, s.db, 3)
		environ := []string{"ALLCLEAR_DATABASE=" + dsn, "USER=tester"}
		if code, out, errs := runOnce(t, environ, "incident", "open", "Webmail is slow", "-m", "Since {{at \"-5m\"}}."); code != exitDone {
			t.Fatalf("exit %d, %q, %q", code, out, errs)
		}
		for reader, got := range byReader(t, relay.WaitFor(3)) {
			if len(got) != 1 || !strings.Contains(got[0].subject, "Webmail is slow") {
				t.Errorf("%s got %v", reader, got)
			}
		}
	})
}

func TestAServeAndItsWorkersShareTheWorkAndNobodyIsToldTwice(t *testing.T) {
	relay := emailtest.NewServer(t, emailtest.Options{})
	dsn := storetest.DSN(t, "postgres")
	s := boot(t, programOptions{settings: settingsFor(t, dsn, relay.URL("tls=off"))})
	for range 2 {
		w := settingsFor(t, dsn, relay.URL("tls=off"))
		w.BaseURL, w.Listen = s.URL(), ""
		boot(t, programOptions{settings: w, worker: true})
	}
	const n = 600
	follow(t, s.db, n)
	incident, first := s.announce("Mail is late", nil)
	s.done(first)
	second := s.update(incident, "resolved", "All queues are empty.")
	if c := s.done(second); c[notifier.Sent] != n {
		t.Fatalf("counts %v", c)
	}
	for reader, got := range byReader(t, relay.Messages()) {
		if len(got) != 2 {
			t.Errorf("%s got %d mails, want 2", reader, len(got))
		}
	}
	if got := len(relay.Messages()); got != 2*n {
		t.Errorf("%d mails, want %d", got, 2*n)
	}
}

func TestAWorkerDoesNotStartWhereItCannotHelp(t *testing.T) {
	dsn := storetest.DSN(t, "postgres")
	base := []string{"ALLCLEAR_FROM=status@example.com", "ALLCLEAR_RELAY=smtp://127.0.0.1:1", "ALLCLEAR_STATE=" + t.TempDir()}
	for _, c := range []struct {
		environ []string
		want    string
	}{
		{[]string{"ALLCLEAR_DATABASE=" + t.TempDir() + "/a.db"}, "a worker needs PostgreSQL"},
		{[]string{"ALLCLEAR_DATABASE=" + dsn}, "ALLCLEAR_BASE_URL (--base-url): is not set"},
	} {
		code, out, errs := runOnce(t, append(base, c.environ...), "worker")
		if code != exitUsage || out != "" || !strings.Contains(errs, c.want) || strings.Count(errs, "\n") != 1 {
			t.Errorf("exit %d, %q; want %q", code, errs, c.want)
		}
	}
}

func TestASuppressedAddressAndOneThatLeftGetNothingMore(t *testing.T) {
	onBoth(t, func(t *testing.T, dsn string) {
		relay := emailtest.NewServer(t, emailtest.Options{})
		s := boot(t, programOptions{settings: settingsFor(t, dsn, relay.URL("tls=off"))})
		const n = 10
		follow(t, s.db, n)
		s.call("POST", "/queue/pause", object{"lane": "incident"}, http.StatusOK)
		_, event := s.announce("Mail is late", nil)
		waitProgress(t, s.db, event, func(p notifier.Progress) bool { return p.Total == n })
		environ := []string{"ALLCLEAR_DATABASE=" + dsn, "USER=tester"}
		if code, _, errs := runOnce(t, environ, "suppression", "add", "a1@example.com"); code != exitDone {
			t.Fatalf("exit %d, %q", code, errs)
		}
		all := map[string]subscribers.Subscriber{}
		page, _, err := s.db.Subscribers(t.Context(), subscribers.Query{Limit: 100})
		if err != nil {
			t.Fatal(err)
		}
		for _, x := range page {
			all[x.Address] = x
		}
		link := s.URL() + "/unsubscribe/" + links{s.links}.Unsubscribe(int64(all["a2@example.com"].Number))
		if status, body := post(t, link, ""); status != http.StatusOK {
			t.Fatalf("leave by the page: %d %s", status, body)
		}
		s.call("POST", "/queue/resume", object{"lane": "incident"}, http.StatusOK)
		c := s.done(event)
		if c[notifier.Sent] != n-2 || c[notifier.Suppressed] != 2 {
			t.Fatalf("counts %v", c)
		}
		for _, gone := range []string{"a1@example.com", "a2@example.com"} {
			if got := byReader(t, relay.Messages())[gone]; len(got) != 0 {
				t.Errorf("%s got %d mails", gone, len(got))
			}
		}
	})
}
