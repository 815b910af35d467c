package main

import (
	"context"
	"fmt"
	"time"

	"allclear/notifier"
	"allclear/store"
)

// pipeline is the whole service at work on one event.
type pipeline struct {
	p     *Program
	relay *sink
	api   *benchAPI
}

// benchIncident is what every mail of a bench tells: the demo's outage.
func benchIncident() map[string]any {
	return map[string]any{
		"title": "Mail store imap7 does not answer", "severity": "major", "components": []string{"imap7", "web"},
		"body":   "Since {{at \"-12m\"}} the machine that holds the mail of imap7 does not answer. If your mail is there, you cannot read it at the moment; mail to you is kept and nothing is lost.",
		"impact": map[string]any{"affected_share": 0.11},
	}
}

// open furnishes the database.
func (l *pipeline) open(ctx context.Context) error {
	token, err := furnish(ctx, l.p.db)
	l.api = newBenchAPI(l.p.URL(), token)
	return err
}

// furnish makes what incidents name, and a token.
func furnish(ctx context.Context, db *store.Store) (token string, err error) {
	for _, c := range demoComponents() {
		c.CreatedAt = db.Now()
		if err := c.Validate(); err != nil {
			return "", err
		}
		if err := db.AddComponent(ctx, c); err != nil {
			return "", fmt.Errorf("add component %s: %w", c.Key, err)
		}
	}
	return createToken(ctx, db, "bench", notifier.RoleAdmin)
}

// run posts an incident to n followers and tells how long it took from then to
// the last settled delivery. It asks the database for nothing until the relay
// has all mails, so that watching costs nothing.
func (l *pipeline) run(ctx context.Context, n int, tell func()) (time.Duration, error) {
	all := l.relay.reached(l.relay.taken.Load() + int64(n))
	began := time.Now()
	said, err := l.api.announce(ctx, benchIncident())
	if err != nil {
		return 0, err
	}
	event := said.EventID
	stop := ticking(tell)
	defer stop()
	slow := time.NewTicker(2 * time.Second) // something may fail, and the relay never have all
	defer slow.Stop()
	for waiting := true; waiting; {
		select {
		case <-all:
			waiting = false
		case <-slow.C:
			p, err := l.p.db.Progress(ctx, event)
			if err != nil {
				return 0, err
			}
			waiting = p.State() != notifier.Done
		case <-ctx.Done():
			return 0, ctx.Err()
		}
	}
	quick := time.NewTicker(2 * time.Millisecond)
	defer quick.Stop()
	for {
		p, err := l.p.db.Progress(ctx, event)
		if err != nil {
			return 0, err
		}
		if p.State() == notifier.Done {
			if sent := p.Counts[notifier.Sent]; sent != int64(n) {
				return 0, fmt.Errorf("of %d deliveries %d were sent", n, sent)
			}
			return time.Since(began), nil
		}
		select {
		case <-quick.C:
		case <-ctx.Done():
			return 0, ctx.Err()
		}
	}
}
