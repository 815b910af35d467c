package email

import (
	"bytes"
	"encoding/base64"
	"errors"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/emersion/go-smtp"

	"allclear/notifier"
	"allclear/notifier/email/emailtest"
)

func trusting(s *emailtest.Server) func(*PoolOptions) {
	return func(o *PoolOptions) { o.TLS = s.TLSConfig() }
}

func TestMailGoesThroughSTARTTLSWithALogin(t *testing.T) {
	for _, mech := range []string{"PLAIN", "LOGIN"} {
		s := emailtest.NewServer(t, emailtest.Options{TLS: true, User: "horse", Password: "bat,tery", Mechanisms: []string{mech}})
		p := newPool(t, s.URL("tls=required"), trusting(s))
		r := mustSend(t, p, "reader@example.net", notifier.LaneIncident)
		m := s.WaitFor(1)[0]
		if !m.TLS || m.User != "horse" || m.From != "bounces@status.example.com" || m.To[0] != "reader@example.net" {
			t.Errorf("%s: got %+v", mech, m)
		}
		if r.Relay != s.Addr || strings.Contains(r.Relay+r.Reply, "horse") {
			t.Errorf("%s: receipt %+v", mech, r)
		}
	}
}

func TestMailGoesThroughImplicitTLS(t *testing.T) {
	s := emailtest.NewServer(t, emailtest.Options{Implicit: true, User: "horse", Password: "battery"})
	p := newPool(t, s.URL(""), trusting(s))
	mustSend(t, p, "reader@example.net", notifier.LaneIncident)
	if m := s.WaitFor(1)[0]; !m.TLS || m.User != "horse" {
		t.Errorf("got %+v", m)
	}
}

func TestACertificateThatDoesNotFitIsRefused(t *testing.T) {
	fits := emailtest.NewServer(t, emailtest.Options{TLS: true})
	other := emailtest.NewServer(t, emailtest.Options{TLS: true, CertificateFor: []string{"mx.elsewhere.test"}})
	for name, c := range map[string]struct {
		s    *emailtest.Server
		with func(*PoolOptions)
	}{
		"unknown authority": {fits, func(*PoolOptions) {}},
		"another host":      {other, trusting(other)},
	} {
		p := newPool(t, c.s.URL("tls=required"), c.with)
		_, err := send(t, p, "reader@example.net", notifier.LaneIncident, &flight{})
		if se := asSendError(t, err); se.Fault != notifier.FaultRelay || se.Stage != stageTLS || !strings.Contains(err.Error(), "certificate") {
			t.Errorf("%s: %v", name, err)
		}
		if n := len(c.s.Messages()); n != 0 {
			t.Errorf("%s: %d mails were sent", name, n)
		}
	}
}

func TestAStrippedSTARTTLSIsRefusedWhereTLSIsRequired(t *testing.T) {
	s := emailtest.NewServer(t, emailtest.Options{})
	p := newPool(t, s.URL("tls=required"))
	_, err := send(t, p, "reader@example.net", notifier.LaneIncident, &flight{})
	if se := asSendError(t, err); se.Stage != stageTLS || se.Fault != notifier.FaultRelay || !strings.Contains(err.Error(), "STARTTLS") {
		t.Error(err)
	}
	for _, b := range s.Raw() {
		if bytes.Contains(b, []byte("MAIL")) {
			t.Errorf("sent in the clear: %q", b)
		}
	}
}

func TestNoPasswordLeavesBeforeTLS(t *testing.T) {
	// The server offers AUTH in the clear, and no STARTTLS: somebody on the way may have taken it out.
	r := emailtest.NewRaw(t, emailtest.RawOptions{Extensions: []string{"AUTH PLAIN LOGIN"}})
	for _, mode := range []string{"required", "opportunistic"} {
		p := newPool(t, "smtp://horse:battery@"+r.Addr+"?tls="+mode)
		_, err := send(t, p, "reader@example.net", notifier.LaneIncident, &flight{})
		if se := asSendError(t, err); se.Stage != stageTLS || se.Fault != notifier.FaultRelay {
			t.Errorf("%s: %v", mode, err)
		}
	}
	if got := string(r.Bytes()); strings.Contains(got, "AUTH") || strings.Contains(got, base64.StdEncoding.EncodeToString([]byte("\x00horse\x00battery"))) {
		t.Errorf("sent in the clear: %q", got)
	}
}

