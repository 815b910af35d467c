package main

import (
	"context"
	"errors"
	"maps"
	"net"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"allclear/notifier/email/emailtest"
	"allclear/subscribers"
	"allclear/subscribers/web/gate"
)

// zone is a little DNS: what domains say of their mail. One that is missing does not exist.
type zone map[string][]*net.MX

func (z zone) mx(_ context.Context, domain string) ([]*net.MX, error) {
	if found, ok := z[domain]; ok {
		return found, nil
	}
	return nil, &net.DNSError{Err: "no such host", Name: domain, IsNotFound: true}
}

func waitingAt(domains ...string) (out []subscribers.Waiting) {
	for _, d := range domains {
		out = append(out, subscribers.Waiting{ID: "at " + d, Domain: d})
	}
	return out
}

func TestOnlyANullMXMeansThatADomainTakesNoMail(t *testing.T) {
	n := noMail{now: time.Now, lookup: zone{
		"null.example.":  {{Host: "."}},
		"mail.example.":  {{Host: "mx.mail.example.", Pref: 10}},
		"mixed.example.": {{Host: "."}, {Host: "mx.mixed.example.", Pref: 10}}, // against RFC 7505, and so it says nothing
	}.mx}
	got := n.among(t.Context(), waitingAt("null.example", "mail.example", "mixed.example", "nobody.example", "null.example"))
	if !slices.Equal(got, []string{"at null.example", "at null.example"}) {
		t.Errorf("passed over: %v", got)
	}
}

func TestADomainIsAskedOnceInAWhile(t *testing.T) {
	now := time.Date(2026, 11, 27, 3, 0, 0, 0, time.UTC)
	var asked atomic.Int32
	n := noMail{now: func() time.Time { return now }, lookup: func(context.Context, string) ([]*net.MX, error) {
		asked.Add(1)
		return nil, errors.New("server misbehaving")
	}}
	for _, c := range []struct {
		passes time.Duration
		asked  int32
	}{{0, 1}, {mxLife - time.Second, 1}, {time.Second, 2}} {
		now = now.Add(c.passes)
		if got := n.among(t.Context(), waitingAt("odd.example")); got != nil || asked.Load() != c.asked {
			t.Errorf("after %s: %v, asked %d times", c.passes, got, asked.Load())
		}
	}
}

func TestWhereDNSDoesNotAnswerNobodyIsPassedOverAndNobodyWaitsTwice(t *testing.T) {
	var asked atomic.Int32
	ctx, cancel := context.WithCancel(t.Context())
	n := noMail{now: time.Now, lookup: func(ctx context.Context, _ string) ([]*net.MX, error) {
		asked.Add(1)
		cancel()
		<-ctx.Done()
		return nil, ctx.Err()
	}}
	for range 2 {
		if got := n.among(ctx, waitingAt("slow.example")); got != nil || asked.Load() != 1 {
			t.Errorf("passed over %v, asked %d times", got, asked.Load())
		}
	}
}

func TestWhoSignsUpWhereNoMailIsTakenIsAnsweredAsEverybodyAndSentNothing(t *testing.T) {
	onBoth(t, func(t *testing.T, dsn string) {
		relay := emailtest.NewServer(t, emailtest.Options{})
		s := boot(t, programOptions{settings: settingsFor(t, dsn, relay.URL("tls=off")), lookupMX: zone{"null.example.": {{Host: "."}}}.mx})
		token := gate.New(s.secret, "subscribe").Form(s.db.Now().Add(-time.Minute))
		pages := map[string]bool{}
		for _, address := range []string{"ann@null.example", "bob@mail.example"} {
			status, page := post(t, s.URL()+"/subscribe", "form="+token+"&address="+address)
			if status != 200 {
				t.Fatalf("%s is answered %d", address, status)
			}
			pages[strings.ReplaceAll(page, address, "")] = true
		}
		if told := relay.WaitFor(1); told[0].To[0] != "bob@mail.example" {
			t.Errorf("asked: %v", told[0].To)
		}
		if len(pages) != 1 {
			t.Errorf("the answers differ: %q", slices.Collect(maps.Keys(pages)))
		}
	})
}
