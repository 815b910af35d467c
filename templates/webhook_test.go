package templates

import (
	"bytes"
	"encoding/json"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"allclear/notifier"
)

// posted is the body that an endpoint of a format is posted.
func posted(t testing.TB, s *Set, tale notifier.Story, f notifier.Format, c circumstance, language, zone string) []byte {
	t.Helper()
	v, ok := viewFor(tale.Event.Type)
	if !ok {
		t.Fatalf("no view for %q", tale.Event.Type)
	}
	l, err := s.letter(tale, circumstances{view: v, since: c.since, told: c.told, times: s.Times(language, zone), channel: notifier.Webhook, format: f}, "golden")
	if err != nil {
		t.Fatal(err)
	}
	if len(l.Body) >= bodySize || !json.Valid(l.Body) || l.Text != "" || l.HTML != "" || l.Subject != "" {
		t.Fatalf("%s: %d bytes, a letter of %+v", f, len(l.Body), l)
	}
	return l.Body
}

// readable is a body as a golden file shows it.
func readable(t testing.TB, body []byte) string {
	t.Helper()
	var out bytes.Buffer
	if err := json.Indent(&out, body, "", "  "); err != nil {
		t.Fatal(err)
	}
	return out.String() + "\n"
}

// announced are the circumstances that webhooks tell of.
func announced() []circumstance {
	var out []circumstance
	for _, c := range everyCircumstance() {
		if slices.Contains(notifier.Announcements, viewNamed(c.view).on) {
			out = append(out, c)
		}
	}
	return out
}

func TestEveryBodyOfEveryFormatReadsAsTheGoldenFilesSay(t *testing.T) {
	s := newSet(t)
	for _, f := range notifier.Formats {
		for _, c := range announced() {
			tale := sampleStory(viewNamed(c.view))
			if c.change != nil {
				c.change(&tale)
			}
			body := posted(t, s, tale, f, c, "en", "Asia/Kathmandu")
			golden(t, fmt.Sprintf("hook-%s.%s.en.json", f, c.name), readable(t, body))
			if f == notifier.FormatStandard {
				conforms(t, body)
			}
		}
		c := circumstance{view: "incident-updated", since: 5, told: 4}
		for _, lang := range []string{"de", "ar"} {
			body := posted(t, s, sampleStory(viewNamed(c.view)), f, c, lang, "UTC")
			golden(t, fmt.Sprintf("hook-%s.%s.%s.json", f, c.view, lang), readable(t, body))
		}
		test := s.EndpointTest(f, sampleAt(18, 25), "en", "UTC")
		golden(t, fmt.Sprintf("hook-%s.endpoint-test.en.json", f), readable(t, test))
		if f == notifier.FormatStandard {
			conforms(t, test)
		}
	}
}

func TestATestSaysInWordsThatItIsOneInEveryFormatAndLanguage(t *testing.T) {
	s := newSet(t)
	for _, lang := range s.Languages() {
		words := s.languages.find(lang).must("hook.test", "brand", "Example Status")
		for _, f := range append([]notifier.Format{"", "morse"}, notifier.Formats...) {
			body := s.EndpointTest(f, sampleNow(), lang, "Europe/Oslo")
			if !strings.Contains(string(body), strings.NewReplacer("\u2068", "", "\u2069", "").Replace(words)) && !strings.Contains(string(body), words) {
				t.Errorf("%s in %s does not say %q: %s", f, lang, words, body)
			}
		}
	}
	var b hookBody
	if err := json.Unmarshal(s.EndpointTest("", sampleNow(), "en", ""), &b); err != nil || b.Type != notifier.EndpointTest || b.Data.Incident != nil {
		t.Errorf("%+v, %v", b, err)
	}
}

func read[T any](t testing.TB, body []byte) T {
	t.Helper()
	var v T
	if err := json.Unmarshal(body, &v); err != nil {
		t.Fatal(err)
	}
	return v
}

func TestTheStandardBodyNumbersTheEventsOfAnIncident(t *testing.T) {
	s := newSet(t)
	tale := story("incident-updated")
	for n := range 3 {
		one := tale
		one.Event.Number, one.Previous, one.Event.UpdateID = int64(5+n), tale.Previous[:n], tale.Incident.Updates[n].ID
		b := read[hookBody](t, posted(t, s, one, notifier.FormatStandard, circumstance{since: int64(5 + n)}, "en", "UTC"))
		if b.Data.Sequence != n+1 || b.Data.Update.ID != one.Event.UpdateID || len(b.Data.Missed) != 0 {
			t.Errorf("event %d: sequence %d, update %s, %d missed", n, b.Data.Sequence, b.Data.Update.ID, len(b.Data.Missed))
		}
	}
}

