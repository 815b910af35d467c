package webhook

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"allclear/notifier"
)

func TestEvery2xxIsSuccessAndNothingElse(t *testing.T) {
	for _, status := range []int{200, 201, 202, 204, 206, 299} {
		r := newRig(t)
		s := newSink(t, false, answering(status, ""))
		r.endpoint(3, s.URL)
		receipt, f, err := r.send(3)
		if err != nil || receipt.Status != status || len(f.taken) != 1 || f.taken[0].Status != status {
			t.Errorf("%d: %+v, taken %+v, %v", status, receipt, f.taken, err)
		}
	}
	for _, status := range []int{300, 301, 302, 303, 304, 307, 308, 400, 401, 403, 404, 405, 409, 410, 413, 422, 429, 451, 500, 502, 503, 504, 599, 999} {
		r := newRig(t)
		s := newSink(t, false, answering(status, "", "Retry-After", "120", "Location", "/elsewhere"))
		r.endpoint(3, s.URL)
		se := r.fails(3)
		gone := status == http.StatusGone
		if se.Code != status || se.Fault != notifier.FaultRecipient || se.Gone != gone || se.Permanent != gone {
			t.Errorf("%d: %+v", status, se)
		}
		asked := time.Duration(0)
		if status == 429 || status == 503 {
			asked = 2 * time.Minute
		}
		if se.RetryAfter != asked {
			t.Errorf("%d asks to wait for %s, want %s", status, se.RetryAfter, asked)
		}
		if n := len(s.heard()); n != 1 {
			t.Errorf("%d: %d posts", status, n)
		}
	}
}

func TestARedirectIsAFailureAndNeverFollowed(t *testing.T) {
	other := newSink(t, false, nil)
	for _, location := range []string{
		other.URL + "/", "http://169.254.169.254/latest/meta-data/", "http://127.0.0.1:1/", "//[::1]/", "/again", "file:///etc/passwd", "https://example.com/",
	} {
		for _, status := range []int{301, 302, 303, 307, 308} {
			r := newRig(t)
			s := newSink(t, false, answering(status, "", "Location", location))
			r.endpoint(3, s.URL)
			se := r.fails(3)
			if !strings.Contains(se.Receipt.Reply, "redirects are not followed") || se.Permanent {
				t.Errorf("%d: %+v", status, se)
			}
			if calls := r.wire.called(); len(calls) != 1 || calls[0] != s.Listener.Addr().String() {
				t.Errorf("%d to %s: called %v", status, location, calls)
			}
		}
	}
	if len(other.heard()) != 0 {
		t.Error("it was followed")
	}
}

func TestWhatTheEndpointAnsweredIsKept(t *testing.T) {
	long := strings.Repeat("überlang ", 1000)
	for body, want := range map[string]string{
		"":                          "",
		`{"ok":true}` + "\n":        `{"ok":true}` + "\n",
		"<script>alert(1)</script>": "<script>alert(1)</script>", // escaping is the page's
		"a\x00b\x1b[31mc\u0085d":    "a\ufffdb\ufffd[31mc\ufffdd",
		"\xff\xfe\xfd":              "\ufffd\ufffd\ufffd",
		long:                        long[:1024],
		"a" + long:                  ("a" + long)[:1024],
		"ab" + long:                 ("ab" + long)[:1024],
	} {
		for _, status := range []int{200, 404} {
			r := newRig(t)
			s := newSink(t, false, answering(status, body))
			r.endpoint(3, s.URL)
			receipt, _, err := r.send(3)
			var se *notifier.SendError
			if errors.As(err, &se) {
				receipt = se.Receipt
			}
			want := strings.ToValidUTF8(want, "")
			if receipt.Answer != want {
				t.Errorf("%d %.30q: kept %.40q (%d bytes), want %.40q (%d)", status, body, receipt.Answer, len(receipt.Answer), want, len(want))
			}
		}
	}
}

