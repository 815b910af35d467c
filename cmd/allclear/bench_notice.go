package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync"
	"time"

	"allclear/notifier"
)

// noticeQuiet is how long no mail of a notice may come until it is taken to stand still.
const noticeQuiet = 2 * time.Second

// takeNotice measures what a notice in progress means for an incident, and how
// soon it can be stopped: paused and let go on, and cancelled.
func takeNotice(ctx context.Context, b *bed) error {
	n := b.scaled(100_000)
	var all [][]figure
	for range b.times(n) {
		b.rest()
		if err := b.serve(ctx, n, true, sinkOptions{}); err != nil {
			return err
		}
		round, err := b.noticeRound(ctx, n)
		if err != nil {
			return err
		}
		all = append(all, round)
	}
	b.rest()
	b.tell(middleFigures(all)...)
	return nil
}

func (b *bed) noticeRound(ctx context.Context, n int) ([]figure, error) {
	id, c, err := b.beginNotice(ctx, n)
	if err != nil {
		return nil, err
	}
	first, err := b.firstMail(ctx)
	if err != nil {
		return nil, err
	}
	paused, err := b.stopNotice(ctx, id, "pause", c)
	if err != nil {
		return nil, err
	}
	if c.count() >= n {
		return nil, errors.New("the notice was over before it was paused: take more --subscribers")
	}
	if err := b.stepNotice(ctx, id, "resume"); err != nil {
		return nil, err
	}
	if err := b.api.call(ctx, http.MethodPatch, "/notices/"+id, map[string]any{"per_second": 0}, nil); err != nil {
		return nil, err
	}
	if err := b.untilNotice(ctx, id, notifier.NoticeDone); err != nil {
		return nil, err
	}
	wrong := c.wrong(n)

	if id, c, err = b.beginNotice(ctx, n); err != nil {
		return nil, err
	}
	cancelled, err := b.stopNotice(ctx, id, "cancel", c)
	if err != nil {
		return nil, err
	}
	of := count(int64(n))
	return []figure{
		atMost("first mail past a notice to "+of, "ms", 300, first),
		atMost("a notice's last mail behind pause", "ms", 1000, paused),
		atMost("told twice or not, paused and resumed", "people", 1, float64(wrong)),
		atMost("a notice's last mail behind cancel", "ms", 1000, cancelled),
	}, nil
}

// beginNotice sends a notice to n people who follow nothing, and waits until
// some have it. Where they are few, they are told slowly until it was stopped.
func (b *bed) beginNotice(ctx context.Context, n int) (id string, c *crowded, err error) {
	word := "bench-" + newID()
	var said struct {
		ID string `json:"id"`
	}
	what := map[string]any{"title": word, "template": "blank", "subject": word, "body": "Dear {{name}}, your mail of {{day}} is back."}
	if err := b.api.call(ctx, http.MethodPost, "/notices", what, &said); err != nil {
		return "", nil, err
	}
	if err := b.api.upload(ctx, "/notices/"+said.ID+"/audience", func(w io.Writer) error { return noticeFile(w, n) }); err != nil {
		return "", nil, err
	}
	order := map[string]any{"expect": n, "canary": 0}
	if n < 10_000 {
		order["per_second"] = max(n/20, 1)
	}
	c = b.relay.crowd(word)
	if err := b.api.call(ctx, http.MethodPost, "/notices/"+said.ID+"/send", order, nil); err != nil {
		return "", nil, err
	}
	return said.ID, c, wait(ctx, func() (bool, error) { return c.count() > n/50, b.alive() })
}

// noticeFile is the audience of a notice to n people, with a row for each.
func noticeFile(w io.Writer, n int) error {
	out := bufio.NewWriter(w)
	fmt.Fprint(out, "email,name,day\n")
	for i := range n {
		fmt.Fprintf(out, "restored%d@example.net,Reader %d,2026-11-20\n", i, i)
	}
	return out.Flush()
}

func (b *bed) stepNotice(ctx context.Context, id, step string) error {
	return b.api.call(ctx, http.MethodPost, "/notices/"+id+"/"+step, map[string]any{}, nil)
}

// stopNotice pauses or cancels, and tells how long after the request the relay
// had the last mail.
func (b *bed) stopNotice(ctx context.Context, id, step string, c *crowded) (float64, error) {
	began := time.Now()
	if err := b.stepNotice(ctx, id, step); err != nil {
		return 0, err
	}
	answered := time.Now()
	err := wait(ctx, func() (bool, error) {
		since := c.latest()
		if since.Before(answered) {
			since = answered
		}
		return time.Since(since) > noticeQuiet, b.alive()
	})
	return ms(max(c.latest().Sub(began), 0)), err
}

func (b *bed) untilNotice(ctx context.Context, id string, want notifier.NoticeState) error {
	return wait(ctx, func() (bool, error) {
		var said struct {
			State notifier.NoticeState `json:"state"`
		}
		err := b.api.call(ctx, http.MethodGet, "/notices/"+id, nil, &said)
		return said.State == want, err
	})
}

// alive is an error where the service has ended.
func (b *bed) alive() error {
	select {
	case <-b.child.gone:
		return fmt.Errorf("the service ended: %s", &b.child.said)
	default:
		return nil
	}
}

// wait looks again and again until something is so.
func wait(ctx context.Context, look func() (bool, error)) error {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		if done, err := look(); done || err != nil {
			return err
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// upload sends a file as it is written, however long that takes.
func (b *benchAPI) upload(ctx context.Context, path string, fill func(io.Writer) error) error {
	in, out := io.Pipe()
	go func() { _ = out.CloseWithError(fill(out)) }()
	defer func() { _ = in.Close() }()
	r, err := http.NewRequestWithContext(ctx, http.MethodPut, b.url+path, in)
	if err != nil {
		return err
	}
	r.Header.Set("Authorization", "Bearer "+b.token)
	r.Header.Set("Content-Type", "text/csv")
	patient := &http.Client{Transport: b.by.Transport}
	res, err := patient.Do(r)
	if err != nil {
		return fmt.Errorf("upload a file: %w", err)
	}
	defer res.Body.Close()
	if res.StatusCode >= http.StatusMultipleChoices {
		said, _ := io.ReadAll(io.LimitReader(res.Body, 4096))
		return fmt.Errorf("PUT %s: %s: %s", path, res.Status, bytes.TrimSpace(said))
	}
	return nil
}

// crowded is what the relay knows of the mails whose Subject holds a word.
type crowded struct {
	word []byte

	mu   sync.Mutex
	got  map[string]int // mails by recipient
	last time.Time      // when the latest came to its end
}

// crowd counts from now on mails whose Subject holds word, instead of others.
func (s *sink) crowd(word string) *crowded {
	c := &crowded{word: []byte(word), got: map[string]int{}}
	s.counted.Store(c)
	return c
}

func (c *crowded) took(to []byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.got[string(to)]++
	c.last = time.Now()
}

// count is how many people have theirs.
func (c *crowded) count() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.got)
}

func (c *crowded) latest() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.last
}

// wrong is how many of n people have none, or more than one.
func (c *crowded) wrong(n int) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	once := 0
	for _, mails := range c.got {
		if mails == 1 {
			once++
		}
	}
	return n - once
}
