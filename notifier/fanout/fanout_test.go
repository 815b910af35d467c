package fanout

import (
	"context"
	"errors"
	"log/slog"
	"sync/atomic"
	"testing"
	"time"

	"allclear/notifier"
)

// script answers ExpandSlice with its functions in turn, then idles.
type script struct {
	steps []func() (notifier.Slice, error)
	calls atomic.Int64
	asked chan int64 // the number of every call
}

func (s *script) ExpandSlice(ctx context.Context, max int) (notifier.Slice, error) {
	n := s.calls.Add(1)
	defer func() { s.asked <- n }()
	if max != SliceSize {
		return notifier.Slice{}, errors.New("wrong size of a slice")
	}
	if _, ok := ctx.Deadline(); !ok {
		return notifier.Slice{}, errors.New("a slice that may hang for ever")
	}
	if int(n) > len(s.steps) {
		return notifier.Slice{Idle: true}, nil
	}
	return s.steps[n-1]()
}

func made(n int64, complete bool) func() (notifier.Slice, error) {
	return func() (notifier.Slice, error) {
		return notifier.Slice{Event: 1, Lane: notifier.LaneIncident, Made: n, Complete: complete}, nil
	}
}

func run(t *testing.T, s *script, told func(notifier.Slice)) *Fanout {
	t.Helper()
	s.asked = make(chan int64, 100)
	f := New(Options{Expander: s, Log: slog.New(slog.DiscardHandler), Made: told})
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() { f.Run(ctx); close(ended) }()
	t.Cleanup(func() {
		cancel()
		<-ended
	})
	return f
}

func (s *script) waitFor(t *testing.T, n int64) {
	t.Helper()
	limit := time.After(time.Minute)
	for {
		select {
		case got := <-s.asked:
			if got >= n {
				return
			}
		case <-limit:
			t.Fatalf("waited for call %d", n)
		}
	}
}

func TestSlicesFollowEachOtherUntilNothingIsLeft(t *testing.T) {
	var told []int64
	s := &script{steps: []func() (notifier.Slice, error){made(2000, false), made(0, false), made(7, true)}}
	run(t, s, func(x notifier.Slice) { told = append(told, x.Made) })
	s.waitFor(t, 4)
	if len(told) != 2 || told[0] != 2000 || told[1] != 7 {
		t.Fatalf("told of %v; want the two slices that made something", told)
	}
}

func TestANudgeWakesAnIdleFanout(t *testing.T) {
	s := &script{}
	f := run(t, s, nil)
	s.waitFor(t, 1)
	f.Nudge()
	f.Nudge() // more than one is as good as one
	s.waitFor(t, 2)
}

func TestAFailingDatabaseIsAskedAgain(t *testing.T) {
	away := func() (notifier.Slice, error) { return notifier.Slice{}, errors.New("away") }
	s := &script{steps: []func() (notifier.Slice, error){away, away, made(1, true)}}
	got := make(chan notifier.Slice, 1)
	run(t, s, func(x notifier.Slice) { got <- x })
	select {
	case <-got:
	case <-time.After(time.Minute):
		t.Fatal("the slice behind the failures was never made")
	}
}
