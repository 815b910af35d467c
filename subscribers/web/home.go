package web

import (
	"context"
	"net/http"
	"net/url"
	"sync"
	"time"

	"allclear/notifier"
	"allclear/templates"
)

const (
	postsPerPage = 20
	countFor     = 5 * time.Second // how long a follower count is good
)

// home is what was posted, newest first, and how everything does.
func (s *site) home(r *http.Request) (answer, error) {
	ctx := r.Context()
	cursor := r.URL.Query().Get("cursor")
	posts, next, err := s.posts.Incidents(ctx, notifier.IncidentQuery{State: notifier.Published, Cursor: cursor, Limit: postsPerPage, Updates: true})
	if err != nil {
		return answer{}, badCursor(cursor, err)
	}
	open, _, err := s.posts.Incidents(ctx, notifier.IncidentQuery{State: notifier.Published, Open: true, Limit: 200})
	if err != nil {
		return answer{}, err
	}
	if open == nil {
		open = []notifier.Incident{} // none are open, which is not the same as not having looked
	}
	parts, err := s.posts.Components(ctx)
	if err != nil {
		return answer{}, err
	}
	followers, err := s.followers.count(ctx, s.now())
	if err != nil {
		return answer{}, err
	}
	home := templates.Home{Incidents: posts, Open: open, Components: parts, Followers: followers}
	if next != "" {
		home.Older = "/?cursor=" + url.QueryEscape(next)
	}
	return answer{name: templates.PageHome, data: home}, nil
}

// counter remembers the number of followers for a moment, so that a rush of
// visitors, who come when something is broken, counts once.
type counter struct {
	ask func(ctx context.Context) (int64, error)

	mu    sync.Mutex
	last  int64
	until time.Time
}

func (c *counter) count(ctx context.Context, now time.Time) (int64, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if now.Before(c.until) {
		return c.last, nil
	}
	n, err := c.ask(ctx)
	if err != nil {
		return 0, err
	}
	c.last, c.until = n, now.Add(countFor)
	return n, nil
}
