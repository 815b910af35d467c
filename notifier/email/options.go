package email

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"strings"
	"time"

	"allclear/notifier"
)

// PoolOptions says how a Pool is made.
type PoolOptions struct {
	Relays []Relay // mandatory, in order of preference; see ParseRelays
	// Connections is the most to each relay that names no number: 8.
	Connections int
	// Hostname is what EHLO says we are (RFC 5321 4.1.1.1): localhost.
	Hostname string
	// TLS is the client's configuration (RootCAs, say); ServerName is set per relay. Nil: the system's roots, TLS 1.2 and later.
	TLS *tls.Config
	// Dial makes network connections; nil is a plain net.Dialer.
	Dial     func(ctx context.Context, network, address string) (net.Conn, error)
	Timeouts Timeouts
	Breaker  Breaker
	Now      func() time.Time // mandatory: the service's clock
	Dice     func() float64   // for jitter, in [0,1); nil is math/rand
	Observer Observer         // nil: nobody
	// Transcript, where not nil, gets every conversation, line by line,
	// passwords hidden but everything else as it is. For trying out a relay only.
	Transcript io.Writer
}

// Observer is told what happens to relays. Its methods must return at once and
// must not call the pool.
type Observer interface {
	// RelayChanged: the breaker's state. cause is why it rests, a
	// *notifier.SendError; it may hold the relay's words, and its RetryAfter is
	// how long the relay rests.
	RelayChanged(relay string, s RelayState, cause error)
	// RelayConnections: how many connections stand, and how many may work.
	RelayConnections(relay string, open, allowed int)
}

// RelayStatus is a picture of one relay.
type RelayStatus struct {
	Name    string
	State   RelayState
	Paused  bool
	Open    int       // connections that stand
	Allowed int       // connections that may work at present
	Cause   error     // why it rests
	RetryAt time.Time // when it is tried again; zero where it does not rest
}

// complete fills in what was left out, and refuses what cannot be.
func (o *PoolOptions) complete() error {
	if len(o.Relays) == 0 || o.Now == nil {
		return errors.New("make relay pool: Relays and Now are mandatory")
	}
	if o.Connections <= 0 {
		o.Connections = 8
	}
	if o.Hostname == "" {
		o.Hostname = "localhost"
	}
	if strings.ContainsFunc(o.Hostname, func(c rune) bool { return c <= ' ' || c >= 0x7f }) {
		return notifier.Invalidf("hostname", "%q cannot be said in EHLO; use a host name or an address literal", o.Hostname)
	}
	if o.Dial == nil {
		o.Dial = (&net.Dialer{}).DialContext
	}
	if o.Dice == nil {
		o.Dice = rand.Float64
	}
	if o.Observer == nil {
		o.Observer = unobserved{}
	}
	o.Timeouts.setDefaults()
	o.Breaker.setDefaults()
	return nil
}

type unobserved struct{}

func (unobserved) RelayChanged(string, RelayState, error) {}
func (unobserved) RelayConnections(string, int, int)      {}
