package webhook

import (
	"context"
	"slices"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"allclear/notifier"
)

const (
	concurrencyMost = 4
	silencesMost    = 3 // in a row, and a host is not waited for
	silentHost      = 2 // posts at once to such a host
	seatPause       = time.Second
	turnedLongest   = time.Minute // between the first and the last of those that were turned away at once
	rateLongest     = time.Hour
	forgetAfter     = time.Minute
	silenceAfter    = 10 * time.Minute // a host's silence is forgotten
)

// seats bounds what is on its way: to each endpoint as it wishes, to each host
// and port, and to all those together whose last post failed. Who finds no seat
// is turned away with the time to come again, each one a little later than the
// one before, so that they do not all come back together.
//
// Only a host that answers is waited for, and only for a moment. So an endpoint
// that hangs keeps a worker for as long as one post may take, and the next one
// to it comes among the doubtful.
type seats struct {
	now      func() time.Time
	moment   time.Duration
	perHost  int
	doubtful int // the most

	mu        sync.Mutex
	doubting  int // on their way to doubtful endpoints
	endpoints map[int64]*endpointSeats
	hosts     map[string]*hostSeats
	sweepAt   int
}

func newSeats(now func() time.Time, moment time.Duration, perHost, doubtful int) *seats {
	return &seats{
		now: now, moment: moment, perHost: perHost, doubtful: doubtful,
		endpoints: map[int64]*endpointSeats{}, hosts: map[string]*hostSeats{}, sweepAt: 256,
	}
}

type endpointSeats struct {
	taken  int
	limit  *rate.Limiter // nil: no bound
	turned int           // away, since the last one was let in
	seen   time.Time
}

type hostSeats struct {
	taken   int
	waiting []chan struct{} // closed where a seat is handed over
	silent  int             // posts in a row that got no answer in time
	turned  int
	seen    time.Time
}

// heard is what a post got to hear.
type heard int

const (
	nothing  heard = iota // it was not made, or could not be
	answered              // whatever the answer was
	silence               // its time ran out
)

// take finds a seat for a post to e at host. The caller leaves it, and says what
// was heard. The error is a *notifier.NotBeforeError, or an ErrNotStarted where
// ctx ended.
func (s *seats) take(ctx context.Context, e *notifier.Endpoint, host string) (leave func(heard), err error) {
	now := s.now()
	s.mu.Lock()
	s.sweep(now)
	ep := s.endpoint(e, now)
	most := min(max(e.Concurrency, 1), concurrencyMost)
	doubtful := !e.FailingSince.IsZero()
	if doubtful {
		most = 1
	}
	if ep.taken >= most || doubtful && s.doubting >= s.doubtful {
		defer s.mu.Unlock()
		return nil, later(now, seatPause, seatPause/time.Duration(most), &ep.turned, turnedLongest)
	}
	ticket, delay, err := s.ticket(ep, now)
	if err != nil {
		s.mu.Unlock()
		return nil, err
	}
	ep.taken++
	if doubtful {
		s.doubting++
	}
	rise := func() { // with the lock held
		ep.taken--
		if doubtful {
			s.doubting--
		}
	}
	h := s.host(host, now)
	err = s.sit(ctx, h) // gives the lock away and comes back with it
	if err != nil {
		rise()
		ticket.cancel(now)
		s.mu.Unlock()
		return nil, err
	}
	ep.turned, h.turned = 0, 0
	s.mu.Unlock()
	leave = func(what heard) {
		s.mu.Lock()
		defer s.mu.Unlock()
		rise()
		s.stand(h, what)
		s.forget(e.Reader, ep, host, h)
	}
	if delay > 0 {
		if err := pause(ctx, delay); err != nil {
			leave(nothing)
			return nil, err
		}
	}
	return leave, nil
}

// ticket is a place in the rate of an endpoint.
type ticket struct{ r *rate.Reservation }

func (t ticket) cancel(at time.Time) {
	if t.r != nil {
		t.r.CancelAt(at)
	}
}

func (s *seats) ticket(ep *endpointSeats, now time.Time) (ticket, time.Duration, error) {
	if ep.limit == nil {
		return ticket{}, 0, nil
	}
	r := ep.limit.ReserveN(now, 1)
	delay := r.DelayFrom(now)
	if delay <= s.moment {
		return ticket{r}, delay, nil
	}
	r.CancelAt(now)
	gap := time.Duration(min(float64(time.Second)/float64(ep.limit.Limit()), float64(rateLongest)))
	return ticket{}, 0, later(now, delay, gap, &ep.turned, rateLongest)
}

