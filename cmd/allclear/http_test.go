package main

import (
	"bufio"
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/emersion/go-smtp"

	"allclear/notifier/email/emailtest"
	"allclear/store/storetest"
)

func TestTheServiceSaysThatItIsAliveReadyAndWhatItServes(t *testing.T) {
	onBoth(t, func(t *testing.T, dsn string) {
		settings := settingsFor(t, dsn, mailboxRelay)
		s := boot(t, programOptions{settings: settings})
		for path, want := range map[string]string{
			"/healthz": "ok\n", "/readyz": "ready\n", "/": "Fjordpost", "/api/openapi.json": `"openapi"`, "/api/docs": "<html", "/mailbox": "<html",
		} {
			status, body := get(t, s.URL()+path)
			if status != http.StatusOK || !strings.Contains(body, want) {
				t.Errorf("%s: %d, %.200q", path, status, body)
			}
		}
		host := strings.TrimPrefix(s.URL(), "http://")
		if code, out, errs := runOnce(t, nil, "healthcheck", "--listen", host); code != exitDone || out != "ready\n" || errs != "" {
			t.Errorf("healthcheck: exit %d, %q %q", code, out, errs)
		}
		s.stop()
		if code, out, errs := runOnce(t, nil, "healthcheck", "--listen", host); code != exitFailed || out != "" || !strings.Contains(errs, "no answer from http://"+host+"/readyz") {
			t.Errorf("healthcheck of nobody: exit %d, %q %q", code, out, errs)
		}
	})
}

func TestReadyMeansThatTheDatabaseAnswers(t *testing.T) {
	s := boot(t, programOptions{settings: settingsFor(t, storetest.DSN(t, "sqlite"), mailboxRelay)})
	p := &Program{db: s.db}
	db := storetest.Open(t, "sqlite")()
	_ = db.Close()
	p.db = db
	w := httptest.NewRecorder()
	p.readyz(w, httptest.NewRequest(http.MethodGet, "/readyz", nil))
	if w.Code != http.StatusServiceUnavailable || w.Body.String() != "the database does not answer\n" {
		t.Errorf("without a database: %d %q", w.Code, w.Body)
	}
	p.draining.Store(true)
	w = httptest.NewRecorder()
	p.readyz(w, httptest.NewRequest(http.MethodGet, "/readyz", nil))
	if w.Code != http.StatusServiceUnavailable || w.Body.String() != "draining\n" {
		t.Errorf("draining: %d %q", w.Code, w.Body)
	}
}

func TestCaughtMailIsShownToThisMachineAndToStaffOnly(t *testing.T) {
	page := fromHere(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}), func(r *http.Request) bool { return r.Header.Get("Cookie") == "staff" })
	for name, c := range map[string]struct {
		remote, host string
		header       []string
		want         int
	}{
		"loopback":         {"127.0.0.1:5", "127.0.0.1:8080", nil, 200},
		"loopback, v6":     {"[::1]:5", "[::1]:8080", nil, 200},
		"by name":          {"127.0.0.1:5", "localhost:8080", nil, 200},
		"another machine":  {"192.0.2.7:5", "127.0.0.1:8080", nil, 403},
		"a proxy here":     {"127.0.0.1:5", "127.0.0.1:8080", []string{"X-Forwarded-For", "192.0.2.7"}, 403},
		"a proxy here (7)": {"127.0.0.1:5", "127.0.0.1:8080", []string{"Forwarded", "for=192.0.2.7"}, 403},
		"rebound name":     {"127.0.0.1:5", "evil.example:8080", nil, 403},
		"staff, anywhere":  {"192.0.2.7:5", "status.example.com", []string{"Cookie", "staff"}, 200},
	} {
		r := httptest.NewRequest(http.MethodGet, "/mailbox", nil)
		r.RemoteAddr, r.Host = c.remote, c.host
		if c.header != nil {
			r.Header.Set(c.header[0], c.header[1])
		}
		w := httptest.NewRecorder()
		page.ServeHTTP(w, r)
		if w.Code != c.want {
			t.Errorf("%s: %d, want %d", name, w.Code, c.want)
		}
	}
}

