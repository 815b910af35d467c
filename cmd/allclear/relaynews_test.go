package main

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"net"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"allclear/notifier"
	"allclear/notifier/email"
	"allclear/notifier/email/emailtest"
	"allclear/store/storetest"
)

func TestARelaysTroubleIsLoggedOnceWithItsReason(t *testing.T) {
	var b bytes.Buffer
	now := time.Date(2026, 11, 23, 16, 11, 0, 0, time.UTC)
	log := slog.New(slog.NewTextHandler(&b, nil))
	none := func(context.Context) ([]notifier.Depth, error) { return nil, nil }
	clock := func() time.Time { return now }
	r := newRelayNews(newMetrics(none, clock), log, clock)
	const relay = "relay.example.com:587"
	for _, step := range []struct {
		state email.RelayState
		cause error
		want  string
	}{
		{email.RelayResting, &notifier.SendError{Stage: "dial", RetryAfter: 2 * time.Second, Err: errors.New("connection refused")},
			`level=WARN msg="relay does not answer" relay=relay.example.com:587 stage=dial error="connection refused" retry_at="2026-11-23 16:11:02Z"`},
		{email.RelayResting, &notifier.SendError{Stage: "dial", Err: errors.New("connection refused")}, ""},
		{email.RelayTrying, nil, ""},
		{email.RelayWorking, nil, `level=INFO msg="relay works again" relay=relay.example.com:587`},
		{email.RelayWorking, nil, ""},
		{email.RelayResting, &notifier.SendError{Stage: "auth", Code: 535, Enhanced: "5.7.8", Receipt: notifier.Receipt{Reply: "535 5.7.8 wrong password"}},
			`msg="relay rests" relay=relay.example.com:587 stage=auth code=535 enhanced=5.7.8 error="535 5.7.8 wrong password"`},
		{email.RelayResting, &notifier.SendError{Stage: "rcpt", Code: 451, Enhanced: "4.7.1", Receipt: notifier.Receipt{Reply: "451 4.7.1 kari@example.com later"}},
			`msg="relay rests" relay=relay.example.com:587 stage=rcpt code=451 enhanced=4.7.1 retry_at=`},
		{email.RelayWorking, nil, "relay works again"},
		{email.RelayResting, nil, `msg="relay rests" relay=relay.example.com:587`},
	} {
		b.Reset()
		r.RelayChanged(relay, step.state, step.cause)
		if got := b.String(); !strings.Contains(got, step.want) || (step.want == "") != (got == "") || strings.Contains(got, "kari") {
			t.Errorf("%v, %v: %q; want %q", step.state, step.cause, got, step.want)
		}
	}
}

func TestADeadRelayIsToldOfInTheLogAndByTheQueue(t *testing.T) {
	dsn := storetest.DSN(t, "sqlite")
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := l.Addr().String()
	_ = l.Close()
	s := boot(t, programOptions{settings: settingsFor(t, dsn, "smtp://"+address+"?tls=off")})
	d := &desktop{t: t, environ: []string{"ALLCLEAR_DATABASE=" + dsn, "USER=kari"}}
	follow(t, s.db, 2)
	s.announce("Mail is late", nil)
	eventually(t, "the log tells of the relay", func() bool {
		return strings.Contains(s.log.String(), `level=WARN msg="relay does not answer" relay=`+address+" stage=dial error=")
	})
	eventually(t, "the queue tells why mail waits", func() bool {
		out := d.ok("queue", "status")
		return strings.Contains(out, "last answer: ") && strings.Contains(out, "connection refused") && strings.Contains(out, "from "+address) && strings.Contains(out, " ago")
	})
	if strings.Contains(s.log.String(), "example.com") {
		t.Error("an address stands in the log")
	}
	if !strings.Contains(s.log.String(), "ALLCLEAR_DKIM is not set: mail goes out unsigned") {
		t.Error("nobody is told that mail is not signed")
	}
}

func TestANewSecretIsWarnedOfWhereMailsWentOutWithAnOlderOne(t *testing.T) {
	dsn := storetest.DSN(t, "sqlite")
	relay := emailtest.NewServer(t, emailtest.Options{})
	settings := settingsFor(t, dsn, relay.URL("tls=off"))
	settings.Secret = ""
	const warning = "a new secret was made"
	s := boot(t, programOptions{settings: settings})
	follow(t, s.db, 1)
	_, event := s.announce("Mail is late", nil)
	s.done(event)
	s.stop()
	if strings.Contains(s.log.String(), warning) {
		t.Error("a warning on a new database")
	}
	s = boot(t, programOptions{settings: settings})
	s.stop()
	if strings.Contains(s.log.String(), warning) {
		t.Error("a warning where the secret was kept")
	}
	settings.State = t.TempDir()
	if s = boot(t, programOptions{settings: settings}); !strings.Contains(s.log.String(), warning) {
		t.Errorf("no warning:\n%s", s.log)
	}
}

func TestTheGuideNamesTheMetricsThereAre(t *testing.T) {
	none := func(context.Context) ([]notifier.Depth, error) { return nil, nil }
	descs := make(chan *prometheus.Desc)
	go func() {
		newMetrics(none, time.Now).registry.Describe(descs)
		close(descs)
	}()
	var there []string
	for d := range descs {
		there = append(there, lines(d.String(), `fqName: "(allclear_[a-z_]+)"`)...)
	}
	var told []string
	for _, m := range regexp.MustCompile("allclear_[a-z_]+").FindAllString(text(t, "docs/operations.md"), -1) {
		if !slices.Contains(there, m) {
			t.Errorf("the guide names %s, which is no metric", m)
		}
		told = append(told, m)
	}
	for _, m := range there {
		if !slices.Contains(told, m) {
			t.Errorf("the guide does not name %s", m)
		}
	}
}
