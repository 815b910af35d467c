package outbox

import (
	"context"
	"errors"
	"testing"
	"time"

	"allclear/notifier"
)

// renderer is a function that renders.
type renderer func(d notifier.Delivery) (*notifier.Message, error)

func (r renderer) Render(_ context.Context, d notifier.Delivery) (*notifier.Message, error) {
	return r(d)
}

func TestWhoseFaultItIsThatAMessageCannotBeRendered(t *testing.T) {
	for _, c := range []struct {
		name  string
		does  renderer
		state notifier.DeliveryState
		most  time.Duration // until it is tried again
	}{
		{"a broken view", func(notifier.Delivery) (*notifier.Message, error) { return nil, errors.New("no such field") }, notifier.Held, time.Hour},
		{"a view that panics", func(notifier.Delivery) (*notifier.Message, error) { panic("index out of range") }, notifier.Held, time.Hour},
		{"a database that was away for a moment", func(notifier.Delivery) (*notifier.Message, error) {
			return nil, &notifier.SendError{Fault: notifier.FaultRelay, Stage: "render", Err: notifier.ErrUnavailable}
		}, notifier.Pending, 30 * time.Second},
		{"the end of the process", func(notifier.Delivery) (*notifier.Message, error) { return nil, notifier.ErrNotStarted }, notifier.Pending, 30 * time.Second},
	} {
		t.Run(c.name, func(t *testing.T) {
			o, _, clock := still(t, func(o *Options) { o.Renderer = c.does })
			s := outcome(t.Context(), o, claimed(o))
			if s.State != c.state || s.Charged || s.Tried {
				t.Errorf("settled as %+v; want %s, and nobody charged", s, c.state)
			}
			if wait := s.DueAt.Sub(clock.Now()); wait > c.most {
				t.Errorf("tried again after %s; want %s at most", wait, c.most)
			}
		})
	}
}

func TestADatabaseThatIsAwayStopsTheBeltBeforeRendering(t *testing.T) {
	o, _, clock := still(t, func(o *Options) {
		o.Renderer = renderer(func(notifier.Delivery) (*notifier.Message, error) {
			return nil, errors.New("rendered without a fresh look")
		})
	})
	c := claimed(o)
	clock.Advance(freshFor)
	ctx, cancel := context.WithCancel(t.Context())
	cancel() // as when its patience ends
	if s := outcome(ctx, o, c); s.State != notifier.Pending || !s.DueAt.Equal(c.DueAt) {
		t.Fatalf("settled as %+v; want it pending, due as before", s)
	}
}

// noWay is a sender whose relays for this lane are all paused.
type noWay struct{}

func (noWay) Send(context.Context, *notifier.Message, notifier.Flight) (notifier.Receipt, error) {
	return notifier.Receipt{}, notifier.ErrNotStarted
}

func TestWhatTheSenderHasNoWayForDoesNotGoRoundAndRound(t *testing.T) {
	o, _, clock := still(t, func(o *Options) { o.Sender = noWay{} })
	if s := outcome(t.Context(), o, claimed(o)); s.State != notifier.Pending || !s.DueAt.Equal(clock.Now().Add(declinedPause)) {
		t.Fatalf("settled as %+v; want it due in %s", s, declinedPause)
	}
}

// learns is a sender that knows more of the answer when Send returns than when
// it was taken, and may fail in between.
type learns struct{ fails error }

func (l learns) Send(_ context.Context, _ *notifier.Message, f notifier.Flight) (notifier.Receipt, error) {
	if err := errors.Join(f.Begin(), f.Taken(notifier.Receipt{Relay: "hook", Status: 200})); err != nil {
		return notifier.Receipt{}, err
	}
	return notifier.Receipt{Relay: "hook", Status: 200, Answer: "ok", Took: time.Second}, l.fails
}

func TestWhatASenderLearntOfTheAnswerIsSettledToo(t *testing.T) {
	for _, fails := range []error{nil, errors.New("the rest was not read")} {
		o, _, _ := still(t, func(o *Options) { o.Sender = learns{fails} })
		s := outcome(t.Context(), o, claimed(o))
		if more := s.Receipt.Answer == "ok" && s.Receipt.Took == time.Second; s.State != notifier.Sent || s.Receipt.Status != 200 || more != (fails == nil) {
			t.Errorf("%v: settled as %+v", fails, s)
		}
	}
}

// later is a sender that names a time.
type later struct{ until time.Time }

func (l later) Send(context.Context, *notifier.Message, notifier.Flight) (notifier.Receipt, error) {
	return notifier.Receipt{}, &notifier.NotBeforeError{Until: l.until}
}

func TestWhatTheSenderNamesATimeForIsDueThen(t *testing.T) {
	for wait, want := range map[time.Duration]time.Duration{time.Second: time.Second, time.Hour: time.Hour, 0: declinedPause, -time.Hour: declinedPause} {
		o, _, clock := still(t, func(o *Options) { o.Sender = later{o.Now().Add(wait)} })
		c := claimed(o)
		c.ExpiresAt = clock.Now().Add(48 * time.Hour)
		if s := outcome(t.Context(), o, c); s.State != notifier.Pending || !s.DueAt.Equal(clock.Now().Add(want)) || s.Charged {
			t.Errorf("asked to wait %s: settled as %+v; want it due in %s", wait, s, want)
		}
	}
}
