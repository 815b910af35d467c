package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strconv"
	"strings"
	"time"

	"allclear/notifier"
	"allclear/store"
	"allclear/subscribers"
)

// atOnceReaders are those who are told of incidents at once, beside the readers
// of digests.
const atOnceReaders = 100

// takeDigests measures a service to whose followers a digest is due at the same
// hour: how quickly all are made, with their lane paused, and what that needs of
// memory; and what an incident meets meanwhile, and while they are sent.
func takeDigests(ctx context.Context, b *bed) error {
	n := b.scaled(1_000_000)
	b.times(n)
	if err := b.subscribe(ctx, n); err != nil {
		return err
	}
	began := time.Now()
	if err := b.serve(ctx, b.followers, false, sinkOptions{}); err != nil {
		return err
	}
	var took time.Duration
	accepts, firsts, err := b.incidents(ctx, func() (bool, error) {
		made, err := b.digestsMade(ctx)
		if err == nil && made >= n && took == 0 {
			took = time.Since(began)
		}
		return took > 0, err
	})
	if err != nil {
		return err
	}
	peak, _, err := b.child.memory()
	if err != nil {
		return err
	}
	b.tell(
		atMost(short(n)+" digests made", "s", 60, took.Seconds()), atMost("memory meanwhile", "MB", 200, float64(peak)/(1<<20)),
		atMost("POST meanwhile, 99 of 100", "ms", 100, p99(accepts)), atMost("first mail meanwhile, median", "ms", 300, middle(firsts)), atMost("the same, 99 of 100", "ms", 300, p99(firsts)))
	if err := b.api.call(ctx, http.MethodPost, "/queue/resume", map[string]any{"lane": notifier.LaneDigest}, nil); err != nil {
		return err
	}
	begun := b.relay.taken.Load()
	accepts, firsts, err = b.incidents(ctx, func() (bool, error) { return b.relay.taken.Load()-begun >= int64(min(n, 200_000)), nil })
	if err != nil {
		return err
	}
	if peak, _, err = b.child.memory(); err != nil {
		return err
	}
	b.tell(
		atMost("POST while they are sent, 99 of 100", "ms", 100, p99(accepts)), atMost("first mail while they are sent, median", "ms", 300, middle(firsts)),
		atMost("the same, 99 of 100", "ms", 300, p99(firsts)), atMost("memory while they are sent", "MB", 200, float64(peak)/(1<<20)))
	return nil
}

// incidents posts one after the other until it is enough, and tells how long each
// answer and each first mail took.
func (b *bed) incidents(ctx context.Context, enough func() (bool, error)) (accepts, firsts []float64, err error) {
	for {
		took, err := b.probe(ctx)
		if err != nil {
			return nil, nil, err
		}
		first, err := b.firstMail(ctx)
		if err != nil {
			return nil, nil, err
		}
		accepts, firsts = append(accepts, ms(took)), append(firsts, first)
		if done, err := enough(); err != nil || done {
			return accepts, firsts, err
		}
	}
}

// subscribe adds n readers of a daily digest, and a few who are told at once,
// more than a day ago, and lets something happen that the digests tell.
func (b *bed) subscribe(ctx context.Context, n int) error {
	past := time.Now().Add(-26 * time.Hour)
	db, err := store.Open(ctx, store.Options{
		DSN: b.g.dsn, Create: true, Secret: []byte(b.g.secret), Log: slog.New(slog.DiscardHandler), Now: func() time.Time { return past },
	})
	if err != nil {
		return err
	}
	return errors.Join(b.subscribeIn(ctx, db, n), db.Close())
}

func (b *bed) subscribeIn(ctx context.Context, db *store.Store, n int) (err error) {
	if b.token, err = furnish(ctx, db); err != nil {
		return err
	}
	m := b.a.meter("followers", int64(n))
	err = benchFollowers(ctx, db, 1, n, func(s *subscribers.Subscriber) { s.Cadence = subscribers.Daily }, m.set)
	m.close()
	if err != nil {
		return err
	}
	missed, err := notifier.Open(notifier.Announcement{Title: "Mail is late", Severity: notifier.SeverityMajor, Body: "By some minutes."}, notifier.Desk{Now: db.Now(), Zone: time.UTC, NewID: newID})
	if err != nil {
		return err
	}
	if _, err := db.OpenIncident(ctx, missed); err != nil {
		return err
	}
	if err := benchFollowers(ctx, db, n+1, n+atOnceReaders, nil, func(int64) {}); err != nil {
		return err
	}
	b.followers = n + atOnceReaders
	return db.Pause(ctx, notifier.Pause{Scope: notifier.PauseLane, Key: notifier.LaneDigest.String(), By: "bench"})
}

// digestsMade is how many the service has made, by its own count.
func (b *bed) digestsMade(ctx context.Context) (int, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, b.child.url+"/metrics", nil)
	if err != nil {
		return 0, err
	}
	r.Header.Set("Authorization", "Bearer "+b.token)
	res, err := b.api.by.Do(r)
	if err != nil {
		return 0, fmt.Errorf("ask the service: %w", err)
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return 0, fmt.Errorf("ask the service for its figures: %s", res.Status)
	}
	lines := bufio.NewScanner(res.Body)
	for lines.Scan() {
		if text, ok := strings.CutPrefix(lines.Text(), `allclear_deliveries_made_total{lane="`+notifier.LaneDigest.String()+`"} `); ok {
			v, err := strconv.ParseFloat(text, 64)
			return int(v), err
		}
	}
	return 0, lines.Err()
}
