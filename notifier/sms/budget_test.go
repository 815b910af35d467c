package sms

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"allclear/notifier"
	"allclear/notifier/notifiertest"
)

func TestADaysBudgetHoldsEverythingUntilTheNextDay(t *testing.T) {
	n := 0
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		n++
		w.WriteHeader(http.StatusAccepted)
		_, _ = io.WriteString(w, "0: Accepted")
	}))
	defer server.Close()
	clock := notifiertest.NewClock()
	told := 0
	s := New(Options{Gateway: gatewayAt(t, server, asKannel), Now: clock.Now, Budget: purse{}, Limit: 3, Exhausted: func(bool, time.Time) { told++ }})
	send := func(text string) error {
		_, err := s.Send(t.Context(), message(1<<32|1, "+4790000001", text), &free{})
		return err
	}
	if err := errors.Join(send("one"), send(strings.Repeat("two segments ", 20))); err != nil {
		t.Fatal(err)
	}
	var early *notifier.NotBeforeError
	if err := send("one too many"); !errors.As(err, &early) || n != 2 || told != 1 {
		t.Fatalf("%v; %d sent, told %d times", err, n, told)
	}
	if y, m, d := clock.Now().UTC().Date(); !early.Until.Equal(time.Date(y, m, d+1, 0, 0, 0, 0, time.UTC)) {
		t.Errorf("waits until %s", early.Until)
	}
	clock.Advance(24 * time.Hour)
	if err := send("a new day"); err != nil || n != 3 {
		t.Errorf("on the next day: %v", err)
	}
}

// Anybody can ask for codes, at every number.
func TestCodesLeaveTheDaysBudgetToTheNews(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusAccepted)
		_, _ = io.WriteString(w, "0: Accepted")
	}))
	defer server.Close()
	clock, few := notifiertest.NewClock(), 0
	s := New(Options{Gateway: gatewayAt(t, server, asKannel), Now: clock.Now, Budget: purse{}, Limit: 20, Exhausted: func(codes bool, _ time.Time) {
		if codes {
			few++
		}
	}})
	send := func(lane notifier.Lane) error {
		m := message(1<<32|1, "+4790000001", "one")
		m.Lane = lane
		_, err := s.Send(t.Context(), m, &free{})
		return err
	}
	codes, news := 0, 0
	for range 100 {
		if send(notifier.LaneConfirm) == nil {
			codes++
		}
	}
	for range 100 {
		if send(notifier.LaneIncident) == nil {
			news++
		}
	}
	if codes != 5 || news != 15 || few != 95 {
		t.Errorf("%d codes, %d of the news; %d codes waited", codes, news, few)
	}
	clock.Advance(24 * time.Hour)
	for range 100 {
		_ = send(notifier.LaneIncident)
	}
	few = 0
	if err := send(notifier.LaneConfirm); err == nil || few != 0 {
		t.Errorf("a code of a day that is used up: %v; %d times it is the codes'", err, few)
	}
}
