package sms

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
	"unicode/utf16"

	"allclear/notifier"
)

// lacking skips a test whose real part is missing; where everything must be there it fails.
func lacking(t *testing.T, what string) {
	t.Helper()
	if os.Getenv("ALLCLEAR_TEST_STRICT") == "1" {
		t.Fatal(what)
	}
	t.Skip(what)
}

// carrier is a real Kannel, bearerbox and smsbox, with a carrier that does not exist.
type carrier struct {
	t          *testing.T
	dir        string
	send, fake int // ports: of sendsms, and of the carrier's side
	lines      chan string
	log        *safeBuffer
}

type safeBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *safeBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *safeBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

const kannelConf = `group = core
admin-port = %d
admin-password = nothing-to-see
admin-interface = 127.0.0.1
smsbox-port = %d
smsbox-interface = 127.0.0.1
box-allow-ip = "127.0.0.1"
box-deny-ip = "*.*.*.*"
log-level = 0
dlr-storage = internal

group = smsc
smsc = fake
smsc-id = nowhere
port = %d
connect-allow-ip = 127.0.0.1

group = smsbox
bearerbox-host = 127.0.0.1
sendsms-port = %d
sendsms-interface = 127.0.0.1
log-level = 0

group = sendsms-user
username = allclear
password = secret
max-messages = 5
concatenation = true

group = sms-service
keyword = default
catch-all = true
max-messages = 1
omit-empty = true
get-url = "%s"
`

func freePort(t *testing.T) int {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0") //nolint:noctx // closed at once
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port //nolint:forcetypeassert // of a TCP listener
}

// startKannel starts one that tells inbound of what people write.
func startKannel(t *testing.T, inbound func(sendPort int) string) *carrier {
	t.Helper()
	const fakesmsc = "/usr/lib/kannel/test/fakesmsc"
	paths := map[string]string{"fakesmsc": fakesmsc}
	for _, name := range []string{"bearerbox", "smsbox"} {
		path, err := exec.LookPath(name)
		if err != nil {
			path = "/usr/sbin/" + name
		}
		paths[name] = path
	}
	for name, path := range paths {
		if _, err := os.Stat(path); err != nil {
			lacking(t, name+" is missing: apt-get install -y kannel kannel-extras")
		}
	}
	c := &carrier{t: t, dir: t.TempDir(), send: freePort(t), fake: freePort(t), lines: make(chan string, 100), log: &safeBuffer{}}
	conf := filepath.Join(c.dir, "kannel.conf")
	text := fmt.Sprintf(kannelConf, freePort(t), freePort(t), c.fake, c.send, inbound(c.send))
	if err := os.WriteFile(conf, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("what Kannel said:\n%s", c.log)
		}
	})
	c.start(paths["bearerbox"], conf)
	c.until("the carrier's port", func() bool { return listens(c.fake) })
	c.start(paths["smsbox"], conf)
	c.until("sendsms's port", func() bool { return listens(c.send) })
	return c
}

func listens(port int) bool {
	conn, err := net.DialTimeout("tcp", fmt.Sprintf("127.0.0.1:%d", port), time.Second)
	if err != nil {
		return false
	}
	_ = conn.Close()
	return true
}

// start starts a program that ends with the test.
func (c *carrier) start(path string, args ...string) {
	c.t.Helper()
	cmd := exec.Command(path, args...) //nolint:noctx,gosec // ended below
	cmd.Dir, cmd.Stdout, cmd.Stderr = c.dir, c.log, c.log
	if err := cmd.Start(); err != nil {
		c.t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() { _ = cmd.Wait(); close(ended) }()
	c.t.Cleanup(func() {
		_ = cmd.Process.Signal(os.Interrupt)
		select {
		case <-ended:
		case <-time.After(10 * time.Second):
			_ = cmd.Process.Kill()
			<-ended
		}
	})
}

// phone is the carrier's side: what it gets stands in c.lines. It sends what messages say.
func (c *carrier) phone(messages ...string) {
	c.t.Helper()
	args := append([]string{"-H", "127.0.0.1", "-r", fmt.Sprint(c.fake), "-i", "0.1", "-m", fmt.Sprint(len(messages)), "-v", "0"}, messages...)
	cmd := exec.Command("/usr/lib/kannel/test/fakesmsc", args...) //nolint:noctx,gosec // ended below
	cmd.Dir = c.dir
	out, err := cmd.StderrPipe()
	if err != nil {
		c.t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		c.t.Fatal(err)
	}
	go func() {
		lines := bufio.NewScanner(out)
		for lines.Scan() {
			fmt.Fprintln(c.log, "phone:", lines.Text())
			select {
			case c.lines <- lines.Text():
			default:
			}
		}
	}()
	c.t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
}

func (c *carrier) until(what string, holds func() bool) {
	c.t.Helper()
	end := time.Now().Add(30 * time.Second)
	for !holds() {
		if time.Now().After(end) {
			c.t.Fatalf("not within 30 s: %s", what)
		}
		<-time.After(20 * time.Millisecond)
	}
}

// heard waits for a line of the phone's that holds words.
func (c *carrier) heard(words string) string {
	c.t.Helper()
	patience := time.After(30 * time.Second)
	for {
		select {
		case l := <-c.lines:
			if strings.Contains(l, words) {
				return l
			}
		case <-patience:
			c.t.Fatalf("the phone did not hear %q within 30 s", words)
		}
	}
}

// ledger is who stopped and what became of messages.
type ledger struct {
	mu      sync.Mutex
	stopped map[string]int
	reports map[notifier.DeliveryID][]bool
	started map[string]bool
	gone    int
}

func newLedger() *ledger {
	return &ledger{started: map[string]bool{}, stopped: map[string]int{}, reports: map[notifier.DeliveryID][]bool{}}
}

func (l *ledger) StopPhone(_ context.Context, phone string) (bool, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.stopped[phone]++
	return l.stopped[phone] == 1, nil
}

func (l *ledger) StartPhone(_ context.Context, phone, message string) (bool, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if message != "" && l.started[message] {
		return false, nil
	}
	l.started[message] = true
	was := l.stopped[phone] > 0
	delete(l.stopped, phone)
	return was, nil
}

func (l *ledger) ReportPhone(_ context.Context, id notifier.DeliveryID, x notifier.TextReport) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.reports[id] = append(l.reports[id], x.Delivered)
	if x.Gone {
		l.gone++
	}
	return nil
}

