package faulttest

import (
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"allclear/notifier/email/emailtest"
	"allclear/notifier/ledgertest"
	"allclear/store/storetest"
)

// misbehaviour is a relay's. Most of them concern the first connections alone:
// what they leave undone is done over others.
type misbehaviour struct {
	command func(n int, command string) string
	dot     func(m ledgertest.Mail) string
	// late is how long it thinks before it answers a command as usual.
	late time.Duration
	// during happens once the incident is posted.
	during func(t *testing.T, s *site, d *door)
	// refused is how many readers the relay refuses for good.
	refused int64
	// cut: answers that the relay gave were lost on the way.
	cut bool
}

const relayReaders = 96

// onFirst answers one command of the first connections.
func onFirst(connections int, verb, reply string) func(int, string) string {
	return func(n int, command string) string {
		if n <= connections && strings.HasPrefix(command, verb) {
			return reply
		}
		return ""
	}
}

// firstDots answers the end of the first mail of each of the first connections.
func firstDots(connections int, reply string) func(ledgertest.Mail) string {
	return func(m ledgertest.Mail) string {
		if m.Connection <= connections && m.Nth == 1 {
			return reply
		}
		return ""
	}
}

// someReaders answers RCPT for every eighth reader: the first time, or always.
func someReaders(always bool, reply string) func(int, string) string {
	var mu sync.Mutex
	asked := map[string]bool{}
	return func(_ int, command string) string {
		_, who, ok := strings.Cut(command, "RCPT TO:<quail")
		if n, err := strconv.Atoi(who[:min(len(who), 5)]); !ok || err != nil || n%8 != 0 {
			return ""
		}
		mu.Lock()
		defer mu.Unlock()
		if again := asked[who]; again && !always {
			return ""
		}
		asked[who] = true
		return reply
	}
}

func misbehaviours() map[string]misbehaviour {
	never := make(chan struct{}) // closed by whoever has waited long enough
	return map[string]misbehaviour{
		"is down when the incident is posted": {during: func(t *testing.T, s *site, d *door) {
			eventually(t, "serve tells that the relay is away", func() bool { return s.processes[0].log.has("relay does not answer") })
			d.open()
		}},
		"goes down in the middle": {cut: true, during: func(t *testing.T, s *site, d *door) {
			s.ledger.Wait(relayReaders / 3)
			if d.close() == 0 {
				t.Error("there was no connection to cut: the test is blind")
			}
			eventually(t, "serve tells that the relay is away", func() bool { return s.processes[0].log.has("relay does not answer") })
			d.open()
		}},
		"takes its time for every reply":            {late: 30 * time.Millisecond},
		"says 421 at the greeting":                  {command: onFirst(3, emailtest.Connected, "421 4.3.2 too busy")},
		"says 421 at MAIL":                          {command: onFirst(3, "MAIL", "421 4.7.0 slow down")},
		"says 421 at the end of a mail":             {dot: firstDots(6, "421 4.3.2 going down")},
		"says 451 at the end of a mail":             {dot: firstDots(6, "451 4.3.0 try again later")},
		"says 450 to some":                          {command: someReaders(false, "450 4.2.0 greylisted"), during: hasten},
		"says 550 to some":                          {command: someReaders(true, "550 5.1.1 no such user"), refused: relayReaders / 8},
		"hangs up in DATA":                          {command: onFirst(6, "DATA", "354 go ahead\r\n"+emailtest.Drop)},
		"hangs up behind a mail's end":              {dot: firstDots(6, emailtest.Drop)},
		"hangs up in the middle of its last answer": {dot: firstDots(6, "250 2.0.0 Ok: que"+emailtest.Drop)},
		"talks nonsense at EHLO":                    {command: onFirst(3, "EHLO", "hello there, and welcome")},
		"talks nonsense at RCPT":                    {command: onFirst(3, "RCPT", "\xff\xfe\x01 what?")},
		"talks nonsense at a mail's end":            {dot: firstDots(3, "thank you")},
		"talks without end":                         {command: onFirst(1, "MAIL", emailtest.Endless)},
		"is silent behind MAIL":                     {command: onFirst(1, "MAIL", emailtest.Hang)},
		"is silent behind a mail's end, then hangs up": {
			dot: func(m ledgertest.Mail) string {
				if m.Connection == 1 && m.Nth == 1 {
					<-never
					return emailtest.Drop
				}
				return ""
			},
			during: func(t *testing.T, s *site, _ *door) {
				defer close(never)
				s.ledger.Wait(relayReaders)
			},
		},
		"ends its half of the connection in the middle": {cut: true, during: func(_ *testing.T, s *site, d *door) {
			s.ledger.Wait(relayReaders / 3)
			if d.halfClose() == 0 {
				s.t.Error("there was no connection to end: the test is blind")
			}
		}},
	}
}

