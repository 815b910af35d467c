package email

import (
	"context"
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/time/rate"

	"allclear/notifier"
)

// Pool keeps connections to relays and hands each message to the first relay,
// in order of preference, that works and carries the message's lane. Where a
// relay's breaker opens, what waits for it goes to the next one; new messages
// return to it when it has healed. Of each relay that carries express lanes and
// others, and may have more than one connection, one connection is kept for the
// express lanes (I3), and stands ready when there is word of mail; see ready.go.
type Pool struct {
	relays  []*relay
	slots   []*slot
	changed *broadcast
	closing chan struct{}
	closed  sync.Once
	halt    context.CancelFunc // ends attempts to connect
	workers sync.WaitGroup
	jobs    sync.Pool
}

// relay is a Relay at work.
type relay struct {
	Relay
	*health
	limiter *rate.Limiter // nil: no limit
	doors   [2]door
}

// door is where messages wait for a connection.
type door struct {
	jobs    chan *job
	waiting atomic.Int32  // callers that wait at jobs
	bell    chan struct{} // rung for connections that are to be made
}

// The two doors of a relay.
const (
	ordinaryDoor = 0
	expressDoor  = 1
)

func doorOf(l notifier.Lane) int {
	if l.Express() {
		return expressDoor
	}
	return ordinaryDoor
}

// NewPool starts a pool. Nothing is dialled before there is a message, or
// Forewarn says that there will be. The caller closes it.
func NewPool(o PoolOptions) (*Pool, error) {
	if err := o.complete(); err != nil {
		return nil, err
	}
	ctx, halt := context.WithCancel(context.Background())
	p := &Pool{changed: newBroadcast(), closing: make(chan struct{}), halt: halt}
	p.jobs.New = func() any { return &job{state: jobUnclaimed, done: make(chan struct{}, 1)} }
	c := &connector{dial: o.Dial, tls: o.TLS, hello: o.Hostname, timeouts: o.Timeouts}
	if o.Transcript != nil {
		c.log = &transcript{w: o.Transcript}
	}
	for _, spec := range o.Relays {
		if spec.Connections <= 0 {
			spec.Connections = o.Connections
		}
		p.addRelay(ctx, spec, c, &o)
	}
	return p, nil
}

func (p *Pool) addRelay(ctx context.Context, spec Relay, c *connector, o *PoolOptions) {
	express, ordinary := false, false
	for _, l := range notifier.Lanes {
		express = express || l.Express() && spec.Carries(l)
		ordinary = ordinary || !l.Express() && spec.Carries(l)
	}
	h := &health{
		name: spec.Name, breaker: o.Breaker, now: o.Now, dice: o.Dice, observer: o.Observer, changed: p.changed,
		reserved: express && ordinary && spec.Connections > 1,
		most:     int32(spec.Connections),
		probe:    make(chan struct{}, 1),
		stir:     make(chan struct{}, 1),
	}
	if h.reserved {
		h.most--
	}
	h.limit.Store(h.most)
	r := &relay{Relay: spec, health: h}
	if spec.Rate > 0 {
		r.limiter = rate.NewLimiter(rate.Limit(spec.Rate), 1)
	}
	for i := range r.doors {
		r.doors[i].jobs, r.doors[i].bell = make(chan *job), make(chan struct{}, spec.Connections)
	}
	p.relays = append(p.relays, r)
	for n := range spec.Connections {
		rank := int32(n + 1)
		if h.reserved {
			rank--
		}
		s := newSlot(p, r, rank, c, o)
		p.slots = append(p.slots, s)
		p.workers.Add(1)
		go func() {
			defer p.workers.Done()
			s.run(ctx)
		}()
	}
}

// Send hands e to a relay and returns what became of it. It waits as long as
// the relays take; ctx's end is obeyed at once with notifier.ErrNotStarted while
// nothing of the content was sent, and by breaking the connection behind that.
// Every error is a *notifier.SendError or the flight's.
func (p *Pool) Send(ctx context.Context, e Envelope, lane notifier.Lane, f notifier.Flight) (notifier.Receipt, error) {
	receipt, _, err := p.send(ctx, e, lane, f)
	return receipt, err
}

// send is Send; read says that e.Data is not read any more. Where the caller
// left while a connection had the message, that connection may still look at it.
func (p *Pool) send(ctx context.Context, e Envelope, lane notifier.Lane, f notifier.Flight) (r notifier.Receipt, read bool, err error) {
	dots, err := e.check()
	if err != nil {
		return notifier.Receipt{}, true, err
	}
	j := p.jobs.Get().(*job)
	j.env, j.dots, j.lane, j.flight, j.retries, j.line, j.shunned = e, dots, lane, f, 0, nil, j.shunned[:0]
	for {
		if err := p.offer(ctx, j); err != nil {
			return notifier.Receipt{}, true, err // nobody has it
		}
		select {
		case <-j.done:
		case <-ctx.Done():
			if j.forsake() {
				return notifier.Receipt{}, false, notifier.ErrNotStarted // the connection still has j: it is not used again
			}
			<-j.done
		}
		if !j.again {
			receipt, err := j.receipt, j.err
			j.env, j.flight, j.err, j.receipt, j.line = Envelope{}, nil, nil, notifier.Receipt{}, nil
			p.jobs.Put(j)
			return receipt, true, err
		}
	}
}

