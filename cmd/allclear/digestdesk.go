package main

import (
	"context"
	"slices"
	"strings"
	"time"

	"allclear/notifier"
	"allclear/notifier/console"
	"allclear/notifier/digest"
	"allclear/store"
	"allclear/subscribers"
)

// digestDesk looks ahead at digests for the console, as the commands do.
func (p *Program) digestDesk() console.DigestDesk {
	return console.DigestDesk{
		Coming: func(ctx context.Context, days int) ([]console.ComingRun, error) {
			calendar, err := p.o.settings.calendar(&p.o.settings.Clock)
			if err != nil {
				return nil, err
			}
			return comingRuns(ctx, p.db, calendar, days)
		},
		Preview: func(ctx context.Context, who subscribers.Subscriber, at time.Time) (*notifier.Letter, error) {
			l, _, err := previewDigest(ctx, p.db, p.set, who, at)
			return l, err
		},
	}
}

// digestLetters writes a digest to be looked at.
type digestLetters interface {
	Digest(ctx context.Context, d notifier.Digest, at time.Time, language, zone string) (*notifier.Letter, error)
}

// previewDigest is what a subscriber's digest would be were it made at a time,
// and of how many incidents it tells; nil where there would be none.
func previewDigest(ctx context.Context, db *store.Store, letters digestLetters, who subscribers.Subscriber, at time.Time) (*notifier.Letter, int, error) {
	if !who.Cadence.Digest() {
		return nil, 0, notifier.Refuse(notifier.ErrConflict, "%s gets no digests: its cadence is %s", who.Address, who.Cadence)
	}
	if who.State != subscribers.Active {
		return nil, 0, notifier.Refuse(notifier.ErrConflict, "%s gets no digests: its subscription is %s", who.Address, who.State)
	}
	d, err := db.PreviewDigest(ctx, who.Number, at)
	if err != nil || len(d.Items) == 0 && !d.Quiet {
		return nil, 0, err
	}
	d.Day = at.Format(time.DateOnly)
	l, err := letters.Digest(ctx, d, at, who.Language, who.Timezone)
	if err != nil {
		return nil, 0, err
	}
	for n, b := range l.Blanks {
		token := []string{"LEAVE", "MANAGE"}[n]
		l.Text, l.HTML = strings.ReplaceAll(l.Text, b.Mark, token), strings.ReplaceAll(l.HTML, b.Mark, token)
	}
	return l, len(d.Items), nil
}

// comingRuns lists the runs of the days ahead, soonest first. It begins where the
// readers of each schedule have come to: what a run by hand used up does not come
// again, and what fell into a time when nothing ran is due now, in one. Hour and
// zone are the service's, whatever calendar the caller was given.
func comingRuns(ctx context.Context, db *store.Store, calendar *digest.Calendar, days int) ([]console.ComingRun, error) {
	setting, err := db.DigestSetting(ctx)
	if err == nil && setting != "" {
		calendar, err = digest.Parse(setting)
	}
	if err != nil {
		return nil, err
	}
	all, err := db.DigestCalendar(ctx)
	if err != nil {
		return nil, err
	}
	now := db.Now()
	end := now.AddDate(0, 0, days)
	var out []console.ComingRun
	for _, s := range all {
		zone, err := calendar.Zone(s.Schedule)
		if err != nil {
			return nil, err
		}
		spec, err := calendar.Spec(s.Schedule)
		if err != nil {
			return nil, err
		}
		at := s.After
		if at.IsZero() {
			at = now
		}
		for {
			next, err := calendar.Next(s.Schedule, at)
			if err != nil {
				return nil, err
			}
			if next.At.After(end) {
				break
			}
			out = append(out, console.ComingRun{At: next.At, Cadence: s.Cadence, Zone: zone, Schedule: spec, Readers: s.Readers})
			if at = next.At; at.Before(now) {
				at = now
			}
		}
	}
	slices.SortStableFunc(out, func(x, y console.ComingRun) int { return x.At.Compare(y.At) })
	return out, nil
}
