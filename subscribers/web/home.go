package web

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"allclear/notifier"
	"allclear/subscribers/web/gate"
	"allclear/templates"
)

const (
	postsPerPage = 20
	countFor     = 5 * time.Second // how long a follower count is good
	offerFor     = time.Second     // and what there is to choose from
)

// home is what was posted, newest first, and how everything does.
func (s *site) home(r *http.Request) (answer, error) {
	if cursor := r.URL.Query().Get("cursor"); cursor != "" {
		home, err := s.overview(r.Context(), cursor)
		return answer{name: templates.PageHome, data: home}, badCursor(cursor, err)
	}
	return s.copied(r, s.copies, "home", func(ctx context.Context, lang string) (leaf, error) {
		home, err := s.overview(ctx, "")
		if err != nil {
			return leaf{}, err
		}
		return s.paper(templates.PageHome, lang, home, home.Subscribe)
	})
}

// overview reads what the first page tells, or the page of posts behind it that
// cursor names.
func (s *site) overview(ctx context.Context, cursor string) (templates.Home, error) {
	posts, next, err := s.posts.Incidents(ctx, notifier.IncidentQuery{State: notifier.Published, Cursor: cursor, Limit: postsPerPage, Updates: true})
	if err != nil {
		return templates.Home{}, err
	}
	home, err := s.state(ctx)
	if err != nil {
		return templates.Home{}, err
	}
	home.Incidents = posts
	if home.Subscribe, err = s.box(ctx, home.Components, nil); err != nil {
		return templates.Home{}, err
	}
	if next != "" {
		home.Older = "/?cursor=" + url.QueryEscape(next)
	}
	return home, nil
}

// state reads how everything is, without what was posted.
func (s *site) state(ctx context.Context) (templates.Home, error) {
	open, _, err := s.posts.Incidents(ctx, notifier.IncidentQuery{State: notifier.Published, Open: true, Limit: 200})
	if err != nil {
		return templates.Home{}, err
	}
	if open == nil {
		open = []notifier.Incident{} // none are open, which is not the same as not having looked
	}
	parts, err := s.posts.Components(ctx)
	if err != nil {
		return templates.Home{}, err
	}
	followers, err := s.followers.get(ctx, s.now())
	if err != nil {
		return templates.Home{}, err
	}
	return templates.Home{Open: open, Components: parts, Followers: followers}, nil
}

// copied answers with the copy of a page in the visitor's language.
func (s *site) copied(r *http.Request, in *copies, what string, render func(ctx context.Context, lang string) (leaf, error)) (answer, error) {
	lang := s.pages.Lang(r.Header.Get("Accept-Language"))
	l, err := in.get(r.Context(), what+" "+lang, func(ctx context.Context) (leaf, error) { return render(ctx, lang) })
	return answer{leaf: &l}, err
}

// paper renders a page to be copied. form is the one that stands on it; nil is none.
func (s *site) paper(name, lang string, data any, form *templates.SubscribeForm) (leaf, error) {
	var body bytes.Buffer
	if err := s.pages.Page(&body, name, lang, data); err != nil {
		return leaf{}, fmt.Errorf("render page %s: %w", name, err)
	}
	l := newLeaf(body.Bytes(), "text/html; charset=utf-8")
	l.lang = lang
	if form != nil {
		// Its token is another one every time, and an older one is as good: whoever
		// has the page with one that will do for half a day need not load it again.
		l.tag = "W/" + tagOf(bytes.ReplaceAll(l.body, []byte(form.Token), nil), []byte(s.now().UTC().Truncate(gate.MostAge/2).Format(time.RFC3339)))
	}
	return l, nil
}
