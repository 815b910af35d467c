package main

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/mail"
	"sync"
	"testing"

	"github.com/emersion/go-smtp"
)

// ledger is a relay that writes down who was sent what, and keeps no mail.
type ledger struct {
	addr string
	// onMail is called before a mail is acknowledged, with how many were before it.
	onMail func(n int)

	mu    sync.Mutex
	taken map[string][]string // recipient -> Message-IDs, in the order they were taken
	n     int
}

func newLedger(t *testing.T) *ledger {
	t.Helper()
	l := &ledger{taken: map[string][]string{}}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l.addr = listener.Addr().String()
	server := smtp.NewServer(smtp.BackendFunc(func(*smtp.Conn) (smtp.Session, error) { return &ledgerSession{l: l}, nil }))
	server.Domain = "ledger.test"
	server.ErrorLog = discard{}
	go func() { _ = server.Serve(listener) }()
	t.Cleanup(func() { _ = server.Close() })
	return l
}

type discard struct{}

func (discard) Printf(string, ...any) {}
func (discard) Println(...any)        {}

type ledgerSession struct {
	l  *ledger
	to string
}

func (s *ledgerSession) Mail(string, *smtp.MailOptions) error      { return nil }
func (s *ledgerSession) Rcpt(to string, _ *smtp.RcptOptions) error { s.to = to; return nil }
func (s *ledgerSession) Reset()                                    {}
func (s *ledgerSession) Logout() error                             { return nil }

func (s *ledgerSession) Data(r io.Reader) error {
	m, err := mail.ReadMessage(bufio.NewReader(r))
	if err != nil {
		return err
	}
	if _, err := io.Copy(io.Discard, m.Body); err != nil {
		return err
	}
	s.l.mu.Lock()
	n := s.l.n
	s.l.n++
	s.l.taken[s.to] = append(s.l.taken[s.to], m.Header.Get("Message-Id"))
	onMail := s.l.onMail
	s.l.mu.Unlock()
	if onMail != nil {
		onMail(n)
	}
	return nil
}

func (l *ledger) count() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.n
}

// check wants every one of n followers to have been sent a mail, at most
// repeats of them twice, and every repeat under the same Message-ID.
func (l *ledger) check(t *testing.T, n, repeats int) {
	t.Helper()
	l.mu.Lock()
	defer l.mu.Unlock()
	again := 0
	for i := 1; i <= n; i++ {
		to := fmt.Sprintf("a%d@example.com", i)
		ids := l.taken[to]
		if len(ids) == 0 {
			t.Errorf("%s was skipped", to)
			continue
		}
		again += len(ids) - 1
		for _, id := range ids[1:] {
			if id != ids[0] || id == "" {
				t.Errorf("%s: the repeat is %s, the first was %s", to, id, ids[0])
			}
		}
	}
	if len(l.taken) != n {
		t.Errorf("mails to %d readers, want %d", len(l.taken), n)
	}
	if again > repeats {
		t.Errorf("%d repeats; one a connection in flight would be %d", again, repeats)
	}
	t.Logf("%d readers, %d repeats of at most %d", len(l.taken), again, repeats)
}