func TestTheStandardBodyTellsWhatAnEndpointMissedOldestFirst(t *testing.T) {
	b := read[hookBody](t, posted(t, newSet(t), story("incident-resolved"), notifier.FormatStandard, circumstance{since: 5}, "de", "Asia/Kathmandu"))
	if len(b.Data.Missed) != 2 || b.Data.Missed[0].ID != "u1" || b.Data.Missed[1].ID != "u2" || b.Data.Update.ID != "u3" {
		t.Errorf("%+v, update %+v", b.Data.Missed, b.Data.Update)
	}
	if at := b.Data.Incident.ResolvedAt; at == nil || *at != "2026-11-23T18:25:00Z" || *b.Data.Incident.OpenedAt != "2026-11-23T16:11:00Z" || b.Data.Incident.StartsAt != nil {
		t.Errorf("times %+v", b.Data.Incident)
	}
	if want := "16:11 UTC (21:56 UTC+5:45)"; !strings.Contains(b.Data.Missed[0].Text, want) {
		t.Errorf("%q does not hold %q", b.Data.Missed[0].Text, want)
	}
	if strings.Contains(b.Data.Update.Text, "\n") {
		t.Errorf("lines are broken within a paragraph: %q", b.Data.Update.Text)
	}
}

// long are texts that are hard on a limit: many bytes, much escaping, no spaces.
func long() map[string]string {
	return map[string]string{
		"prose": strings.Repeat("The queue is long and gets longer. ", 600), "kanji": strings.Repeat("障害が発生しています。", 1800),
		"quotes": strings.Repeat(`"\`, 10_000), "markup": strings.Repeat("**a** _b_ `c` <d> & ", 1000), "one word": strings.Repeat("x", 20_000),
		"links": strings.Repeat("[a](https://example.com/?a=1&b=2|3) ", 550), "paragraphs": strings.Repeat("a\n\n", 6000), "emoji": strings.Repeat("🚨", 20_000),
		"list": strings.Repeat("- *x* <\n", 2500), "calls": strings.Repeat("@everyone ", 2000),
	}
}

func TestNoBodyIsTooLargeWhateverItsTextsAre(t *testing.T) {
	s := newSet(t)
	for name, text := range long() {
		for _, updates := range longStories(name, 12) {
			tale := longStory(text, updates)
			for _, f := range notifier.Formats {
				body := posted(t, s, tale, f, circumstance{since: 1}, "en", "UTC") // fails where it is too large
				if !strings.Contains(string(body), "https://status.example.com/incidents/7kq2m9") {
					t.Errorf("%s of %d %s: no link to the rest", f, updates, name)
				}
				if f != notifier.FormatStandard {
					continue
				}
				conforms(t, body)
				b := read[hookBody](t, body)
				if got := len(b.Data.Missed) + b.Data.Omitted.Missed; got != updates-1 || b.Data.Omitted.Components == 0 || len(b.Data.Incident.Components)+b.Data.Omitted.Components != 400 {
					t.Errorf("%s: %d updates, %d missed, omitted %+v", name, updates, len(b.Data.Missed), b.Data.Omitted)
				}
				if n := len(b.Data.Missed); n > 0 && b.Data.Missed[n-1].ID != fmt.Sprintf("u%d", updates-1) {
					t.Errorf("%s: the newest missed one is %s of %d", name, b.Data.Missed[n-1].ID, updates)
				}
				if !b.Data.Update.Cut || len(b.Data.Update.Text) < 50 {
					t.Errorf("%s: of the own update only %q is left", name, b.Data.Update.Text)
				}
			}
		}
	}
}

// longStories are how many updates stories of a text have: many only of the one
// that grows most, as it costs seconds to write 20 kB that often.
func longStories(name string, many int) []int {
	if name == "quotes" {
		return []int{1, many}
	}
	return []int{1}
}

// longStory is a story at the limits of what can be posted.
func longStory(text string, updates int) notifier.Story {
	inc := sampleIncident(notifier.IncidentUpdated)
	inc.Title, inc.Updates, inc.Components = strings.Repeat("標題", 100), nil, nil
	names := map[string]string{}
	for n := range 400 {
		key := fmt.Sprintf("part-%d", n)
		inc.Components, names[key] = append(inc.Components, key), strings.Repeat(`"部`, 60)
	}
	for n := range updates {
		inc.Updates = append(inc.Updates, notifier.Update{ID: fmt.Sprintf("u%d", n+1), Status: notifier.Identified, At: sampleAt(16, 11).Add(time.Duration(n) * time.Minute), Body: text})
	}
	tale := tellStory(notifier.Event{Number: int64(updates), ID: "ev", Type: notifier.IncidentUpdated, IncidentID: inc.ID}, inc, names)
	return tale
}

func TestStatuspagesReadersFindTheirFields(t *testing.T) {
	s := newSet(t)
	for view, want := range map[string]struct{ status, impact, indicator, part string }{
		"incident-updated": {"monitoring", "major", "major", "partial_outage"}, "incident-resolved": {"resolved", "major", "none", "operational"},
		"incident-retracted": {"resolved", "none", "none", "operational"}, "maintenance-scheduled": {"scheduled", "maintenance", "none", "operational"},
		"maintenance-extended": {"in_progress", "maintenance", "maintenance", "under_maintenance"}, "post": {"resolved", "none", "none", ""},
	} {
		b := read[statuspageBody](t, posted(t, s, story(view), notifier.FormatStatuspage, circumstance{since: 7}, "en", "UTC"))
		part := ""
		if len(b.Incident.Components) > 0 {
			part = b.Incident.Components[0].Status
		}
		if b.Incident.Status != want.status || b.Incident.Impact != want.impact || b.Page.Indicator != want.indicator || part != want.part {
			t.Errorf("%s: %+v %+v", view, b.Page, b.Incident)
		}
		updates := b.Incident.Updates
		if last := story(view).Incident.Updates; len(updates) != len(last) || updates[0].ID != last[len(last)-1].ID || updates[0].IncidentID != "7kq2m9" {
			t.Errorf("%s: updates are not newest first: %+v", view, updates)
		}
	}
}

func TestOnlyABodyWithAPlaceForItHoldsTheReadersOwnLink(t *testing.T) {
	r, _, _ := newRenderer(t, story("incident-updated"))
	for _, f := range append([]notifier.Format{""}, notifier.Formats...) {
		var m [2]*notifier.Message
		for n := range m {
			d := delivery(7, int64(n+1))
			d.Channel, d.Format, d.Address = notifier.Webhook, f, "https://hooks.example.com/x"
			m[n] = render(t, r, d)
		}
		blanks := m[0].Letter.Blanks
		if m[0].Letter != m[1].Letter || m[0].Channel != notifier.Webhook || len(m[1].Fill) != len(blanks) {
			t.Errorf("%s: %+v", f, m)
		}
		if own := f == notifier.FormatStatuspage; own != (len(blanks) == 1) {
			t.Errorf("%s: %d blanks", f, len(blanks))
		}
		for n, b := range blanks {
			if !strings.HasPrefix(m[1].Fill[n], "U-2-") || strings.Count(string(m[1].Letter.Body), "/unsubscribe/"+b.Mark+`"`) != 1 {
				t.Errorf("%s: %+v", f, m[1])
			}
		}
	}
}

func TestALetterForAnEndpointIsItsOwnByFormat(t *testing.T) {
	r, from, _ := newRenderer(t, story("incident-updated"))
	mail := render(t, r, delivery(7, 1)).Letter
	seen := map[string]bool{mail.Key: true}
	for _, f := range []notifier.Format{notifier.FormatStandard, notifier.FormatSlack, notifier.FormatTeams, notifier.FormatDiscord} {
		d := delivery(7, 1)
		d.Channel, d.Format = notifier.Webhook, f
		l := render(t, r, d).Letter
		if seen[l.Key] || l.Key == "" {
			t.Errorf("%s: key %q", f, l.Key)
		}
		seen[l.Key] = true
		if again := render(t, r, d).Letter; again != l {
			t.Errorf("%s: rendered twice", f)
		}
	}
	if n := from.asked.Load(); n != 1 {
		t.Errorf("the story was read %d times", n)
	}
}

func TestAFormatThatThereIsNotIsAnError(t *testing.T) {
	r, _, _ := newRenderer(t, story("incident-updated"), story("confirm"))
	d := delivery(7, 1)
	d.Channel, d.Format = notifier.Webhook, "morse"
	if m, err := r.Render(t.Context(), d); err == nil {
		t.Errorf("%+v", m)
	}
}

func TestAPersonalEventIsNeverPosted(t *testing.T) {
	r, _, _ := newRenderer(t, story("endpoint-confirm"))
	d := delivery(7, 1)
	d.Channel = notifier.Webhook
	if m, err := r.Render(t.Context(), d); err == nil {
		t.Errorf("%+v", m)
	}
}

func TestTheGoldenFilesOfTheStandardFormatAreAllOfItsTypes(t *testing.T) {
	files, err := filepath.Glob("testdata/hook-standard.*.json")
	if err != nil || len(files) < len(notifier.Announcements)+1 {
		t.Errorf("%d files, %v", len(files), err)
	}
}
