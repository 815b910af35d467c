package main

import (
	"context"
	"log/slog"
	"strconv"
	"strings"
	"sync"
	"time"
)

const (
	retentionDefault = 90 * 24 * time.Hour
	audienceDefault  = 30 * 24 * time.Hour
	retentionEvery   = time.Hour
	retentionStep    = 1000                  // rows that one transaction forgets
	retentionPause   = 20 * time.Millisecond // between two, at the least
	retentionShare   = 4                     // a step is followed by a pause so many times as long
	retentionLimit   = 30 * time.Second      // how long the database may take for a step
)

// retention reads for how long what was sent is kept: whole days.
func (s *Keeping) retention() (time.Duration, error) {
	return wholeDays("RETENTION", s.Retention, retentionDefault)
}

// audienceRetention reads for how long a notice's audience is kept behind its end.
func (s *Keeping) audienceRetention() (time.Duration, error) {
	return wholeDays("AUDIENCE_RETENTION", s.AudienceRetention, audienceDefault)
}

func wholeDays(setting, text string, otherwise time.Duration) (time.Duration, error) {
	if text == "" {
		return otherwise, nil // settings that no command line filled in
	}
	d, err := time.ParseDuration(text)
	if days, ok := strings.CutSuffix(text, "d"); ok {
		var n uint64
		n, err = strconv.ParseUint(days, 10, 15) // 89 years: enough for the law
		d = time.Duration(n) * 24 * time.Hour
	}
	if err != nil || d < 24*time.Hour || d%(24*time.Hour) != 0 {
		return 0, wrong(setting, "%q is not whole days, one at least; write 90d or 2160h", text)
	}
	return d, nil
}

// retention forgets what was sent long ago, in small steps, while sending goes
// on: between two of them everyone else has the database four fifths of the time.
type retention struct {
	what  string // deliveries or audiences, for the log
	prune func(ctx context.Context, before time.Time, max int) (int, error)
	keep  time.Duration
	now   func() time.Time
	log   *slog.Logger
	// rest waits, and reports whether to go on; nil is rest.
	rest func(ctx context.Context, d time.Duration) bool
}

// run looks every hour, and at its start, until ctx ends.
func (r retention) run(ctx context.Context) {
	if r.rest == nil {
		r.rest = rest
	}
	for {
		n, err := r.forget(ctx)
		switch {
		case ctx.Err() != nil:
			return
		case err != nil:
			r.log.Warn("forget what is old", "what", r.what, "error", err)
		}
		if n > 0 {
			r.log.Info("forgot what is old", "what", r.what, "count", n, "older_than", r.keep)
		}
		if !r.rest(ctx, retentionEvery) {
			return
		}
	}
}

// forget forgets until nothing is old.
func (r retention) forget(ctx context.Context) (all int, err error) {
	for {
		began := r.now()
		call, done := context.WithTimeout(ctx, retentionLimit)
		n, err := r.prune(call, began.Add(-r.keep), retentionStep)
		done()
		all += n
		if err != nil || n == 0 || !r.rest(ctx, max(retentionPause, retentionShare*r.now().Sub(began))) {
			return all, err
		}
	}
}

// keepHouse does what serve does beside sending: it forgets what is old, ends
// pauses, and looks after who signs up or lost a link.
func (p *Program) keepHouse(ctx context.Context, until *sync.WaitGroup) {
	s := &p.o.settings
	if keep, err := s.retention(); err == nil {
		until.Go(func() { p.forgetting("deliveries", p.db.Prune, keep).run(ctx) })
	}
	if keep, err := s.audienceRetention(); err == nil {
		until.Go(func() { p.forgetting("audiences", p.db.ForgetAudiences, keep).run(ctx) })
	}
	until.Go(func() { resumption{resume: p.db.ResumeSubscribers, log: p.o.log}.run(ctx) })
	until.Go(func() { p.lost.run(ctx) })
	until.Go(func() { p.signUps.run(ctx) })
}

func (p *Program) forgetting(what string, prune func(context.Context, time.Time, int) (int, error), keep time.Duration) retention {
	return retention{what: what, prune: prune, keep: keep, now: p.db.Now, log: p.o.log}
}

func rest(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-t.C:
		return true
	}
}
