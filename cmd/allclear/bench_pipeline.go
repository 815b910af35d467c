package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"allclear/notifier"
)

// pipeline is the whole service at work on one event.
type pipeline struct {
	p     *Program
	relay *sink
	token string
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
	for _, c := range demoComponents() {
		c.CreatedAt = l.p.db.Now()
		if err := c.Validate(); err != nil {
			return err
		}
		if err := l.p.db.AddComponent(ctx, c); err != nil {
			return fmt.Errorf("add component %s: %w", c.Key, err)
		}
	}
	var err error
	l.token, err = createToken(ctx, l.p.db, "bench", notifier.RoleAdmin)
	return err
}

// run posts an incident to n followers and tells how long it took from then to
// the last settled delivery. It asks the database for nothing until the relay
// has all mails, so that watching costs nothing.
func (l *pipeline) run(ctx context.Context, n int, tell func()) (time.Duration, error) {
	all := l.relay.after(int64(n))
	began := time.Now()
	event, err := postIncident(ctx, http.DefaultTransport, l.p.URL(), l.token, "", benchIncident())
	if err != nil {
		return 0, err
	}
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

// postIncident announces something through the API and answers the event's id.
func postIncident(ctx context.Context, by http.RoundTripper, url, token, key string, body map[string]any) (event string, err error) {
	text, err := json.Marshal(body)
	if err != nil {
		return "", err
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, url+"/api/v1/incidents", bytes.NewReader(text))
	if err != nil {
		return "", err
	}
	r.Header.Set("Authorization", "Bearer "+token)
	r.Header.Set("Content-Type", "application/json")
	if key != "" {
		r.Header.Set("Idempotency-Key", key)
	}
	res, err := (&http.Client{Timeout: 30 * time.Second, Transport: by}).Do(r)
	if err != nil {
		return "", fmt.Errorf("post an incident: %w", err)
	}
	defer res.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(res.Body, 1<<20))
	if err != nil {
		return "", fmt.Errorf("post an incident: %w", err)
	}
	if res.StatusCode != http.StatusCreated {
		return "", fmt.Errorf("post an incident: %s: %s", res.Status, strings.TrimSpace(string(answer)))
	}
	var said struct {
		EventID string `json:"event_id"`
	}
	err = json.Unmarshal(answer, &said)
	return said.EventID, err
}
