package main

import (
	"context"
	"sync"
	"time"

	"allclear/notifier"
	"allclear/notifier/email"
)

// How often DNS is asked for the keys' records.
const (
	dkimEvery = time.Hour
	dkimSoon  = 5 * time.Minute // while DNS does not answer, or says what is wrong
	dkimDoubt = time.Minute     // until what DNS said is believed
	dkimLimit = 5 * time.Second // for all keys
)

// dkimWatch looks once an hour whether DNS still holds the keys.
type dkimWatch struct {
	keys   []email.Key
	lookup func(ctx context.Context, name string) ([]string, error) // nil asks nobody

	next  time.Time
	since []time.Time     // by key, since when its record is wrong; zero: it is not
	found []email.Finding // by key, the last that was heard
}

func (w *dkimWatch) troubles(ctx context.Context, now time.Time) []notifier.Trouble {
	if w.lookup == nil || len(w.keys) == 0 {
		return nil
	}
	if !now.Before(w.next) || w.next.Sub(now) > dkimEvery {
		w.ask(ctx, now)
	}
	var out []notifier.Trouble
	for i, k := range w.keys {
		if w.since[i].IsZero() || now.Sub(w.since[i]) < dkimDoubt {
			continue
		}
		out = append(out, notifier.Trouble{
			Key: "dkim:" + k.String(), About: "dkim:" + k.String(), Since: w.since[i],
			Title: "The DKIM record " + k.String() + " is not as it must be", Ended: "the DKIM record " + k.String() + " holds the key again",
			Text: w.found[i].Sentence + " Mail that is signed with this key may be refused or taken for junk. `allclear dkim dns` prints the record to publish, `allclear dkim check` looks again.",
		})
	}
	return out
}

// ask looks all keys up at once. What DNS does not say changes nothing.
func (w *dkimWatch) ask(ctx context.Context, now time.Time) {
	ctx, done := context.WithTimeout(ctx, dkimLimit)
	defer done()
	if w.since == nil {
		w.since, w.found = make([]time.Time, len(w.keys)), make([]email.Finding, len(w.keys))
	}
	heard := make([]email.Finding, len(w.keys))
	var asking sync.WaitGroup
	for i, k := range w.keys {
		asking.Go(func() { heard[i] = email.Check(ctx, w.lookup, k) })
	}
	asking.Wait()
	w.next = now.Add(dkimEvery)
	for i, f := range heard {
		switch {
		case f.State == email.PublishedUnknown:
			w.next = minTime(w.next, now.Add(dkimSoon))
			continue
		case f.OK():
			w.since[i] = time.Time{}
		case w.since[i].IsZero():
			w.since[i], w.next = now, minTime(w.next, now.Add(dkimDoubt))
		default:
			w.next = minTime(w.next, now.Add(dkimSoon))
		}
		w.found[i] = f
	}
}

func minTime(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}
