package main

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"allclear/notifier"
	"allclear/notifier/email/emailtest"
	"allclear/notifier/sms/smstest"
	"allclear/subscribers"
)

// passage is a call that went through a proxy, and its answer.
type passage struct {
	path   string
	query  url.Values
	status int
	answer string
}

// proxy stands before a server and writes down what goes through it. While it
// is mute, calls arrive and their answers are lost.
type proxy struct {
	*httptest.Server
	to   atomic.Pointer[url.URL]
	mute atomic.Bool

	mu   sync.Mutex
	seen []passage
}

func newProxy(t *testing.T) *proxy {
	t.Helper()
	p := &proxy{}
	forward := &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(p.to.Load())
			r.Out.Host = r.In.Host
		},
		ModifyResponse: func(r *http.Response) error {
			body, err := io.ReadAll(r.Body)
			if err != nil {
				return err
			}
			r.Body = io.NopCloser(bytes.NewReader(body))
			p.mu.Lock()
			defer p.mu.Unlock()
			p.seen = append(p.seen, passage{r.Request.URL.Path, r.Request.URL.Query(), r.StatusCode, string(body)})
			if p.mute.Load() {
				return http.ErrAbortHandler
			}
			return nil
		},
		ErrorHandler: func(http.ResponseWriter, *http.Request, error) { panic(http.ErrAbortHandler) },
	}
	p.Server = httptest.NewServer(forward)
	t.Cleanup(p.Close)
	return p
}

func (p *proxy) before(server string) {
	u, err := url.Parse(server)
	if err != nil {
		panic(err)
	}
	p.to.Store(u)
}

// calls are those so far that a test is interested in.
func (p *proxy) calls(which func(passage) bool) []passage {
	p.mu.Lock()
	defer p.mu.Unlock()
	var out []passage
	for _, c := range p.seen {
		if which(c) {
			out = append(out, c)
		}
	}
	return out
}

// wrote are the calls about what somebody wrote.
func wrote(words string) func(passage) bool {
	return func(c passage) bool { return c.query.Get("text") == words }
}

// reported are the calls about what became of a delivery.
func reported(id notifier.DeliveryID) func(passage) bool {
	return func(c passage) bool { return c.query.Get("delivery") == id.String() }
}

func (p *proxy) wait(t *testing.T, what string, which func(passage) bool) passage {
	t.Helper()
	eventually(t, what, func() bool { return len(p.calls(which)) > 0 })
	return p.calls(which)[0]
}

