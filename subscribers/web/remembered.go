package web

import (
	"context"
	"sync"
	"time"
)

// remembered asks for something at most once in a while, so that a rush of
// visitors, who come when something is broken, or a flood of forms costs one
// question. An error is not remembered.
type remembered[T any] struct {
	ask  func(ctx context.Context) (T, error)
	good time.Duration

	mu    sync.Mutex
	last  T
	until time.Time
}

func (m *remembered[T]) get(ctx context.Context, now time.Time) (T, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if now.Before(m.until) {
		return m.last, nil
	}
	found, err := m.ask(ctx)
	if err != nil {
		return found, err
	}
	m.last, m.until = found, now.Add(m.good)
	return found, nil
}
