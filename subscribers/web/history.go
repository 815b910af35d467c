package web

import (
	"context"
	"net/http"
	"net/url"
	"time"

	"allclear/notifier"
	"allclear/templates"
)

// postsPerMonth is how many posts a page of a month holds.
const postsPerMonth = 100

// history is what began in one month, the one that is now without a name. A
// month to come has no page; one in which nothing was said has.
func (s *site) history(r *http.Request) (answer, error) {
	now := s.now().UTC()
	this := time.Date(now.Year(), now.Month(), 1, 0, 0, 0, 0, time.UTC)
	month, err := monthOf(r.PathValue("month"), this)
	if err != nil {
		return answer{}, err
	}
	cursor := r.URL.Query().Get("cursor")
	read := func(ctx context.Context) (templates.History, error) {
		h, err := s.month(ctx, month, cursor)
		h.Later = month.Before(this)
		return h, badCursor(cursor, err)
	}
	if cursor != "" { // anybody can make one up: not worth a copy
		data, err := read(r.Context())
		return answer{name: templates.PageHistory, data: data}, err
	}
	return s.copied(r, s.asked, "history "+month.Format("2006-01"), func(ctx context.Context, lang string) (leaf, error) {
		data, err := read(ctx)
		if err != nil {
			return leaf{}, err
		}
		return s.paper(templates.PageHistory, lang, data, nil)
	})
}

// monthOf reads a month such as 2026-11, not after this one; "" is this one.
func monthOf(name string, this time.Time) (time.Time, error) {
	if name == "" {
		return this, nil
	}
	month, err := time.Parse("2006-01", name)
	if err != nil || month.Format("2006-01") != name || month.After(this) || month.Year() < 1970 {
		return time.Time{}, notifier.ErrNotFound
	}
	return month, nil
}

func (s *site) month(ctx context.Context, month time.Time, cursor string) (templates.History, error) {
	h := templates.History{Month: month}
	var next string
	var err error
	h.Incidents, next, err = s.posts.Incidents(ctx, notifier.IncidentQuery{
		State: notifier.Published, From: month, Until: month.AddDate(0, 1, 0), Cursor: cursor, Limit: postsPerMonth, Updates: true,
	})
	if err != nil {
		return h, err
	}
	if h.Part = cursor != "" || next != ""; next != "" {
		h.Older = templates.HistoryPath(month) + "?cursor=" + url.QueryEscape(next)
	}
	before, _, err := s.posts.Incidents(ctx, notifier.IncidentQuery{State: notifier.Published, Until: month, Limit: 1})
	if err != nil {
		return h, err
	}
	h.Earlier = len(before) > 0
	h.Components, err = s.posts.Components(ctx)
	return h, err
}
