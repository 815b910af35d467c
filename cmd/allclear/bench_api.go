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
)

// benchAPI is a program that uses the API, over one connection that stays.
type benchAPI struct {
	url, token string
	by         *http.Client
}

func newBenchAPI(url, token string) *benchAPI {
	return &benchAPI{url: url + "/api/v1", token: token, by: &http.Client{Timeout: time.Minute, Transport: &http.Transport{MaxIdleConnsPerHost: 1}}}
}

// announced is what the API answers to an incident.
type announced struct {
	ID      string `json:"id"`
	EventID string `json:"event_id"`
}

// announce posts an incident.
func (b *benchAPI) announce(ctx context.Context, what map[string]any) (announced, error) {
	var said announced
	return said, b.call(ctx, http.MethodPost, "/incidents", what, &said)
}

// fares is what GET /events/{id} answers.
type fares struct {
	State  string           `json:"state"`
	Total  int64            `json:"total"`
	Tried  int64            `json:"tried"`
	Counts map[string]int64 `json:"counts"`
}

func (b *benchAPI) event(ctx context.Context, id string) (fares, error) {
	var f fares
	return f, b.call(ctx, http.MethodGet, "/events/"+id, nil, &f)
}

// until asks how an event fares until done is content.
func (b *benchAPI) until(ctx context.Context, id string, every time.Duration, done func(fares) bool) (fares, error) {
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		f, err := b.event(ctx, id)
		if err != nil || done(f) {
			return f, err
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return f, ctx.Err()
		}
	}
}

func finished(f fares) bool { return f.State == "done" }

// withdraw ends what is still to be sent of something, and waits for that.
func (b *benchAPI) withdraw(ctx context.Context, what announced) error {
	if err := b.call(ctx, http.MethodPost, "/incidents/"+what.ID+"/retract", map[string]any{}, nil); err != nil {
		return err
	}
	_, err := b.until(ctx, what.EventID, 50*time.Millisecond, finished)
	return err
}

func (b *benchAPI) call(ctx context.Context, method, path string, body, answer any) error {
	var text io.Reader
	if body != nil {
		raw, err := json.Marshal(body)
		if err != nil {
			return err
		}
		text = bytes.NewReader(raw)
	}
	r, err := http.NewRequestWithContext(ctx, method, b.url+path, text)
	if err != nil {
		return err
	}
	r.Header.Set("Authorization", "Bearer "+b.token)
	if body != nil {
		r.Header.Set("Content-Type", "application/json")
	}
	res, err := b.by.Do(r)
	if err != nil {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		return fmt.Errorf("ask the service: %w", err)
	}
	defer res.Body.Close()
	raw, err := io.ReadAll(io.LimitReader(res.Body, 1<<20))
	if err != nil {
		return fmt.Errorf("ask the service: %w", err)
	}
	if res.StatusCode >= http.StatusMultipleChoices {
		return fmt.Errorf("%s %s: %s: %s", method, path, res.Status, strings.TrimSpace(string(raw)))
	}
	if answer == nil {
		return nil
	}
	return json.Unmarshal(raw, answer)
}
