package sms

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"strings"
	"sync/atomic"
	"time"

	"allclear/notifier"
)

// Text is one message on its way to a gateway.
type Text struct {
	ID     string // the delivery's; the same on every try
	To     string // E.164
	Body   string
	Size   notifier.TextSize
	Report string // where the gateway may say what became of it; "" for nowhere
}

// Gateway hands texts over. Every error is a *notifier.SendError.
type Gateway interface {
	// Name is the word for it in addresses and logs: twilio, kannel, template.
	Name() string
	Send(ctx context.Context, t Text) (notifier.Receipt, error)
}

// How long a gateway may take, and how much of its answer is read.
const (
	answerTime = 15 * time.Second
	answerSize = 16 << 10
)

// Where a try ended, as notifier.SendError.Stage names it.
const (
	stageRender = "render"
	stageDial   = "dial"
	stageAnswer = "answer"
	stageDoubt  = "no answer" // the request had left: it may have been taken
)

// line is how a gateway is reached.
type line struct {
	name   string
	client *http.Client
}

func newLine(name string) line {
	return line{name: name, client: &http.Client{
		Transport: &http.Transport{
			MaxIdleConnsPerHost: 8, IdleConnTimeout: time.Minute, TLSHandshakeTimeout: 10 * time.Second,
			MaxResponseHeaderBytes: answerSize, DisableCompression: true,
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Timeout:       answerTime,
	}}
}

// reply is what a gateway answered.
type reply struct {
	status int
	header http.Header
	body   []byte
}

// ask makes a request. Where the request had left and no answer came, nobody
// knows whether the message was taken: that is a failure for good.
func (l line) ask(ctx context.Context, r *http.Request) (reply, error) {
	var left atomic.Bool
	ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{WroteHeaders: func() { left.Store(true) }})
	// What holds no content net/http sends once more by itself where a connection
	// that was kept breaks, though the gateway may have read it: so none is kept.
	r.Close = r.Method == http.MethodGet || r.Header.Get("Idempotency-Key") != "" || r.Header.Get("X-Idempotency-Key") != ""
	res, err := l.client.Do(r.WithContext(ctx))
	if err == nil {
		defer res.Body.Close()
		var body []byte
		body, err = io.ReadAll(io.LimitReader(res.Body, answerSize))
		if err == nil || res.StatusCode >= 300 {
			return reply{res.StatusCode, res.Header, body}, nil
		}
	}
	var u *url.Error
	if errors.As(err, &u) { // its text holds the address, and with it passwords
		err = u.Err
	}
	se := &notifier.SendError{Fault: notifier.FaultRelay, Stage: stageDial, Receipt: notifier.Receipt{Relay: l.name}, Err: err}
	if left.Load() {
		se.Fault, se.Permanent, se.Stage = notifier.FaultRecipient, true, stageDoubt
		se.Receipt.Reply = "the gateway did not answer; it may have taken the message, so it is not sent again"
	}
	return reply{}, se
}

// receipt is what an answer says, in words fit for people.
func (l line) receipt(a reply, words, remote string) notifier.Receipt {
	return notifier.Receipt{
		Relay: l.name, Reply: notifier.Clip(words), Remote: notifier.Clip(remote), Status: a.status, Answer: notifier.Excerpt(a.body),
	}
}

// refusal is an error by an answer's status, where the gateway's own words say no more.
func (l line) refusal(a reply, words string) *notifier.SendError {
	if words = strings.TrimSpace(words); words == "" {
		words = fmt.Sprintf("%d %s", a.status, http.StatusText(a.status))
	}
	se := &notifier.SendError{Fault: notifier.FaultRecipient, Permanent: true, Code: a.status, Stage: stageAnswer, Receipt: l.receipt(a, words, "")}
	switch {
	case a.status == http.StatusTooManyRequests, a.status >= 500:
		se.Fault, se.Permanent, se.RetryAfter = notifier.FaultRelay, false, patience(a.header)
	case a.status == http.StatusUnauthorized, a.status == http.StatusForbidden, a.status == http.StatusNotFound, a.status < 400:
		se.Fault, se.Permanent = notifier.FaultOurs, false
	}
	return se
}

// patience is how long a gateway asks to be left alone, by its own clock where
// it names a date; an hour at most, in which a message is given up.
func patience(h http.Header) time.Duration {
	now, _ := http.ParseTime(h.Get("Date")) // without one a date is far away
	return min(notifier.RetryAfter(h.Get("Retry-After"), now), time.Hour)
}
