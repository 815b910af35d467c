package store

import (
	"context"
	"slices"
	"sync"
)

// urgentInARow is how many who are waited for go before one of the others may.
const urgentInARow = 4

// turns hands SQLite's one writing connection on: to what somebody waits for
// (a request, a command) before what goes on by itself (fan-out, claims,
// settlements), each in the order they came. database/sql alone would draw lots
// among all who wait, and a POST that is out of luck waits for many of them.
type turns struct {
	mu             sync.Mutex
	taken          bool
	urgent, behind []chan struct{}
	row            int // urgent turns since the last other
}

// take waits for a turn; each that was given ends with done.
func (t *turns) take(ctx context.Context, urgent bool) error {
	t.mu.Lock()
	if !t.taken {
		t.taken = true
		t.mu.Unlock()
		return nil
	}
	queue := &t.behind
	if urgent {
		queue = &t.urgent
	}
	mine := make(chan struct{})
	*queue = append(*queue, mine)
	t.mu.Unlock()
	select {
	case <-mine:
		return nil
	case <-ctx.Done():
	}
	t.mu.Lock()
	at := slices.Index(*queue, mine)
	if at >= 0 {
		*queue = slices.Delete(*queue, at, at+1)
	}
	t.mu.Unlock()
	if at < 0 { // it came at the same moment
		t.done()
	}
	return ctx.Err()
}

// done ends a turn and gives the next one.
func (t *turns) done() {
	t.mu.Lock()
	defer t.mu.Unlock()
	queue := &t.urgent
	if len(t.urgent) == 0 || len(t.behind) > 0 && t.row >= urgentInARow {
		queue, t.row = &t.behind, 0
	} else {
		t.row++
	}
	if len(*queue) == 0 {
		t.taken = false
		return
	}
	next := (*queue)[0]
	*queue = slices.Delete(*queue, 0, 1)
	close(next)
}
