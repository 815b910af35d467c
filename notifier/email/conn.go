package email

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"strings"
	"time"

	"github.com/emersion/go-sasl"
	"github.com/emersion/go-smtp"

	"allclear/notifier"
)

// Timeouts say how long a relay may take. The zero value of each field means its default.
type Timeouts struct {
	Dial    time.Duration // the TCP connection: 15 s
	Command time.Duration // every answer but the last: 1 min
	Dot     time.Duration // the answer to the message's end: 10 min, as RFC 5321 4.5.3.2.6 asks
	Idle    time.Duration // a connection with nothing to do is closed after: 1 min
}

func (t *Timeouts) setDefaults() {
	for _, f := range []struct {
		v *time.Duration
		d time.Duration
	}{{&t.Dial, 15 * time.Second}, {&t.Command, time.Minute}, {&t.Dot, 10 * time.Minute}, {&t.Idle, time.Minute}} {
		if *f.v <= 0 {
			*f.v = f.d
		}
	}
}

// connector makes connections that are ready for MAIL.
type connector struct {
	dial     func(ctx context.Context, network, address string) (net.Conn, error)
	tls      *tls.Config // what all relays share; ServerName is set per relay
	hello    string
	timeouts Timeouts
	log      *transcript // nil: nothing is written down
}

// link is a connection on which the relay has greeted us, TLS and AUTH are done
// and nothing is outstanding.
type link struct {
	*wire
	client     *smtp.Client // owns the reading until a session takes over
	pipelining bool
	secure     bool
}

// connect makes a connection. Every error is a *notifier.SendError: whatever
// happens before the first MAIL is the relay's or, when it refuses our
// password, ours. ctx ends the attempt.
func (c *connector) connect(ctx context.Context, r *Relay) (*link, error) {
	dialing, cancel := context.WithTimeout(ctx, c.timeouts.Dial)
	conn, err := c.dial(dialing, "tcp", r.Name)
	cancel()
	if err != nil {
		return nil, broken(r.Name, stageDial, err)
	}
	w := newWire(conn)
	stop := context.AfterFunc(ctx, func() { w.giveUp(errPoolEnded) })
	l, err := c.introduce(ctx, w, r)
	if !stop() && err == nil {
		err = broken(r.Name, stageGreeting, errPoolEnded)
	}
	if err != nil {
		w.hangUp()
		return nil, err
	}
	w.rest()
	return l, nil
}

func (c *connector) introduce(ctx context.Context, w *wire, r *Relay) (*link, error) {
	l := &link{wire: w}
	greeted := false
	switch {
	case r.Implicit:
		if err := c.encrypt(ctx, w, r); err != nil {
			return nil, err
		}
		l.secure = true
	case r.TLS != TLSOff:
		secure, err := c.startTLS(ctx, w, r)
		if err != nil {
			return nil, err
		}
		l.secure, greeted = secure, true
	default:
		w.Conn = c.log.tap(w.raw)
	}
	var conn net.Conn = bounded{w}
	if greeted {
		conn = &welcomed{Conn: conn, greeting: []byte("220 we have met\r\n")}
	}
	l.client = smtp.NewClient(conn)
	l.client.CommandTimeout, l.client.SubmissionTimeout = c.timeouts.Command, c.timeouts.Dot
	w.patience(c.timeouts.Command)
	if err := l.client.Hello(c.hello); err != nil {
		return nil, clientError(w, r.Name, stageGreeting, err)
	}
	if r.login != nil {
		if err := c.authenticate(l, r); err != nil {
			return nil, err
		}
	}
	l.pipelining, _ = l.client.Extension("PIPELINING")
	return l, nil
}

