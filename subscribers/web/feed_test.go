package web_test

import (
	"encoding/json"
	"encoding/xml"
	"net/http"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/html"

	"allclear/notifier"
)

// atom is what a reader takes from a feed.
type atom struct {
	XMLName xml.Name  `xml:"http://www.w3.org/2005/Atom feed"`
	ID      string    `xml:"id"`
	Title   string    `xml:"title"`
	Updated time.Time `xml:"updated"`
	Links   []struct {
		Rel  string `xml:"rel,attr"`
		Href string `xml:"href,attr"`
	} `xml:"link"`
	Author  string `xml:"author>name"`
	Entries []struct {
		ID        string    `xml:"id"`
		Title     string    `xml:"title"`
		Updated   time.Time `xml:"updated"`
		Published time.Time `xml:"published"`
		Link      struct {
			Href string `xml:"href,attr"`
		} `xml:"link"`
		Category []struct {
			Term string `xml:"term,attr"`
		} `xml:"category"`
		Content struct {
			Type string `xml:"type,attr"`
			Text string `xml:",chardata"`
		} `xml:"content"`
	} `xml:"entry"`
}

func (h *house) atom(path string) atom {
	h.t.Helper()
	var a atom
	if err := xml.Unmarshal([]byte(h.ask(http.MethodGet, path, "").says(http.StatusOK).text), &a); err != nil {
		h.t.Fatal(err)
	}
	return a
}

type jsonfeed struct {
	Version     string `json:"version"`
	Title       string `json:"title"`
	HomePageURL string `json:"home_page_url"`
	FeedURL     string `json:"feed_url"`
	Language    string `json:"language"`
	Items       []struct {
		ID            string    `json:"id"`
		URL           string    `json:"url"`
		Title         string    `json:"title"`
		ContentHTML   string    `json:"content_html"`
		DatePublished time.Time `json:"date_published"`
		DateModified  time.Time `json:"date_modified"`
		Tags          []string  `json:"tags"`
	} `json:"items"`
}

func (h *house) json(path string, into any) {
	h.t.Helper()
	if err := json.Unmarshal([]byte(h.ask(http.MethodGet, path, "").says(http.StatusOK).text), into); err != nil {
		h.t.Fatal(err)
	}
}

// say adds an update.
func (h *house) say(id string, s notifier.Saying) {
	h.t.Helper()
	h.revise(id, func(i notifier.Incident) (notifier.Posting, error) { return i.Say(s, h.desk()) })
}

