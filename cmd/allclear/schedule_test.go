package main

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"allclear/notifier"
	"allclear/notifier/email/emailtest"
	"allclear/notifier/outbox"
	"allclear/subscribers"
)

// patient is an endpoint of a service whose clock a test puts forward.
type patient struct {
	*service
	*customer
	t     *testing.T
	clock *movingClock
	relay *emailtest.Server
	id    string
}

func newPatient(t *testing.T, dsn string) *patient {
	t.Helper()
	p := &patient{t: t, clock: &movingClock{}, customer: newCustomer(t)}
	p.service, p.relay = hookService(t, dsn, p.clock)
	p.id, _ = p.endpoint(p.customer.URL+"/hook", nil)
	return p
}

// delivery is what an event is to the endpoint; zero where it is not made yet.
func (p *patient) delivery(event string) notifier.Delivery {
	p.t.Helper()
	found, _, err := p.db.Deliveries(p.t.Context(), notifier.DeliveryQuery{Event: event, Address: p.customer.URL + "/hook", Limit: 1})
	if err != nil {
		p.t.Fatal(err)
	}
	return append(found, notifier.Delivery{})[0]
}

// tried waits until an event was tried n times and lies somewhere again.
func (p *patient) tried(event string, n int) notifier.Delivery {
	p.t.Helper()
	var d notifier.Delivery
	defer func() {
		if p.t.Failed() {
			p.t.Logf("try %d: it is %+v", n, d)
		}
	}()
	// Where the clock jumps in the middle of a claim, its lease is over before it
	// is begun: nothing is posted, and after the lease it is claimed again.
	within(p.t, 2*outbox.Lease, fmt.Sprintf("try %d", n), func() bool {
		p.nudgeDoors()
		d = p.delivery(event)
		return d.Attempts == n && d.State != notifier.Sending
	})
	return d
}

// until puts the clock forward to a time.
func (p *patient) until(at time.Time) {
	if d := at.Sub(p.db.Now()); d > 0 {
		p.clock.forward(d)
	}
	p.watch.nudge()
}

// hook is the endpoint as its owner's page shows it.
func (p *patient) hook() subscribers.Hook {
	p.t.Helper()
	n, err := subscribers.ParseNumber(p.id)
	if err != nil {
		p.t.Fatal(err)
	}
	h, err := p.db.Hook(p.t.Context(), n)
	if err != nil {
		p.t.Fatal(err)
	}
	return h
}

func TestAnEndpointIsTriedByTheScheduleThatTheGuidePromises(t *testing.T) {
	schedule := []time.Duration{
		5 * time.Second, 5 * time.Minute, 30 * time.Minute, 2 * time.Hour, 5 * time.Hour, 10 * time.Hour, 14 * time.Hour, 20 * time.Hour, 24 * time.Hour,
	}
	onBoth(t, func(t *testing.T, dsn string) {
		p := newPatient(t, dsn)
		// The end of an incident, which mail gives up after a day, is told as long as all else.
		incident, opened := p.announce("imap7 does not answer", nil)
		p.done(opened)
		p.answer(http.StatusInternalServerError)
		event := p.update(incident, "resolved", "Everyone reads from the copy.")
		for i, pause := range schedule {
			d := p.tried(event, i+1)
			if got := d.DueAt.Sub(d.TriedAt); d.State != notifier.Pending || got < pause*8/10 || got > pause*12/10 {
				t.Fatalf("after try %d it is %s and waits for %s, want %s and a fifth more or less", i+1, d.State, got, pause)
			}
			p.until(d.DueAt)
			if again := p.tried(event, i+2); again.TriedAt.Before(d.DueAt) {
				t.Errorf("try %d was made at %s, before %s", i+2, again.TriedAt, d.DueAt)
			}
		}
		if d := p.delivery(event); d.State != notifier.Failed {
			t.Errorf("after the last try it is %s", d.State)
		}
		ids := map[string]bool{}
		for _, c := range p.calls()[1:] {
			ids[c.header.Get("Webhook-Id")] = true
		}
		if n := len(p.calls()); n != 1+len(schedule)+1 || len(ids) != 1 {
			t.Errorf("%d posts under the ids %v", n, ids)
		}
		if h := p.hook(); h.State != subscribers.Active || h.FailingSince.IsZero() {
			t.Errorf("after three days of failures it is %s, failing since %s", h.State, h.FailingSince)
		}
	})
}

func TestAnEndpointThatAsksForTimeGetsItWithinADay(t *testing.T) {
	p := newPatient(t, t.TempDir()+"/a.db")
	for _, c := range []struct {
		status      int
		asks        func() string
		least, most time.Duration
	}{
		{http.StatusTooManyRequests, func() string { return "3600" }, time.Hour, time.Hour},
		{http.StatusServiceUnavailable, func() string { return "600" }, 10 * time.Minute, 10 * time.Minute},
		{http.StatusTooManyRequests, func() string { return "1" }, 4 * time.Second, 6 * time.Second}, // never sooner than the pause
		{http.StatusTooManyRequests, func() string { return "31536000" }, 24 * time.Hour, 24 * time.Hour},
		{http.StatusServiceUnavailable, func() string { return "nonsense" }, 4 * time.Second, 6 * time.Second},
		{http.StatusServiceUnavailable, func() string { return p.db.Now().Add(2 * time.Hour).UTC().Format(http.TimeFormat) }, 2*time.Hour - time.Minute, 2 * time.Hour},
		{http.StatusBadGateway, func() string { return "3600" }, 4 * time.Second, 6 * time.Second}, // means nothing with others
	} {
		asks := c.asks()
		p.answer(c.status, "Retry-After", asks)
		_, event := p.announce("trouble "+asks, nil)
		d := p.tried(event, 1)
		if got := d.DueAt.Sub(d.TriedAt); got < c.least || got > c.most {
			t.Errorf("%d with Retry-After: %s: comes again after %s, want %s to %s", c.status, asks, got, c.least, c.most)
		}
		p.answer(http.StatusNoContent)
		p.until(d.DueAt)
		if again := p.tried(event, 2); again.State != notifier.Sent || again.TriedAt.Before(d.DueAt) {
			t.Errorf("%d with Retry-After: %s: it is %s, tried at %s, due at %s", c.status, asks, again.State, again.TriedAt, d.DueAt)
		}
	}
}

