package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"allclear/notifier"
	"allclear/notifier/email/emailtest"
	"allclear/subscribers"
)

// customer is a program that is called. It answers what it is told to.
type customer struct {
	*httptest.Server
	mu     sync.Mutex
	status int
	with   []string // header fields, name and value in turn
	got    []call
}

type call struct {
	header http.Header
	body   []byte
}

func newCustomer(t *testing.T) *customer {
	t.Helper()
	c := &customer{status: http.StatusNoContent}
	c.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		c.mu.Lock()
		defer c.mu.Unlock()
		c.got = append(c.got, call{r.Header.Clone(), body})
		for i := 0; i+1 < len(c.with); i += 2 {
			w.Header().Set(c.with[i], c.with[i+1])
		}
		w.WriteHeader(c.status)
		_, _ = io.WriteString(w, strings.Repeat("<b>x</b>", 1000))
	}))
	t.Cleanup(c.Close)
	return c
}

func (c *customer) answer(status int, with ...string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.status, c.with = status, with
}

func (c *customer) calls() []call {
	c.mu.Lock()
	defer c.mu.Unlock()
	return append([]call(nil), c.got...)
}

func (c *customer) wait(t *testing.T, n int) []call {
	t.Helper()
	eventually(t, fmt.Sprintf("%d posts", n), func() bool { return len(c.calls()) >= n })
	return c.calls()
}

// hookService is a service that may post to this machine.
func hookService(t *testing.T, dsn string, clock *movingClock) (*service, *emailtest.Server) {
	t.Helper()
	relay := emailtest.NewServer(t, emailtest.Options{})
	settings := settingsFor(t, dsn, relay.URL("tls=off"))
	settings.WebhookAllow = "127.0.0.0/8"
	o := programOptions{settings: settings}
	if clock != nil {
		o.now = clock.now
	}
	return boot(t, o), relay
}

func (s *service) endpoint(url string, more object) (id, secret string) {
	s.t.Helper()
	body := object{"channel": "webhook", "address": url, "contact": "ops@customer.example", "state": "active"}
	for k, v := range more {
		body[k] = v
	}
	said := s.call("POST", "/subscribers", body, http.StatusCreated)
	return said.text("id"), said.text("secret")
}

func TestAnEndpointIsToldOfAnIncidentInOrderAndSigned(t *testing.T) {
	onBoth(t, func(t *testing.T, dsn string) {
		s, _ := hookService(t, dsn, nil)
		c := newCustomer(t)
		id, secret := s.endpoint(c.URL+"/hook", nil)
		incident, opened := s.announce("imap7 does not answer", nil)
		s.done(opened)
		s.done(s.update(incident, "identified", "A power supply has burnt out."))
		s.done(s.update(incident, "resolved", "Everyone reads from the copy."))

		judge, err := standardwebhooks.NewWebhook(strings.TrimPrefix(secret, "whsec_"))
		if err != nil {
			t.Fatal(err)
		}
		ids, last := map[string]bool{}, 0.0
		for i, got := range c.wait(t, 3) {
			if err := judge.Verify(got.body, got.header); err != nil {
				t.Errorf("post %d: %v", i+1, err)
			}
			if id := got.header.Get("webhook-id"); ids[id] {
				t.Errorf("post %d has the id of another: %s", i+1, id)
			} else {
				ids[id] = true
			}
			var said struct {
				Type string
				Data struct {
					Sequence float64
					Incident struct{ ID string }
				}
			}
			if err := json.Unmarshal(got.body, &said); err != nil {
				t.Fatal(err)
			}
			want := []string{"incident.created", "incident.updated", "incident.resolved"}[i]
			if said.Type != want || said.Data.Incident.ID != incident || said.Data.Sequence <= last {
				t.Errorf("post %d: %+v; want %s", i+1, said, want)
			}
			last = said.Data.Sequence
		}
		if n := len(c.calls()); n != 3 {
			t.Errorf("%d posts, want 3", n)
		}
		log := s.call("GET", "/subscribers/"+id+"/attempts", nil, http.StatusOK)
		if items, _ := log["items"].([]any); len(items) != 3 {
			t.Errorf("%d attempts in the log: %v", len(items), log)
		}
	})
}

func TestAnEndpointThatIsGoneIsDisabledAndItsOwnerToldAndCanCatchUp(t *testing.T) {
	onBoth(t, func(t *testing.T, dsn string) {
		s, relay := hookService(t, dsn, nil)
		c := newCustomer(t)
		id, _ := s.endpoint(c.URL+"/hook", nil)
		before := s.db.Now().Add(-time.Minute).UTC().Format(time.RFC3339)
		c.answer(http.StatusGone)
		_, opened := s.announce("imap7 does not answer", nil)
		if failed := s.done(opened)[notifier.Failed]; failed != 1 {
			t.Fatalf("%d failed, want the one that got 410", failed)
		}
		eventually(t, "the endpoint is disabled", func() bool {
			return s.call("GET", "/subscribers/"+id, nil, http.StatusOK).text("state") == string(subscribers.Quarantined)
		})
		eventually(t, "its owner has mail", func() bool { return len(relay.Messages()) > 0 })
		if to := relay.Messages()[0].To; len(to) != 1 || to[0] != "ops@customer.example" {
			t.Errorf("told %v", to)
		}
		_, missed := s.announce("web is slow", nil)
		if p := waitDone(t, s.db, missed); p.Total != 0 {
			t.Errorf("%d deliveries to a disabled endpoint", p.Total)
		}
		c.answer(http.StatusNoContent)
		if tried := s.call("POST", "/subscribers/"+id+"/test", nil, http.StatusOK); tried["status"] != 204.0 {
			t.Errorf("the test came to %v", tried)
		}
		if state := s.call("GET", "/subscribers/"+id, nil, http.StatusOK).text("state"); state != "active" {
			t.Errorf("after a good test it is %s", state)
		}
		n := len(c.calls())
		if said := s.call("POST", "/subscribers/"+id+"/recover", object{"since": before}, http.StatusAccepted); said["retried"] != 2.0 {
			t.Errorf("recovered %v, want 2", said)
		}
		c.wait(t, n+2)
	})
}

