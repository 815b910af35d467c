package web

import (
	"errors"
	"net/http"

	"allclear/notifier"
	"allclear/templates"
)

// incident is one post with everything said about it. A draft is not there yet;
// one that was withdrawn still is, and says so.
func (s *site) incident(r *http.Request) (answer, error) {
	found, err := s.posts.Incident(r.Context(), r.PathValue("id"))
	if err != nil {
		return answer{}, err
	}
	if found.State == notifier.Draft {
		return answer{}, notifier.ErrNotFound
	}
	parts, err := s.posts.Components(r.Context())
	if err != nil {
		return answer{}, err
	}
	return answer{name: templates.PageIncident, data: templates.IncidentPage{Incident: found, Components: parts}}, nil
}

// badCursor makes a made-up cursor a page that is not there.
func badCursor(cursor string, err error) error {
	var bad *notifier.Invalid
	if cursor != "" && errors.As(err, &bad) {
		return notifier.ErrNotFound
	}
	return err
}
