package sms

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"allclear/notifier"
)

// Workers is how many messages an outbox should work on at once.
const Workers = 8

// Budget counts the segments of a day, over all processes. false: n more would
// be more than limit, and nothing was counted. A negative n gives back.
type Budget interface {
	SpendSegments(ctx context.Context, day string, n, limit int) (bool, error)
}

// Options are what a Sender is made of.
type Options struct {
	Gateway Gateway          // mandatory
	Now     func() time.Time // mandatory
	Rate    float64          // messages a second; 0 is no bound
	Budget  Budget           // with Limit
	Limit   int              // segments a day (UTC); 0 is no bound
	// Of them a quarter at most goes to codes and links, which anybody can ask
	// for: who asks for many must not silence the rest.
	// Report makes the address for a delivery's report; nil: none are wanted.
	Report func(notifier.DeliveryID) string
	// Exhausted, if set, is told when the day's budget is used up, or what of it
	// is for codes, for every message that has to wait. It must not block.
	Exhausted func(codes bool, until time.Time)
	// Answered, if set, is told after every try whether the gateway worked: nil
	// where it took the message or refused it for the number's sake, else what
	// kept it from that. It must not block.
	Answered func(trouble *notifier.SendError)
}

// Sender is the sms channel's notifier.Sender.
type Sender struct {
	o    Options
	pace *rate.Limiter

	mu   sync.Mutex
	slot time.Time // the last turn that somebody was sent away to
}

var _ notifier.Sender = (*Sender)(nil)

// New makes a Sender.
func New(o Options) *Sender {
	s := &Sender{o: o}
	if o.Rate > 0 {
		s.pace = rate.NewLimiter(rate.Limit(o.Rate), max(int(o.Rate), 1))
	}
	return s
}

// Send hands m to the gateway. What the budget does not allow waits for the
// next day, and what the pace does not allow for its turn: both come back as a
// *notifier.NotBeforeError.
func (s *Sender) Send(ctx context.Context, m *notifier.Message, f notifier.Flight) (notifier.Receipt, error) {
	body := m.Letter.Text
	for i, b := range m.Letter.Blanks {
		if i < len(m.Fill) {
			body = strings.ReplaceAll(body, b.Mark, m.Fill[i])
		}
	}
	t := Text{ID: m.Delivery.String(), To: m.To, Body: notifier.PlainText(body)}
	t.Size = notifier.MeasureText(t.Body)
	if s.o.Report != nil {
		t.Report = s.o.Report(m.Delivery)
	}
	if s.pace != nil {
		now := s.o.Now()
		if turn := s.pace.ReserveN(now, 1); turn.DelayFrom(now) > 0 {
			wait := turn.DelayFrom(now)
			turn.CancelAt(now)
			return notifier.Receipt{}, &notifier.NotBeforeError{Until: s.turn(now.Add(wait))}
		}
	}
	if found, r, err := s.find(ctx, m, t); found || err != nil {
		if err == nil {
			err = f.Taken(r)
		}
		if err != nil {
			return notifier.Receipt{}, err
		}
		return r, nil
	}
	// Paid before it is begun, because nothing may come between Begin and the
	// first byte. What was surely not taken costs nothing: else a gateway that is
	// down would use up a day by being asked.
	began := s.o.Now()
	if err := s.spend(ctx, began.UTC(), t.Size.Segments, m.Lane == notifier.LaneConfirm); err != nil {
		return notifier.Receipt{}, err
	}
	if err := f.Begin(); err != nil {
		s.giveBack(ctx, began.UTC(), t.Size.Segments, m.Lane == notifier.LaneConfirm)
		return notifier.Receipt{}, err
	}
	r, err := s.o.Gateway.Send(ctx, t)
	took := s.o.Now().Sub(began)
	s.answered(err)
	if err != nil {
		var se *notifier.SendError
		if errors.As(err, &se) {
			se.Receipt.Took = took
		}
		if se == nil || !se.Doubt || !se.Permanent { // what may be tried again is paid when it is known
			s.giveBack(ctx, began.UTC(), t.Size.Segments, m.Lane == notifier.LaneConfirm)
		}
		return notifier.Receipt{}, err
	}
	r.Took = took
	if err := f.Taken(r); err != nil {
		return notifier.Receipt{}, err
	}
	return r, nil
}

