package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"mime"
	"net/http"
	"net/mail"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"allclear/notifier"
	"allclear/notifier/email"
	"allclear/notifier/email/emailtest"
	"allclear/store"
	"allclear/store/storetest"
	"allclear/subscribers"
)

// patienceOfTests is how long a test waits for what should come at once.
const patienceOfTests = time.Minute

// onBoth runs a test on a new database of each kind.
func onBoth(t *testing.T, test func(t *testing.T, dsn string)) {
	for _, dialect := range storetest.Dialects() {
		t.Run(dialect, func(t *testing.T) { test(t, storetest.DSN(t, dialect)) })
	}
}

// service is the true program, running.
type service struct {
	*Program
	t      *testing.T
	token  string
	log    *lockedBuffer
	cancel context.CancelFunc
	ended  chan error
}

// settingsFor are settings for dsn with everything else small and quiet.
func settingsFor(t *testing.T, dsn, relay string) Settings {
	t.Helper()
	return Settings{
		Storage:   Storage{Base: Base{Database: dsn}, State: filepath.Join(t.TempDir(), "state"), Secret: strings.Repeat("test", 8)},
		Site:      Site{Name: "Fjordpost", Language: "en", Clock: Clock{Timezone: "UTC"}},
		Mail:      Mail{From: "Fjordpost <status@fjordpost.example>", Relay: relay, SMTPConnections: "4"},
		Listening: Listening{Listen: "127.0.0.1:0"},
	}
}

// boot starts the program that o describes; it is drained when the test ends.
func boot(t *testing.T, o programOptions) *service {
	t.Helper()
	s := &service{t: t, log: &lockedBuffer{}, ended: make(chan error, 1)}
	o.env, o.log = &environment{}, slog.New(slog.NewTextHandler(s.log, &slog.HandlerOptions{Level: slog.LevelInfo}))
	p, err := newProgram(t.Context(), o)
	if err != nil {
		t.Fatalf("start: %v", err)
	}
	s.Program = p
	ctx, cancel := context.WithCancel(context.Background())
	s.cancel = cancel
	go func() { s.ended <- p.Run(ctx) }()
	t.Cleanup(func() {
		s.stop()
		if t.Failed() {
			t.Logf("log of the program:\n%s", s.log)
		}
	})
	if !o.worker {
		if s.token, err = createToken(t.Context(), p.db, "test "+newID(), notifier.RoleAdmin); err != nil {
			t.Fatalf("make a token: %v", err)
		}
	}
	return s
}

// stop drains the program and closes it; again is harmless.
func (s *service) stop() {
	if s.cancel == nil {
		return
	}
	s.cancel()
	s.cancel = nil
	select {
	case err := <-s.ended:
		if err != nil {
			s.t.Errorf("drain: %v", err)
		}
	case <-time.After(drainAll + patienceOfTests):
		s.t.Error("the program does not end")
	}
	if err := s.Close(); err != nil {
		s.t.Errorf("close: %v", err)
	}
}

// follow adds n followers a1@example.com and so on.
func follow(t *testing.T, db *store.Store, n int, change ...func(*subscribers.Subscriber)) {
	t.Helper()
	for from := 0; from < n; from += 1000 {
		var batch []subscribers.Subscriber
		for i := from + 1; i <= min(from+1000, n); i++ {
			s := subscribers.Subscriber{
				Channel: notifier.Email, Address: fmt.Sprintf("a%d@example.com", i), State: subscribers.Active, Cadence: subscribers.Instant,
				CreatedAt: db.Now(), ConfirmedAt: db.Now(),
			}
			for _, c := range change {
				c(&s)
			}
			batch = append(batch, s)
		}
		_, errs, err := db.ImportSubscribers(t.Context(), batch, nil)
		for _, e := range errs {
			if err == nil {
				err = e
			}
		}
		if err != nil {
			t.Fatalf("add followers: %v", err)
		}
	}
}

type object map[string]any

// call asks the API and returns what it answered, which must have the status want.
func (s *service) call(method, path string, body object, want int) object {
	s.t.Helper()
	out, err := callAPI(s.t.Context(), s.URL(), s.token, method, path, body, want)
	if err != nil {
		s.t.Fatal(err)
	}
	return out
}

func callAPI(ctx context.Context, url, token, method, path string, body object, want int) (object, error) {
	var in io.Reader
	if body != nil {
		text, err := json.Marshal(body)
		if err != nil {
			return nil, err
		}
		in = bytes.NewReader(text)
	}
	r, err := http.NewRequestWithContext(ctx, method, url+"/api/v1"+path, in)
	if err != nil {
		return nil, err
	}
	r.Header.Set("Authorization", "Bearer "+token)
	if body != nil {
		r.Header.Set("Content-Type", "application/json")
	}
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		return nil, err
	}
	if res.StatusCode != want {
		return nil, fmt.Errorf("%s %s: %s, want %d: %s", method, path, res.Status, want, text)
	}
	var out object
	if len(text) > 0 {
		err = json.Unmarshal(text, &out)
	}
	return out, err
}

// text is a field of an answer.
func (o object) text(key string) string {
	s, _ := o[key].(string)
	return s
}

