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
	"allclear/store"
)

// told is one thing the demo said, and what became of its mails.
type told struct {
	name     string
	progress notifier.Progress
}

// teller says the story's three sentences through the API and watches them go out.
type teller struct {
	api, token string
	db         *store.Store
	meter      *meter
	say        func(format string, args ...any)
	// stuck says why nothing can be sent; nil while something can.
	stuck func() error
	told  []told
}

// patienceWithRelay is how long the demo watches a relay that takes nothing.
const patienceWithRelay = 10 * time.Second

// tell returns when everything is said and every delivery is final or was tried.
func (t *teller) tell(ctx context.Context) ([]told, error) {
	incident, err := t.post(ctx, "outage", "/incidents", map[string]any{
		"title": "Mail store imap7 does not answer", "severity": "major", "components": []string{"imap7", "web"},
		"at":     t.db.Now().Add(-12 * time.Minute),
		"body":   "Since {{at \"-12m\"}} the machine that holds the mail of imap7 does not answer. If your mail is there, you cannot read it at the moment; mail to you is kept and nothing is lost.",
		"impact": map[string]any{"affected_share": 0.11},
	})
	if err != nil {
		return nil, err
	}
	// The update comes while the first mails are on their way.
	if err := t.wait(ctx, func(p notifier.Progress) bool {
		return p.Total > 0 && p.Counts[notifier.Sent]*5 >= p.Total*2 || p.State() == notifier.Done
	}); err != nil {
		return nil, err
	}
	if _, err := t.post(ctx, "update", "/incidents/"+incident+"/updates", map[string]any{
		"status": "identified",
		"body":   "A power supply has burnt out, and its twin with it. We are moving everyone on imap7 to the copy, which is complete up to the failure. We expect to be done by {{at \"+25m\"}}.",
	}); err != nil {
		return nil, err
	}
	if err := t.wait(ctx, settledAll); err != nil {
		return nil, err
	}
	if _, err := t.post(ctx, "all-clear", "/incidents/"+incident+"/updates", map[string]any{
		"status": "resolved",
		"body":   "Everyone on imap7 reads from the copy now, and the mail that waited has arrived. You need to do nothing.",
	}); err != nil {
		return nil, err
	}
	return t.told, t.wait(ctx, settledAll)
}

// settledAll: nothing more is expected of an event.
func settledAll(p notifier.Progress) bool {
	return p.State() == notifier.Done || p.State() == notifier.Settling
}

// wait asks how all events fare until the last of them is as done says, and
// the ones before it are settled if it is.
func (t *teller) wait(ctx context.Context, done func(notifier.Progress) bool) error {
	tick := time.NewTicker(40 * time.Millisecond)
	defer tick.Stop()
	moved, before := time.Now(), int64(-1)
	for {
		var final int64
		ready := true
		for i := range t.told {
			p, err := t.db.Progress(ctx, t.told[i].progress.Event.ID)
			if err != nil {
				return fmt.Errorf("ask how the %s fares: %w", t.told[i].name, err)
			}
			t.told[i].progress = p
			for s, n := range p.Counts {
				if s.Final() {
					final += n
				}
			}
			ready = ready && done(p)
		}
		t.meter.set(final)
		if ready {
			return nil
		}
		if final != before {
			moved, before = time.Now(), final
		}
		if time.Since(moved) > patienceWithRelay {
			if err := t.stuck(); err != nil {
				return err
			}
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
	}
}

// post says something and returns the incident's id.
func (t *teller) post(ctx context.Context, name, path string, body map[string]any) (incident string, err error) {
	text, err := json.Marshal(body)
	if err != nil {
		return "", err
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, t.api+path, bytes.NewReader(text))
	if err != nil {
		return "", err
	}
	r.Header.Set("Authorization", "Bearer "+t.token)
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Idempotency-Key", "demo-"+name)
	asked := time.Now()
	res, err := (&http.Client{Timeout: 30 * time.Second}).Do(r)
	if err != nil {
		if ctx.Err() != nil {
			return "", ctx.Err()
		}
		return "", fmt.Errorf("post the %s: %w", name, err)
	}
	defer res.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(res.Body, 1<<20))
	if err != nil {
		return "", fmt.Errorf("post the %s: %w", name, err)
	}
	if res.StatusCode != http.StatusCreated {
		return "", fmt.Errorf("post the %s: %s: %s", name, res.Status, strings.TrimSpace(string(answer)))
	}
	var said struct {
		ID         string `json:"id"`
		IncidentID string `json:"incident_id"`
		EventID    string `json:"event_id"`
	}
	if err := json.Unmarshal(answer, &said); err != nil {
		return "", fmt.Errorf("read what was answered to the %s: %w", name, err)
	}
	t.say("%s posted and accepted in %s", name, time.Since(asked).Round(100*time.Microsecond))
	t.told = append(t.told, told{name: name, progress: notifier.Progress{Event: notifier.Event{ID: said.EventID}}})
	if said.IncidentID != "" {
		return said.IncidentID, nil
	}
	return said.ID, nil
}
