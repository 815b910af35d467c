package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"allclear/notifier"
	"allclear/subscribers"
)

type sendTestCmd struct {
	Address string `arg:"" help:"Where the test mail goes."`
	Site
	Mail
}

// Help says what is shown.
func (c *sendTestCmd) Help() string {
	return `Composes and signs a mail as the service does, sends it through the first relay that answers, and prints every line of the conversation (C: ours, S: the relay's). Passwords are not shown. It needs no database.`
}

func (c *sendTestCmd) Run(a *app) error {
	to, err := subscribers.ParseAddress(c.Address)
	if err != nil {
		return err
	}
	if err := c.Site.check(); err != nil {
		return err
	}
	log, err := a.logger(&Base{})
	if err != nil {
		return err
	}
	m, err := c.readMail(c.Name, log)
	if err != nil {
		return err
	}
	if c.Relay == mailboxRelay {
		return wrong("RELAY", "is mailbox:, which lives inside serve; name the relay to test, as smtp://host:587")
	}
	base, err := c.base("https://status." + subscribers.Domain(m.from.Address))
	if err != nil {
		return err
	}
	set, err := c.set(base, nil, nil, a.now)
	if err != nil {
		return err
	}
	msg, err := testMessage(set, to)
	if err != nil {
		return err
	}
	compositor, err := m.compositor(nil, c.Name, a.now)
	if err != nil {
		return err
	}
	warn(a.err, compositor.Warnings())
	ctx, cancel := context.WithTimeout(a.ctx, 2*time.Minute)
	defer cancel()
	began := a.now()
	receipt, err := sendOnce(ctx, m, compositor, msg, a.out, a.now)
	var refused *notifier.SendError
	switch {
	case errors.As(err, &refused):
		fmt.Fprintln(a.out)
		return notifier.Refuse(notifier.ErrUnavailable, "not sent: %s", refusalWords(refused))
	case errors.Is(err, notifier.ErrNotStarted) && ctx.Err() != nil && a.ctx.Err() == nil:
		return notifier.Refuse(notifier.ErrUnavailable, "not sent: no relay answered within two minutes")
	case err != nil:
		return err
	}
	signed := "unsigned (ALLCLEAR_DKIM is not set)"
	if n := len(m.keys); n > 0 {
		signed = "signed with " + plural(int64(n), "DKIM key")
	}
	fmt.Fprintf(a.out, "\ntaken by %s after %s, %s\n  %s\n", receipt.Relay, a.now().Sub(began).Round(time.Millisecond), signed, receipt.Reply)
	return nil
}

// refusalWords says in plain words who did not take a mail, for how long, and
// what it answered.
func refusalWords(e *notifier.SendError) string {
	how := " for now: "
	if e.Permanent || e.Code >= 500 {
		how = " for good: "
	}
	relay := "the relay"
	if e.Receipt.Relay != "" {
		relay += " " + e.Receipt.Relay
	}
	if e.Code == 0 {
		switch e.Stage {
		case "dial", "greeting":
			return relay + " does not answer: " + said(e)
		case "tls":
			return relay + " and this machine cannot agree on TLS: " + said(e)
		}
		return "the conversation with " + relay + " broke off: " + said(e)
	}
	what, ok := map[string]string{
		"dial": "the connection", "greeting": "the connection", "tls": "TLS", "auth": "user and password", "mail": "the sender",
		"rcpt": "the recipient", "data": "the mail", "dot": "the mail",
	}[e.Stage]
	if !ok {
		what = "the mail"
	}
	return relay + " refused " + what + how + said(e)
}