// announce opens an incident; it returns the incident's id and the event's.
func (s *service) announce(title string, more object) (incident, event string) {
	s.t.Helper()
	body := object{"title": title, "severity": "major", "body": "It began {{at \"-5m\"}}."}
	for k, v := range more {
		body[k] = v
	}
	said := s.call("POST", "/incidents", body, http.StatusCreated)
	return said.text("id"), said.text("event_id")
}

// update says more about an incident and returns the event's id.
func (s *service) update(incident, status, body string) string {
	s.t.Helper()
	return s.call("POST", "/incidents/"+incident+"/updates", object{"status": status, "body": body}, http.StatusCreated).text("event_id")
}

// done waits until an event is done and returns its counts by state.
func (s *service) done(event string) map[notifier.DeliveryState]int64 {
	s.t.Helper()
	return waitDone(s.t, s.db, event).Counts
}

func waitDone(t *testing.T, db *store.Store, event string) notifier.Progress {
	t.Helper()
	return waitProgress(t, db, event, func(p notifier.Progress) bool { return p.State() == notifier.Done })
}

func waitProgress(t *testing.T, db *store.Store, event string, enough func(notifier.Progress) bool) notifier.Progress {
	t.Helper()
	deadline := time.Now().Add(patienceOfTests)
	for {
		p, err := db.Progress(t.Context(), event)
		if err != nil {
			t.Fatalf("progress: %v", err)
		}
		if enough(p) {
			return p
		}
		if time.Now().After(deadline) {
			t.Fatalf("event %s is %s after %s: %v", event, p.State(), patienceOfTests, p.Counts)
		}
		<-time.After(5 * time.Millisecond)
	}
}

// eventually waits until a condition holds.
func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	within(t, patienceOfTests, what, holds)
}

// within is eventually with a patience of its own.
func within(t *testing.T, patience time.Duration, what string, holds func() bool) {
	t.Helper()
	deadline := time.Now().Add(patience)
	for !holds() {
		if time.Now().After(deadline) {
			t.Fatalf("not within %s: %s", patience, what)
		}
		<-time.After(5 * time.Millisecond)
	}
}

// letter is a mail as a reader's program sees it.
type letter struct {
	to, subject, id, references, inReplyTo string
	leave                                  string // the one-click link
	raw                                    []byte
	text                                   string // whole body, undecoded but for soft line breaks
}

func readLetter(t *testing.T, m emailtest.Message) letter {
	t.Helper()
	parsed, err := mail.ReadMessage(bytes.NewReader(m.Data))
	if err != nil {
		t.Fatalf("read a mail: %v", err)
	}
	body, err := io.ReadAll(parsed.Body)
	if err != nil {
		t.Fatalf("read a mail: %v", err)
	}
	h := parsed.Header
	subject, err := new(mime.WordDecoder).DecodeHeader(h.Get("Subject"))
	if err != nil {
		t.Fatalf("read a subject: %v", err)
	}
	return letter{
		to: strings.Join(m.To, " "), subject: subject, id: h.Get("Message-Id"), references: h.Get("References"), inReplyTo: h.Get("In-Reply-To"),
		leave: strings.Trim(h.Get("List-Unsubscribe"), "<>"), raw: m.Data, text: strings.ReplaceAll(string(body), "=\r\n", ""),
	}
}

// byReader sorts mails by recipient, each reader's in the order they came.
func byReader(t *testing.T, mails []emailtest.Message) map[string][]letter {
	t.Helper()
	out := map[string][]letter{}
	for _, m := range mails {
		l := readLetter(t, m)
		out[l.to] = append(out[l.to], l)
	}
	return out
}

// makeKeys writes a DKIM key of each algorithm and returns the setting.
func makeKeys(t *testing.T) string {
	t.Helper()
	var entries []string
	for _, algorithm := range []string{email.RSA, email.Ed25519} {
		file := filepath.Join(t.TempDir(), algorithm+".pem")
		key, err := email.GenerateKey(algorithm)
		if err == nil {
			err = email.WriteKey(file, key)
		}
		if err != nil {
			t.Fatal(err)
		}
		entries = append(entries, "fjordpost.example:"+algorithm+":"+file)
	}
	return strings.Join(entries, ",")
}

// movingClock is the system's clock, which a test may put forward.
type movingClock struct{ ahead atomic.Int64 }

func (c *movingClock) now() time.Time { return time.Now().Add(time.Duration(c.ahead.Load())) }

func (c *movingClock) forward(d time.Duration) { c.ahead.Add(int64(d)) }

// lockedBuffer takes a log from many goroutines.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// post sends a form as a mail provider or a browser does.
func post(t *testing.T, url, form string) (status int, body string) {
	t.Helper()
	res, err := http.Post(url, "application/x-www-form-urlencoded", strings.NewReader(form))
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, string(text)
}

// get fetches a page.
func get(t *testing.T, url string, header ...string) (status int, body string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
		if header[i] == "Host" {
			r.Host = header[i+1]
		}
	}
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, string(text)
}

// keep writes a file for a test.
func keep(t *testing.T, name, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}
