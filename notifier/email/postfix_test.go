package email

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/emersion/go-smtp"

	"allclear/notifier"
)

// postfix is a throw-away Postfix with a queue and a configuration of its own,
// which passes everything on to one address on loopback.
type postfix struct {
	dir, addr string
}

// startPostfix needs root, because Postfix's own processes change their user.
func startPostfix(t *testing.T, relayhost string) *postfix {
	t.Helper()
	if os.Geteuid() != 0 {
		lacking(t, "Postfix can only be started by root; run this test as root")
	}
	if _, err := exec.LookPath("postfix"); err != nil {
		lacking(t, `Postfix is missing: DEBIAN_FRONTEND=noninteractive apt-get install -y postfix (choose "No configuration")`)
	}
	owner, err := user.Lookup("postfix")
	if err != nil {
		lacking(t, "Postfix has no user of its own: "+err.Error())
	}
	// Not t.TempDir: its parent may be entered by root only.
	dir, err := os.MkdirTemp("", "postfix") //nolint:usetesting // see above
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	uid, _ := strconv.Atoi(owner.Uid)
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(os.Chmod(dir, 0o755))
	for _, sub := range []string{"etc", "queue", "data"} {
		must(os.Mkdir(filepath.Join(dir, sub), 0o755))
	}
	must(os.Chown(filepath.Join(dir, "data"), uid, -1))
	p := &postfix{dir: dir, addr: freeAddress(t)}
	must(os.WriteFile(filepath.Join(dir, "etc", "main.cf"), []byte(p.mainCf(relayhost)), 0o644))
	must(os.WriteFile(filepath.Join(dir, "etc", "master.cf"), []byte(p.masterCf()), 0o644))
	t.Cleanup(func() {
		if out, err := p.command("stop").CombinedOutput(); err != nil {
			t.Errorf("stop Postfix: %v\n%s", err, out)
		}
	})
	if out, err := p.command("start").CombinedOutput(); err != nil {
		t.Fatalf("start Postfix: %v\n%s\n%s", err, out, p.log())
	}
	p.awaitGreeting(t)
	return p
}

func (p *postfix) command(verb string) *exec.Cmd {
	cmd := exec.Command("postfix", "-c", filepath.Join(p.dir, "etc"), verb)
	cmd.Env = append(os.Environ(), "MAIL_CONFIG="+filepath.Join(p.dir, "etc"))
	return cmd
}

func (p *postfix) mainCf(relayhost string) string {
	host, port, _ := net.SplitHostPort(relayhost)
	return fmt.Sprintf(`compatibility_level = 3.6
queue_directory = %[1]s/queue
data_directory = %[1]s/data
maillog_file = %[1]s/maillog
maillog_file_prefixes = %[1]s
myhostname = relay.test
mydestination =
alias_maps =
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
mynetworks = 127.0.0.0/8
smtpd_relay_restrictions = permit_mynetworks, reject
smtp_tls_security_level = none
smtpd_tls_security_level = none
disable_dns_lookups = yes
smtp_host_lookup = native
relayhost = [%[2]s]:%[3]s
`, p.dir, host, port)
}

// masterCf runs nothing in a chroot, so that nothing has to be copied into one.
func (p *postfix) masterCf() string {
	var b strings.Builder
	b.WriteString(p.addr + " inet n - n - - smtpd\n" +
		"postlog unix-dgram n - n - 1 postlogd\n" +
		"cleanup unix n - n - 0 cleanup\n" +
		"qmgr unix n - n 300 1 qmgr\n")
	for _, service := range []string{"rewrite:trivial-rewrite", "bounce", "defer:bounce", "trace:bounce", "verify", "smtp", "error", "retry:error", "anvil", "scache", "proxymap"} {
		name, program, ok := strings.Cut(service, ":")
		if !ok {
			program = name
		}
		fmt.Fprintf(&b, "%s unix - - n - - %s\n", name, program)
	}
	return b.String()
}

func (p *postfix) log() string {
	b, _ := os.ReadFile(filepath.Join(p.dir, "maillog"))
	return string(b)
}

func (p *postfix) awaitGreeting(t *testing.T) {
	t.Helper()
	deadline := time.Now().Add(20 * time.Second)
	for tick := time.NewTicker(20 * time.Millisecond); ; <-tick.C {
		conn, err := net.DialTimeout("tcp", p.addr, time.Second)
		if err == nil {
			conn.SetReadDeadline(deadline)
			var greeting [4]byte
			_, err = io.ReadFull(conn, greeting[:])
			conn.Close()
			if err == nil && string(greeting[:]) == "220 " {
				return
			}
		}
		if time.Now().After(deadline) {
			t.Fatalf("Postfix does not answer: %v\n%s", err, p.log())
		}
	}
}

