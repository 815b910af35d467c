package webhook

import (
	"context"
	"sync"
	"time"

	"allclear/notifier"
)

// recentTime is how old what is known of an endpoint may be.
const recentTime = time.Second

// recent remembers endpoints for a moment, so that a burst of messages to one of
// them asks once. All of it is forgotten together: it never holds more than what
// was asked for within recentTime.
type recent struct {
	from Endpoints
	now  func() time.Time

	mu    sync.Mutex
	since time.Time
	known map[int64]notifier.Endpoint
}

func (r *recent) get(ctx context.Context, reader int64) (notifier.Endpoint, error) {
	asked := r.now()
	r.mu.Lock()
	if age := asked.Sub(r.since); r.known == nil || age >= recentTime || age < 0 {
		r.since, r.known = asked, map[int64]notifier.Endpoint{}
	}
	known := r.known
	e, ok := known[reader]
	r.mu.Unlock()
	if ok {
		return e, nil
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
