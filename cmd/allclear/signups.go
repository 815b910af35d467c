package main

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"allclear/notifier"
	"allclear/store"
	"allclear/subscribers"
)

const (
	signUpStep   = 5                     // sign-ups that one transaction goes through
	signUpPoll   = 2 * time.Second       // for those that another process took
	signUpPause  = 20 * time.Millisecond // between two steps, at the least
	signUpShare  = 3                     // a step is followed by a pause so many times as long,
	signUpMost   = time.Second           // though not longer than this
	signUpLimit  = 10 * time.Second      // how long the database may take for a step
	unasked      = 24 * time.Hour        // beyond the confirmation's life, until who did not confirm is forgotten
	unaskedEvery = time.Hour
	tellSpent    = time.Hour // how often it is logged that the budget of all is spent
	unaskedStep  = 100
)

// signUps goes through what was asked for on the form, apart from the requests,
// so that these tell nothing about an address, and slowly, so that a flood of
// them delays nothing that goes out.
type signUps struct {
	// due and drop are for those whose domain takes no mail; nil: that is not asked.
	due    func(ctx context.Context, max int) ([]subscribers.Waiting, error)
	drop   func(ctx context.Context, ids []string) (int, error)
	noMail func(ctx context.Context, waiting []subscribers.Waiting) (ids []string)
	answer func(ctx context.Context, seen []string, limits subscribers.Limits, confirm func(subscribers.Subscriber) notifier.Event, max int) (subscribers.Answered, error)
	forget func(ctx context.Context, before time.Time, max int) (int, error)
	// forgetMoves is for those whom a move was to go to and who never agreed.
	forgetMoves func(ctx context.Context, before time.Time, max int) (int, error)
	// endFollowed is for those who followed one incident, which is over.
	endFollowed func(ctx context.Context, before time.Time, max int) (int, error)
	now         func() time.Time
	log         *slog.Logger
	asked       func()                             // there is something to send
	count       func(fate subscribers.Fate, n int) // for metrics
	wake        chan struct{}
	told        time.Time // when it was last logged that the budget is spent
}

func newSignUps(s signUps) *signUps {
	s.wake = make(chan struct{}, 1)
	return &s
}

// nudge makes it look at once.
func (s *signUps) nudge() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// run goes on until ctx ends.
func (s *signUps) run(ctx context.Context) {
	var failing bool
	var swept time.Time
	for ctx.Err() == nil {
		began := s.now()
		wait, err := s.step(ctx)
		if err == nil && began.Sub(swept) >= unaskedEvery {
			if swept = began; s.sweep(ctx, began) {
				swept = time.Time{}
			}
		}
		switch {
		case ctx.Err() != nil:
			return
		case err != nil && !failing:
			s.log.Warn("sign-ups wait: the database cannot be asked", "error", err)
		}
		failing = err != nil
		// However many ask, everyone else has the database most of the time.
		if s.rest(ctx, min(max(signUpPause, signUpShare*s.now().Sub(began)), signUpMost), nil) {
			s.rest(ctx, wait, s.wake)
		}
	}
}

// step goes through some, and says how long there is nothing to do.
func (s *signUps) step(ctx context.Context) (time.Duration, error) {
	call, done := context.WithTimeout(ctx, signUpLimit)
	defer done()
	seen, err := s.passOver(call)
	if err != nil {
		return signUpPoll, err
	}
	did, err := s.answer(call, seen, subscribers.SignUpLimits(), func(who subscribers.Subscriber) notifier.Event {
		return who.ConfirmEvent(desk(s.now(), nil))
	}, signUpStep)
	if err != nil {
		return signUpPoll, err
	}
	for fate, n := range did.Fates {
		s.count(fate, n)
	}
	if now := s.now(); did.Spent && (s.told.IsZero() || now.Sub(s.told) >= tellSpent) {
		s.told = now
		s.log.Warn("confirmations wait: as many go out as may, whoever they are for; this is a flood of sign-ups", "next", did.Next)
	}
	if did.Fates[subscribers.SignUpAsked] > 0 {
		s.asked()
	}
	switch wait := did.Next.Sub(s.now()); {
	case did.More:
		return 0, nil
	case !did.Next.IsZero() && wait < signUpPoll:
		return max(wait, 0), nil
	}
	return signUpPoll, nil
}

// passOver drops those next ones whom no mail could reach, and returns whom it
// looked at: who asks meanwhile is for the next step. nil where nobody is looked at.
func (s *signUps) passOver(ctx context.Context) (seen []string, err error) {
	if s.noMail == nil {
		return nil, nil
	}
	next, err := s.due(ctx, signUpStep)
	if err != nil {
		return nil, err
	}
	seen = make([]string, len(next))
	for i, w := range next {
		seen[i] = w.ID
	}
	ids := s.noMail(ctx, next)
	if len(ids) == 0 {
		return seen, nil
	}
	n, err := s.drop(ctx, ids)
	if n > 0 {
		s.count(subscribers.SignUpNoMail, n)
	}
	return seen, err
}

// sweep forgets who never confirmed, nor agreed to be moved to, ends what was
// about one incident that is over, and reports whether there are more.
func (s *signUps) sweep(ctx context.Context, now time.Time) (more bool) {
	call, done := context.WithTimeout(ctx, signUpLimit)
	defer done()
	for _, over := range []struct {
		what string
		end  func(context.Context, time.Time, int) (int, error)
		life time.Duration
	}{
		{"forget who did not confirm", s.forget, notifier.ConfirmLife + unasked},
		{"forget who did not agree to a move", s.forgetMoves, notifier.ConfirmLife + unasked},
		{"end subscriptions to what is over", s.endFollowed, notifier.ResolvedLife},
	} {
		n, err := over.end(call, now.Add(-over.life), unaskedStep)
		if err != nil && ctx.Err() == nil {
			s.log.Warn("sweeping failed", "what", over.what, "error", err)
		}
		if n > 0 {
			s.log.Info("swept", "what", over.what, "count", n)
		}
		more = more || err == nil && n == unaskedStep
	}
	return more
}

// rest waits, or until somebody wakes it, and reports whether to go on.
func (s *signUps) rest(ctx context.Context, d time.Duration, wake <-chan struct{}) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-t.C:
	case <-wake:
	}
	return true
}

// AskSecond notes a second address, and has it asked.
func (s signingUp) AskSecond(ctx context.Context, n subscribers.Number, x subscribers.SignUp) error {
	err := s.Store.AskSecond(ctx, n, x)
	if err == nil {
		s.room.nudge()
	}
	return err
}

// signingUp is the store as the pages use it: whoever signs up is looked at at once.
type signingUp struct {
	*store.Store
	room *signUps
}

// QueueSignUp keeps what somebody asked for.
func (s signingUp) QueueSignUp(ctx context.Context, x subscribers.SignUp) error {
	err := s.Store.QueueSignUp(ctx, x)
	if err == nil || errors.Is(err, subscribers.ErrFull) {
		s.room.nudge()
	}
	return err
}