func TestFeedsHoldEveryPostWithItsUpdates(t *testing.T) {
	h := newHouse(t)
	if err := h.store.AddComponent(t.Context(), notifier.Component{Key: "imap7", Name: "IMAP <seven>"}); err != nil {
		t.Fatal(err)
	}
	i := h.post(notifier.Announcement{Title: `imap7 & "friends" do not <answer>`, Components: []string{"imap7"}, Body: "A *disk* failed. <script>alert(1)</script> ]]> & 1 < 2 since {{at \"16:00 UTC\"}}."})
	h.pass(time.Hour)
	h.say(i.ID, notifier.Saying{Status: notifier.Resolved, Body: "All is well."})
	h.pass(time.Hour)
	h.post(notifier.Announcement{Title: "News", Kind: notifier.KindPost, Body: "We have a feed."})
	h.post(notifier.Announcement{Title: "Not yet", State: notifier.Draft})

	a := h.atom("/feed.atom")
	var j jsonfeed
	h.json("/feed.json", &j)
	if a.Title != "Example Status" || a.Author != "Example Status" || a.ID == "" || j.Title != a.Title || j.Version != "https://jsonfeed.org/version/1.1" || j.Language != "en" ||
		j.HomePageURL != "https://status.example.com/" || j.FeedURL != "https://status.example.com/feed.json" {
		t.Errorf("%+v, %+v", a, j)
	}
	if len(a.Links) != 2 || a.Links[0].Rel != "self" || a.Links[0].Href != "https://status.example.com/feed.atom" || a.Links[1].Href != "https://status.example.com/" {
		t.Errorf("links %+v", a.Links)
	}
	if len(a.Entries) != 2 || len(j.Items) != 2 || a.Entries[0].Title != "News" || !a.Updated.Equal(h.clock()) {
		t.Fatalf("%+v", a)
	}
	e, item := a.Entries[1], j.Items[1]
	if !strings.HasPrefix(e.ID, "urn:uuid:") || strings.Contains(e.ID, "example") || e.Title != `Resolved: imap7 & "friends" do not <answer>` || e.Link.Href != "https://status.example.com/incidents/"+i.ID ||
		!e.Published.Equal(i.OpenedAt) || !e.Updated.Equal(i.OpenedAt.Add(time.Hour)) || e.Content.Type != "html" || len(e.Category) != 1 || e.Category[0].Term != "IMAP <seven>" {
		t.Errorf("%+v", e)
	}
	if item.ID != e.ID || item.Title != e.Title || item.URL != e.Link.Href || item.ContentHTML != e.Content.Text || !item.DateModified.Equal(e.Updated) || !item.DatePublished.Equal(e.Published) || item.Tags[0] != "IMAP <seven>" {
		t.Errorf("json %+v\natom %+v", item, e)
	}
	for _, want := range []string{
		"<strong>Resolved</strong>", `<time datetime="2026-11-23T17:11:00Z">23 Nov 2026, 17:11 UTC</time>`, "<strong>Investigating</strong>", "<em>disk</em>",
		"&lt;script&gt;", `<time datetime="2026-11-23T16:00:00Z">16:00 UTC</time>`, "IMAP &lt;seven&gt;", "https://status.example.com/incidents/" + i.ID + "#",
	} {
		if !strings.Contains(e.Content.Text, want) {
			t.Errorf("%q is missing in %s", want, e.Content.Text)
		}
	}
	if strings.Index(e.Content.Text, "All is well") > strings.Index(e.Content.Text, "disk") {
		t.Error("the newest update is not the first")
	}
	z := html.NewTokenizer(strings.NewReader(e.Content.Text))
	for z.Next() != html.ErrorToken {
		if tok := z.Token(); tok.Data == "script" && tok.Type == html.StartTagToken {
			t.Errorf("%s", tok)
		}
	}
}

func TestAnEmptyFeedIsAFeed(t *testing.T) {
	h := newHouse(t)
	a := h.atom("/feed.atom")
	var j jsonfeed
	h.json("/feed.json", &j)
	if len(a.Entries) != 0 || a.ID == "" || a.Updated.IsZero() || j.Items == nil || len(j.Items) != 0 {
		t.Errorf("%+v, %+v", a, j)
	}
}

// openForms are the addresses for programs.
func openForms() []string {
	return []string{"/feed.atom", "/feed.json", "/maintenance.ics", "/badge.svg", "/api/v2/summary.json"}
}