func TestAnEndpointThatOnlyFailsForFiveDaysIsSwitchedOffAndGetsOnceWhatItMissed(t *testing.T) {
	onBoth(t, func(t *testing.T, dsn string) {
		p := newPatient(t, dsn)
		began := p.db.Now().Add(-time.Minute)
		p.answer(http.StatusInternalServerError)

		// A success on the fourth day, and the days begin anew.
		_, first := p.announce("imap1 does not answer", nil)
		p.tried(first, 1)
		p.answer(http.StatusNoContent)
		p.until(began.Add(4 * 24 * time.Hour))
		if d := p.tried(first, 2); d.State != notifier.Sent {
			t.Errorf("the second try came to %s", d.State)
		}
		if h := p.hook(); !h.FailingSince.IsZero() {
			t.Errorf("it took one, and fails since %s", h.FailingSince)
		}
		p.answer(http.StatusInternalServerError)
		_, second := p.announce("imap2 does not answer", nil)
		since := p.tried(second, 1).TriedAt
		if h := p.hook(); !h.FailingSince.Equal(since) {
			t.Errorf("it fails since %s, want %s", h.FailingSince, since)
		}
		p.until(since.Add(notifier.EndpointPatience - time.Minute))
		_, third := p.announce("imap3 does not answer", nil)
		p.tried(third, 1)
		if h := p.hook(); h.State != subscribers.Active || len(p.relay.Messages()) != 0 {
			t.Errorf("a minute before the five days are over it is %s, %d mails", h.State, len(p.relay.Messages()))
		}
		p.until(since.Add(notifier.EndpointPatience))
		eventually(t, "it is switched off", func() bool { return p.hook().State == subscribers.Quarantined })
		if h := p.hook(); h.DisabledWhy != subscribers.DisabledFailing || h.DisabledAt.IsZero() {
			t.Errorf("it is off for %q since %s", h.DisabledWhy, h.DisabledAt)
		}
		eventually(t, "its owner has mail", func() bool { return len(p.relay.Messages()) == 1 })
		if l := readLetter(t, p.relay.Messages()[0]); l.to != "ops@customer.example" || !strings.Contains(l.text, "has failed since") {
			t.Errorf("to %s: %s\n%s", l.to, l.subject, l.text)
		}
		if d := p.delivery(third); d.State != notifier.Suppressed {
			t.Errorf("what was open is %s", d.State)
		}
		posts := len(p.calls())
		_, unheard := p.announce("imap4 does not answer", nil)
		p.done(unheard)
		if n := len(p.calls()); n != posts {
			t.Errorf("%d posts while it is off", n-posts)
		}

		// Back again, with what it missed since the beginning: three incidents, each once.
		p.answer(http.StatusNoContent)
		p.call("POST", "/subscribers/"+p.id+"/test", nil, http.StatusOK)
		if h := p.hook(); h.State != subscribers.Active || !h.FailingSince.IsZero() || h.DisabledWhy != "" {
			t.Errorf("after a good test it is %+v", h)
		}
		recover := object{"since": began.UTC().Format(time.RFC3339)}
		if said := p.call("POST", "/subscribers/"+p.id+"/recover", recover, http.StatusAccepted); said["retried"] != 3.0 {
			t.Errorf("recovered %v, want 3", said)
		}
		if said := p.call("POST", "/subscribers/"+p.id+"/recover", recover, http.StatusAccepted); said["retried"] != 0.0 {
			t.Errorf("recovered %v twice", said)
		}
		got := map[string]int{}
		for _, c := range p.wait(t, posts+4)[posts:] {
			if said := readPosted(t, c); said.Data.Incident != nil {
				got[said.Data.Incident.Title]++
			}
		}
		for _, n := range []int{2, 3, 4} {
			if title := fmt.Sprintf("imap%d does not answer", n); got[title] != 1 {
				t.Errorf("%q came %d times", title, got[title])
			}
		}
		for _, event := range []string{second, third, unheard} {
			p.done(event)
			if d := p.delivery(event); d.State != notifier.Sent {
				t.Errorf("at last one is %s", d.State)
			}
		}
		if said := p.call("POST", "/subscribers/"+p.id+"/recover", recover, http.StatusAccepted); said["retried"] != 0.0 || len(p.calls()) != posts+4 {
			t.Errorf("recovered %v, %d posts", said, len(p.calls())-posts)
		}
		if n := len(p.relay.Messages()); n != 1 {
			t.Errorf("its owner got %d mails", n)
		}
	})
}
