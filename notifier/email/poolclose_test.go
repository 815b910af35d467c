package email

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"go.uber.org/goleak"

	"allclear/notifier"
	"allclear/notifier/email/emailtest"
)

func TestAMessageThatWaitsLeavesAtOnceWhenItsCallerDoes(t *testing.T) {
	hold := make(chan struct{})
	r := emailtest.NewRaw(t, emailtest.RawOptions{Answer: func(_ int, command string) string {
		if command == emailtest.Dot {
			<-hold
		}
		return ""
	}})
	p := newPool(t, r.URL("connections=1"))
	first := start(t, p, mailTo(reader(0)), notifier.LaneRoutine, &flight{})
	waitFor(t, "the first on the wire", func() bool { return len(r.Messages()) == 1 })
	f := &flight{}
	second := start(t, p, mailTo(reader(1)), notifier.LaneRoutine, f)
	waitFor(t, "the second to wait", func() bool { return p.relays[0].doors[ordinaryDoor].waiting.Load() == 1 })
	second.cancel()
	if _, err := second.wait(); !errors.Is(err, notifier.ErrNotStarted) {
		t.Errorf("got %v; want ErrNotStarted", err)
	}
	if begun, _ := f.counts(); begun != 0 {
		t.Error("it was begun")
	}
	close(hold)
	if _, err := first.wait(); err != nil {
		t.Error(err)
	}
}

func TestAMessageWhoseCallerLeavesBehindADotDisturbsNobody(t *testing.T) {
	hold, dot := make(chan struct{}), make(chan struct{})
	r := emailtest.NewRaw(t, emailtest.RawOptions{Answer: func(_ int, command string) string {
		switch command {
		case "DATA":
			<-hold
		case emailtest.Dot:
			<-dot
		}
		return ""
	}})
	p := newPool(t, r.URL("connections=1"))
	first := start(t, p, mailTo(reader(0)), notifier.LaneRoutine, &flight{})
	r.WaitCommand("DATA", 1)
	f := &flight{}
	second := start(t, p, mailTo(reader(1)), notifier.LaneRoutine, f)
	waitFor(t, "the second to wait", func() bool { return p.relays[0].doors[ordinaryDoor].waiting.Load() == 1 })
	close(hold)
	waitFor(t, "the second behind the first's dot", func() bool { n, _ := f.counts(); return n == 1 })
	second.cancel()
	if _, err := second.wait(); !errors.Is(err, notifier.ErrNotStarted) {
		t.Errorf("got %v; want ErrNotStarted", err)
	}
	close(dot)
	if _, err := first.wait(); err != nil {
		t.Errorf("the message before it: %v", err)
	}
	mustSend(t, p, reader(2), notifier.LaneRoutine)
	for _, m := range r.Messages() {
		if slices.Contains(m.To, reader(1)) {
			t.Error("its content was transmitted")
		}
	}
}

func TestACallerThatLeavesDuringTheContentBreaksTheConnection(t *testing.T) {
	eachWay(t, func(t *testing.T, o emailtest.RawOptions) {
		once := true
		o.Answer = func(_ int, command string) string {
			if command == emailtest.Dot && once {
				once = false
				return emailtest.Hang
			}
			return ""
		}
		r := emailtest.NewRaw(t, o)
		p := newPool(t, r.URL("connections=1"))
		s := start(t, p, mailTo(reader(0)), notifier.LaneRoutine, &flight{})
		waitFor(t, "the content's end", func() bool { return len(r.Messages()) == 1 })
		s.cancel()
		_, err := s.wait()
		if se := asSendError(t, err); se.Fault != notifier.FaultRelay || se.Stage != stageDot {
			t.Errorf("%+v", se)
		}
		if h := p.relays[0].health; h.streak.Load() != 0 {
			t.Error("our own haste counts as the relay's trouble")
		}
		mustSend(t, p, reader(1), notifier.LaneRoutine)
	})
}

func TestCloseWaitsForWhatIsOnTheWireAndTakesNothingNew(t *testing.T) {
	eachWay(t, func(t *testing.T, o emailtest.RawOptions) {
		hold := make(chan struct{})
		o.Answer = func(_ int, command string) string {
			if command == emailtest.Dot {
				<-hold
			}
			return ""
		}
		r := emailtest.NewRaw(t, o)
		p := newPool(t, r.URL("connections=1"))
		first := start(t, p, mailTo(reader(0)), notifier.LaneRoutine, &flight{})
		waitFor(t, "the first on the wire", func() bool { return len(r.Messages()) == 1 })
		second := start(t, p, mailTo(reader(1)), notifier.LaneRoutine, &flight{})
		waitFor(t, "the second to wait", func() bool { return p.relays[0].doors[ordinaryDoor].waiting.Load() == 1 })
		closed := make(chan error, 1)
		go func() { closed <- p.Close(context.Background()) }()
		if _, err := second.wait(); !errors.Is(err, notifier.ErrNotStarted) {
			t.Errorf("what waited: %v; want ErrNotStarted", err)
		}
		select {
		case err := <-closed:
			t.Fatalf("Close returned (%v) with a message on the wire", err)
		default:
		}
		close(hold)
		if _, err := first.wait(); err != nil {
			t.Errorf("what was on the wire: %v", err)
		}
		if err := <-closed; err != nil {
			t.Errorf("Close: %v", err)
		}
		if _, err := send(t, p, reader(2), notifier.LaneRoutine, &flight{}); !errors.Is(err, notifier.ErrNotStarted) {
			t.Errorf("after Close: %v; want ErrNotStarted", err)
		}
		r.WaitCommand("QUIT", 1)
		if err := p.Close(context.Background()); err != nil {
			t.Errorf("a second Close: %v", err)
		}
	})
}

func TestAHastyCloseBreaksTheConnectionsAndLeavesNothingBehind(t *testing.T) {
	before := goleak.IgnoreCurrent()
	r := emailtest.NewRaw(t, emailtest.RawOptions{Answer: script(map[string]string{emailtest.Dot: emailtest.Hang})})
	p := newPool(t, r.URL("connections=3"))
	s := start(t, p, mailTo(reader(0)), notifier.LaneRoutine, &flight{})
	waitFor(t, "the content's end", func() bool { return len(r.Messages()) == 1 })
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := p.Close(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("Close: %v; want its context's error", err)
	}
	_, err := s.wait()
	if se := asSendError(t, err); se.Fault != notifier.FaultRelay || se.Stage != stageDot {
		t.Errorf("%+v", se)
	}
	r.Close()
	goleak.VerifyNone(t, before)
}

func TestAPoolWithoutRelaysOrAClockIsRefused(t *testing.T) {
	list, err := ParseRelays("smtp://127.0.0.1")
	if err != nil {
		t.Fatal(err)
	}
	for _, o := range []PoolOptions{{Now: time.Now}, {Relays: list}} {
		if _, err := NewPool(o); err == nil {
			t.Errorf("%+v passed", o)
		}
	}
}

func TestCapacityIsWhatKeepsTheConnectionsBusy(t *testing.T) {
	p := newPool(t, "smtp://127.0.0.1:1?connections=8,smtp://127.0.0.1:2")
	if got := p.Capacity(); got != 24 {
		t.Errorf("capacity %d; want 24", got)
	}
}