func TestAProgramThatAsksAgainIsToldWhetherAnythingChanged(t *testing.T) {
	h := newHouse(t)
	i := h.post(notifier.Announcement{Title: "New shelf", Kind: notifier.KindMaintenance, StartsAt: h.clock().Add(time.Hour), Body: "x"})
	h.ask(http.MethodGet, "/feed.atom", "").says(http.StatusOK) // from now on it is known how long the parts have their names
	h.pass(time.Minute)
	tags := map[string]string{}
	for _, path := range openForms() {
		got := h.ask(http.MethodGet, path, "").says(http.StatusOK)
		tag := got.header.Get("ETag")
		tags[path] = tag
		if !strings.HasPrefix(tag, `"`) || got.header.Get("Cache-Control") != "no-cache" || got.header.Get("Vary") != "" {
			t.Errorf("%s: %v", path, got.header)
		}
		for _, known := range []string{tag, "W/" + tag, `"other", ` + tag, "*"} {
			if again := h.ask(http.MethodGet, path, "", "If-None-Match", known).says(http.StatusNotModified); again.text != "" || again.header.Get("ETag") != tag {
				t.Errorf("%s: 304 with %q, %v", path, again.text, again.header)
			}
		}
		h.ask(http.MethodGet, path, "", "If-None-Match", `"other"`).says(http.StatusOK)
		head := h.ask(http.MethodHead, path, "").says(http.StatusOK)
		if head.text != "" || head.header.Get("ETag") != tag || head.header.Get("Content-Length") != got.header.Get("Content-Length") || head.header.Get("Content-Type") != got.header.Get("Content-Type") {
			t.Errorf("HEAD %s: %v", path, head.header)
		}
		if when := got.header.Get("Last-Modified"); when != "" {
			h.ask(http.MethodGet, path, "", "If-Modified-Since", when).says(http.StatusNotModified)
			h.ask(http.MethodGet, path, "", "If-Modified-Since", when, "If-None-Match", `"other"`).says(http.StatusOK)
		} else if path != "/badge.svg" && path != "/api/v2/summary.json" {
			t.Errorf("%s does not say when it changed", path)
		}
	}
	h.say(i.ID, notifier.Saying{Status: notifier.InProgress, Body: "y"})
	for path, tag := range tags {
		got := h.ask(http.MethodGet, path, "", "If-None-Match", tag).says(http.StatusOK)
		if got.header.Get("Last-Modified") != "" {
			t.Errorf("%s calls itself unchanged within the second in which it changed", path)
		}
	}
}

func TestAFeedThatNamesAPartAnewIsNotUnchanged(t *testing.T) {
	h := newHouse(t)
	h.part("imap7", "IMAP seven")
	h.post(notifier.Announcement{Title: "New shelf", Kind: notifier.KindMaintenance, StartsAt: h.clock().Add(time.Hour), Body: "x", Components: []string{"imap7"}})
	paths := []string{"/feed.atom", "/feed.json", "/maintenance.ics"}
	h.ask(http.MethodGet, paths[0], "")
	h.pass(time.Minute)
	when := map[string]string{}
	for _, path := range paths {
		when[path] = h.ask(http.MethodGet, path, "").says(http.StatusOK, "IMAP seven").header.Get("Last-Modified")
	}
	h.pass(time.Minute)
	if _, err := h.store.ChangeComponent(t.Context(), "imap7", func(c *notifier.Component) error { c.Name = "IMAP eight"; return nil }); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		for _, path := range paths {
			h.ask(http.MethodGet, path, "", "If-Modified-Since", when[path]).says(http.StatusOK, "IMAP eight")
		}
		h.pass(time.Minute)
	}
	if _, err := h.store.ChangeComponent(t.Context(), "imap7", func(c *notifier.Component) error { c.State = notifier.Degraded; return nil }); err != nil {
		t.Fatal(err)
	}
	for _, path := range paths { // of which they tell nothing
		now := h.ask(http.MethodGet, path, "").header.Get("Last-Modified")
		if h.ask(http.MethodGet, path, "", "If-Modified-Since", now).says(http.StatusNotModified); now == when[path] {
			t.Errorf("%s calls itself as old as it was", path)
		}
	}
}

func TestTheTagOfAFeedDoesNotChangeByItself(t *testing.T) {
	h := newHouse(t)
	h.post(notifier.Announcement{Title: "Mail is late"})
	for _, path := range openForms() {
		tag := h.ask(http.MethodGet, path, "").header.Get("ETag")
		h.pass(400 * 24 * time.Hour)
		h.ask(http.MethodGet, path, "", "If-None-Match", tag).says(http.StatusNotModified)
		h.pass(-400 * 24 * time.Hour)
	}
}

