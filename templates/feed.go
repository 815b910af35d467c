package templates

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	"allclear/notifier"
)

// Feed is announcements in the words of one language, for programs that write
// them down in a form of their own. Nothing in it depends on the time of asking.
type Feed struct {
	Lang    string
	Default bool   // Lang is the service's own
	Title   string // who speaks
	Home    string // address of the public page
	Plans   string // what a calendar of maintenance is called
	Zone    string // the service's time zone
	Entries []Entry
}

// Entry is one announcement with everything said about it.
type Entry struct {
	ID      string // a UUID, the same for ever, wherever the service moves to
	Title   string // with the state, in words
	State   string // in words
	URL     string
	Tags    []string // the names of components
	HTML    string   // every update, newest first
	Updates []EntryUpdate
}

// EntryUpdate is an update of an incident, in their order.
type EntryUpdate struct {
	URL  string
	Text string // the body as plain text
}

// Feed words incidents, which come with their updates, in their order.
func (p *Pages) Feed(lang string, incidents []notifier.Incident, components []notifier.Component) (Feed, error) {
	f, err := caught(func() (Feed, error) { return p.feed(lang, incidents, components) })
	if err == nil || p.set.edition == "" {
		return f, err
	}
	spare, none := p.set.spare()
	if none != nil {
		return f, err
	}
	if f, none = spare.pages.feed(lang, incidents, components); none != nil {
		return f, err
	}
	p.set.broken("feed", err)
	return f, nil
}

func (p *Pages) feed(lang string, incidents []notifier.Incident, components []notifier.Component) (Feed, error) {
	s := p.set
	cat := s.languages.find(lang)
	times := Times{cat: cat, zone: s.zone}
	f := Feed{Lang: cat.code, Default: cat == s.languages.service, Title: s.brand.Name, Home: s.base + "/", Zone: s.zone.String(),
		Plans: cat.must("feed.maintenance", "brand", s.brand.Name)}
	known := names(components)
	for _, i := range incidents {
		// Beside the beginning of time every instant is printed with its whole date.
		a, err := p.articleBelow(s.base, i, known, times, time.Unix(0, 0))
		if err != nil {
			return f, err
		}
		var html bytes.Buffer
		if err := p.views[PageHome].ExecuteTemplate(&html, "entry", a); err != nil {
			return f, trouble(err)
		}
		e := Entry{ID: nameOf(i.ID), Title: i.Title, State: a.State, URL: a.URL, HTML: strings.TrimSpace(html.String())}
		if i.Kind != notifier.KindPost || i.State == notifier.Retracted {
			e.Title = cat.must("feed.entry", "state", a.State, "title", i.Title)
		}
		for _, key := range i.Components {
			if name := known[key]; name != "" {
				key = name
			}
			e.Tags = append(e.Tags, key)
		}
		for n := range i.Updates {
			u := a.Updates[len(a.Updates)-1-n]
			text, err := plainText(string(u.Body))
			if err != nil {
				return f, err
			}
			e.Updates = append(e.Updates, EntryUpdate{URL: u.URL, Text: strings.TrimSpace(text)})
		}
		f.Entries = append(f.Entries, e)
	}
	return f, nil
}

// nameOf is a name for an incident that never changes, whatever host the service
// moves to or is called by: a UUID made of its id, which no other service draws
// (RFC 9562, version 8).
func nameOf(incident string) string { return uuidOf("allclear incident " + incident) }

// FeedName is a UUID for the feed in a language of one installation, whose
// identity no other has: the same for ever, wherever the service moves to.
func FeedName(identity, lang string) string { return uuidOf("allclear feed " + identity + " " + lang) }

func uuidOf(name string) string {
	sum := sha256.Sum256([]byte(name))
	sum[6], sum[8] = sum[6]&0x0f|0x80, sum[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", sum[:4], sum[4:6], sum[6:8], sum[8:10], sum[10:16])
}

// Glance is how everything does, in a few words.
type Glance struct {
	Lang, Dir  string
	Brand      string
	Headline   string               // the first page's
	Tone       string               // ok, minor, major, critical, plan or soft
	Followers  string               // "3,975 followers"
	Components []notifier.Component // with what open incidents say of them
}

// Glance sums up the first page.
func (p *Pages) Glance(lang string, data Home) Glance {
	cat := p.set.languages.find(lang)
	m := homeModel{}
	components := affected(data.Components, data.open())
	p.headline(&m, Times{cat: cat, zone: p.set.zone}, components, data.open(), p.set.now())
	return Glance{
		Lang: cat.code, Dir: cat.dir(), Brand: p.set.brand.Name, Headline: m.Headline, Tone: m.Tone,
		Followers: cat.count("feed.followers", int(data.Followers)), Components: components,
	}
}

// open is what is still going on.
func (h Home) open() []notifier.Incident {
	if h.Open != nil {
		return h.Open
	}
	return slices.DeleteFunc(slices.Clone(h.Incidents), func(i notifier.Incident) bool { return !i.Open() })
}

// feedLink is where a feed is, for the head of a page and for its foot.
type feedLink struct{ Type, Title, URL string }

// feeds names the feeds in the page's language.
func (p *Pages) feeds(cat *catalogue) []feedLink {
	query := ""
	if cat != p.set.languages.service {
		query = "?language=" + url.QueryEscape(cat.code)
	}
	return []feedLink{
		{"application/atom+xml", cat.must("feed.atom"), p.set.root + "/feed.atom" + query},
		{"application/feed+json", cat.must("feed.json"), p.set.root + "/feed.json" + query},
		{"text/calendar", cat.must("feed.calendar"), p.set.root + "/maintenance.ics" + query},
	}
}
