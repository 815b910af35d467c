package sms

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"slices"
	"strconv"
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

// Asker is a Gateway that can be asked what became of a text whose last try
// ended so long ago, without an answer. found is false where it surely was not
// taken; an error that it was taken and came to nothing, or that nobody knows.
type Asker interface {
	Find(ctx context.Context, t Text, ago time.Duration) (r notifier.Receipt, found bool, err error)
}

// How long a gateway may take, and how much of its answer is read.
const (
	answerTime = 15 * time.Second
	answerSize = 64 << 10
)

// Where a try ended, as notifier.SendError.Stage names it.
const (
	stageRender = "render"
	stageDial   = "dial"
	stageAnswer = "answer"
	stageDoubt  = "no answer" // the request had left: it may have been taken
)

// doubtPause is when a text in doubt is tried again: by then a gateway knows
// what it took.
const doubtPause = time.Minute

// line is how a gateway is reached.
type line struct {
	name   string
	client *http.Client
	again  bool // what is in doubt may be tried again: it is an Asker, or sends nothing twice that has the same ID
}

func newLine(name string) line {
	return line{name: name, client: &http.Client{
		Transport: &http.Transport{
			MaxIdleConnsPerHost: 8, IdleConnTimeout: time.Minute, TLSHandshakeTimeout: 10 * time.Second,
			MaxResponseHeaderBytes: 16 << 10, DisableCompression: true,
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
// knows whether the message was taken.
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
	said := notifier.Receipt{Relay: l.name}
	if left.Load() {
		said.Reply = "the gateway did not answer"
		return reply{}, l.doubt(said, err)
	}
	return reply{}, &notifier.SendError{Fault: notifier.FaultRelay, Stage: stageDial, Receipt: said, Err: err}
}

// doubt is the error of a try that may have been taken. It is one for good,
// unless the gateway sends nothing twice or can be asked before it is tried again.
func (l line) doubt(r notifier.Receipt, err error) *notifier.SendError {
	se := &notifier.SendError{Fault: notifier.FaultRelay, Doubt: true, RetryAfter: doubtPause, Code: r.Status, Stage: stageDoubt, Receipt: r, Err: err}
	words := r.Reply + "; it may have taken the message"
	if !l.again {
		se.Fault, se.Permanent, se.RetryAfter = notifier.FaultRecipient, true, 0
		words += ", so it is not sent again"
	}
	se.Receipt.Reply = notifier.Clip(notifier.Doubtful(words))
	return se
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
		words = http.StatusText(a.status)
	}
	if status := strconv.Itoa(a.status); !strings.HasPrefix(words, status) {
		words = strings.TrimSpace(status + " " + words) // what it means without the words, and beside them
	}
	se := &notifier.SendError{Fault: notifier.FaultRecipient, Permanent: true, Code: a.status, Stage: stageAnswer, Receipt: l.receipt(a, words, "")}
	switch s := a.status; {
	case s == http.StatusTooManyRequests, s == http.StatusServiceUnavailable, s == http.StatusRequestTimeout, s == http.StatusTooEarly:
		se.Fault, se.Permanent, se.RetryAfter = notifier.FaultRelay, false, patience(a.header)
	case s >= 500, s < 300: // what broke may have broken behind the message, what stands before it may not have waited, and who knows what a strange yes means
		return l.doubt(se.Receipt, nil)
	case s < 400, slices.Contains(oursToMend, s):
		se.Fault, se.Permanent = notifier.FaultOurs, false
	}
	return se
}

// oursToMend are the refusals that no number is to blame for: the account, its
// credit, the address, the form of what is sent.
var oursToMend = []int{
	http.StatusUnauthorized, http.StatusPaymentRequired, http.StatusForbidden, http.StatusNotFound, http.StatusMethodNotAllowed,
	http.StatusNotAcceptable, http.StatusProxyAuthRequired, http.StatusLengthRequired, http.StatusUnsupportedMediaType,
}

// patience is how long a gateway asks to be left alone, by its own clock where
// it names a date; an hour at most, in which a message is given up.
func patience(h http.Header) time.Duration {
	now, _ := http.ParseTime(h.Get("Date")) // without one a date is far away
	return min(notifier.RetryAfter(h.Get("Retry-After"), now), time.Hour)
}
