package web

import (
	"context"
	"encoding/xml"
	"fmt"
	"net/http"
	"time"

	"allclear/templates"
)

// Atom's elements (RFC 4287).
type (
	atomFeed struct {
		XMLName xml.Name    `xml:"http://www.w3.org/2005/Atom feed"`
		Lang    string      `xml:"xml:lang,attr"`
		ID      string      `xml:"id"`
		Title   string      `xml:"title"`
		Updated string      `xml:"updated"`
		Links   []atomLink  `xml:"link"`
		Author  atomAuthor  `xml:"author"`
		Entries []atomEntry `xml:"entry"`
	}
	atomEntry struct {
		ID         string         `xml:"id"`
		Title      string         `xml:"title"`
		Updated    string         `xml:"updated"`
		Published  string         `xml:"published"`
		Link       atomLink       `xml:"link"`
		Categories []atomCategory `xml:"category"`
		Content    atomContent    `xml:"content"`
	}
	atomLink struct {
		Rel  string `xml:"rel,attr"`
		Type string `xml:"type,attr"`
		Href string `xml:"href,attr"`
	}
	atomAuthor struct {
		Name string `xml:"name"`
		URI  string `xml:"uri"`
	}
	atomCategory struct {
		Term string `xml:"term,attr"`
	}
	atomContent struct {
		Type string `xml:"type,attr"`
		Text string `xml:",chardata"`
	}
)

// feedAtom is the posts for feed readers.
func (s *site) feedAtom(r *http.Request) (answer, error) {
	return s.forPrograms(r, "feed.atom", func(ctx context.Context, lang string) (leaf, error) {
		c, err := s.channel(ctx, lang, "feed.atom")
		if err != nil {
			return leaf{}, err
		}
		f := atomFeed{
			Lang: c.Lang, ID: "urn:uuid:" + templates.FeedName(s.identity, c.Lang), Title: c.Title, Updated: stampOf(c.updated), Author: atomAuthor{c.Title, c.Home},
			Links: []atomLink{{"self", "application/atom+xml", c.self}, {"alternate", "text/html", c.Home}},
		}
		for n, e := range c.Entries {
			i := c.posts[n]
			entry := atomEntry{
				ID: "urn:uuid:" + e.ID, Title: e.Title, Updated: stampOf(i.UpdatedAt), Published: stampOf(i.OpenedAt),
				Link: atomLink{"alternate", "text/html", e.URL}, Content: atomContent{"html", e.HTML},
			}
			for _, t := range e.Tags {
				entry.Categories = append(entry.Categories, atomCategory{t})
			}
			f.Entries = append(f.Entries, entry)
		}
		body, err := xml.MarshalIndent(f, "", " ")
		if err != nil {
			return leaf{}, fmt.Errorf("write the feed: %w", err)
		}
		l := newLeaf(append([]byte(xml.Header), body...), "application/atom+xml; charset=utf-8")
		l.lang = c.Lang
		return s.dated(l, c.updated, c.parts), nil
	})
}

// stampOf writes an instant as feeds do. A feed in which nothing was ever said
// has not changed since the beginning of time.
func stampOf(t time.Time) string {
	if t.IsZero() {
		t = time.Unix(0, 0)
	}
	return t.UTC().Format(time.RFC3339)
}