// startTLS speaks the lines before TLS: go-smtp's client does not export its
// STARTTLS, says "EHLO localhost" before it, and keeps the TLS connection for
// itself, which a session of our own could not take over.
func (c *connector) startTLS(ctx context.Context, w *wire, r *Relay) (secure bool, err error) {
	w.Conn = c.log.tap(w.raw)
	in := bufio.NewReaderSize(w.Conn, replyLine)
	var rp reply
	offered := false
	ask := func(stage, command string, want int) error {
		w.patience(c.timeouts.Command)
		if command != "" {
			if _, err := w.Write([]byte(command + "\r\n")); err != nil {
				return broken(r.Name, stage, w.cause(err))
			}
		}
		if err := rp.read(in, func(line []byte) { offered = offered || isKeyword(line, "STARTTLS") }); err != nil {
			return broken(r.Name, stage, w.cause(err))
		}
		if rp.code != want {
			return refusal(r.Name, stage, &rp)
		}
		return nil
	}
	if err := ask(stageGreeting, "", 220); err != nil {
		return false, err
	}
	offered = false
	if err := ask(stageGreeting, "EHLO "+c.hello, 250); err != nil && rp.code != 500 && rp.code != 502 {
		return false, err
	}
	if !offered {
		if r.TLS == TLSRequired {
			return false, broken(r.Name, stageTLS, errors.New("the relay does not offer STARTTLS, and tls=required: nothing is sent in the clear"))
		}
		return false, nil
	}
	if err := ask(stageTLS, "STARTTLS", 220); err != nil {
		return false, err
	}
	if in.Buffered() > 0 {
		// Somebody on the way speaks for the relay (CVE-2011-0411).
		return false, broken(r.Name, stageTLS, errors.New("bytes arrived between STARTTLS and TLS"))
	}
	return true, c.encrypt(ctx, w, r)
}

// encrypt puts TLS on the wire.
func (c *connector) encrypt(ctx context.Context, w *wire, r *Relay) error {
	cfg := c.tls.Clone()
	if cfg == nil {
		cfg = &tls.Config{MinVersion: tls.VersionTLS12}
	}
	cfg.ServerName = r.Host
	if r.TLS == TLSOpportunistic && (r.login == nil || r.Local()) {
		// Encryption without a known peer is still better than none, and none is
		// what this mode would take (RFC 7435). With a password at stake beyond
		// this machine the certificate counts.
		cfg.InsecureSkipVerify = true
	}
	conn := tls.Client(w.raw, cfg)
	w.patience(c.timeouts.Command)
	if err := conn.HandshakeContext(ctx); err != nil {
		return broken(r.Name, stageTLS, fmt.Errorf("TLS with %s: %w", r.Name, w.cause(err)))
	}
	c.log.note("TLS " + tls.VersionName(conn.ConnectionState().Version))
	w.Conn = c.log.tap(conn)
	return nil
}

func (c *connector) authenticate(l *link, r *Relay) error {
	if !l.secure {
		return broken(r.Name, stageTLS, errors.New("the relay offers no TLS, and a password is never sent without"))
	}
	var mech sasl.Client
	switch {
	case l.client.SupportsAuth(sasl.Plain):
		mech = sasl.NewPlainClient("", r.login.user, r.login.password)
	case l.client.SupportsAuth(sasl.Login):
		mech = sasl.NewLoginClient(r.login.user, r.login.password)
	default:
		return &notifier.SendError{Fault: notifier.FaultOurs, Stage: stageAuth, Receipt: notifier.Receipt{Relay: r.Name},
			Err: errors.New("a password is configured, but the relay offers neither AUTH PLAIN nor AUTH LOGIN")}
	}
	l.patience(c.timeouts.Command)
	if err := l.client.Auth(mech); err != nil {
		return clientError(l.wire, r.Name, stageAuth, err)
	}
	return nil
}

// clientError turns what go-smtp's client returned into a *notifier.SendError.
func clientError(w *wire, relay, stage string, err error) *notifier.SendError {
	var se *smtp.SMTPError
	if errors.As(err, &se) {
		rp := replyOf(se)
		return refusal(relay, stage, &rp)
	}
	return broken(relay, stage, w.cause(err))
}

// replyOf is go-smtp's error as a reply.
func replyOf(se *smtp.SMTPError) reply {
	rp := reply{code: se.Code, text: []byte(se.Message)}
	if ec := se.EnhancedCode; ec[0] == se.Code/100 {
		rp.enhanced = [3]int(ec)
	}
	for i, b := range rp.text {
		if b == '\n' {
			rp.text[i] = ' '
		}
	}
	rp.text = rp.text[:min(len(rp.text), replyKept)]
	return rp
}

// isKeyword reports whether a line of an EHLO reply announces word.
func isKeyword(line []byte, word string) bool {
	name, _, _ := bytes.Cut(line, []byte(" "))
	return strings.EqualFold(string(name), word)
}