func TestPagesOfOtherSitesMayReadWhatIsForPrograms(t *testing.T) {
	h := newHouse(t)
	for _, path := range openForms() {
		for _, method := range []string{http.MethodGet, http.MethodHead} {
			if got := h.ask(method, path, "", "Origin", "https://elsewhere.example").says(http.StatusOK); got.header.Get("Access-Control-Allow-Origin") != "*" || got.header.Get("Access-Control-Allow-Credentials") != "" {
				t.Errorf("%s %s: %v", method, path, got.header)
			}
		}
		pre := h.ask(http.MethodOptions, path, "", "Origin", "https://elsewhere.example", "Access-Control-Request-Method", "GET", "Access-Control-Request-Headers", "if-none-match").says(http.StatusNoContent)
		if pre.header.Get("Access-Control-Allow-Origin") != "*" || !strings.Contains(pre.header.Get("Access-Control-Allow-Headers"), "If-None-Match") || pre.header.Get("Allow") != "GET, HEAD, OPTIONS" {
			t.Errorf("OPTIONS %s: %v", path, pre.header)
		}
		h.ask(http.MethodPost, path, "").says(http.StatusMethodNotAllowed)
	}
	for _, path := range []string{"/", "/history", "/incidents/x"} {
		if got := h.ask(http.MethodGet, path, ""); got.header.Get("Access-Control-Allow-Origin") != "" {
			t.Errorf("%s is open to other sites", path)
		}
	}
}

func TestAnEntryKeepsItsNameWhateverIsCorrected(t *testing.T) {
	h := newHouse(t)
	i := h.post(notifier.Announcement{Title: "imap7"})
	before := h.atom("/feed.atom").Entries[0]
	h.pass(time.Minute)
	h.revise(i.ID, func(i notifier.Incident) (notifier.Posting, error) {
		title := "imap8"
		return i.Correct(notifier.Correction{Title: &title}, h.desk())
	})
	after := h.atom("/feed.atom").Entries[0]
	if x := h.atom("/feed.atom"); !strings.HasPrefix(x.ID, "urn:uuid:") || x.ID == h.atom("/feed.atom?language=de").ID {
		t.Errorf("the feed is known as %s, in German too", x.ID)
	}
	if after.ID != before.ID || after.Title != "Investigating: imap8" || !after.Updated.After(before.Updated) {
		t.Errorf("%+v", after)
	}
	if german := h.atom("/feed.atom?language=de"); german.Entries[0].ID != before.ID || german.Links[0].Href != "https://status.example.com/feed.atom?language=de" || german.Entries[0].Title == after.Title {
		t.Errorf("%+v", german)
	}
}

func TestAWithdrawnPostIsCalledSoInFeeds(t *testing.T) {
	h := newHouse(t)
	told := h.post(notifier.Announcement{Title: "A mistake"})
	never := h.post(notifier.Announcement{Title: "Secret plans", State: notifier.Draft})
	was := h.atom("/feed.atom")
	h.pass(time.Minute)
	for _, id := range []string{told.ID, never.ID} {
		h.revise(id, func(i notifier.Incident) (notifier.Posting, error) { return i.Retract("Sorry.", false, h.desk()) })
	}
	a := h.atom("/feed.atom")
	if len(a.Entries) != 1 || a.Entries[0].ID != was.Entries[0].ID || a.Entries[0].Title != "Withdrawn: A mistake" || !strings.Contains(a.Entries[0].Content.Text, "Sorry.") || !a.Updated.Equal(h.clock()) {
		t.Errorf("%+v", a)
	}
}

func TestALanguageThatNobodySpeaksIsEnglish(t *testing.T) {
	h := newHouse(t)
	h.post(notifier.Announcement{Title: "x"})
	for _, q := range []string{"xx", "%00", "%ff", strings.Repeat("a-", 900), "de&language=en", "';--", "*"} {
		h.ask(http.MethodGet, "/feed.atom?language="+q, "").says(http.StatusOK, "<entry>")
		h.ask(http.MethodGet, "/badge.svg?language="+q, "").says(http.StatusOK, "<svg")
	}
}
