package web

import (
	"context"
	"errors"
	"net/http"
	"slices"

	"allclear/notifier"
	"allclear/templates"
)

// incident is one post with everything said about it. A draft is not there yet;
// one that was withdrawn still is, and says so.
func (s *site) incident(r *http.Request) (answer, error) {
	id := r.PathValue("id")
	return s.copied(r, s.asked, "incident "+id, func(ctx context.Context, lang string) (leaf, error) {
		found, err := s.posts.Incident(ctx, id)
		if err != nil {
			return leaf{}, err
		}
		if !public(found) {
			return leaf{}, notifier.ErrNotFound
		}
		parts, err := s.posts.Components(ctx)
		if err != nil {
			return leaf{}, err
		}
		page := templates.IncidentPage{Incident: found, Components: parts}
		if found.Open() && found.State == notifier.Published && found.Kind != notifier.KindPost {
			if page.Subscribe, err = s.box(ctx, parts, &found); err != nil {
				return leaf{}, err
			}
		}
		return s.paper(templates.PageIncident, lang, page, page.Subscribe)
	})
}

// public reports whether everybody may read a post. One that was withdrawn stays,
// so that whoever has seen it learns that it is; unless nobody was told of it,
// for then it may never have been public.
func public(i notifier.Incident) bool {
	return i.State == notifier.Published ||
		i.State == notifier.Retracted && slices.ContainsFunc(i.Updates, func(u notifier.Update) bool { return u.Event != 0 })
}

// badCursor makes a made-up cursor a page that is not there.
func badCursor(cursor string, err error) error {
	var bad *notifier.Invalid
	if cursor != "" && errors.As(err, &bad) {
		return notifier.ErrNotFound
	}
	return err
}
