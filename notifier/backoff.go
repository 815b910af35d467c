package notifier

import (
	"errors"
	"math"
	"time"
	"unicode"
)

// How long an event's deliveries are tried (DESIGN.md section 3).
const (
	IncidentLife = 4 * 24 * time.Hour
	ResolvedLife = 24 * time.Hour // from the resolution on
	EndpointLife = IncidentLife   // a program that never hears of the end shows trouble for ever
	ConfirmLife  = 7 * 24 * time.Hour
	LinkLife     = 24 * time.Hour // who asked for a link asks again by then
	DigestLife   = 24 * time.Hour
	NoticeLife   = 4 * 24 * time.Hour
)

const (
	firstRetry = time.Minute
	lastRetry  = 4 * time.Hour
)

// EmailBackoff is the pause after the n-th charged try (n from 1): doubling
// from one minute to four hours, then a jitter of 20 % either way, so that what
// failed together does not come back together. dice is a random number in [0,1).
func EmailBackoff(n int, dice float64) time.Duration {
	if n < 1 {
		n = 1
	}
	d := float64(firstRetry) * math.Pow(2, float64(min(n-1, 20)))
	d = math.Min(d, float64(lastRetry))
	return time.Duration(d * (0.8 + 0.4*dice))
}

// Retries are the pauses behind the charged tries of a channel that gives up
// after the last of them (DESIGN.md section 3). Each gets a jitter of 20 %.
var (
	webhookRetries = []time.Duration{
		5 * time.Second, 5 * time.Minute, 30 * time.Minute, 2 * time.Hour, 5 * time.Hour,
		10 * time.Hour, 14 * time.Hour, 20 * time.Hour, 24 * time.Hour,
	}
	smsRetries = []time.Duration{2 * time.Minute, 8 * time.Minute, 30 * time.Minute} // the fourth try within the hour
)

// longestRetry bounds what an endpoint may ask for with Retry-After.
const longestRetry = 24 * time.Hour

// backoff is the pause after the n-th charged try on a channel; false where
// that was the last one.
func backoff(c Channel, n int, dice float64) (time.Duration, bool) {
	retries := smsRetries
	switch c {
	case Webhook:
		retries = webhookRetries
	case SMS:
	default:
		return EmailBackoff(n, dice), true
	}
	if n > len(retries) {
		return 0, false
	}
	return time.Duration(float64(retries[max(n, 1)-1]) * (0.8 + 0.4*dice)), true
}

// relayPause is when a delivery that met a relay in trouble is due again. The
// relay's own breaker decides when it is really asked.
const relayPause = 15 * time.Second

// holdPause is when a delivery that met a domain's or our own trouble is tried again.
const holdPause = 15 * time.Minute

// lastChance is the end of an event's life in which a try is the last one.
const lastChance = time.Minute

// Unwritten begins the reply of a delivery that nobody was asked to take.
const Unwritten = "could not be written: "

// Decide settles one try of d at the time at: err is what the sender returned
// (nil when it was taken), expires the end of the event's life, dice a random
// number in [0,1). It is the only place where a delivery's fate is decided.
func Decide(d Delivery, err error, receipt Receipt, at, expires time.Time, dice float64) Settlement {
	s := Settlement{ID: d.ID, At: at, Receipt: receipt}
	if err == nil {
		s.State, s.Tried, s.Charged = Sent, true, true
		return s
	}
	if errors.Is(err, ErrNotStarted) {
		s.State, s.DueAt = Pending, d.DueAt
		var early *NotBeforeError
		if errors.As(err, &early) {
			s.DueAt = early.Until
			if !expires.IsZero() && !s.DueAt.Before(expires) {
				s.State, s.DueAt = Expired, time.Time{}
			}
		}
		return s
	}
	var se *SendError
	if !errors.As(err, &se) {
		// A fault of the program (a template, a bug): not the reader's.
		se = &SendError{Fault: FaultOurs, Stage: "render", Err: err}
	}
	if s.Receipt == (Receipt{}) {
		s.Receipt = se.Receipt
	}
	if s.Receipt.Reply == "" {
		s.Receipt.Reply = Clip(se.Error())
		if se.Stage == "render" && se.Err != nil { // people read it, and nobody was asked
			s.Receipt.Reply = Clip(Unwritten + se.Err.Error())
		}
	}
	s.Tried, s.Gone = se.Stage != "render", se.Gone
	var wait time.Duration
	switch se.Fault {
	case FaultRecipient:
		s.Charged = true
		var again bool
		if wait, again = backoff(d.Channel, d.Attempts+1, dice); se.Permanent || se.Gone || !again {
			s.State = Failed
			return s
		}
		s.State = Pending
	case FaultRelay:
		s.State, wait = Pending, time.Duration(float64(relayPause)*(0.8+0.4*dice))
	default: // FaultDomain, FaultOurs
		s.State, wait = Held, time.Duration(float64(holdPause)*(0.8+0.4*dice))
	}
	longest := lastRetry
	if d.Channel == Webhook {
		longest = longestRetry
	}
	wait = max(wait, min(se.RetryAfter, longest))
	s.DueAt = at.Add(wait)
	if expires.IsZero() || s.DueAt.Before(expires) {
		return s
	}
	// One last try while it is worth sending, not all of them at one moment.
	if last := expires.Add(-lastChance); last.After(at) {
		s.DueAt = last.Add(time.Duration(0.8 * dice * float64(lastChance)))
	} else {
		s.State, s.DueAt = Expired, time.Time{}
	}
	return s
}

// Clip cuts a peer's words to 500 bytes on one line without control characters
// or broken UTF-8, fit for a database column and a page.
func Clip(reply string) string {
	out := make([]rune, 0, min(len(reply), 500))
	size := 0
	for _, r := range reply {
		if unicode.IsControl(r) || r == '\ufffd' || r == '\u2028' || r == '\u2029' {
			r = ' '
		}
		size += len(string(r))
		if size > 500 {
			break
		}
		out = append(out, r)
	}
	return string(out)
}
