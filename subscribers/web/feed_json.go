package web

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
)

// JSON Feed's fields (jsonfeed.org/version/1.1).
type (
	jsonFeed struct {
		Version  string       `json:"version"`
		Title    string       `json:"title"`
		Home     string       `json:"home_page_url"`
		Self     string       `json:"feed_url"`
		Language string       `json:"language"`
		Authors  []jsonAuthor `json:"authors"`
		Items    []jsonItem   `json:"items"`
	}
	jsonAuthor struct {
		Name string `json:"name"`
		URL  string `json:"url"`
	}
	jsonItem struct {
		ID        string   `json:"id"`
		URL       string   `json:"url"`
		Title     string   `json:"title"`
		HTML      string   `json:"content_html"`
		Published string   `json:"date_published"`
		Modified  string   `json:"date_modified"`
		Tags      []string `json:"tags,omitempty"`
	}
)

// feedJSON is the posts for feed readers that would rather have JSON.
func (s *site) feedJSON(r *http.Request) (answer, error) {
	return s.forPrograms(r, "feed.json", func(ctx context.Context, lang string) (leaf, error) {
		c, err := s.channel(ctx, lang, "feed.json")
		if err != nil {
			return leaf{}, err
		}
		f := jsonFeed{
			Version: "https://jsonfeed.org/version/1.1", Title: c.Title, Home: c.Home, Self: c.self, Language: c.Lang,
			Authors: []jsonAuthor{{c.Title, c.Home}}, Items: []jsonItem{},
		}
		for n, e := range c.Entries {
			i := c.posts[n]
			f.Items = append(f.Items, jsonItem{
				ID: "urn:uuid:" + e.ID, URL: e.URL, Title: e.Title, HTML: e.HTML, Tags: e.Tags,
				Published: stampOf(i.OpenedAt), Modified: stampOf(i.UpdatedAt),
			})
		}
		l, err := jsonLeaf(f, "application/feed+json; charset=utf-8")
		l.lang = c.Lang
		return s.dated(l, c.updated, c.parts), err
	})
}

func jsonLeaf(v any, kind string) (leaf, error) {
	var body bytes.Buffer
	e := json.NewEncoder(&body)
	e.SetIndent("", " ")
	if err := e.Encode(v); err != nil {
		return leaf{}, fmt.Errorf("write json: %w", err)
	}
	return newLeaf(body.Bytes(), kind), nil
}
