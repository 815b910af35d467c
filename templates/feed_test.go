package templates

import (
	"regexp"
	"strings"
	"testing"
	"time"

	"allclear/notifier"
)

func TestWhatIsInAFeedDoesNotDependOnWhenItIsAskedFor(t *testing.T) {
	all := []notifier.Incident{sampleIncident(notifier.IncidentResolved), sampleMaintenance(notifier.MaintenanceScheduled), samplePost()}
	var before Feed
	for n, now := range []time.Time{sampleAt(18, 30), sampleAt(18, 30).AddDate(2, 0, 0)} {
		s := newSet(t, func(o *Options) { o.Now = func() time.Time { return now } })
		f, err := s.Pages().Feed("", all, nil)
		if err != nil {
			t.Fatal(err)
		}
		for i, e := range f.Entries {
			if n > 0 && e.HTML != before.Entries[i].HTML {
				t.Errorf("%s:\n%s\n%s", e.Title, e.HTML, before.Entries[i].HTML)
			}
			if !strings.Contains(e.HTML, " 2026, ") || e.ID == "" || len(e.Updates) != len(all[i].Updates) {
				t.Errorf("%+v", e)
			}
		}
		before = f
	}
}

var uuid8 = regexp.MustCompile(`^[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`)

func TestAFeedSpeaksOneLanguageAndSaysWhich(t *testing.T) {
	s := newSet(t, func(o *Options) { o.BaseURL = "https://[2001:db8::1]:8443/status/" })
	all := []notifier.Incident{sampleIncident(notifier.IncidentResolved), samplePost()}
	for lang, want := range map[string]string{"": "Resolved: ", "de": "Behoben: ", "xx": "Resolved: "} {
		f, err := s.Pages().Feed(lang, all, nil)
		if err != nil {
			t.Fatal(err)
		}
		if !strings.HasPrefix(f.Entries[0].Title, want) || f.Entries[1].Title != all[1].Title || f.Default != (lang != "de") || f.Home != "https://[2001:db8::1]:8443/status/" {
			t.Errorf("%q: %+v", lang, f)
		}
		elsewhere, err := newSet(t).Pages().Feed(lang, all, nil)
		if err != nil {
			t.Fatal(err)
		}
		for n, e := range f.Entries {
			if e.ID != elsewhere.Entries[n].ID || !uuid8.MatchString(e.ID) || e.URL == elsewhere.Entries[n].URL {
				t.Errorf("%s at %s, %s at %s", e.ID, e.URL, elsewhere.Entries[n].ID, elsewhere.Entries[n].URL)
			}
		}
	}
	contains(t, page(t, s, PageHome, "de", samplePage(PageHome)), `<link rel="alternate" type="application/atom&#43;xml" title="Example Status: Atom-Feed" href="/status/feed.atom?language=de">`)
	contains(t, page(t, s, PageHome, "en", samplePage(PageHome)), `href="/status/feed.json"`, `href="/status/maintenance.ics"`, `href="/status/history"`)
	lacks(t, page(t, s, PageConfirm, "en", ActionPage{}), `rel="alternate"`)
}

func TestEveryInstantOfAPageIsFoundByPrograms(t *testing.T) {
	i := sampleMaintenance(notifier.MaintenanceScheduled)
	i.Updates[0].Body = `From {{at "2026-11-24T02:00:00Z"}}, see [here](https://example.com/{{at "2026-11-24T02:00:00Z"}} "x").`
	got := page(t, newSet(t), PageIncident, "en", IncidentPage{Incident: i, Components: []notifier.Component{{Key: "imap7", Name: "<imap7>"}}})
	contains(t, got, `From <time datetime="2026-11-24T02:00:00Z">24 Nov, 02:00 UTC</time>`, `&lt;imap7&gt; · <time datetime="`, `data-until="`)
	lacks(t, got, `href="https://example.com/<`)
	open := sampleIncident(notifier.IncidentUpdated)
	contains(t, page(t, newSet(t), PageHome, "en", Home{Open: []notifier.Incident{open}}), `Since <time datetime="2026-11-23T`, "</time>, for ")
}