func TestThroughARealKannelAPhoneSignsUpHearsWhatHappensAndStops(t *testing.T) {
	onBoth(t, func(t *testing.T, dsn string) {
		const phone, ours = "+12025550123", "4759440000"
		writes := func(words string) string { return "00" + phone[1:] + " " + ours + " text " + words }
		relay, clock := emailtest.NewServer(t, emailtest.Options{}), &movingClock{}
		site, gateway := newProxy(t), newProxy(t)
		var s *service
		k := smstest.Start(t, func(port int) string {
			gateway.before(fmt.Sprintf("http://127.0.0.1:%d", port))
			settings := settingsFor(t, dsn, relay.URL("tls=off"))
			settings.BaseURL = site.URL
			settings.SMS = fmt.Sprintf("kannel://%s:%s@%s?from=%%2B%s&countries=US", smstest.User, smstest.Password, strings.TrimPrefix(gateway.URL, "http://"), ours)
			s = boot(t, programOptions{settings: settings, now: clock.now})
			site.before(s.URL())
			return s.intake.InboundURL()
		})
		k.Phone(writes("good morning"))
		if got := site.wait(t, "what somebody wrote", wrote("good morning")); got.status != http.StatusOK || got.answer != "" {
			t.Errorf("to what is no order was answered: %+v", got)
		}

		_, page := get(t, site.URL+"/phone")
		form := hiddenFields(page)
		form.Set("address", "+1 (202) 555-0123")
		clock.forward(10 * time.Second) // a person reads before they press
		status, page := post(t, site.URL+"/phone", form.Encode())
		if status != http.StatusOK {
			t.Fatalf("sign-up: %d %s", status, page)
		}
		code := regexp.MustCompile(`\b\d{6}\b`).FindString(k.Heard("Fjordpost"))
		answer := hiddenFields(page)
		answer.Set("code", code)
		if status, page = post(t, site.URL+"/phone/code", answer.Encode()); status != http.StatusOK {
			t.Fatalf("the code %s: %d %s", code, status, page)
		}

		first, opened := s.announce("imap7 does not answer", nil)
		text := k.Heard("imap7 does not answer")
		if !strings.Contains(text, "Fjordpost: ") || !strings.Contains(text, "STOP") || !strings.Contains(text, site.URL+"/s/") {
			t.Errorf("the phone got %q", text)
		}
		s.done(opened)
		told := s.textOf(phone, opened)
		if r := site.wait(t, "the delivery report", reported(told.ID)); r.query.Get("type") != "1" || r.status != http.StatusNoContent {
			t.Errorf("the report: %+v", r)
		}
		if d := s.textOf(phone, opened); d.State != notifier.Sent || d.Attempts != 1 || d.Relay != "kannel" {
			t.Errorf("it is %s after %d tries by %q", d.State, d.Attempts, d.Relay)
		}

		// The gateway takes one, and its answer is lost: only the report tells.
		gateway.mute.Store(true)
		_, opened = s.announce("web is slow", nil)
		k.Heard("web is slow")
		eventually(t, "what nobody knew of is known to be sent", func() bool { return s.textOf(phone, opened).State == notifier.Sent })
		gateway.mute.Store(false)
		doubted := s.textOf(phone, opened)
		if n := len(gateway.calls(func(c passage) bool {
			return strings.Contains(c.query.Get("dlr-url"), "delivery="+doubted.ID.String()+"&")
		})); n != 1 {
			t.Errorf("the gateway was asked %d times for one message", n)
		}
		s.done(opened)

		k.Phone(writes("Stop it please"))
		k.Heard("Fjordpost")
		if got := site.wait(t, "a STOP", wrote("Stop it please")); got.status != http.StatusOK || !strings.Contains(got.answer, "START") {
			t.Errorf("STOP: %+v", got)
		}
		k.Phone(writes("STOP"))
		if got := site.wait(t, "another STOP", wrote("STOP")); got.status != http.StatusOK || got.answer != "" {
			t.Errorf("the second STOP: %+v", got)
		}
		kept, _, err := s.db.Suppressions(t.Context(), "", 10)
		if err != nil || len(kept) != 1 || kept[0].Channel != notifier.SMS || kept[0].Address != phone || kept[0].Reason != subscribers.ReasonStop {
			t.Errorf("suppressed: %+v, %v", kept, err)
		}
		sent := len(gateway.calls(func(passage) bool { return true }))
		s.done(s.update(first, "resolved", "Everyone reads from the copy."))
		_, opened = s.announce("lists are slow", nil)
		s.done(opened)
		if n := len(gateway.calls(func(passage) bool { return true })); n != sent {
			t.Errorf("%d texts went out behind a STOP", n-sent)
		}

		k.Phone(writes("START"))
		k.Heard("Fjordpost")
		_, opened = s.announce("mail is slow", nil)
		k.Heard("mail is slow")
		s.done(opened)
		// What a carrier could not bring is known for what it is.
		last := s.textOf(phone, opened)
		site.wait(t, "the delivery report", reported(last.ID))
		if status, _ := get(t, s.intake.ReportURL(last.ID)+"&type=2&answer=absent"); status != http.StatusNoContent || s.textOf(phone, opened).State != notifier.Bounced {
			t.Errorf("%d, and it is %s", status, s.textOf(phone, opened).State)
		}
	})
}

// textOf is what an event was to a phone.
func (s *service) textOf(phone, event string) notifier.Delivery {
	s.t.Helper()
	found, _, err := s.db.Deliveries(s.t.Context(), notifier.DeliveryQuery{Event: event, Address: phone, Limit: 2})
	if err != nil || len(found) != 1 {
		s.t.Fatalf("%d deliveries of the event to the phone, %v", len(found), err)
	}
	return found[0]
}