func TestBytesSlippedInBeforeTLSAreRefused(t *testing.T) {
	r := emailtest.NewRaw(t, emailtest.RawOptions{Extensions: []string{"STARTTLS"}, Answer: func(_ int, command string) string {
		if command == "STARTTLS" {
			return "220 ready\r\n250-injected\r\n250 AUTH PLAIN\r\n"
		}
		return ""
	}})
	p := newPool(t, "smtp://"+r.Addr+"?tls=required")
	_, err := send(t, p, "reader@example.net", notifier.LaneIncident, &flight{})
	if se := asSendError(t, err); se.Stage != stageTLS || !strings.Contains(err.Error(), "between STARTTLS and TLS") {
		t.Error(err)
	}
}

func TestOpportunisticTLSTakesWhatThereIs(t *testing.T) {
	for _, offered := range []bool{true, false} {
		s := emailtest.NewServer(t, emailtest.Options{TLS: offered})
		p := newPool(t, s.URL("tls=opportunistic")) // nobody vouches for the certificate
		mustSend(t, p, "reader@example.net", notifier.LaneIncident)
		if m := s.WaitFor(1)[0]; m.TLS != offered {
			t.Errorf("STARTTLS offered: %v; used: %v", offered, m.TLS)
		}
	}
}

func TestOpportunisticTLSShowsAPasswordOnlyToTheRightHost(t *testing.T) {
	s := emailtest.NewServer(t, emailtest.Options{TLS: true, User: "horse", Password: "battery"})
	list, err := ParseRelays("smtp://horse:battery@relay.example.com:25?tls=opportunistic")
	if err != nil {
		t.Fatal(err)
	}
	p, err := NewPool(PoolOptions{Relays: list, Now: time.Now, Dial: dialTo(s.Addr)})
	if err != nil {
		t.Fatal(err)
	}
	defer closeNow(p)
	_, err = send(t, p, "reader@example.net", notifier.LaneIncident, &flight{})
	if se := asSendError(t, err); se.Stage != stageTLS || !strings.Contains(err.Error(), "certificate") {
		t.Error(err)
	}
}

func TestAWrongPasswordIsOurFault(t *testing.T) {
	s := emailtest.NewServer(t, emailtest.Options{TLS: true, User: "horse", Password: "battery"})
	p := newPool(t, strings.Replace(s.URL("tls=required"), "battery", "staple", 1), trusting(s))
	_, err := send(t, p, "reader@example.net", notifier.LaneIncident, &flight{})
	if se := asSendError(t, err); se.Fault != notifier.FaultOurs || se.Stage != stageAuth || se.Code != 535 || strings.Contains(err.Error(), "staple") {
		t.Error(err)
	}
	s = emailtest.NewServer(t, emailtest.Options{TLS: true})
	p = newPool(t, strings.Replace(s.URL("tls=required"), "smtp://", "smtp://horse:staple@", 1), trusting(s))
	_, err = send(t, p, "reader@example.net", notifier.LaneIncident, &flight{})
	if se := asSendError(t, err); se.Fault != notifier.FaultOurs || se.Stage != stageAuth || strings.Contains(err.Error(), "staple") {
		t.Errorf("no AUTH offered: %v", err)
	}
}

func TestWhateverHappensBeforeMAILIsTheRelays(t *testing.T) {
	for name, c := range map[string]struct{ at, answer, stage string }{
		"refused greeting":   {emailtest.Connected, "554 5.7.1 go away", stageGreeting},
		"busy greeting":      {emailtest.Connected, "421 4.3.2 busy", stageGreeting},
		"garbled greeting":   {emailtest.Connected, "SSH-2.0-OpenSSH_9.2", stageGreeting},
		"endless greeting":   {emailtest.Connected, emailtest.Endless, stageGreeting},
		"silent greeting":    {emailtest.Connected, emailtest.Hang, stageGreeting},
		"dropped connection": {emailtest.Connected, emailtest.Drop, stageGreeting},
		"refused EHLO":       {"EHLO", "550 5.7.1 who", stageGreeting},
		"endless EHLO":       {"EHLO", emailtest.Endless, stageGreeting},
		"silent EHLO":        {"EHLO", emailtest.Hang, stageGreeting},
		"half an EHLO":       {"EHLO", "250-raw.test\r\n250-PIPELI" + emailtest.Drop, stageGreeting},
	} {
		for _, mode := range []string{"off", "opportunistic"} { // go-smtp's reading, and ours
			t.Run(name+"/"+mode, func(t *testing.T) {
				t.Parallel()
				r := emailtest.NewRaw(t, emailtest.RawOptions{Answer: func(_ int, command string) string {
					if strings.HasPrefix(command, c.at) {
						return c.answer
					}
					return ""
				}})
				p := newPool(t, "smtp://"+r.Addr+"?tls="+mode, impatient)
				_, err := send(t, p, "reader@example.net", notifier.LaneIncident, &flight{})
				if se := asSendError(t, err); se.Fault != notifier.FaultRelay || se.Permanent || se.Stage != c.stage || se.Receipt.Relay != r.Addr {
					t.Errorf("%+v: %v", se, err)
				}
			})
		}
	}
}