func TestMetricsNeedATokenUnlessTheyHaveAListenerOfTheirOwn(t *testing.T) {
	relay := emailtest.NewServer(t, emailtest.Options{})
	settings := settingsFor(t, storetest.DSN(t, "sqlite"), relay.URL("tls=off"))
	s := boot(t, programOptions{settings: settings})
	for name, header := range map[string][]string{"none": nil, "wrong": {"Authorization", "Bearer x"}, "no scheme": {"Authorization", s.token}} {
		if status, _ := get(t, s.URL()+"/metrics", header...); status != http.StatusUnauthorized {
			t.Errorf("token %s: %d", name, status)
		}
	}
	follow(t, s.db, 7)
	_, event := s.announce("Mail is late", nil)
	s.done(event)
	var text string
	for _, want := range []string{
		`allclear_attempts_total{channel="email",lane="incident",outcome="sent"} 7`,
		`allclear_events_accepted_total{type="incident.created"} 1`,
		`allclear_deliveries_made_total{lane="incident"} 7`,
		`allclear_accept_to_sent_seconds_count{channel="email",lane="incident"} 7`,
		`allclear_queue_depth{channel="email",lane="incident",state="pending"} 0`,
		`allclear_queue_oldest_seconds{channel="email",lane="incident"} 0`,
		`allclear_relay_connections{relay="` + relay.Addr + `"}`,
		`allclear_build_info{`,
	} {
		// Each part counts when its own step is over, and the database is asked now and then.
		eventually(t, "the metrics tell "+want, func() bool {
			var status int
			if status, text = get(t, s.URL()+"/metrics", "Authorization", "bearer "+s.token); status != http.StatusOK {
				t.Fatalf("with a token: %d", status)
			}
			return strings.Contains(text, want)
		})
	}
	if m := regexp.MustCompile(`[a-z0-9]+@[a-z]`).FindString(text); m != "" {
		t.Errorf("an address stands in the metrics: %s", m)
	}

	own := settingsFor(t, storetest.DSN(t, "sqlite"), mailboxRelay)
	own.MetricsListen = "127.0.0.1:0"
	s = boot(t, programOptions{settings: own})
	for _, srv := range s.servers {
		if srv.main {
			continue
		}
		if status, _ := get(t, srv.url+"/metrics"); status != http.StatusOK {
			t.Errorf("on its own listener: %d", status)
		}
		if status, _ := get(t, srv.url+"/api/v1/components"); status != http.StatusNotFound {
			t.Errorf("the API answers on the metrics listener: %d", status)
		}
	}
}

func TestAWorkerTellsHowItIsAndServesNoPages(t *testing.T) {
	dsn := storetest.DSN(t, "postgres")
	settings := settingsFor(t, dsn, emailtest.NewServer(t, emailtest.Options{}).URL("tls=off"))
	settings.BaseURL = "https://status.example.com"
	w := boot(t, programOptions{settings: settings, worker: true})
	for path, want := range map[string]int{"/healthz": 200, "/readyz": 200, "/metrics": 200, "/": 404, "/api/v1/components": 404} {
		if status, _ := get(t, w.URL()+path); status != want {
			t.Errorf("%s: %d, want %d", path, status, want)
		}
	}
}

