package email

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"allclear/notifier"
)

// CheckupLimit is how long a checkup takes at most.
const CheckupLimit = 5 * time.Second

// Checkup looks at what mail is judged by before anybody reads it: the records
// of the domains that it names, and the relays that are to take it. The zero
// value of each field means that there is nothing of its kind.
type Checkup struct {
	From   string // the domain of the visible sender
	Bounce string // the domain of envelope senders; "" for From's
	Keys   []Key
	Relays []Relay
	Hello  string                                                               // what EHLO says we are; "" for From
	Lookup func(ctx context.Context, name string) ([]string, error)             // TXT records, one string each; nil: DNS is not asked
	Dial   func(ctx context.Context, network, address string) (net.Conn, error) // nil is a plain net.Dialer
	TLS    *tls.Config                                                          // as in PoolOptions
}

// Run asks everything at once. What does not answer within CheckupLimit is told
// as not known.
func (c Checkup) Run(ctx context.Context) []notifier.Finding {
	ctx, done := context.WithTimeout(ctx, CheckupLimit)
	defer done()
	var looks []func(context.Context) notifier.Finding
	if len(c.Keys) == 0 {
		looks = append(looks, func(context.Context) notifier.Finding {
			return warned("DKIM", "mail goes out unsigned (ALLCLEAR_DKIM is not set), and many providers take it for junk; `allclear dkim generate` makes a key.")
		})
	}
	if c.Lookup != nil {
		for _, k := range c.Keys {
			looks = append(looks, func(ctx context.Context) notifier.Finding {
				f := Check(ctx, c.Lookup, k)
				return notifier.Finding{About: "DKIM", OK: f.OK(), Text: f.Sentence}
			})
		}
		for _, domain := range slices.Compact([]string{c.From, c.envelope()}) {
			looks = append(looks, func(ctx context.Context) notifier.Finding { return c.spf(ctx, domain) })
		}
		looks = append(looks, c.dmarc)
	}
	for _, r := range c.Relays {
		looks = append(looks, func(ctx context.Context) notifier.Finding { return c.relay(ctx, r) })
	}
	out := make([]notifier.Finding, len(looks))
	var asking errgroup.Group
	for i, look := range looks {
		asking.Go(func() error { out[i] = look(ctx); return nil })
	}
	_ = asking.Wait() // no look fails
	return out
}

// envelope is the domain of envelope senders.
func (c Checkup) envelope() string {
	if c.Bounce != "" {
		return c.Bounce
	}
	return c.From
}

func fine(about, format string, args ...any) notifier.Finding {
	return notifier.Finding{About: about, OK: true, Text: fmt.Sprintf(format, args...)}
}

func warned(about, format string, args ...any) notifier.Finding {
	return notifier.Finding{About: about, Text: fmt.Sprintf(format, args...)}
}

// relay goes as far as the relay's first MAIL would: it connects, says EHLO, and
// does TLS and AUTH where they are set.
func (c Checkup) relay(ctx context.Context, r Relay) notifier.Finding {
	dial := c.Dial
	if dial == nil {
		dial = (&net.Dialer{}).DialContext
	}
	hello := c.Hello
	if hello == "" {
		hello = c.From
	}
	to := connector{dial: dial, tls: c.TLS, hello: hello, timeouts: Timeouts{Dial: CheckupLimit, Command: CheckupLimit, Dot: CheckupLimit}}
	l, err := to.connect(ctx, &r)
	if err != nil && ctx.Err() != nil { // whatever it was in the middle of
		return warned("relay", "%s does not answer in time. Mail waits until it does; `allclear send-test ADDRESS` shows the whole conversation.", r.Name)
	}
	if err != nil {
		return warned("relay", "%s", relayTrouble(r, err))
	}
	l.patience(quitPatience)
	_ = l.client.Quit()
	l.hangUp()
	how := "without TLS"
	if l.secure {
		how = "by TLS"
	}
	if r.login != nil {
		how += ", and takes user and password"
	}
	return fine("relay", "%s answers, %s.", r.Name, how)
}

// relayTrouble says why a relay takes nothing, and what to look at.
func relayTrouble(r Relay, err error) string {
	var e *notifier.SendError
	if !errors.As(err, &e) {
		return fmt.Sprintf("%s cannot be used: %s.", r.Name, err)
	}
	why := e.Receipt.Reply
	if why == "" && e.Err != nil {
		why = e.Err.Error()
	}
	what := map[string]string{stageDial: "does not answer", stageGreeting: "does not greet", stageTLS: "and this machine cannot agree on TLS", stageAuth: "refuses user and password"}[e.Stage]
	return fmt.Sprintf("%s %s: %s. Mail waits until it does; `allclear send-test ADDRESS` shows the whole conversation.", r.Name, what, strings.TrimSuffix(why, "."))
}