func TestNoConnectionAtAllIsTheRelays(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_ = l.Close()
	p := newPool(t, "smtp://"+l.Addr().String())
	_, err = send(t, p, "reader@example.net", notifier.LaneIncident, &flight{})
	if se := asSendError(t, err); se.Fault != notifier.FaultRelay || se.Stage != stageDial || se.Receipt.Relay != l.Addr().String() {
		t.Error(err)
	}
	if _, ok := p.Ready(); ok {
		t.Error("the pool calls itself ready")
	}
}

func TestARelayThatOnlyKnowsHELOIsSpokenTo(t *testing.T) {
	r := emailtest.NewRaw(t, emailtest.RawOptions{Answer: func(_ int, command string) string {
		if strings.HasPrefix(command, "EHLO") {
			return "502 5.5.1 what"
		}
		return ""
	}})
	for _, mode := range []string{"off", "opportunistic"} {
		p := newPool(t, "smtp://"+r.Addr+"?tls="+mode)
		if got := mustSend(t, p, "reader@example.net", notifier.LaneIncident); got.Remote != "4F3A2B1C" {
			t.Errorf("%s: %+v", mode, got)
		}
	}
}

func TestEHLOSaysTheConfiguredName(t *testing.T) {
	s := emailtest.NewServer(t, emailtest.Options{})
	p := newPool(t, s.URL("tls=opportunistic&connections=1"))
	mustSend(t, p, "reader@example.net", notifier.LaneIncident)
	if raw := s.Raw()[0]; !bytes.HasPrefix(raw, []byte("EHLO mail.example.com\r\n")) {
		t.Errorf("begins with %.40q", raw)
	}
	list, err := ParseRelays(s.URL(""))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := NewPool(PoolOptions{Relays: list, Now: time.Now, Hostname: "x\r\nMAIL"}); err == nil {
		t.Error("a host name with a line break passed")
	}
}

func TestATranscriptShowsTheConversationAndHidesThePassword(t *testing.T) {
	s := emailtest.NewServer(t, emailtest.Options{TLS: true, User: "horse", Password: "battery", Mechanisms: []string{"LOGIN"},
		OnRcpt: func(_, to string) error {
			return &smtp.SMTPError{Code: 550, EnhancedCode: smtp.EnhancedCode{5, 1, 1}, Message: "no " + to}
		}})
	var text lockedBuffer
	p := newPool(t, s.URL("tls=required"), trusting(s), func(o *PoolOptions) { o.Transcript = &text })
	_, err := send(t, p, "reader@example.net", notifier.LaneIncident, &flight{})
	asSendError(t, err)
	got := text.String()
	for _, want := range []string{"S: 220 relay.test", "C: EHLO mail.example.com\n", "C: STARTTLS\n", "TLS 1.3", "C: AUTH LOGIN (hidden)\n", "C: (hidden)\n", "S: 235 ", "C: RCPT TO:<reader@example.net>\n", "S: 550 5.1.1 no reader@example.net\n"} {
		if !strings.Contains(got, want) {
			t.Errorf("the transcript lacks %q:\n%s", want, got)
		}
	}
	for _, secret := range []string{"horse", "battery", base64.StdEncoding.EncodeToString([]byte("horse")), base64.StdEncoding.EncodeToString([]byte("battery"))} {
		if strings.Contains(got, secret) {
			t.Errorf("the transcript shows %q", secret)
		}
	}
}

func TestAConnectionThatIsBeingMadeEndsWithThePool(t *testing.T) {
	var asked atomic.Bool
	r := emailtest.NewRaw(t, emailtest.RawOptions{Answer: func(_ int, command string) string {
		asked.Store(true)
		return emailtest.Hang
	}})
	p := newPool(t, r.URL(""))
	s := start(t, p, mailTo("reader@example.net"), notifier.LaneIncident, &flight{})
	r.WaitConnections(1)
	closeNow(p)
	if _, err := s.wait(); !errors.Is(err, notifier.ErrNotStarted) {
		t.Errorf("got %v; want ErrNotStarted", err)
	}
}

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
