package web

import (
	"cmp"
	"context"
	"crypto/sha256"
	"fmt"
	"net/http"
	"slices"
	"sync"
	"time"

	"allclear/notifier"
	"allclear/templates"
)

// names remembers since when the components have the names they have, as far as
// this process has seen.
type names struct {
	mu    sync.Mutex
	seen  bool
	last  [sha256.Size]byte
	first time.Time
}

func (n *names) since(parts []notifier.Component, now time.Time) time.Time {
	h := sha256.New()
	for _, p := range parts {
		fmt.Fprintf(h, "%q %q\n", p.Key, p.Name)
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if is := [sha256.Size]byte(h.Sum(nil)); !n.seen || is != n.last {
		n.seen, n.last, n.first = true, is, now
	}
	return n.first
}

// postsPerFeed is how many posts a feed holds, the newest.
const postsPerFeed = 50

// open makes an action into a handler that pages of other sites may read too:
// it is for programs, knows nobody, and says the same to all.
func (s *site) open(get action) http.Handler {
	own := s.page(get, nil)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Access-Control-Allow-Origin", "*")
		h.Set("Access-Control-Expose-Headers", "ETag")
		if r.Method == http.MethodOptions { // a browser asks whether a page may send If-None-Match
			h.Set("Allow", "GET, HEAD, OPTIONS")
			h.Set("Access-Control-Allow-Methods", "GET, HEAD")
			h.Set("Access-Control-Allow-Headers", "If-None-Match, If-Modified-Since")
			h.Set("Access-Control-Max-Age", "86400")
			w.WriteHeader(http.StatusNoContent)
			return
		}
		own.ServeHTTP(w, r)
	})
}

// forPrograms answers with the copy of a form. Programs do not say which
// language their users read, so it is the service's, or that of ?language=.
func (s *site) forPrograms(r *http.Request, what string, render func(ctx context.Context, lang string) (leaf, error)) (answer, error) {
	lang := s.pages.Lang(r.URL.Query().Get("language"))
	l, err := s.copies.get(r.Context(), what+" "+lang, func(ctx context.Context) (leaf, error) {
		l, err := render(ctx, lang)
		l.fixed = true
		return l, err
	})
	return answer{leaf: &l}, err
}

// channel is what both feeds tell.
type channel struct {
	templates.Feed
	self    string // the feed's own address
	posts   []notifier.Incident
	updated time.Time // when any of what was posted last changed
	parts   []notifier.Component
}

func (s *site) channel(ctx context.Context, lang, path string) (channel, error) {
	posts, changed, err := s.announced(ctx, notifier.IncidentQuery{Limit: postsPerFeed})
	if err != nil {
		return channel{}, err
	}
	parts, err := s.posts.Components(ctx)
	if err != nil {
		return channel{}, err
	}
	feed, err := s.pages.Feed(lang, posts, parts)
	c := channel{Feed: feed, posts: posts, updated: changed, parts: parts, self: feed.Home + path}
	if !feed.Default {
		c.self += "?language=" + feed.Lang
	}
	return c, err
}

// announced reads what was posted, newest first, and when any of it last
// changed.
func (s *site) announced(ctx context.Context, q notifier.IncidentQuery) (posts []notifier.Incident, changed time.Time, err error) {
	q.Updates = true
	for _, q.State = range []notifier.PublishState{notifier.Published, notifier.Retracted} {
		some, _, err := s.posts.Incidents(ctx, q)
		if err != nil {
			return nil, time.Time{}, err
		}
		for _, i := range some {
			if i.UpdatedAt.After(changed) {
				changed = i.UpdatedAt
			}
			if public(i) {
				posts = append(posts, i)
			}
		}
	}
	slices.SortStableFunc(posts, func(a, b notifier.Incident) int { return cmp.Compare(b.CreatedAt.UnixMicro(), a.CreatedAt.UnixMicro()) })
	return posts[:min(len(posts), q.Limit)], changed, nil
}

// dated gives a leaf its time: when what was posted last changed, or what the
// components are called, of which nothing keeps the time but this process. One that lies within the second that is now is
// left out: Last-Modified knows only seconds, and what changes later within
// this one would look unchanged.
func (s *site) dated(l leaf, changed time.Time, parts []notifier.Component) leaf {
	if since := s.names.since(parts, s.now()); since.After(changed) {
		changed = since
	}
	if s.now().Sub(changed) >= time.Second+keepCopy {
		l.modified = changed
	}
	return l
}
