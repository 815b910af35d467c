package main

import (
	"context"
	"time"
)

// step is what a delivery costs with so many followers.
type step struct {
	Followers int     `json:"followers"`
	Accept    float64 `json:"accept_ms"`
	Fanout    float64 `json:"fanout_us"` // a delivery
	CPU       float64 `json:"cpu_us"`    // of the service a delivery, all in all
	Server    float64 `json:"server_us"` // of the database server a delivery
	Unseen    bool    `json:"unseen"`    // the database server's CPU time is not known
	Memory    float64 `json:"memory_mb"` // the peak
	Rate      float64 `json:"rate"`      // mails a second
}

// takeGrowth sends an unsigned incident to more and more followers.
func takeGrowth(ctx context.Context, b *bed) error {
	var steps []step
	for _, n := range []int{1000, 10_000, 100_000, 1_000_000} {
		if len(steps) > 0 && steps[len(steps)-1].Followers == b.scaled(n) {
			break // --subscribers allows no more
		}
		s, err := b.step(ctx, b.scaled(n))
		if err != nil {
			return err
		}
		steps = append(steps, s)
		to := short(s.Followers) + ": "
		b.tell(
			plainFigure(to+"accept", "ms", s.Accept), plainFigure(to+"fan-out", "µs each", s.Fanout),
			plainFigure(to+"service's CPU", "µs each", s.CPU))
		if s.Server > 0 {
			b.tell(plainFigure(to+"database server's CPU", "µs each", s.Server))
		}
		b.tell(plainFigure(to+"memory", "MB", s.Memory), plainFigure(to+"rate", "mails/s", s.Rate))
	}
	b.t.kept.Growth = steps
	return nil
}

// step is the median of sending to n followers, taken when it is first asked for.
func (b *bed) step(ctx context.Context, n int) (step, error) {
	times := b.times(n)
	if s, ok := b.steps[n]; ok {
		return s, nil
	}
	var rounds []step
	for range times {
		s, err := b.growthStep(ctx, n)
		if err != nil {
			return s, err
		}
		rounds = append(rounds, s)
	}
	s := rounds[0]
	for _, of := range []func(*step) *float64{
		func(s *step) *float64 { return &s.Accept }, func(s *step) *float64 { return &s.Fanout }, func(s *step) *float64 { return &s.CPU },
		func(s *step) *float64 { return &s.Server }, func(s *step) *float64 { return &s.Memory }, func(s *step) *float64 { return &s.Rate },
	} {
		var all []float64
		for i := range rounds {
			all = append(all, *of(&rounds[i]))
		}
		*of(&s) = middle(all)
	}
	if b.steps == nil {
		b.steps = map[int]step{}
	}
	b.steps[n] = s
	return s, nil
}

func (b *bed) growthStep(ctx context.Context, n int) (step, error) {
	server := databaseServer(b.g.dsn)
	s := step{Followers: n, Unseen: server.unseen()}
	b.rest()
	if err := b.serve(ctx, n, false, sinkOptions{}); err != nil {
		return s, err
	}
	var accepts []float64
	for range 20 {
		took, err := b.probe(ctx)
		if err != nil {
			return s, err
		}
		accepts = append(accepts, ms(took))
	}
	s.Accept = middle(accepts)
	before, err := b.child.cpu()
	if err != nil {
		return s, err
	}
	serverBefore, begun, began := server.cpu(), b.relay.taken.Load(), time.Now()
	said, err := b.api.announce(ctx, benchIncident())
	if err != nil {
		return s, err
	}
	made, err := b.expanded(ctx, said, began)
	if err != nil {
		return s, err
	}
	took, err := b.allSent(ctx, said, begun, began)
	if err != nil {
		return s, err
	}
	after, err := b.child.cpu()
	if err != nil {
		return s, err
	}
	each := func(d time.Duration) float64 { return float64(d.Microseconds()) / float64(n) }
	s.Fanout, s.CPU, s.Server = each(made), each(after-before), each(server.cpu()-serverBefore)
	s.Rate = float64(n) / took.Seconds()
	peak, _, err := b.child.memory()
	s.Memory = float64(peak) / (1 << 20)
	return s, err
}
