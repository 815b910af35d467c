package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/textproto"
	"strings"
	"testing"
	"time"
)

// mailed gives the sink a mail to each, as a client does.
func mailed(t *testing.T, s *sink, subject string, to ...string) {
	t.Helper()
	conn, err := net.Dial("tcp", s.listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	c := textproto.NewConn(conn)
	defer c.Close()
	step := func(say string, want int) {
		t.Helper()
		if say != "" {
			if err := c.PrintfLine("%s", say); err != nil {
				t.Fatal(err)
			}
		}
		if _, _, err := c.ReadResponse(want); err != nil {
			t.Fatal(err)
		}
	}
	step("", 220)
	step("EHLO me.test", 250)
	for _, a := range to {
		step("MAIL FROM:<a@me.test>", 250)
		step("RCPT TO:<"+a+">", 250)
		step("DATA", 354)
		step("Subject: "+subject+"\r\nTo: x\r\n\r\nSubject: notice-other\r\n.", 250)
	}
	step("QUIT", 221)
}

func TestTheSinkKnowsWhoseNoticeCameTwiceAndWhoseNever(t *testing.T) {
	s, err := newSink(sinkOptions{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.close)
	before := time.Now()
	c := s.crowd("notice-one")
	mailed(t, s, "[x] notice-one", "a@x.test", "b@x.test", "c@x.test")
	mailed(t, s, "notice-two", "a@x.test", "d@x.test")
	if c.count() != 3 || c.wrong(3) != 0 || c.latest().Before(before) {
		t.Errorf("of 3 mails to 3 it knows %d, and finds %d wrong", c.count(), c.wrong(3))
	}
	if c.wrong(4) != 1 {
		t.Errorf("where 4 were to be told, %d have nothing", c.wrong(4))
	}
	last := c.latest()
	mailed(t, s, "notice-one again", "b@x.test")
	if c.count() != 3 || c.wrong(3) != 1 || c.latest().Before(last) {
		t.Errorf("with one told twice it knows %d, and finds %d wrong", c.count(), c.wrong(3))
	}
	// Who is watched next starts from nothing.
	if c = s.crowd("notice-two"); c.count() != 0 || c.wrong(2) != 2 || !c.latest().IsZero() {
		t.Errorf("of what is yet to come it knows %d", c.count())
	}
}

func TestTheAudienceOfAMeasureIsUploadedAsItIsWrittenAndARefusalIsTold(t *testing.T) {
	var got bytes.Buffer
	site := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodPut || r.Header.Get("Authorization") != "Bearer word" || r.Header.Get("Content-Type") != "text/csv" {
			t.Errorf("%s with %v", r.Method, r.Header)
		}
		if r.URL.Path == "/api/v1/refused" {
			http.Error(w, "no, "+strings.Repeat("x", 9000), http.StatusConflict)
			return
		}
		if _, err := io.Copy(&got, r.Body); err != nil && r.URL.Path == "/api/v1/whole" {
			t.Error(err)
		}
		w.WriteHeader(http.StatusAccepted)
	}))
	t.Cleanup(site.Close)
	b := newBenchAPI(site.URL, "word")
	if err := b.upload(t.Context(), "/whole", func(w io.Writer) error { return noticeFile(w, 3) }); err != nil {
		t.Fatal(err)
	}
	if want := "email,name,day\nrestored0@example.net,Reader 0,2026-11-20\nrestored1@example.net,Reader 1,2026-11-20\nrestored2@example.net,Reader 2,2026-11-20\n"; got.String() != want {
		t.Errorf("it came as %q", &got)
	}
	err := b.upload(t.Context(), "/refused", func(w io.Writer) error { return noticeFile(w, 1_000_000) })
	if err == nil || !strings.Contains(err.Error(), "409 Conflict: no, x") || len(err.Error()) > 5000 {
		t.Errorf("a refusal is %v", err)
	}
	broken := errors.New("the disk is gone")
	if err := b.upload(t.Context(), "/broken", func(w io.Writer) error { _, _ = fmt.Fprint(w, "email\n"); return broken }); !errors.Is(err, broken) {
		t.Errorf("a file that cannot be read is %v", err)
	}
}

func TestWaitingEndsWithWhatItWaitsForWithAnErrorAndWithItsContext(t *testing.T) {
	looks := 0
	if err := wait(t.Context(), func() (bool, error) { looks++; return looks == 3, nil }); err != nil || looks != 3 {
		t.Errorf("%v after %d looks", err, looks)
	}
	away := errors.New("away")
	if err := wait(t.Context(), func() (bool, error) { return false, away }); !errors.Is(err, away) {
		t.Errorf("%v, want what the look says", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := wait(ctx, func() (bool, error) { return false, nil }); !errors.Is(err, context.Canceled) {
		t.Errorf("%v, want the context's end", err)
	}
}
