package store

import (
	"errors"
	"fmt"
	"net/url"

	"gorm.io/gorm"

	"allclear/notifier"
	"allclear/subscribers"
)

// endpointNews is what a mail to the contact of an endpoint tells of it; zero
// where the reader is no endpoint.
func (s *Store) endpointNews(db *gorm.DB, reader int64) (notifier.EndpointNews, error) {
	h, _, err := s.hook(db, subscribers.Number(reader))
	switch err = translate(err); {
	case errors.Is(err, notifier.ErrNotFound):
		return notifier.EndpointNews{}, nil
	case err != nil:
		return notifier.EndpointNews{}, err
	}
	u, err := url.Parse(h.Address)
	if err != nil {
		return notifier.EndpointNews{}, fmt.Errorf("read the URL of subscriber %d: it is none", reader) // an error of url's would show it
	}
	return notifier.EndpointNews{Host: u.Host, DisabledWhy: string(h.DisabledWhy), DisabledAt: h.DisabledAt, FailingSince: h.FailingSince}, nil
}
