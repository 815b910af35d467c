package templates

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"allclear/notifier"
)

var update = flag.Bool("update", false, "write the golden files anew")

// newSet makes a set as a service would have it.
func newSet(t testing.TB, change ...func(*Options)) *Set {
	t.Helper()
	if len(change) == 0 {
		s, err := plainSet()
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	o := plainOptions()
	for _, c := range change {
		c(&o)
	}
	s, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// plainSet is made once, as a set never changes.
var plainSet = sync.OnceValues(func() (*Set, error) { return New(plainOptions()) })

func plainOptions() Options {
	return Options{
		Brand: Brand{Name: "Example Status"}, BaseURL: "https://status.example.com",
		Now: sampleNow,
	}
}

func golden(t *testing.T, name, got string) {
	t.Helper()
	file := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if string(want) != got {
		t.Errorf("%s differs; look at it and run go test ./templates -update\n%s", file, firstDifference(string(want), got))
	}
}

func firstDifference(want, got string) string {
	w, g := strings.Split(want, "\n"), strings.Split(got, "\n")
	for i := range w {
		if i >= len(g) || w[i] != g[i] {
			line := "(end)"
			if i < len(g) {
				line = g[i]
			}
			return "want " + w[i] + "\ngot  " + line
		}
	}
	return "got more lines"
}

// circumstance is one row of the golden files.
type circumstance struct {
	name, view  string
	since, told int64
	change      func(*notifier.Story) // of the sample; nil for none
}

func everyCircumstance() []circumstance {
	var out []circumstance
	for _, v := range views() {
		out = append(out, circumstance{v.name, v.name, 7, 6, nil})
	}
	return append(out,
		circumstance{"incident-updated.missed-since", "incident-updated", 5, 4, nil},
		circumstance{"incident-resolved.missed-since", "incident-resolved", 6, 5, nil},
		circumstance{"incident-resolved.never-told", "incident-resolved", 5, 0, nil},
		circumstance{"maintenance-completed.missed-since", "maintenance-completed", 6, 5, nil},
		circumstance{"maintenance-completed.without-words", "maintenance-completed", 5, 4, func(s *notifier.Story) { silence(s, 1, 2) }},
		circumstance{"incident-updated.reopened", "incident-updated", 7, 6, reopen},
	)
}

// silence takes the words from updates of a story.
func silence(s *notifier.Story, updates ...int) {
	for _, n := range updates {
		s.Incident.Updates[n].Body = ""
	}
}

// reopen makes a story's second update an all-clear and its third the news that it was none.
func reopen(s *notifier.Story) {
	over, again := &s.Incident.Updates[1], &s.Incident.Updates[2]
	over.Status, over.Body = notifier.Resolved, "imap7 answers again."
	again.Status, again.Body = notifier.Investigating, "It was over for some minutes only. We are looking into it again."
	s.Incident.Status = again.Status
}

func TestEveryMailReadsAsTheGoldenFilesSay(t *testing.T) {
	s := newSet(t)
	for _, lang := range []string{"en", "de"} {
		for _, zone := range []string{"UTC", "Asia/Kathmandu"} {
			for _, c := range everyCircumstance() {
				v := viewNamed(c.view)
				tale := sampleStory(v)
				if c.change != nil {
					c.change(&tale)
				}
				l, err := s.letter(tale, circumstances{view: v, since: c.since, told: c.told, times: s.Times(lang, zone)}, "golden")
				if err != nil {
					t.Fatal(err)
				}
				name := c.name + "." + lang + "." + strings.ToLower(filepath.Base(zone))
				golden(t, name+".txt", "Subject: "+l.Subject+"\n\n"+l.Text)
				golden(t, name+".html", l.HTML)
			}
		}
	}
}

// outage is over before anybody was told that it began, as where news is held down.
func outage(s *notifier.Story) {
	low, high := 0.0, 10.0
	s.Incident.Title, s.Incident.OpenedAt, s.Incident.ResolvedAt = "Mail is slow", sampleAt(16, 11), sampleAt(16, 20)
	s.Incident.Impact = notifier.Impact{DelayMinMinutes: &low, DelayMaxMinutes: &high}
	u := s.Incident.Updates
	u[0].Body, u[1].Body, u[2].Body = "A queue does not empty. We are looking.", "", "A worker hung and was started anew. Nothing was lost."
	u[0].At, u[1].At, u[2].At = sampleAt(16, 11), sampleAt(16, 14), sampleAt(16, 20)
	s.Event.AcceptedAt = u[2].At
}

func TestWhatIsOverBeforeAnybodyWasToldIsOneMailInEveryLanguage(t *testing.T) {
	s := newSet(t)
	for lang, zone := range map[string]string{"en": "Europe/London", "de": "Europe/Berlin", "es": "America/Bogota", "fr": "Europe/Paris", "ja": "Asia/Tokyo", "ar": "Africa/Cairo"} {
		tale := story("incident-resolved")
		outage(&tale)
		l, err := s.letter(tale, circumstances{view: viewNamed("incident-resolved"), since: 5, told: 0, times: s.Times(lang, zone)}, "golden")
		if err != nil {
			t.Fatal(err)
		}
		golden(t, "incident-resolved.held."+lang+".txt", "Subject: "+l.Subject+"\n\n"+l.Text)
		golden(t, "incident-resolved.held."+lang+".html", l.HTML)
	}
}

func TestEveryReminderOfMaintenanceReadsAsTheGoldenFilesSay(t *testing.T) {
	s := newSet(t)
	for lang, zone := range map[string]string{"en": "America/New_York", "de": "Europe/Berlin", "es": "America/Bogota", "fr": "Europe/Paris", "ja": "Asia/Tokyo", "ar": "Africa/Cairo"} {
		tale := story("maintenance-reminder")
		l, err := s.letter(tale, circumstances{view: viewNamed("maintenance-reminder"), since: 7, told: 6, times: s.Times(lang, zone)}, "golden")
		if err != nil {
			t.Fatal(err)
		}
		golden(t, "reminder."+lang+".txt", "Subject: "+l.Subject+"\n\n"+l.Text)
		if l.ThreadID != tale.Incident.ID || l.ListUnsubscribe == "" {
			t.Errorf("%s: thread %q, leave %q", lang, l.ThreadID, l.ListUnsubscribe)
		}
	}
}

// Somebody corrected when it begins, and said nothing anew.
func TestAReminderTellsTheTimeAsItIsByNow(t *testing.T) {
	tale := story("maintenance-reminder")
	tale.Incident.StartsAt, tale.Incident.EndsAt = tale.Incident.StartsAt.Add(3*time.Hour), tale.Incident.EndsAt.Add(4*time.Hour)
	contains(t, told(t, newSet(t), tale, 7, 6).Text, "A reminder: this work begins on Tue 24 Nov 2026, 05:00 UTC.", "Start: Tue 24 Nov 2026, 05:00 UTC", "End: Tue 24 Nov 2026, 08:00 UTC · 3 h")
}

func TestWhoWasToldThatItBeganIsNotToldItAnew(t *testing.T) {
	s := newSet(t)
	for told, want := range map[int64]string{0: "There was a disturbance from 16:11 to 16:20 UTC, for 9 min. It is resolved.", 6: "This is over. It went on for 9 min."} {
		tale := story("incident-resolved")
		outage(&tale)
		l, err := s.letter(tale, circumstances{view: viewNamed("incident-resolved"), since: 7, told: told, times: s.Times("en", "UTC")}, "golden")
		if err != nil {
			t.Fatal(err)
		}
		text := strings.Join(strings.Fields(l.Text), " ")
		contains(t, text, want)
		contains(t, text, "Mail was delayed by up to 10 minutes for 6 min.")
	}
}

// What comes at once, to those of every update and to those of beginnings and
// ends, in the languages that no other test reads; each in a zone where it is
// spoken. Some mails stand for the others: what is special about a language is the
// same everywhere.
func TestWhatComesAtOnceReadsInEveryLanguageAsTheGoldenFilesSay(t *testing.T) {
	s := newSet(t)
	zones := map[string]string{"es": "America/Mexico_City", "fr": "Europe/Paris", "ja": "Asia/Tokyo", "ar": "Africa/Cairo"}
	for _, lang := range s.Languages() {
		zone, ok := zones[lang]
		if !ok {
			if lang != "en" && lang != "de" {
				t.Errorf("nobody reads what comes at once in %s", lang)
			}
			continue
		}
		for _, c := range everyCircumstance() {
			if !strings.HasPrefix(c.name, "incident-") && !strings.HasPrefix(c.name, "maintenance-") && c.name != "post" || lang == "ar" && c.name == "incident-updated" {
				continue
			}
			v := viewNamed(c.view)
			tale := sampleStory(v)
			if c.change != nil {
				c.change(&tale)
			}
			l, err := s.letter(tale, circumstances{view: v, since: c.since, told: c.told, times: s.Times(lang, zone)}, "golden")
			if err != nil {
				t.Fatal(err)
			}
			name := c.name + "." + lang + "." + strings.ToLower(filepath.Base(zone))
			golden(t, name+".txt", "Subject: "+l.Subject+"\n\n"+l.Text)
			if c.name == "incident-resolved" || c.name == "incident-updated" {
				golden(t, name+".html", l.HTML)
			}
		}
	}
}

// What runs from right to left is held in few files: what is special about it
// is the same everywhere.
func TestMailsAndPagesFromRightToLeftReadAsTheGoldenFilesSay(t *testing.T) {
	s := newSet(t)
	for _, name := range []string{"incident-updated", "confirm"} {
		l, err := s.RenderSample(name, "ar", "Africa/Cairo")
		if err != nil {
			t.Fatal(err)
		}
		golden(t, name+".ar.cairo.txt", "Subject: "+l.Subject+"\n\n"+l.Text)
		golden(t, name+".ar.cairo.html", l.HTML)
	}
	page, err := s.RenderSamplePage(PageHome, "ar")
	if err != nil {
		t.Fatal(err)
	}
	golden(t, "page-home.ar.html", string(page))
}

func TestEveryPageLooksAsTheGoldenFilesSay(t *testing.T) {
	s := newSet(t, func(o *Options) { o.Zone = mustZone(t, "Europe/Oslo") })
	for _, lang := range []string{"en", "de"} {
		for _, name := range pageNames() {
			page, err := s.RenderSamplePage(name, lang)
			if err != nil {
				t.Fatal(err)
			}
			golden(t, "page-"+name+"."+lang+".html", string(page))
		}
	}
}

func mustZone(t testing.TB, name string) *time.Location {
	t.Helper()
	z, err := time.LoadLocation(name)
	if err != nil {
		t.Fatal(err)
	}
	return z
}

// story is a sample story for tests that change it.
func story(view string) notifier.Story { return sampleStory(viewNamed(view)) }