func (l *ledger) see() (stopped map[string]int, reports map[notifier.DeliveryID][]bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	stopped, reports = map[string]int{}, map[notifier.DeliveryID][]bool{}
	for k, v := range l.stopped {
		stopped[k] = v
	}
	for k, v := range l.reports {
		reports[k] = v
	}
	return stopped, reports
}

func testIntake(g Gateway, base, auth string, l *ledger) *Intake {
	return NewIntake(IntakeOptions{
		Gateway: g, AuthToken: auth, BaseURL: base, Secret: []byte("a secret of the test's own"), People: l, Reports: l,
		Words: func(_ context.Context, a Answer, _ string) string { return "You said it: " + string(a) + " & so on." },
		Parse: func(phone string) (string, error) {
			if len(phone) < 5 || phone[0] != '+' || phone[1] == '0' || strings.Trim(phone[1:], "0123456789") != "" {
				return "", fmt.Errorf("no number")
			}
			return phone, nil
		},
	})
}

// free lets everything go.
type free struct{ taken []notifier.Receipt }

func (*free) Begin() error                     { return nil }
func (f *free) Taken(r notifier.Receipt) error { f.taken = append(f.taken, r); return nil }

func message(id notifier.DeliveryID, to, text string) *notifier.Message {
	return &notifier.Message{Delivery: id, Channel: notifier.SMS, To: to, Letter: &notifier.Letter{Text: text}}
}

// wide is the text of a line of the phone's in UCS-2, which it shows as bytes in percents.
func wide(t *testing.T, line string) string {
	t.Helper()
	_, text, _ := strings.Cut(line, " ucs-2 ")
	raw, err := url.QueryUnescape(strings.TrimRight(text, "> \r\n"))
	if err != nil {
		t.Fatalf("%q: %v", line, err)
	}
	units := make([]uint16, len(raw)/2)
	for i := range units {
		units[i] = uint16(raw[2*i])<<8 | uint16(raw[2*i+1])
	}
	return string(utf16.Decode(units))
}

func TestThroughARealKannelAMessageGoesOutItsReportAndAStopComeBack(t *testing.T) {
	l := newLedger()
	var in *Intake
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { in.ServeHTTP(w, r) }))
	defer server.Close()
	k := startKannel(t, func(port int) string {
		set, err := ParseSetting(fmt.Sprintf("kannel://allclear:secret@127.0.0.1:%d?from=+4759440000", port), nil)
		if err != nil {
			t.Fatal(err)
		}
		in = testIntake(set.Gateway, server.URL, "", l)
		return in.InboundURL()
	})
	k.phone("004791234567 4759440000 text stop please")
	k.heard("You said it: stopped & so on.")
	if stopped, _ := l.see(); stopped["+4791234567"] != 1 {
		t.Errorf("stopped: %v", stopped)
	}

	s := New(Options{Gateway: in.o.Gateway, Now: time.Now, Report: in.ReportURL})
	id := notifier.MakeDeliveryID(3, 7)
	f := &free{}
	if _, err := s.Send(t.Context(), message(id, "+4790000001", "Fjordpost: “imap7” does not answer – we look {into} it."), f); err != nil {
		t.Fatal(err)
	}
	if len(f.taken) != 1 || f.taken[0].Status != http.StatusAccepted {
		t.Errorf("taken: %+v", f.taken)
	}
	got := k.heard("does not answer")
	if !strings.Contains(got, `Fjordpost: "imap7" does not answer - we look {into} it.`) {
		t.Errorf("the phone got %q", got)
	}
	k.until("the delivery report", func() bool {
		_, reports := l.see()
		return len(reports[id]) > 0
	})
	if _, reports := l.see(); !reports[id][0] {
		t.Error("reported as not delivered")
	}
	const beyond = "Посадка 🚀"
	if _, err := s.Send(t.Context(), message(id+1, "+4790000001", beyond), f); err != nil {
		t.Fatal(err)
	}
	if got := k.heard(" ucs-2 "); wide(t, got) != beyond {
		t.Errorf("beyond the alphabet the phone got %q", got)
	}
}