func TestWhateverARelayDoesEveryoneIsToldAndOnceUnlessItGaveNoAnswer(t *testing.T) {
	tests := map[string]func(t *testing.T){}
	for name, m := range misbehaviours() {
		tests[name] = func(t *testing.T) {
			s := newSite(t, storetest.DSN(t, "sqlite"), relayReaders)
			struck := s.misbehave(m)
			d := newDoor(t, s.ledger.Addr)
			if name != "is down when the incident is posted" {
				d.open()
			}
			if m.cut {
				s.doubts = connections
			}
			s.serve("ALLCLEAR_RELAY=smtp://" + d.addr + "?tls=off")
			s.open()
			if m.during != nil {
				m.during(t, s, d)
			}
			s.finish(leaseEnds)
			s.check()
			if m.scripted() && struck.Load() == 0 {
				t.Error("the relay did nothing of the kind: the test is blind")
			}
			if counts, err := s.counts(s.events[0]); err != nil || counts["failed"] != m.refused || counts["sent"] != relayReaders-m.refused {
				t.Errorf("counts %v, %v; want %d failed and all others sent", counts, err, m.refused)
			}
		}
	}
	atOnce(t, tests)
}

// scripted reports whether it is in the relay's answers; else during sees to it.
func (m misbehaviour) scripted() bool { return m.command != nil || m.dot != nil || m.late > 0 }

// misbehave makes the ledger do so, and counts how often it did.
func (s *site) misbehave(m misbehaviour) (struck *atomic.Int64) {
	struck = new(atomic.Int64)
	noted := func(reply string) string {
		if reply != "" {
			struck.Add(1)
		}
		return reply
	}
	if m.command != nil {
		s.ledger.Commands(func(n int, command string) string { return noted(m.command(n, command)) })
	}
	if m.dot != nil {
		s.ledger.Before(func(mail ledgertest.Mail) string { return noted(m.dot(mail)) })
	}
	if m.late > 0 {
		s.ledger.Commands(func(int, string) string {
			<-time.After(m.late)
			struck.Add(1)
			return ""
		})
	}
	return struck
}

// hasten tries again what waits for its back-off, which is what staff can do.
func hasten(t *testing.T, s *site, _ *door) {
	const some = relayReaders / 8
	eventually(t, "those who were put off are known", func() bool {
		_, counts, err := s.progress(s.events[0])
		return err == nil && counts["pending"] == some && counts["sent"] == relayReaders-some
	})
	_, said, err := s.call(http.MethodGet, "/deliveries?state=pending&limit=100", nil)
	if err != nil {
		t.Fatal(err)
	}
	list, _ := said["items"].([]any)
	for _, d := range list {
		one, _ := d.(map[string]any)
		if status, said, err := s.call(http.MethodPost, "/deliveries/"+object(one).text("id")+"/retry", nil); err != nil || status >= 300 {
			t.Fatalf("retry: %d %v %v", status, said, err)
		}
	}
	if len(list) != some {
		t.Errorf("%d deliveries wait, want %d: %v", len(list), some, said)
	}
}

// door stands before the ledger: a relay's address whose host can go down and
// come back, and can end its half of a connection.
type door struct {
	t    *testing.T
	addr string
	to   string

	mu    sync.Mutex
	l     net.Listener
	conns []*net.TCPConn // the program's
}

// newDoor makes one that is closed.
func newDoor(t *testing.T, to string) *door {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_ = l.Close()
	d := &door{t: t, addr: l.Addr().String(), to: to}
	t.Cleanup(func() { d.close() })
	return d
}

func (d *door) open() {
	d.t.Helper()
	l, err := net.Listen("tcp", d.addr)
	if err != nil {
		d.t.Fatal(err)
	}
	d.mu.Lock()
	d.l = l
	d.mu.Unlock()
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go d.pass(c.(*net.TCPConn))
		}
	}()
}

func (d *door) pass(c *net.TCPConn) {
	d.mu.Lock()
	d.conns = append(d.conns, c)
	d.mu.Unlock()
	defer c.Close()
	relay, err := net.Dial("tcp", d.to)
	if err != nil {
		return
	}
	go func() {
		_, _ = io.Copy(relay, c)
		_ = relay.(*net.TCPConn).CloseWrite()
	}()
	_, _ = io.Copy(c, relay)
	_ = relay.Close()
}

// close ends every connection and refuses new ones. It says how many those were.
func (d *door) close() (n int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.l != nil {
		_ = d.l.Close()
	}
	for _, c := range d.conns {
		if c.SetLinger(0) == nil { // else it is closed already
			n++
		}
		_ = c.Close()
	}
	d.conns = nil
	return n
}

// halfClose says to the program, on every connection, that nothing more comes,
// and goes on listening to it.
func (d *door) halfClose() (n int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, c := range d.conns {
		if c.CloseWrite() == nil {
			n++
		}
	}
	d.conns = nil
	return n
}