func TestAPartThatFailsEndsTheProgramInOrderAndIsTold(t *testing.T) {
	p, err := newProgram(t.Context(), programOptions{
		settings: settingsFor(t, storetest.DSN(t, "sqlite"), mailboxRelay), env: &environment{}, log: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	_ = p.servers[0].listener.Close()
	if err := p.Run(t.Context()); err == nil || !strings.Contains(err.Error(), "serve http://") {
		t.Errorf("it ended with %v", err)
	}
	if !p.draining.Load() {
		t.Error("it did not drain")
	}
	if err := p.Close(); err != nil {
		t.Errorf("close: %v", err)
	}
}

func TestNoLogLineHoldsAnAddress(t *testing.T) {
	relay := emailtest.NewServer(t, emailtest.Options{})
	s := boot(t, programOptions{settings: settingsFor(t, storetest.DSN(t, "sqlite"), relay.URL("tls=off"))})
	follow(t, s.db, 5)
	_, event := s.announce("Mail is late", nil)
	s.done(event)
	s.stop()
	if m := regexp.MustCompile(`\S+@example\.\S+`).FindString(s.log.String()); m != "" {
		t.Errorf("%s stands in\n%s", m, s.log)
	}
}

func TestAnEndlessHeaderIsCutOff(t *testing.T) {
	s := boot(t, programOptions{settings: settingsFor(t, storetest.DSN(t, "sqlite"), mailboxRelay)})
	c, err := net.Dial("tcp", strings.TrimPrefix(s.URL(), "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	fmt.Fprintf(c, "GET / HTTP/1.1\r\nHost: x\r\nX: %s\r\n\r\n", strings.Repeat("a", 2*maxHeader))
	line, err := bufio.NewReader(c).ReadString('\n')
	if err != nil || !strings.Contains(line, "431") {
		t.Errorf("answered %q, %v", line, err)
	}
}

func TestLinksByPlainHTTPElsewhereThanHereAreWarnedOf(t *testing.T) {
	for base, warned := range map[string]bool{"http://status.example.com": true, "https://status.example.com": false, "": false, "http://localhost:8080": false} {
		settings := settingsFor(t, storetest.DSN(t, "sqlite"), mailboxRelay)
		settings.BaseURL = base
		s := boot(t, programOptions{settings: settings})
		if got := strings.Contains(s.log.String(), "begin with http://"); got != warned {
			t.Errorf("%q: warned %v", base, got)
		}
		s.stop()
	}
}

func TestAGeneratedSecretIsWarnedOfWhereOtherProcessesNeedIt(t *testing.T) {
	onBoth(t, func(t *testing.T, dsn string) {
		settings := settingsFor(t, dsn, mailboxRelay)
		settings.Secret = ""
		s := boot(t, programOptions{settings: settings})
		if got := strings.Contains(s.log.String(), "ALLCLEAR_SECRET is not set"); got != (s.db.Dialect() == "postgres") {
			t.Errorf("on %s: warned %v", s.db.Dialect(), got)
		}
	})
}

func TestAnAddressThatIsTakenIsOneClearLine(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	code, _, errs := runOnce(t, []string{"ALLCLEAR_DATABASE=" + storetest.DSN(t, "sqlite"), "ALLCLEAR_FROM=a@example.com", "ALLCLEAR_RELAY=mailbox:"}, "serve", "--listen", l.Addr().String())
	if code != exitFailed || !strings.Contains(errs, "ALLCLEAR_LISTEN: listen on "+l.Addr().String()+": ") || !strings.Contains(errs, "address already in use") || strings.Count(errs, "\n") != 1 {
		t.Errorf("exit %d, %q", code, errs)
	}
}

func TestATestMailIsSentWithTheWholeConversationButNoPassword(t *testing.T) {
	relay := emailtest.NewServer(t, emailtest.Options{OnRcpt: func(_, to string) error {
		if strings.HasPrefix(to, "gone") {
			return &smtp.SMTPError{Code: 550, EnhancedCode: smtp.EnhancedCode{5, 1, 1}, Message: "no such user"}
		}
		return nil
	}})
	environ := []string{"ALLCLEAR_FROM=status@fjordpost.example", "ALLCLEAR_RELAY=" + relay.URL("tls=off"), "ALLCLEAR_DKIM=" + makeKeys(t)}
	code, out, errs := runOnce(t, environ, "send-test", "kari@example.com")
	if code != exitDone || errs != "" {
		t.Fatalf("exit %d\n%s%s", code, out, errs)
	}
	for _, want := range []string{"S: 220 ", "C: EHLO ", "C: MAIL FROM:<status@fjordpost.example>", "C: RCPT TO:<kari@example.com>", "C: DKIM-Signature: ", "signed with 2 DKIM keys", "taken by " + relay.Addr} {
		if !strings.Contains(out, want) {
			t.Errorf("no %q in\n%s", want, out)
		}
	}
	if n := len(relay.WaitFor(1)); n != 1 {
		t.Errorf("%d mails", n)
	}
	if n := strings.Count(out, "S: 220 "); n != 1 {
		t.Errorf("%d connections:\n%s", n, out)
	}
	code, out, errs = runOnce(t, environ, "send-test", "gone@example.com")
	if n := strings.Count(out, "S: 220 "); n != 1 {
		t.Errorf("%d connections:\n%s", n, out)
	}
	if code != exitFailed || errs != "allclear: not sent: the relay "+relay.Addr+" refused the recipient for good: 550 5.1.1 no such user\n" {
		t.Errorf("refused: exit %d, %q", code, errs)
	}
	code, _, errs = runOnce(t, []string{"ALLCLEAR_FROM=a@example.com", "ALLCLEAR_RELAY=smtp://u:geheim@127.0.0.1:1?tls=required"}, "send-test", "kari@example.com")
	if code != exitFailed || strings.Contains(errs, "geheim") || strings.Count(errs, "\n") != 1 || !strings.HasPrefix(errs, "allclear: not sent: the relay 127.0.0.1:1 does not answer: ") {
		t.Errorf("nobody there: exit %d, %q", code, errs)
	}
}

func TestAPasswordNeverStandsInTheConversation(t *testing.T) {
	relay := emailtest.NewServer(t, emailtest.Options{TLS: true, User: "kari", Password: "geheim-geheim"})
	// Its certificate is not the system's: nothing is sent, and nothing told.
	code, out, errs := runOnce(t, []string{"ALLCLEAR_FROM=a@example.com", "ALLCLEAR_RELAY=smtp://kari:geheim-geheim@" + relay.Addr + "?tls=required"}, "send-test", "kari@example.com")
	if code != exitFailed || strings.Contains(out+errs, "geheim") {
		t.Errorf("exit %d\n%s%s", code, out, errs)
	}
}

func TestServeSaysOnStandardOutputWhereItListensWhateverTheLogIs(t *testing.T) {
	for _, log := range []string{"text", "json"} {
		var out, errs lockedBuffer
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan int, 1)
		environ := []string{"ALLCLEAR_DATABASE=" + storetest.DSN(t, "sqlite"), "ALLCLEAR_FROM=a@example.com", "ALLCLEAR_RELAY=mailbox:", "ALLCLEAR_LISTEN=127.0.0.1:0", "ALLCLEAR_LOG=" + log}
		go func() {
			ended <- run(ctx, []string{"serve"}, &world{in: strings.NewReader(""), out: &out, err: &errs, environ: environ, now: time.Now})
		}()
		eventually(t, "serve says so", func() bool { return strings.HasSuffix(out.String(), "\n") })
		url, ok := strings.CutPrefix(out.String(), "listening on ")
		if status, _ := get(t, strings.TrimSpace(url)+"/healthz"); !ok || status != 200 {
			t.Errorf("%s: %q, %d", log, out.String(), status)
		}
		cancel()
		if code := <-ended; code != exitDone || strings.Count(out.String(), "\n") != 1 || !strings.Contains(errs.String(), "listening on http://") {
			t.Errorf("%s: exit %d, %q\n%s", log, code, out.String(), &errs)
		}
	}
}