// The outbox decides with the same words: a Retry-After is kept to, a 410 ends it.
func TestTheOutboxUnderstandsWhatIsReported(t *testing.T) {
	at := time.Date(2026, 11, 23, 16, 11, 0, 0, time.UTC)
	decide := func(status int, header ...string) notifier.Settlement {
		r := newRig(t)
		s := newSink(t, false, answering(status, "no", header...))
		r.endpoint(3, s.URL)
		receipt, _, err := r.send(3)
		return notifier.Decide(notifier.Delivery{Channel: notifier.Webhook}, err, receipt, at, time.Time{}, 0.5)
	}
	if s := decide(503, "Retry-After", "3600"); s.State != notifier.Pending || !s.Charged || s.DueAt.Sub(at) != time.Hour || s.Receipt.Status != 503 {
		t.Errorf("%+v", s)
	}
	if s := decide(500, "Retry-After", "3600"); s.DueAt.Sub(at) != 5*time.Second || s.Receipt.Answer != "no" {
		t.Errorf("%+v", s)
	}
	if s := decide(410); s.State != notifier.Failed || !s.Gone {
		t.Errorf("%+v", s)
	}
}

func TestNothingIsTransmittedThatTheFlightRefuses(t *testing.T) {
	r := newRig(t)
	s := newSink(t, false, nil)
	r.endpoint(3, s.URL)
	stop := errors.New("the reader left")
	for range 3 {
		_, err := r.Send(t.Context(), message(7, 3), &flight{refuse: func() error { return stop }})
		if err != stop { //nolint:errorlint // unchanged
			t.Errorf("%v", err)
		}
	}
	if n := len(s.heard()); n != 0 {
		t.Errorf("%d posts", n)
	}
	if _, _, err := r.send(3); err != nil {
		t.Error(err)
	}
	if calls := r.wire.called(); len(calls) != 1 || r.seats.taken() != 0 {
		t.Errorf("%d connections for what was refused and what was not; %d seats taken", len(calls), r.seats.taken())
	}
}

// Begin is asked when everything is ready: after the name, the connection and TLS.
func TestTheFlightIsAskedRightBeforeTheFirstByte(t *testing.T) {
	s := newSink(t, true, nil)
	r := newRig(t, func(c *setup) { c.roots = s.Server })
	r.endpoint(3, s.URL)
	f := &flight{}
	f.refuse = func() error {
		if r.wire.read.Load() == 0 {
			t.Error("asked before TLS")
		}
		if len(s.heard()) != 0 {
			t.Error("asked after the request was there")
		}
		return nil
	}
	if _, err := r.Send(t.Context(), message(7, 3), f); err != nil {
		t.Fatal(err)
	}
	s.then = answering(500, "")
	f = &flight{}
	var se *notifier.SendError
	if _, err := r.Send(t.Context(), message(7, 3), f); !errors.As(err, &se) || f.begun.Load() != 1 || f.taken != nil {
		t.Errorf("%v, begun %d times, taken %v", err, f.begun.Load(), f.taken)
	}
}

func TestWhatCannotBeWrittenDownDoesNotGoOn(t *testing.T) {
	r := newRig(t)
	s := newSink(t, false, nil)
	r.endpoint(3, s.URL)
	full := errors.New("disk full")
	if _, err := r.Send(t.Context(), message(7, 3), &flight{deny: full}); err != full { //nolint:errorlint // unchanged
		t.Errorf("%v", err)
	}
	if r.wire.open.Load() != 0 {
		t.Error("the connection is kept")
	}
}

func TestAnEndpointIsAskedForOnceASecond(t *testing.T) {
	r := newRig(t)
	s := newSink(t, false, nil)
	r.endpoint(3, s.URL)
	for i := range 12 {
		if i == 6 {
			r.clock.Advance(time.Second)
		}
		if _, _, err := r.send(3); err != nil {
			t.Fatal(err)
		}
	}
	if r.book.asked != 2 {
		t.Errorf("asked %d times", r.book.asked)
	}
	r.endpoint(3, s.URL, func(e *notifier.Endpoint) { e.Secrets = []notifier.Secret{secret(9)} })
	r.clock.Advance(-time.Hour) // set back
	if _, _, err := r.send(3); err != nil {
		t.Fatal(err)
	}
	posts := s.heard()
	if err := verify(secret(9), posts[len(posts)-1]); err != nil {
		t.Errorf("a second later the old secret still signs: %v", err)
	}
}

