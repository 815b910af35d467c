package webhook

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"

	"allclear/notifier"
)

// call is one post to be made.
type call struct {
	target   *target
	endpoint *notifier.Endpoint
	id       string
	body     []byte
	flight   notifier.Flight
}

// post makes one post and says what became of it, and what was heard of the
// endpoint. The error is a *notifier.SendError or the flight's.
func (s *Sender) post(ctx context.Context, c *call) (r notifier.Receipt, what heard, err error) {
	began := s.o.Now()
	limit, done := s.o.Within(ctx)
	defer done()
	header := s.header(c)
	label := c.target.label()
	h := hooks{
		begin: c.flight.Begin,
		taken: func(resp *http.Response) error {
			return c.flight.Taken(notifier.Receipt{Relay: label, Reply: notifier.Clip(resp.Status), Status: resp.StatusCode})
		},
	}
	l := s.lines.take(c.target)
	for {
		reused := l != nil
		if !reused {
			if l, err = s.lines.dial(limit, c.target); err != nil {
				break
			}
		}
		var a *answer
		a, err = l.exchange(limit, request(c, header), h, s.o.Linger)
		switch {
		case reused && (l.stale(limit, err) || err == nil && a.status == http.StatusRequestTimeout && !a.whole):
			// The server closed it while nobody used it, some with a 408. It is
			// asked once more; should it have taken the first, the id tells.
			l.hangUp()
			l = nil
			continue
		case err == nil:
			r = notifier.Receipt{
				Relay: label, Reply: reply(a), Status: a.status,
				Took: s.o.Now().Sub(began), Answer: notifier.Excerpt(a.body),
			}
			if a.whole {
				s.lines.put(c.target, l)
			} else {
				l.hangUp()
			}
			if e := verdict(r, a.header, s.o.Now()); e != nil {
				return r, answered, e
			}
			return r, answered, nil
		}
		var hook *hookError
		if errors.As(err, &hook) {
			if hook.begun {
				l.hangUp()
			} else {
				s.lines.put(c.target, l)
			}
			return notifier.Receipt{}, nothing, hook.err
		}
		l.hangUp()
		break
	}
	if limit.Err() != nil && ctx.Err() == nil {
		err = fmt.Errorf("%w: %w", context.DeadlineExceeded, err)
	}
	if late(err) && ctx.Err() == nil {
		what = silence
	}
	e := &notifier.SendError{Fault: notifier.FaultRecipient, Stage: stageOf(err), Err: err}
	if ours(err) {
		e.Fault = notifier.FaultRelay
	}
	e.Receipt = notifier.Receipt{Relay: label, Reply: sentence(c.target, err), Took: s.o.Now().Sub(began)}
	return e.Receipt, what, e
}

// header is what every try of c says of itself.
func (s *Sender) header(c *call) http.Header {
	h := http.Header{
		"Content-Type": {"application/json"},
		"User-Agent":   {s.agent},
	}
	sign(h, c.endpoint.Secrets, c.id, s.o.Now(), c.body)
	return h
}

// request is a fresh one each time, because writing it reads its body.
func request(c *call, h http.Header) *http.Request {
	return &http.Request{
		Method: http.MethodPost, URL: c.target.url, Host: c.target.url.Host,
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: h, Body: io.NopCloser(bytes.NewReader(c.body)), ContentLength: int64(len(c.body)),
	}
}

// reply is the status line, fit to be kept.
func reply(a *answer) string {
	if a.status/100 == 3 {
		return strings.TrimSpace(strconv.Itoa(a.status)+" "+http.StatusText(a.status)) + "; redirects are not followed"
	}
	return notifier.Clip(a.line)
}