// offer waits until a connection has taken j.
func (p *Pool) offer(ctx context.Context, j *job) error {
	j.state = jobHeld // nobody else has it yet
	for {
		if ctx.Err() != nil {
			return notifier.ErrNotStarted
		}
		changed := p.changed.wait()
		r, err := p.pick(j)
		if err != nil {
			return err
		}
		if r == nil {
			return nil // handed over already
		}
		d := &r.doors[doorOf(j.lane)]
		select {
		case <-p.closing: // looked at first: a closing pool takes nothing new
			return notifier.ErrNotStarted
		default:
		}
		select {
		case d.jobs <- j:
			return nil
		default:
		}
		d.waiting.Add(1)
		select {
		case d.bell <- struct{}{}:
		default:
		}
		handed := false
		select {
		case d.jobs <- j:
			handed = true
		case <-changed:
		case <-ctx.Done():
			err = notifier.ErrNotStarted
		case <-p.closing:
			err = notifier.ErrNotStarted
		}
		d.waiting.Add(-1)
		if handed || err != nil {
			return err
		}
	}
}

// pick finds the relay to wait for. A nil relay without an error says that one
// has taken j at once.
func (p *Pool) pick(j *job) (*relay, error) {
	var trying *relay
	var resting *notifier.SendError
	paused := false
	for _, r := range p.relays {
		switch {
		case !r.Carries(j.lane), slices.Contains(j.shunned, r.Name):
		case r.paused.Load():
			paused = true
		case r.State() == RelayWorking:
			return r, nil
		case r.State() == RelayTrying:
			// One message may go; the others do not wait for its fate while
			// another relay works.
			select {
			case r.doors[doorOf(j.lane)].jobs <- j:
				return nil, nil //nolint:nilnil // taken: there is nothing to wait for
			default:
			}
			if trying == nil {
				trying = r
			}
		case resting == nil:
			resting = r.whyResting()
		}
	}
	switch {
	case trying != nil:
		return trying, nil
	case len(j.shunned) > 0:
		return nil, j.err // what the last of them said
	case resting != nil:
		return nil, resting
	case paused:
		return nil, notifier.ErrNotStarted
	}
	return nil, &notifier.SendError{Fault: notifier.FaultOurs, Stage: stageDial, Err: errors.New("no relay carries the lane " + j.lane.String())}
}

// Forewarn says that there will be mail soon: the connections that are kept for
// the express lanes are made meanwhile.
func (p *Pool) Forewarn() {
	for _, r := range p.relays {
		if r.reserved {
			r.stirred()
		}
	}
}

// Ready reports whether any relay can be used. Where none can, retry is when
// the first is tried again; zero when all of them are paused.
func (p *Pool) Ready() (retry time.Time, ok bool) {
	for _, l := range notifier.Lanes {
		t, ok := p.ReadyFor(l)
		if ok {
			return time.Time{}, true
		}
		if !t.IsZero() && (retry.IsZero() || t.Before(retry)) {
			retry = t
		}
	}
	return retry, false
}

// ReadyFor is Ready for one lane.
func (p *Pool) ReadyFor(lane notifier.Lane) (retry time.Time, ok bool) {
	for _, r := range p.relays {
		if !r.Carries(lane) || r.paused.Load() {
			continue
		}
		s := r.status()
		if s.State != RelayResting {
			return time.Time{}, true
		}
		if retry.IsZero() || s.RetryAt.Before(retry) {
			retry = s.RetryAt
		}
	}
	return retry, false
}

// SetPaused names the relays that are to be left alone; all others may work.
// What is on the wire goes on.
func (p *Pool) SetPaused(names []string) {
	any := false
	for _, r := range p.relays {
		want := slices.Contains(names, r.Name)
		any = r.paused.Swap(want) != want || any
	}
	if any {
		p.changed.all()
	}
}

// Relays is a picture of every relay, in order of preference.
func (p *Pool) Relays() []RelayStatus {
	out := make([]RelayStatus, len(p.relays))
	for i, r := range p.relays {
		out[i] = r.status()
	}
	return out
}

// Capacity is how many calls of Send it takes to keep every connection of the
// relay with the most at work: on each, one message in doubt, one behind it, and
// one that is being signed, so that it is there when the dot is answered.
func (p *Pool) Capacity() int {
	most := 0
	for _, r := range p.relays {
		most = max(most, 3*r.Connections)
	}
	return most
}

// Close takes no more messages (Send answers notifier.ErrNotStarted), waits for
// those whose transmission began, and closes the connections. When ctx ends
// first, it breaks the connections, whose messages are then in doubt, and
// returns ctx's error.
func (p *Pool) Close(ctx context.Context) error {
	p.closed.Do(func() { close(p.closing) })
	p.halt() // what is only being connected carries no message
	for _, r := range p.relays {
		r.stop()
	}
	left := make(chan struct{})
	go func() {
		p.workers.Wait()
		close(left)
	}()
	var err error
	select {
	case <-left:
	case <-ctx.Done():
		err = ctx.Err()
	}
	for _, s := range p.slots {
		s.breakOff()
	}
	<-left
	return err
}