func TestWhereTheEndpointCannotBeLookedUpNobodyIsCharged(t *testing.T) {
	r := newRig(t)
	for err, want := range map[error]notifier.Fault{
		errors.New("connection refused"):                   notifier.FaultRelay,
		fmt.Errorf("endpoint 3: %w", notifier.ErrNotFound): notifier.FaultOurs,
	} {
		r.book.err = err
		se := r.fails(3)
		if se.Fault != want || se.Permanent || se.Stage != stageRender {
			t.Errorf("%v: %+v", err, se)
		}
	}
}

func TestBlanksAreFilledInWhatIsPosted(t *testing.T) {
	r := newRig(t)
	s := newSink(t, false, nil)
	r.endpoint(3, s.URL)
	m := message(7, 3)
	m.Letter.Body = []byte(`{"manage":"https://x.test/__MARK__","again":"__MARK__"}`)
	m.Letter.Blanks, m.Fill = []notifier.Blank{{Mark: "__MARK__"}}, []string{"abcdefgh"}
	if _, err := r.Send(t.Context(), m, &flight{}); err != nil {
		t.Fatal(err)
	}
	if got := string(s.heard()[0].body); got != `{"manage":"https://x.test/abcdefgh","again":"abcdefgh"}` {
		t.Error(got)
	}
	if !strings.Contains(string(m.Letter.Body), "__MARK__") {
		t.Error("the letter, which others share, was changed")
	}
}

func TestATestTellsItsOwnerEverything(t *testing.T) {
	s := newSink(t, false, answering(200, "pong"))
	r := newRig(t)
	e := notifier.Endpoint{Reader: 3, URL: s.URL + "/hook", Secrets: []notifier.Secret{secret(1)}, Format: notifier.FormatStandard}
	a := r.Test(t.Context(), e, "test_1", []byte(`{"type":"endpoint.test"}`))
	if a.State != notifier.Sent || a.Status != 200 || a.Answer != "pong" || a.Trouble != "" || a.Type != notifier.EndpointTest || a.Delivery != 0 || !a.At.Equal(r.clock.Now()) {
		t.Errorf("%+v", a)
	}
	if err := verify(secret(1), s.heard()[0]); err != nil || s.heard()[0].header.Get(headerID) != "test_1" {
		t.Errorf("%v", err)
	}
	s.then = answering(404, "nobody here")
	if a := r.Test(t.Context(), e, "test_2", []byte(`{}`)); a.State != notifier.Failed || a.Status != 404 || a.Answer != "nobody here" || a.Trouble != "" {
		t.Errorf("%+v", a)
	}
	e.URL = "http://169.254.169.254/latest/?token=SECRET"
	if a := r.Test(t.Context(), e, "test_3", []byte(`{}`)); a.State != notifier.Failed || a.Status != 0 || a.Trouble == "" || strings.Contains(a.Trouble, "SECRET") {
		t.Errorf("%+v", a)
	}
	e.URL = "https://user@example.com/"
	if a := r.Test(t.Context(), e, "test_4", []byte(`{}`)); a.Trouble == "" || a.State != notifier.Failed {
		t.Errorf("%+v", a)
	}
}

func TestTestsCannotCrowdOutEachOther(t *testing.T) {
	release := make(chan struct{})
	in := make(chan struct{}, testsMost)
	s := newSink(t, false, func(http.ResponseWriter, *http.Request) { in <- struct{}{}; <-release })
	r := newRig(t)
	e := notifier.Endpoint{URL: s.URL, Secrets: []notifier.Secret{secret(1)}}
	done := make(chan notifier.Attempt)
	for range testsMost {
		go func() { done <- r.Test(context.Background(), e, "t", nil) }()
		<-in
	}
	if a := r.Test(t.Context(), e, "t", nil); a.Trouble == "" || a.State != notifier.Failed {
		t.Errorf("one more: %+v", a)
	}
	close(release)
	for range testsMost {
		if a := <-done; a.State != notifier.Sent {
			t.Errorf("%+v", a)
		}
	}
}