// later turns one away: the first for the time of wait, every other for one gap more.
func later(now time.Time, wait, gap time.Duration, turned *int, longest time.Duration) error {
	spread := min(gap*time.Duration(min(*turned, 1e6)), longest)
	*turned++
	return &notifier.NotBeforeError{Until: now.Add(min(wait, rateLongest) + spread)}
}

// sit takes a seat at h, or waits for one. It is called with the lock held and
// returns so.
func (s *seats) sit(ctx context.Context, h *hostSeats) error {
	most := s.perHost
	hangs := h.silent >= silencesMost
	if hangs {
		most = min(silentHost, most)
	}
	if h.taken < most && len(h.waiting) == 0 {
		h.taken++
		return nil
	}
	away := func() error {
		return later(s.now(), seatPause, seatPause/time.Duration(most), &h.turned, turnedLongest)
	}
	if hangs {
		return away()
	}
	handed := make(chan struct{})
	h.waiting = append(h.waiting, handed)
	s.mu.Unlock()
	patience := time.NewTimer(s.moment)
	select {
	case <-handed:
	case <-patience.C:
	case <-ctx.Done():
	}
	patience.Stop()
	s.mu.Lock()
	if i := slices.Index(h.waiting, handed); i >= 0 {
		h.waiting = slices.Delete(h.waiting, i, i+1)
		if ctx.Err() != nil {
			return notifier.ErrNotStarted
		}
		return away()
	}
	return nil
}

// stand gives a seat at h back, or hands it to who waits longest. Of a host
// that fell silent none is handed over beyond its few.
func (s *seats) stand(h *hostSeats, what heard) {
	h.taken--
	h.seen = s.now()
	switch what {
	case silence:
		h.silent++
	case answered:
		h.silent = 0
	}
	most := s.perHost
	if h.silent >= silencesMost {
		most = min(silentHost, most)
	}
	for h.taken < most && len(h.waiting) > 0 {
		close(h.waiting[0])
		h.waiting = h.waiting[1:]
		h.taken++
	}
}

func pause(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return notifier.ErrNotStarted
	}
}

func (s *seats) endpoint(e *notifier.Endpoint, now time.Time) *endpointSeats {
	ep := s.endpoints[e.Reader]
	if ep == nil {
		ep = &endpointSeats{}
		s.endpoints[e.Reader] = ep
	}
	ep.seen = now
	switch {
	case !(e.Rate > 0): // NaN too
		ep.limit = nil
	case ep.limit == nil:
		ep.limit = rate.NewLimiter(rate.Limit(e.Rate), 1)
	case ep.limit.Limit() != rate.Limit(e.Rate):
		ep.limit.SetLimitAt(now, rate.Limit(e.Rate))
	}
	return ep
}

func (s *seats) host(name string, now time.Time) *hostSeats {
	h := s.hosts[name]
	if h == nil {
		h = &hostSeats{}
		s.hosts[name] = h
	}
	h.seen = now
	return h
}

// forget drops what nothing needs to be remembered of.
func (s *seats) forget(reader int64, ep *endpointSeats, host string, h *hostSeats) {
	if ep.taken == 0 && ep.limit == nil && ep.turned == 0 && s.endpoints[reader] == ep {
		delete(s.endpoints, reader)
	}
	if h.taken == 0 && len(h.waiting) == 0 && h.silent == 0 && s.hosts[host] == h {
		delete(s.hosts, host)
	}
}

// sweep drops, whenever there is twice as much as after the last time, what
// nobody used for a while.
func (s *seats) sweep(now time.Time) {
	if len(s.endpoints)+len(s.hosts) < s.sweepAt {
		return
	}
	for reader, ep := range s.endpoints {
		full := ep.limit == nil || ep.limit.TokensAt(now) >= 1
		if ep.taken == 0 && full && now.Sub(ep.seen) > forgetAfter {
			delete(s.endpoints, reader)
		}
	}
	for name, h := range s.hosts {
		if h.taken == 0 && len(h.waiting) == 0 && now.Sub(h.seen) > silenceAfter {
			delete(s.hosts, name)
		}
	}
	s.sweepAt = 2*(len(s.endpoints)+len(s.hosts)) + 256
}
