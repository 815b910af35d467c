package webhook

import (
	"context"
	"fmt"
	"sync"
	"time"

	"allclear/notifier"
)

// Endpoints knows the endpoints as their owners want them now. The error of one
// that is not there is notifier.ErrNotFound.
type Endpoints interface {
	Endpoint(ctx context.Context, reader int64) (notifier.Endpoint, error)
}

// Together is what Endpoints may also offer: many at once, those that are not
// there left out. An event goes to each endpoint once, so that every post asks
// for another one; one question for all who ask at a time costs a database a
// fraction of as many.
type Together interface {
	EndpointsOf(ctx context.Context, readers []int64) (map[int64]notifier.Endpoint, error)
}

// recentTime is how old what is known of an endpoint may be.
const recentTime = time.Second

// recent remembers endpoints for a moment, so that a burst of messages to one of
// them asks once. All of it is forgotten together: it never holds more than what
// was asked for within recentTime.
type recent struct {
	from     Endpoints
	together Together // nil: from does not offer it
	now      func() time.Time

	mu    sync.Mutex
	since time.Time
	known map[int64]notifier.Endpoint
	next  *question // is being gathered; nil: nobody asks
	last  *question // was asked last
}

// question is one look-up for all who came while the one before was on its way.
type question struct {
	readers map[int64]bool
	done    chan struct{}
	found   map[int64]notifier.Endpoint
	err     error
}

func newRecent(from Endpoints, now func() time.Time) *recent {
	r := &recent{from: from, now: now}
	r.together, _ = from.(Together)
	return r
}

func (r *recent) get(ctx context.Context, reader int64) (notifier.Endpoint, error) {
	r.mu.Lock()
	known := r.young()
	if e, ok := known[reader]; ok {
		r.mu.Unlock()
		return e, nil
	}
	if r.together != nil {
		if e, err := r.join(ctx, reader); err == nil {
			return e, nil
		}
		// One that cannot be read must not be in the way of all the others.
	} else {
		r.mu.Unlock()
	}
	e, err := r.from.Endpoint(ctx, reader)
	if err != nil {
		return notifier.Endpoint{}, err
	}
	r.mu.Lock()
	known[reader] = e // into the map of the time at which it was asked for
	r.mu.Unlock()
	return e, nil
}

// young is what is known and not too old. It is called with the lock held.
func (r *recent) young() map[int64]notifier.Endpoint {
	asked := r.now()
	if age := asked.Sub(r.since); r.known == nil || age >= recentTime || age < 0 {
		r.since, r.known = asked, map[int64]notifier.Endpoint{}
	}
	return r.known
}

// join asks for reader together with everyone who comes before the question
// before is answered; whoever came first asks for all. It is called with the
// lock held, and gives it away.
func (r *recent) join(ctx context.Context, reader int64) (notifier.Endpoint, error) {
	q, first := r.next, r.next == nil
	if first {
		q = &question{readers: map[int64]bool{}, done: make(chan struct{})}
		r.next = q
	}
	q.readers[reader] = true
	before := r.last
	r.mu.Unlock()
	if first {
		if before != nil {
			<-before.done // it has an end: the database's patience
		}
		r.ask(ctx, q)
	}
	select {
	case <-q.done:
	case <-ctx.Done():
		return notifier.Endpoint{}, ctx.Err()
	}
	if q.err != nil {
		return notifier.Endpoint{}, q.err
	}
	e, ok := q.found[reader]
	if !ok {
		return notifier.Endpoint{}, fmt.Errorf("endpoint of reader %d: %w", reader, notifier.ErrNotFound)
	}
	return e, nil
}

// ask answers q, for whoever gathered in it until now.
func (r *recent) ask(ctx context.Context, q *question) {
	defer close(q.done)
	r.mu.Lock()
	r.next, r.last = nil, q
	known := r.young()
	readers := make([]int64, 0, len(q.readers))
	for reader := range q.readers {
		readers = append(readers, reader)
	}
	r.mu.Unlock()
	ctx, done := context.WithTimeout(ctx, questionTime)
	defer done()
	if q.found, q.err = r.together.EndpointsOf(ctx, readers); q.err != nil {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for reader, e := range q.found {
		known[reader] = e
	}
}

// questionTime is how long a database may take to answer one.
const questionTime = 10 * time.Second
