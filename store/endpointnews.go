package store

import (
	"errors"
	"fmt"
	"net/url"
	"strings"

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
	where := u.Host
	if h.State != subscribers.Pending || !h.ContactAt.IsZero() { // else its words may be anybody's, and are mailed to nobody
		where += shortPath(u.EscapedPath())
	}
	return notifier.EndpointNews{Host: where, DisabledWhy: string(h.DisabledWhy), DisabledAt: h.DisabledAt, FailingSince: h.FailingSince}, nil
}

// longestWord is up to what length a part of a path is shown, in bytes: what is
// longer may be the secret by which a chat's address works.
const longestWord = 12

// shortPath is a path by which somebody who looks after several endpoints of one
// host tells one from the other, and nobody else can post there.
func shortPath(path string) string {
	parts := strings.Split(strings.TrimSuffix(path, "/"), "/")
	for i, p := range parts {
		if len(p) > longestWord {
			parts[i] = p[:4] + "..."
		}
	}
	return strings.Join(parts, "/")
}
