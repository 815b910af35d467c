package main

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"allclear/notifier"
	"allclear/store"
	"allclear/subscribers"
)

// neighbours are the demo's other readers: programs that are called, and
// phones. They live in this process and check what they get.
type neighbours struct {
	http     *http.Server
	listener net.Listener

	mu         sync.Mutex
	secrets    map[string]notifier.Secret // by path
	pass, fail int64                      // signatures
	posts      int64
	texts      []string
	say        func(format string, args ...any) // what comes, as it comes; nil: it is not said
}

// demoHooks are the programs, by the format they want.
func demoHooks() []notifier.Format {
	return []notifier.Format{notifier.FormatStandard, notifier.FormatStatuspage, notifier.FormatSlack}
}

// demoPhones are numbers that are kept for fiction.
func demoPhones() []string { return []string{"+12025550123", "+12025550145"} }

func newNeighbours() (*neighbours, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0") //nolint:noctx // closed by close
	if err != nil {
		return nil, fmt.Errorf("listen for the demo's programs and phones: %w", err)
	}
	n := &neighbours{listener: l, secrets: map[string]notifier.Secret{}}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /hook/", n.hook)
	mux.HandleFunc("POST /text", n.text)
	n.http = &http.Server{Handler: mux, ReadHeaderTimeout: headerTime}
	go func() { _ = n.http.Serve(l) }() // ends with close
	return n, nil
}

func (n *neighbours) close() error { return n.http.Close() }

// gateway writes the file that makes n the gateway of text messages, and
// answers the setting that names it.
func (n *neighbours) gateway(folder string) (string, error) {
	file := filepath.Join(folder, "gateway.txt")
	text := fmt.Sprintf("POST http://%s/text\nContent-Type: text/plain; charset=utf-8\n\n{{.To}}\n{{.Text}}\n", n.listener.Addr())
	return "http-template:" + file, os.WriteFile(file, []byte(text), 0o600)
}

// settle subscribes them.
func (n *neighbours) settle(ctx context.Context, db *store.Store) error {
	for i, f := range demoHooks() {
		path := fmt.Sprintf("/hook/%d-%s", i+1, f)
		s := subscribers.Subscriber{
			Channel: notifier.Webhook, Address: "http://" + n.listener.Addr().String() + path, Contact: "ops@fjord.test", Format: f, State: subscribers.Active,
		}
		made, err := n.add(ctx, db, s)
		if err != nil {
			return err
		}
		secret, err := db.NewSecret(ctx, made.Number)
		if err != nil {
			return err
		}
		n.mu.Lock()
		n.secrets[path] = secret
		n.mu.Unlock()
	}
	for _, phone := range demoPhones() {
		if _, err := n.add(ctx, db, subscribers.Subscriber{Channel: notifier.SMS, Address: phone, State: subscribers.Active, Cadence: subscribers.Milestones}); err != nil {
			return err
		}
	}
	return nil
}

func (n *neighbours) add(ctx context.Context, db *store.Store, s subscribers.Subscriber) (subscribers.Subscriber, error) {
	if err := s.Validate(); err != nil {
		return s, err
	}
	s.CreatedAt, s.ConfirmedAt = db.Now(), db.Now()
	s, err := db.AddSubscriber(ctx, s, nil)
	if err != nil {
		err = fmt.Errorf("add %s: %w", s.Address, err)
	}
	return s, err
}

// hook takes a post and checks its signature, as any program would.
func (n *neighbours) hook(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(io.LimitReader(r.Body, 64<<10))
	if err != nil {
		return
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	mac := hmac.New(sha256.New, n.secrets[r.URL.Path].Key())
	for _, part := range [][]byte{[]byte(r.Header.Get("Webhook-Id") + "." + r.Header.Get("Webhook-Timestamp") + "."), body} {
		_, _ = mac.Write(part)
	}
	want := "v1," + base64.StdEncoding.EncodeToString(mac.Sum(nil))
	n.posts++
	if slices.Contains(strings.Fields(r.Header.Get("Webhook-Signature")), want) {
		n.pass++
	} else {
		n.fail++
	}
	if n.say != nil {
		n.say("post to %s: %d bytes, webhook-id %s", r.URL.Path, len(body), r.Header.Get("Webhook-Id"))
	}
	w.WriteHeader(http.StatusNoContent)
}

// text takes a text message: the number on the first line, then the words.
func (n *neighbours) text(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(io.LimitReader(r.Body, 4<<10))
	if err != nil {
		return
	}
	to, words, _ := bytes.Cut(body, []byte("\n"))
	n.mu.Lock()
	defer n.mu.Unlock()
	n.texts = append(n.texts, strings.TrimSpace(string(words)))
	if n.say != nil {
		n.say("text to %s: %s", to, n.texts[len(n.texts)-1])
	}
	w.WriteHeader(http.StatusOK)
}

// tell says what comes from now on, one at a time.
func (n *neighbours) tell(say func(format string, args ...any)) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.say = say
}

// report tells what they got.
func (n *neighbours) report() (posts, pass, fail int64, texts []string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.posts, n.pass, n.fail, slices.Clone(n.texts)
}

// withNeighbours runs do with them.
func withNeighbours(do func(*neighbours) error) error {
	n, err := newNeighbours()
	if err != nil {
		return err
	}
	return errors.Join(do(n), n.close())
}
