package main

import (
	"errors"
	"log/slog"
	"sync"
	"time"

	"allclear/notifier"
	"allclear/notifier/email"
)

// relayNews is what a pool tells of its relays: counted, and logged where
// somebody should know. A relay that rests is told of once, and again only when
// it rests for another reason; that it is being tried in between is no news.
type relayNews struct {
	*metrics
	log *slog.Logger
	now func() time.Time

	mu    sync.Mutex
	rests map[string]string // relay -> stage and code it was last said to rest for
}

func newRelayNews(m *metrics, log *slog.Logger, now func() time.Time) *relayNews {
	return &relayNews{metrics: m, log: log, now: now, rests: map[string]string{}}
}

// RelayChanged is part of email.Observer.
func (r *relayNews) RelayChanged(relay string, s email.RelayState, cause error) {
	r.metrics.RelayChanged(relay, s, cause)
	r.mu.Lock()
	defer r.mu.Unlock()
	before, rested := r.rests[relay]
	switch s {
	case email.RelayWorking:
		if rested {
			r.log.Info("relay works again", "relay", relay)
		}
		delete(r.rests, relay)
	case email.RelayResting:
		what, why, attrs := restWords(relay, cause, r.now())
		if !rested || why != before {
			r.log.Warn(what, attrs...) //nolint:sloglint // one of two constants
		}
		r.rests[relay] = why
	}
}

// restWords says in a log why a relay rests. From RCPT on the relay's words may
// hold a reader's address, and are left out.
func restWords(relay string, cause error, now time.Time) (what, why string, attrs []any) {
	attrs = []any{"relay", relay}
	var e *notifier.SendError
	if !errors.As(cause, &e) {
		return "relay rests", "", attrs
	}
	what, why = "relay rests", e.Stage+" "+e.Enhanced
	attrs = append(attrs, "stage", e.Stage)
	if e.Code != 0 {
		why += " " + count(int64(e.Code))
		attrs = append(attrs, "code", e.Code)
	}
	if e.Enhanced != "" {
		attrs = append(attrs, "enhanced", e.Enhanced)
	}
	switch e.Stage {
	case "dial", "greeting":
		if e.Code == 0 {
			what = "relay does not answer"
		}
		fallthrough
	case "tls", "auth", "mail":
		attrs = append(attrs, "error", said(e))
	}
	return what, why, append(attrs, "retry_at", stamp(now.Add(e.RetryAfter)))
}

// said is what the peer answered, or why there is no answer.
func said(e *notifier.SendError) string {
	switch {
	case e.Receipt.Reply != "":
		return e.Receipt.Reply
	case e.Err != nil:
		return notifier.Clip(e.Err.Error())
	}
	return "no reason is known"
}
