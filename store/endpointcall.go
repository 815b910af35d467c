package store

import (
	"context"
	"fmt"

	"allclear/notifier"
	"allclear/subscribers"
)

// calledRow is what is known of an endpoint that is to be called.
type calledRow struct {
	Address, Format string
	Row             endpointRow `gorm:"embedded"`
}

// Endpoint is what the sender needs to call a reader's endpoint; ErrNotFound
// where it has none.
func (s *Store) Endpoint(ctx context.Context, reader int64) (notifier.Endpoint, error) {
	found, err := s.called(ctx, []int64{reader})
	if err != nil {
		return notifier.Endpoint{}, err
	}
	if len(found) == 0 {
		return notifier.Endpoint{}, fmt.Errorf("endpoint of subscriber %s: %w", subscribers.Number(reader), notifier.ErrNotFound)
	}
	return s.open(found[0])
}

// EndpointsOf is Endpoint for many at once, by reader. Those that are not there
// are left out, and those whose secret cannot be opened: Endpoint says why.
func (s *Store) EndpointsOf(ctx context.Context, readers []int64) (map[int64]notifier.Endpoint, error) {
	found, err := s.called(ctx, readers)
	if err != nil {
		return nil, err
	}
	out := make(map[int64]notifier.Endpoint, len(found))
	for _, f := range found {
		if e, err := s.open(f); err == nil {
			out[e.Reader] = e
		}
	}
	return out, nil
}

// called reads the endpoints of readers, and makes the secrets that are missing.
func (s *Store) called(ctx context.Context, readers []int64) ([]calledRow, error) {
	in, arg := s.among(`e.subscriber`, readers)
	var found []calledRow
	if err := s.conn(ctx).Raw(`SELECT s.address, s.format, e.* FROM endpoints AS e JOIN subscribers AS s ON s.number = e.subscriber WHERE `+in, arg).
		Scan(&found).Error; err != nil {
		return nil, fmt.Errorf("read endpoints: %w", translate(err))
	}
	var bare []int64
	for _, f := range found {
		if f.Row.Secret == nil {
			bare = append(bare, f.Row.Subscriber)
		}
	}
	if len(bare) == 0 {
		return found, nil
	}
	made, err := s.makeSecrets(ctx, bare)
	if err != nil {
		return nil, err
	}
	for i, f := range found {
		if f.Row.Secret == nil {
			found[i].Row.Secret = made[f.Row.Subscriber]
		}
	}
	return found, nil
}

func (s *Store) open(f calledRow) (notifier.Endpoint, error) {
	row := f.Row
	out := notifier.Endpoint{
		Reader: row.Subscriber, URL: f.Address, Format: notifier.Format(f.Format), Concurrency: row.Concurrency, Rate: row.Rate,
		FailingSince: instant(row.FailingSince),
	}
	kept := [][]byte{row.Secret}
	for _, old := range row.olds(s.Now()) {
		kept = append(kept, old.sealed)
	}
	for _, sealed := range kept {
		secret, err := s.openSecret(row.Subscriber, sealed)
		if err != nil {
			return notifier.Endpoint{}, err
		}
		out.Secrets = append(out.Secrets, secret)
	}
	return out, nil
}