// answered tells what a try says of the gateway. A message in doubt says that no
// answer came, whosever fault the delivery's end is.
func (s *Sender) answered(err error) {
	if s.o.Answered == nil {
		return
	}
	var se *notifier.SendError
	switch {
	case err == nil:
		s.o.Answered(nil)
	case errors.As(err, &se) && (se.Fault != notifier.FaultRecipient || se.Doubt):
		s.o.Answered(se)
	case se != nil:
		s.o.Answered(nil)
	}
}

// find asks whether a message in doubt was taken, where the gateway can be
// asked. What was taken is paid for, whatever is left of the day's budget.
func (s *Sender) find(ctx context.Context, m *notifier.Message, t Text) (bool, notifier.Receipt, error) {
	asker, ok := s.o.Gateway.(Asker)
	if !ok || m.Doubt.IsZero() {
		return false, notifier.Receipt{}, nil
	}
	began := s.o.Now()
	r, found, err := asker.Find(ctx, t, began.Sub(m.Doubt))
	if found && s.o.Limit > 0 {
		_, _ = s.o.Budget.SpendSegments(context.WithoutCancel(ctx), began.UTC().Format(time.DateOnly), t.Size.Segments, s.o.Limit)
	}
	r.Took = s.o.Now().Sub(began)
	return found, r, err
}

// turns is how far ahead the turns lie that messages are sent away to: what
// comes back too early is a claim for nothing, what comes back too late waits
// behind what came after it.
const turns = time.Minute

// turn is when a message that has to wait is to come back, first at the
// earliest. Each has one of its own, so that not all of them come for the next.
func (s *Sender) turn(first time.Time) time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.slot = s.slot.Add(time.Duration(float64(time.Second) / s.o.Rate))
	if s.slot.Before(first) || s.slot.After(first.Add(turns)) {
		s.slot = first
	}
	return s.slot
}

// codesOf is under which name the codes of a day are counted, and codesShare how
// many segments of a day's there are for them.
func codesOf(day time.Time) string { return day.Format(time.DateOnly) + " codes" }

func codesShare(limit int) int { return max(limit/4, 1) }

// giveBack returns what was spent on a message that was not taken. Where that
// fails, the day has some segments less.
func (s *Sender) giveBack(ctx context.Context, day time.Time, segments int, code bool) {
	if s.o.Limit == 0 {
		return
	}
	ctx = context.WithoutCancel(ctx)
	_, _ = s.o.Budget.SpendSegments(ctx, day.Format(time.DateOnly), -segments, s.o.Limit)
	if code {
		_, _ = s.o.Budget.SpendSegments(ctx, codesOf(day), -segments, s.o.Limit)
	}
}

// spend pays for a message, a code also out of what is there for codes.
func (s *Sender) spend(ctx context.Context, now time.Time, segments int, code bool) error {
	if s.o.Limit == 0 {
		return nil
	}
	ok := true
	var err error
	if code {
		ok, err = s.o.Budget.SpendSegments(ctx, codesOf(now), segments, codesShare(s.o.Limit))
	}
	few := err == nil && !ok
	if err == nil && ok {
		if ok, err = s.o.Budget.SpendSegments(ctx, now.Format(time.DateOnly), segments, s.o.Limit); code && (err != nil || !ok) {
			_, _ = s.o.Budget.SpendSegments(context.WithoutCancel(ctx), codesOf(now), -segments, s.o.Limit)
		}
	}
	if err != nil {
		return &notifier.SendError{Fault: notifier.FaultRelay, Stage: stageRender, Err: fmt.Errorf("look at the day's budget: %w", err)}
	}
	if ok {
		return nil
	}
	tomorrow := time.Date(now.Year(), now.Month(), now.Day()+1, 0, 0, 0, 0, time.UTC)
	if s.o.Exhausted != nil {
		s.o.Exhausted(few, tomorrow)
	}
	return &notifier.NotBeforeError{Until: tomorrow}
}
