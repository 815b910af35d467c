package store

import (
	"context"
	"errors"
)

// TendNotices does what is due about notices by itself, in small steps, and
// reports whether there was anything: then there may be more. Call it about
// every second; several processes may.
func (s *Store) TendNotices(ctx context.Context) (changed bool, err error) {
	swept, err := s.sweepAudiences(ctx)
	return swept, errors.Join(err)
}
