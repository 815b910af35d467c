package main

import (
	"context"
	"slices"
	"sync"
	"time"

	"allclear/notifier"
	"allclear/notifier/email"
	"allclear/subscribers"
)

// checkupFresh is how long what was found is taken for what is: whoever loads a
// page again asks no relay anew.
const checkupFresh = 30 * time.Second

// checkups looks at DNS and the relays for whoever asks.
type checkups struct {
	of  email.Checkup
	now func() time.Time

	mu    sync.Mutex // held while it is looked: who asks meanwhile waits for the answer
	at    time.Time
	found []notifier.Finding
}

// findings is what is found now, or was a moment ago.
func (c *checkups) findings(ctx context.Context) []notifier.Finding {
	c.mu.Lock()
	defer c.mu.Unlock()
	if age := c.now().Sub(c.at); c.at.IsZero() || age < 0 || age >= checkupFresh {
		// Whoever leaves takes no answer away from those who wait for it.
		c.found = c.of.Run(context.WithoutCancel(ctx))
		c.at = c.now()
	}
	return slices.Clone(c.found)
}

// checkup is what mail by these settings is judged by.
func (m *mailRoom) checkup(lookup func(ctx context.Context, name string) ([]string, error)) email.Checkup {
	return email.Checkup{From: subscribers.Domain(m.from.Address), Bounce: m.bounce, Keys: m.keys, Relays: m.relays, Hello: m.hostname(), Lookup: lookup}
}

// checkMail looks at DNS and the relays from the command line, as far as the
// settings of mail are known there.
func (a *app) checkMail(ctx context.Context, b *Base, s *Mail, name string) []notifier.Finding {
	if s.Relay == mailboxRelay {
		return []notifier.Finding{{About: "relay", OK: true, Text: "mailbox: catches mail inside serve; nothing leaves, and DNS is not asked."}}
	}
	log, err := a.logger(b)
	if err == nil {
		var m *mailRoom
		if m, err = s.readMail(name, log); err == nil {
			defer func() { _ = m.close() }() // it signed nothing
			return m.checkup(a.lookupTXT).Run(ctx)
		}
	}
	return []notifier.Finding{{About: "mail", Text: "DNS and relays were not looked at: " + err.Error() + ". The console and the API look with the settings of serve."}}
}
