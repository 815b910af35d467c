package main

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"allclear/subscribers"
)

// waitingLinks is how many requests for a link may wait. More are dropped:
// whoever made them is told to ask again, and so is everyone else.
const waitingLinks = 1000

// tellDropped is how often it is logged that some were: a flood fills no log.
const tellDropped = time.Minute

// lostLinks mails people the links to their subscriptions, one after the other.
type lostLinks struct {
	send  func(ctx context.Context, lost subscribers.Lost) (bool, error)
	sent  func() // there is something new to send; may be nil
	now   func() time.Time
	log   *slog.Logger
	asked chan subscribers.Lost

	mu      sync.Mutex
	dropped int // since told
	told    time.Time
}

func newLostLinks(l *lostLinks) *lostLinks {
	l.asked = make(chan subscribers.Lost, waitingLinks)
	return l
}

// Ask returns at once.
func (l *lostLinks) Ask(lost subscribers.Lost) {
	select {
	case l.asked <- lost:
	default:
		l.drop()
	}
}

func (l *lostLinks) drop() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.dropped++
	if now := l.now(); l.told.IsZero() || now.Sub(l.told) >= tellDropped {
		l.log.Warn("requests for a link were dropped, because too many wait", "count", l.dropped)
		l.dropped, l.told = 0, now
	}
}

// run sends until ctx ends. What waits then is lost: asking again costs little.
func (l *lostLinks) run(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case lost := <-l.asked:
			if lost.Trapped {
				continue
			}
			sent, err := l.send(ctx, lost)
			if err != nil && ctx.Err() == nil {
				l.log.Warn("send somebody the link to their subscription", "error", err)
			}
			if sent && l.sent != nil {
				l.sent()
			}
		}
	}
}
