package sms

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"allclear/notifier"
	"allclear/notifier/notifiertest"
)

// switchboard speaks as Twilio does: it keeps what it takes, and may not say so.
type switchboard struct {
	*httptest.Server
	clock  *notifiertest.Clock
	mu     sync.Mutex
	mute   bool // what is sent is taken without an answer
	deaf   bool // what is asked is not answered
	posts  int
	status string
	code   int
	prefix string
	taken  []map[string]any
}

func newSwitchboard(t *testing.T) *switchboard {
	t.Helper()
	b := &switchboard{clock: notifiertest.NewClock(), status: "sent"}
	b.Server = httptest.NewServer(http.HandlerFunc(b.serve))
	t.Cleanup(b.Close)
	return b
}

func (b *switchboard) serve(w http.ResponseWriter, r *http.Request) {
	b.mu.Lock()
	defer b.mu.Unlock()
	now := b.clock.Now().Add(time.Hour).UTC() // its clock is not ours
	w.Header().Set("Date", now.Format(http.TimeFormat))
	hangUp := func() {
		if conn, _, err := http.NewResponseController(w).Hijack(); err == nil {
			_ = conn.Close()
		}
	}
	if user, pass, _ := r.BasicAuth(); user != "AC1" || pass != "token" || r.URL.Path != "/2010-04-01/Accounts/AC1/Messages.json" {
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	if r.Method == http.MethodGet {
		if b.deaf {
			hangUp()
			return
		}
		out := []map[string]any{}
		for _, m := range b.taken {
			if m["to"] == r.URL.Query().Get("To") {
				out = append([]map[string]any{m}, out...)
			}
		}
		_ = json.NewEncoder(w).Encode(map[string]any{"messages": out, "page": 0})
		return
	}
	b.posts++
	b.taken = append(b.taken, map[string]any{
		"sid": "SM9", "to": r.FormValue("To"), "body": b.prefix + r.FormValue("Body"), "direction": "outbound-api", "status": b.status, "error_code": b.code,
		"date_created": now.Format(time.RFC1123Z),
	})
	if b.mute {
		hangUp()
		return
	}
	w.WriteHeader(http.StatusCreated)
	_, _ = io.WriteString(w, `{"sid":"SM9","status":"queued"}`)
}

// change does something while nobody is served.
func (b *switchboard) change(do func()) {
	b.mu.Lock()
	defer b.mu.Unlock()
	do()
}

// sent is how often a message was handed over.
func (b *switchboard) sent() (n int) {
	b.change(func() { n = b.posts })
	return n
}

// again is a message as it comes back behind a try in doubt.
func (b *switchboard) again(text string) *notifier.Message {
	m := message(1<<32|1, "+4790000001", text)
	m.Doubt = b.clock.Now()
	b.clock.Advance(time.Minute)
	return m
}

func TestTwilioIsAskedWhatItTookBeforeAnythingIsSentAgain(t *testing.T) {
	for name, c := range map[string]struct {
		prefix string
		change func(*switchboard)
		posts  int
	}{
		"it had taken it":      {"", func(*switchboard) {}, 1},
		"of a trial account":   {"Sent from a trial account - ", func(*switchboard) {}, 1},
		"it had not":           {"", func(b *switchboard) { b.taken = nil }, 2},
		"another's words":      {"", func(b *switchboard) { b.taken[0]["body"] = "Hello you" }, 2},
		"the same of long ago": {"", func(b *switchboard) { b.taken[0]["date_created"] = "Mon, 02 Jan 2006 15:04:05 +0000" }, 2},
		"what they wrote":      {"", func(b *switchboard) { b.taken[0]["direction"] = "inbound" }, 2},
		"another's number":     {"", func(b *switchboard) { b.taken[0]["to"] = "+4790000002" }, 2},
	} {
		t.Run(name, func(t *testing.T) {
			b := newSwitchboard(t)
			spent, day := purse{}, b.clock.Now().UTC().Format(time.DateOnly)
			s := New(Options{Gateway: gatewayAt(t, b.Server, asTwilio), Now: b.clock.Now, Budget: spent, Limit: 10})
			b.mute, b.prefix = true, c.prefix
			_, err := s.Send(t.Context(), message(1<<32|1, "+4790000001", "Hello"), &free{})
			var se *notifier.SendError
			if !errors.As(err, &se) || se.Permanent || !se.Doubt || se.Fault != notifier.FaultRelay || !(notifier.Delivery{Reply: se.Receipt.Reply}).InDoubt() {
				t.Fatalf("without an answer: %+v", err)
			}
			b.change(func() { b.mute = false; c.change(b) })
			f := &free{}
			r, err := s.Send(t.Context(), b.again("Hello"), f)
			if err != nil || r.Remote != "SM9" || len(f.taken) != 1 || f.taken[0].Remote != "SM9" || b.sent() != c.posts {
				t.Errorf("%+v, %v; sent %d times, written down %v", r, err, b.sent(), f.taken)
			}
			if spent[day] != 1 {
				t.Errorf("paid %v", spent)
			}
		})
	}
}

func TestWhatTwilioTookInVainIsNotSentAgain(t *testing.T) {
	b := newSwitchboard(t)
	s := New(Options{Gateway: gatewayAt(t, b.Server, asTwilio), Now: b.clock.Now})
	b.mute, b.status, b.code = true, "failed", 21610
	_, _ = s.Send(t.Context(), message(1<<32|1, "+4790000001", "Hello"), &free{})
	_, err := s.Send(t.Context(), b.again("Hello"), &free{})
	var se *notifier.SendError
	if !errors.As(err, &se) || !se.Permanent || !se.Gone || b.sent() != 1 {
		t.Errorf("%+v; sent %d times", err, b.sent())
	}
}

func TestWhatStaysInDoubtWaitsUntilTwilioCanBeAsked(t *testing.T) {
	b := newSwitchboard(t)
	s := New(Options{Gateway: gatewayAt(t, b.Server, asTwilio), Now: b.clock.Now})
	b.mute, b.deaf = true, true
	_, _ = s.Send(t.Context(), message(1<<32|1, "+4790000001", "Hello"), &free{})
	for range 3 {
		_, err := s.Send(t.Context(), b.again("Hello"), &free{})
		var se *notifier.SendError
		if !errors.As(err, &se) || se.Permanent || !se.Doubt || !(notifier.Delivery{Reply: se.Receipt.Reply}).InDoubt() {
			t.Fatalf("%+v", err)
		}
		if se.Receipt.Answer != "" {
			t.Errorf("keeps what others were sent: %q", se.Receipt.Answer)
		}
	}
	if b.sent() != 1 {
		t.Errorf("sent %d times", b.sent())
	}
}

func TestWhoSpeaksAsTwilioDoesMayHaveItBelowAPath(t *testing.T) {
	var path string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		path = r.URL.Path
		_, _ = io.WriteString(w, `{"sid":"SM1"}`)
	}))
	defer server.Close()
	s := New(Options{Gateway: gatewayAt(t, server, "twilio://AC1:token@HOST/api/laml/?from=+1"), Now: time.Now})
	if _, err := s.Send(t.Context(), message(1<<32|1, "+4790000001", "Hello"), &free{}); err != nil || path != "/api/laml/2010-04-01/Accounts/AC1/Messages.json" {
		t.Errorf("%q, %v", path, err)
	}
}