// send speaks plain SMTP to Postfix, as any client would.
func (p *postfix) send(t *testing.T, e Envelope) {
	t.Helper()
	c, err := smtp.Dial(p.addr)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := c.SendMail(e.From, []string{e.To}, bytes.NewReader(e.Data)); err != nil {
		t.Fatalf("Postfix refused it: %v\n%s", err, p.log())
	}
	if err := c.Quit(); err != nil {
		t.Error(err)
	}
}

func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// behind is the server behind Postfix: what arrives there went through a real hop.
type behind struct {
	addr    string
	arrived chan Envelope
}

func startBehind(t *testing.T) *behind {
	t.Helper()
	b := &behind{arrived: make(chan Envelope, 100)}
	s := smtp.NewServer(smtp.BackendFunc(func(*smtp.Conn) (smtp.Session, error) { return &behindSession{b: b}, nil }))
	s.Domain, s.MaxMessageBytes, s.ReadTimeout = "sink.test", 1<<20, time.Minute
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() { defer close(done); s.Serve(l) }()
	t.Cleanup(func() { l.Close(); s.Close(); <-done }) // l too: Close knows it only once Serve runs
	b.addr = l.Addr().String()
	return b
}

// next waits for a mail; done tells that no more is on its way.
func (b *behind) next(t *testing.T, p *postfix) Envelope {
	t.Helper()
	select {
	case e := <-b.arrived:
		return e
	case <-time.After(time.Minute):
		t.Fatalf("nothing arrived behind Postfix\n%s", p.log())
		return Envelope{}
	}
}

type behindSession struct {
	b *behind
	e Envelope
}

func (s *behindSession) Reset()                                      { s.e = Envelope{} }
func (s *behindSession) Logout() error                               { return nil }
func (s *behindSession) Mail(from string, _ *smtp.MailOptions) error { s.e.From = from; return nil }
func (s *behindSession) Rcpt(to string, _ *smtp.RcptOptions) error {
	s.e.To = strings.TrimPrefix(s.e.To+","+to, ",")
	return nil
}

func (s *behindSession) Data(r io.Reader) error {
	data, err := io.ReadAll(r)
	s.e.Data = data
	if err == nil {
		s.b.arrived <- s.e
	}
	return err
}

func TestAMailSurvivesARealPostfixAndArrivesOnce(t *testing.T) {
	sink := startBehind(t)
	relay := startPostfix(t, sink.addr)
	keys := sampleKeys(t)
	zone := published(t, keys)
	c := sampleCompositor(t, func(o *CompositorOptions) {
		o.Signers = keys
		o.Envelope = func(id notifier.DeliveryID) string { return "b-" + id.String() + "@bounce.example.com" }
	})

	sent := composed(t, c, sampleLetter())
	relay.send(t, sent)
	got := sink.next(t, relay)
	if got.From != "b-7-3975@bounce.example.com" || got.To != "ada@reader.example" {
		t.Errorf("envelope %q to %q", got.From, got.To)
	}
	if !bytes.HasSuffix(got.Data, sent.Data) || !regexp.MustCompile(`(?i)\AReceived: .*\r\n(\s.*\r\n)*`).Match(got.Data) {
		t.Errorf("Postfix passed on something else:\n%s", got.Data)
	}
	if !bothHold(t, zone, got.Data) {
		t.Errorf("behind Postfix: %v\n%s", verdicts(t, zone, got.Data), got.Data)
	}

	smuggled := "\r\nMAIL FROM:<evil@example.com>\r\nRCPT TO:<victim@reader.example>\r\nDATA\r\nSubject: smuggled\r\n\r\nx"
	for i, end := range []string{"\n.\n", "\n.\r\n", "\r\n.\n", "\r.\r\n", "\r.\r", "\r\n.\r", "\n.\r", "\r\r\n.\r\r\n", "\r\n\x00.\r\n", "\r\n.\r\n"} {
		l := sampleLetter()
		l.Key, l.Text, l.EventID = "", "before"+end+smuggled, fmt.Sprintf("evt_smuggle%d", i)
		l.HTML = "<p>" + l.Text + "</p>"
		relay.send(t, composed(t, c, l))
		got := sink.next(t, relay)
		if id := parsed(t, got.Data).Header.Get("Message-Id"); !strings.HasPrefix(id, "<"+l.EventID+".") || got.To != "ada@reader.example" {
			t.Fatalf("%q let another mail through, %s to %s:\n%s", end, id, got.To, got.Data)
		}
		if !bothHold(t, zone, got.Data) {
			t.Errorf("%q: %v", end, verdicts(t, zone, got.Data))
		}
	}
	// Postfix empties its queue in order: behind the last one nothing may follow.
	last := sampleLetter()
	last.Key, last.EventID = "", "evt_last"
	relay.send(t, composed(t, c, last))
	if id := parsed(t, sink.next(t, relay).Data).Header.Get("Message-Id"); !strings.HasPrefix(id, "<evt_last.") {
		t.Errorf("%s arrived where evt_last was due", id)
	}
	if n := len(sink.arrived); n > 0 {
		t.Errorf("%d more mails arrived", n)
	}
}