func TestAnOwnersTokenIsGoodForItsOwnEndpointAlone(t *testing.T) {
	s, _ := hookService(t, t.TempDir()+"/a.db", nil)
	c := newCustomer(t)
	mine, _ := s.endpoint(c.URL+"/mine", nil)
	other, _ := s.endpoint(c.URL+"/other", nil)
	token := s.call("POST", "/subscribers/"+mine+"/token", nil, http.StatusOK).text("token")
	if !strings.HasPrefix(token, "whtk_") {
		t.Fatalf("token %q", token)
	}
	for _, x := range []struct {
		method, path string
		body         object
		want         int
	}{
		{"GET", "/subscribers/" + mine, nil, 200},
		{"GET", "/subscribers/" + mine + "/attempts", nil, 200},
		{"POST", "/subscribers/" + mine + "/test", nil, 200},
		{"PATCH", "/subscribers/" + mine, object{"types": []string{"incident.created"}}, 200},
		{"PATCH", "/subscribers/" + mine, object{"state": "paused"}, 200},
		{"PATCH", "/subscribers/" + mine, object{"state": "active"}, 200},
		{"PATCH", "/subscribers/" + mine, object{"contact": "thief@evil.example"}, 422},
		{"PATCH", "/subscribers/" + mine + "/limits", object{"rate": 5, "concurrency": 2}, 200},
		{"PATCH", "/subscribers/" + mine + "/limits", object{"concurrency": 5}, 422},
		{"PATCH", "/subscribers/" + other + "/limits", object{"concurrency": 1}, 404},
		{"POST", "/subscribers/" + mine + "/rotate-secret", nil, 200},
		{"GET", "/subscribers/" + other, nil, 404},
		{"GET", "/subscribers/" + other + "/attempts", nil, 404},
		{"POST", "/subscribers/" + other + "/rotate-secret", nil, 404},
		{"PATCH", "/subscribers/" + other, object{"state": "paused"}, 404},
		{"GET", "/subscribers", nil, 403},
		{"GET", "/deliveries", nil, 403},
		{"POST", "/incidents", object{"title": "x"}, 403},
		{"DELETE", "/subscribers/" + mine, nil, 403},
	} {
		if _, err := callAPI(t.Context(), s.URL(), token, x.method, x.path, x.body, x.want); err != nil {
			t.Error(err)
		}
	}
	again := s.call("POST", "/subscribers/"+mine+"/token", nil, http.StatusOK).text("token")
	if _, err := callAPI(t.Context(), s.URL(), token, "GET", "/subscribers/"+mine, nil, 401); err != nil {
		t.Errorf("the token that was replaced: %v", err)
	}
	if _, err := callAPI(t.Context(), s.URL(), again, "GET", "/subscribers/"+mine, nil, 200); err != nil {
		t.Error(err)
	}
}

func TestARotatedSecretSignsBesideTheOldOne(t *testing.T) {
	s, _ := hookService(t, t.TempDir()+"/a.db", nil)
	c := newCustomer(t)
	id, old := s.endpoint(c.URL+"/hook", nil)
	fresh := s.call("POST", "/subscribers/"+id+"/rotate-secret", nil, http.StatusOK).text("secret")
	if fresh == old || fresh == "" {
		t.Fatalf("secret %q after %q", fresh, old)
	}
	_, opened := s.announce("imap7 does not answer", nil)
	s.done(opened)
	got := c.wait(t, 1)[0]
	for _, secret := range []string{old, fresh} {
		judge, err := standardwebhooks.NewWebhook(strings.TrimPrefix(secret, "whsec_"))
		if err != nil {
			t.Fatal(err)
		}
		if err := judge.Verify(got.body, got.header); err != nil {
			t.Errorf("with the %s secret: %v", map[bool]string{true: "old", false: "new"}[secret == old], err)
		}
	}
}

func TestAnEndpointOnThisMachineIsNotCalledUnlessThatIsOpened(t *testing.T) {
	relay := emailtest.NewServer(t, emailtest.Options{})
	s := boot(t, programOptions{settings: settingsFor(t, t.TempDir()+"/a.db", relay.URL("tls=off"))})
	c := newCustomer(t)
	id, _ := s.endpoint(c.URL+"/hook", nil)
	_, opened := s.announce("imap7 does not answer", nil)
	waitProgress(t, s.db, opened, func(p notifier.Progress) bool { return p.Tried == 1 })
	if n := len(c.calls()); n != 0 {
		t.Fatalf("%d posts came through", n)
	}
	tried := s.call("POST", "/subscribers/"+id+"/test", nil, http.StatusOK)
	if tried["status"] != 0.0 || tried.text("trouble") == "" || len(c.calls()) != 0 {
		t.Errorf("the test came to %v", tried)
	}
}
