package templates

import (
	"bytes"
	"errors"
	"io"
	"net/url"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/html"

	"allclear/notifier"
)

func page(t testing.TB, s *Set, name, lang string, data any) string {
	t.Helper()
	var out bytes.Buffer
	if err := s.Pages().Page(&out, name, lang, data); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

func TestPagesHoldNothingThatAStrictPolicyForbids(t *testing.T) {
	s := newSet(t)
	for _, name := range pageNames() {
		for _, h := range append(hostile(), "plain") {
			data := samplePage(name)
			switch d := data.(type) {
			case Home:
				d.Incidents[0].Title, d.Incidents[0].Updates[0].Body, d.Components[0].Name, d.Components[0].Group = h, h, h, h
			case IncidentPage:
				d.Incident.Title, d.Incident.Updates[0].Body, d.Incident.ID = h, h, "a/b?c"
				data = d
			case SubscribeForm:
				d.Only = &notifier.Incident{ID: h, Title: h}
				d.Components[0].Name, d.Components[0].Group, d.Token = h, h, h
				d.Entered = url.Values{"address": {h}, "components": {h}, "timezone": {h}}
				d.Wrong = []WrongField{{"address", "address"}, {h, "unknown"}}
				data = d
			case SubscribeStep:
				d.Token, d.Challenge, d.Code, d.Entered, d.Wrong = h, h, h, url.Values{"address": {h}, "kinds": {h, h}}, true
				data = d
			case MessagePage:
				data = MessagePage{Title: h, Sentence: h, Advice: h}
			}
			z := html.NewTokenizer(strings.NewReader(page(t, s, name, "en", data)))
			for z.Next() != html.ErrorToken {
				tok := z.Token()
				if tok.Type != html.StartTagToken {
					continue
				}
				switch tok.Data {
				case "script":
					own := strings.HasPrefix(tok.Attr[0].Val, "/assets/allclear.js?v=") || name == PageSubscribeStep && strings.HasPrefix(tok.Attr[0].Val, "/assets/work.js?v=")
					if len(tok.Attr) != 2 || tok.Attr[0].Key != "src" || !own || z.Next() == html.TextToken {
						t.Errorf("%s with %q: %s", name, h, tok)
					}
				case "style", "img", "iframe", "svg", "object":
					t.Errorf("%s with %q: %s", name, h, tok)
				}
				for _, a := range tok.Attr {
					if a.Key == "style" || strings.HasPrefix(a.Key, "on") || strings.HasPrefix(strings.ToLower(a.Val), "javascript:") {
						t.Errorf("%s with %q: %s", name, h, tok)
					}
				}
			}
		}
	}
}

func TestTheHomePageSaysInOneLineHowThingsAre(t *testing.T) {
	s := newSet(t)
	parts := []notifier.Component{{Key: "a", Name: "A", State: notifier.Operational}, {Key: "b", Name: "B", State: notifier.Operational}}
	broken := notifier.Incident{ID: "i", Title: "x", Kind: notifier.KindIncident, State: notifier.Published, Status: notifier.Identified, Severity: notifier.SeverityMajor, OpenedAt: sampleAt(16, 11)}
	change := func(f func(*notifier.Incident)) []notifier.Incident {
		i := broken
		f(&i)
		return []notifier.Incident{i}
	}
	for _, c := range []struct {
		name string
		home Home
		want []string
	}{
		{"nothing", Home{}, []string{"All clear", "No incident is open.", "state-ok", "Nothing has been posted yet", "Nobody follows"}},
		{"all well", Home{Components: parts, Followers: 3975}, []string{"All clear", "3,975 people follow this page", ">Working<"}},
		{"one part", Home{Components: parts, Incidents: change(func(i *notifier.Incident) { i.Components = []string{"a"} })},
			[]string{"One part has trouble", "Since <time datetime=\"2026-11-23T16:11:00Z\">16:11 UTC</time>, for 2 h 19 min", "state-major", ">Major<", ">Partial outage<", ">Working<"}},
		{"all parts", Home{Components: parts, Incidents: []notifier.Incident{broken}}, []string{"2 parts have trouble"}},
		{"no parts known", Home{Incidents: []notifier.Incident{broken}}, []string{"The service has trouble", "state-major"}},
		{"staff say so", Home{Components: []notifier.Component{{Key: "a", Name: "A", State: notifier.MajorOutage}}}, []string{"One part has trouble", "No incident is open", ">Major outage<"}},
		{"over", Home{Components: parts, Incidents: change(func(i *notifier.Incident) {
			i.Status, i.ResolvedAt = notifier.Resolved, sampleAt(17, 0)
		})}, []string{"All clear", "lasted 49 min"}},
		{"withdrawn", Home{Components: parts, Incidents: change(func(i *notifier.Incident) { i.State = notifier.Retracted })}, []string{"All clear", "Withdrawn"}},
		{"work planned", Home{Components: parts, Incidents: change(func(i *notifier.Incident) {
			i.Kind, i.Status, i.Severity, i.StartsAt, i.EndsAt = notifier.KindMaintenance, notifier.Scheduled, 0, sampleAt(22, 0), sampleAt(23, 0)
		})}, []string{"All clear", "22:00 to 23:00 UTC"}},
		{"work under way", Home{Components: parts, Incidents: change(func(i *notifier.Incident) {
			i.Kind, i.Status, i.Severity, i.Components = notifier.KindMaintenance, notifier.InProgress, 0, []string{"b"}
		})}, []string{"Maintenance is under way", "state-plan", ">Maintenance<", ">Working<"}},
		{"trouble during work", Home{Components: parts, Incidents: append(change(func(i *notifier.Incident) {
			i.Kind, i.Status, i.Severity = notifier.KindMaintenance, notifier.InProgress, 0
		}), change(func(i *notifier.Incident) { i.Components = []string{"b"} })...)}, []string{"One part has trouble", ">Partial outage<", ">Maintenance<"}},
		{"open ones elsewhere", Home{Components: parts, Open: []notifier.Incident{broken}}, []string{"2 parts have trouble", "Nothing has been posted yet"}},
		{"more", Home{Older: "/?before=x"}, []string{`<a href="/?before=x">Older posts</a>`}},
	} {
		got := page(t, s, PageHome, "en", c.home)
		for _, w := range c.want {
			if !strings.Contains(got, w) {
				t.Errorf("%s: %q is missing in\n%s", c.name, w, got)
			}
		}
	}
}

func TestUpdatesStandNewestFirstWithALinkEach(t *testing.T) {
	got := page(t, newSet(t), PageIncident, "en", samplePage(PageIncident))
	a, b := strings.Index(got, `<li id="u3">`), strings.Index(got, `<li id="u1">`)
	if a < 0 || b < a {
		t.Errorf("u3 at %d, u1 at %d", a, b)
	}
	contains(t, got, `href="/incidents/7kq2m9#u2"`, `<time datetime="2026-11-23T16:35:00Z">16:35 UTC</time>`, "lasted 2 h 14 min", "imap7 and Incoming mail")
}

func TestPagesWorkBelowAPathAndLoadTheirStyleByHash(t *testing.T) {
	s := newSet(t, func(o *Options) { o.BaseURL = "https://example.com/status/" })
	style := s.Pages().Style()
	if style.Path != "/assets/allclear.css" || len(style.Hash) != 16 || len(style.Body) == 0 || style.Type != "text/css; charset=utf-8" {
		t.Errorf("%+v", style)
	}
	got := page(t, s, PageIncident, "", samplePage(PageIncident))
	contains(t, got, `href="/status/assets/allclear.css?v=`+style.Hash+`"`, `href="/status/"`, `href="/status/incidents/7kq2m9#u1"`)
	l, err := s.RenderSample("incident-opened", "", "")
	if err != nil {
		t.Fatal(err)
	}
	contains(t, l.Text, "https://example.com/status/incidents/7kq2m9#u1", "https://example.com/status/unsubscribe/")
}

func TestActionPagesHaveOneButtonThatPostsToTheirOwnAddress(t *testing.T) {
	s := newSet(t)
	for name, buttons := range map[string]int{PageConfirm: 1, PageConfirmed: 0, PageUnsubscribe: 1, PageUnsubscribed: 0} {
		got := page(t, s, name, "de", ActionPage{})
		if strings.Count(got, "<button>") != buttons || strings.Count(got, `<form method="post" action="?">`) != buttons {
			t.Errorf("%s:\n%s", name, got)
		}
		contains(t, got, `<html lang="de" dir="ltr">`, "noindex")
	}
}

func TestWhoeverConfirmsSeesWhatIsOpen(t *testing.T) {
	s := newSet(t)
	inc := sampleIncident(notifier.IncidentUpdated)
	inc.Title = `Mail <b>is late</b>`
	open := ActionPage{Open: []notifier.Incident{inc}}
	contains(t, page(t, s, PageConfirmed, "en", open), "Open right now", "Mail &lt;b&gt;is late&lt;/b&gt;</a>", `href="/incidents/7kq2m9"`, "Monitoring")
	contains(t, page(t, s, PageConfirmed, "de", open), "Im Moment offen")
	if got := page(t, s, PageConfirmed, "en", ActionPage{}); strings.Contains(got, "Open right now") || strings.Contains(got, `<ul class="parts"`) {
		t.Errorf("nothing is open:\n%s", got)
	}
}

func TestAMessageSaysWhatIsWrongAndWhatToDo(t *testing.T) {
	s := newSet(t)
	for _, kind := range messageKinds() {
		en, de := page(t, s, PageMessage, "en", MessagePage{Kind: kind}), page(t, s, PageMessage, "de", MessagePage{Kind: kind})
		if en == de || strings.Contains(en+de, "page.message") {
			t.Errorf("%s:\n%s\n%s", kind, en, de)
		}
	}
	contains(t, page(t, s, PageMessage, "", MessagePage{Kind: "imagined"}), "Something went wrong here")
	contains(t, page(t, s, PageMessage, "", MessagePage{Kind: MessageLarge, Sentence: "The file is too large."}), "too much at once", "The file is too large.", "send it again")
}

func TestAPageThatCannotBeMadeWritesNothing(t *testing.T) {
	p := newSet(t).Pages()
	for name, data := range map[string]any{"nowhere": Home{}, PageHome: ActionPage{}, PageConfirm: 7, PageMessage: nil} {
		var out bytes.Buffer
		if err := p.Page(&out, name, "", data); err == nil || out.Len() > 0 {
			t.Errorf("%s with %T: %v, %d bytes", name, data, err, out.Len())
		}
	}
	r, w := io.Pipe()
	r.Close()
	if err := p.Page(w, PageConfirm, "", ActionPage{}); !errors.Is(err, io.ErrClosedPipe) {
		t.Errorf("a reader who left: %v", err)
	}
}

func TestThePageKnowsTheBrowsersLanguages(t *testing.T) {
	s := newSet(t)
	contains(t, page(t, s, PageConfirm, "pt;q=0.9, de-CH;q=0.8, en;q=0.1", ActionPage{}), "Abonnement bestätigen")
	if got := s.Pages().Lang("pt, de;q=0.5"); got != "de" {
		t.Errorf("language %s", got)
	}
}

func TestEveryViewCanBeListedAndPreviewed(t *testing.T) {
	s := newSet(t)
	for _, name := range s.Views() {
		if strings.HasPrefix(name, "page/") {
			if out, err := s.RenderSamplePage(name, "de"); err != nil || len(out) == 0 {
				t.Errorf("%s: %v", name, err)
			}
			continue
		}
		if l, err := s.RenderSample(name, "de", "Europe/Oslo"); err != nil || l.Subject == "" || l.Text == "" {
			t.Errorf("%s: %v", name, err)
		}
	}
	var inv *notifier.Invalid
	if _, err := s.RenderSample("nothing", "", ""); !errors.As(err, &inv) || inv.Field != "view" {
		t.Errorf("%v", err)
	}
	if len(s.Names()) != len(s.Files()) || len(s.Names()) < 25 {
		t.Errorf("%d names, %d files", len(s.Names()), len(s.Files()))
	}
}

func BenchmarkHomePage(b *testing.B) {
	s := newSet(b)
	data := samplePage(PageHome)
	for b.Loop() {
		if err := s.Pages().Page(io.Discard, PageHome, "en", data); err != nil {
			b.Fatal(err)
		}
	}
}

func TestAWithdrawalIsCalledOneOnThePage(t *testing.T) {
	s := newSet(t)
	show := func(change func(*notifier.Incident)) string {
		i := story("incident-retracted").Incident
		i.UpdatedAt = i.Updates[2].CreatedAt
		change(&i)
		var out bytes.Buffer
		if err := s.Pages().Page(&out, PageIncident, "en", IncidentPage{Incident: i}); err != nil {
			t.Fatal(err)
		}
		return out.String()
	}
	page := show(func(*notifier.Incident) {})
	contains(t, page, "<strong>Withdrawn</strong>", "<strong>Investigating</strong>", "<strong>Identified</strong>")
	if n := strings.Count(page, "<strong>Identified"); n != 1 {
		t.Errorf("%d updates are called identified", n)
	}
	// Withdrawn without a word: what was said before stays what it was.
	page = show(func(i *notifier.Incident) {
		i.Updates, i.UpdatedAt = i.Updates[:2], i.Updates[1].CreatedAt.Add(time.Minute)
	})
	lacks(t, page, "<strong>Withdrawn")
}

func TestALogoStandsForTheNameAndThePolicyAllowsNothingElse(t *testing.T) {
	plain := newSet(t)
	if got := plain.Pages().Policy(); !strings.Contains(got, "img-src 'self';") || strings.Contains(got, "unsafe") || strings.Contains(got, "http") {
		t.Errorf("policy %q", got)
	}
	s := newSet(t, func(o *Options) { o.Brand.Logo = "https://cdn.example.com:8443/a/logo.png?v=2&x=1" })
	contains(t, s.Pages().Policy(), "img-src 'self' https://cdn.example.com:8443;")
	contains(t, page(t, s, PageConfirm, "en", ActionPage{}), `<img class="logo" src="https://cdn.example.com:8443/a/logo.png?v=2&amp;x=1" alt="Example Status">`)
	l, err := s.RenderSample("incident-opened", "en", "UTC")
	if err != nil {
		t.Fatal(err)
	}
	contains(t, l.HTML, `src="https://cdn.example.com:8443/a/logo.png?v=2&amp;x=1" alt="Example Status" height="32"`)
	if !strings.HasPrefix(l.Text, "Example Status\n") {
		t.Errorf("the name is lost where no picture is shown:\n%s", l.Text)
	}
	for _, logo := range []string{"logo.png", "//example.com/x.png", "data:image/png;base64,AA", "https://a;script-src b/x.png", "https://u:p@example.com/x.png", "https:///x.png"} {
		o := plainOptions()
		o.Brand.Logo = logo
		if _, err := New(o); err == nil || !strings.Contains(err.Error(), "brand logo") {
			t.Errorf("%q: %v", logo, err)
		}
	}
}

func TestEveryPageCanBeSkippedIntoAndTellsTheScriptHowTimesAreWritten(t *testing.T) {
	s := newSet(t, func(o *Options) { o.BaseURL = "https://example.com/status/" })
	script := s.Pages().Script()
	if script.Path != "/assets/allclear.js" || script.Type != "text/javascript; charset=utf-8" || len(script.Hash) != 16 || len(script.Body) == 0 {
		t.Errorf("%+v", script)
	}
	for _, name := range pageNames() {
		got := page(t, s, name, "ja", samplePage(name))
		contains(t, got, `<script src="/status/assets/allclear.js?v=`+script.Hash+`" defer></script>`, `data-both="{utc}（{own}）"`,
			`<a class="skip" href="#content">`, `<main id="content" tabindex="-1">`,
			`href="/status/feed.atom?language=ja"`, `href="/status/feed.json?language=ja"`, `href="/status/maintenance.ics?language=ja"`)
	}
}

func TestAPageFromRightToLeftSaysSoAndSetsLatinNamesApart(t *testing.T) {
	s := newSet(t)
	got := page(t, s, PageHome, "ar-EG,ar;q=0.9,en;q=0.5", samplePage(PageHome))
	contains(t, got, `<html lang="ar" dir="rtl">`, "<bdi>Example Status</bdi>", "<bdi>Incoming mail</bdi>", " · \u2068Example Status\u2069</title>", "\u2066UTC\u2069")
}
