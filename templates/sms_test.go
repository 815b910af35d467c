package templates

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"allclear/notifier"
)

// phones are tokens and codes that tell whose they are.
type phones struct{ size int }

func (p phones) Short(reader int64) string {
	s := fmt.Sprintf("S-%d-", reader)
	return s + strings.Repeat("x", p.size-len(s))
}

func (phones) Code(reader int64, asked time.Time) string {
	return fmt.Sprintf("%06d", reader+asked.Unix()%1000)
}

// phoned is the text that a phone is sent of a story, with its link filled in.
func phoned(t testing.TB, s *Set, tale notifier.Story, told int64, language, zone string) string {
	t.Helper()
	v, ok := viewFor(tale.Event.Type)
	if !ok {
		t.Fatalf("no view for %q", tale.Event.Type)
	}
	l, err := s.letter(tale, circumstances{view: v, since: tale.Event.Number, told: told, times: s.Times(language, zone), channel: notifier.SMS}, "golden")
	if err != nil {
		t.Fatal(err)
	}
	if len(l.Blanks) != 1 || len(l.Blanks[0].Mark) != shortSize || strings.Count(l.Text, l.Blanks[0].Mark) != 1 || strings.Contains(l.Text, "\n") || l.HTML != "" || l.Body != nil {
		t.Fatalf("%+v", l)
	}
	if n := notifier.MeasureText(l.Text).Segments; n > smsSegments {
		t.Errorf("%d segments: %s", n, l.Text)
	}
	return strings.Replace(l.Text, l.Blanks[0].Mark, "TOKENOF16CHARSxx", 1)
}

func TestEverySMSReadsAsTheGoldenFilesSay(t *testing.T) {
	s := newSet(t)
	for _, lang := range s.Languages() {
		var out strings.Builder
		for _, c := range announced() {
			tale := sampleStory(viewNamed(c.view))
			if c.change != nil {
				c.change(&tale)
			}
			text := phoned(t, s, tale, c.told, lang, "Europe/Oslo")
			fmt.Fprintf(&out, "%s (%d): %s\n", c.name, notifier.MeasureText(text).Segments, text)
		}
		golden(t, "sms."+lang+".txt", out.String())
	}
}

func TestAnSMSSaysWhoSpeaksWhatIsAndWhereToReadOn(t *testing.T) {
	s := newSet(t)
	for view, want := range map[string]string{
		"incident-opened":       "Example Status: Investigating: imap7 does not answer https://status.example.com/s/TOKENOF16CHARSxx Reply STOP to stop.",
		"incident-resolved":     "Example Status: Resolved: imap7 does not answer (lasted 2 h 14 min) https://status.example.com/s/TOKENOF16CHARSxx",
		"maintenance-scheduled": "Example Status: Planned maintenance: imap7 moves to a new disk shelf - 24 Nov, 02:00 to 04:00 UTC (03:00 to 05:00 CET) https://status.example.com/s/TOKENOF16CHARSxx",
	} {
		told := int64(6)
		if view == "incident-opened" {
			told = 0
		}
		if got := phoned(t, s, story(view), told, "en", "Europe/Oslo"); got != want {
			t.Errorf("%s: %s", view, got)
		}
	}
}

func TestOnlyTheFirstMessageOfAnIncidentEndsWithHowToStop(t *testing.T) {
	s := newSet(t)
	for _, lang := range s.Languages() {
		stop := s.languages.find(lang).must("sms.stop")
		first, next := phoned(t, s, story("incident-updated"), 0, lang, "UTC"), phoned(t, s, story("incident-updated"), 6, lang, "UTC")
		if !strings.Contains(stop, "STOP") || !strings.HasSuffix(first, forPhone(stop)) || strings.Contains(next, "STOP") {
			t.Errorf("%s: %q, then %q", lang, first, next)
		}
	}
}

func TestAnSMSHasThreePartsAtMostWhateverTheTitleIs(t *testing.T) {
	name := strings.Repeat("An operator with a very long name ", 10)
	s := newSet(t, func(o *Options) { o.Brand.Name = name })
	for _, title := range []string{strings.Repeat("標題", 100), strings.Repeat("title ", 33), strings.Repeat("🚨", 200), strings.Repeat("€{", 100), strings.Repeat("é", 199) + "ő", "«Café» – “down”…"} {
		tale := story("maintenance-scheduled")
		tale.Incident.Title = title
		for _, lang := range s.Languages() {
			text := phoned(t, s, tale, 0, lang, "Asia/Kathmandu") // fails where it is too long
			if first := string([]rune(title)[:1]); !strings.Contains(text, first) && first != "«" {
				t.Errorf("%s: nothing of the title is left: %q", lang, text)
			}
			if !strings.HasPrefix(text, "An operator") {
				t.Errorf("%s does not begin with the brand: %q", lang, text)
			}
		}
	}
}

func TestTypographyDoesNotMakeAnSMSDearer(t *testing.T) {
	tale := story("incident-updated")
	tale.Incident.Title = "The “new” shelf – imap7’s – doesn’t answer…"
	text := phoned(t, newSet(t), tale, 0, "fr", "UTC")
	if notifier.MeasureText(text).Encoding != notifier.GSM7 {
		t.Errorf("not in the alphabet: %q", text)
	}
}

func TestAPhoneIsSentItsCodeAndItsLink(t *testing.T) {
	link, move, added := story("link"), story("move-to"), story("confirm")
	link.Event.Number, move.Event.Number, added.Event.Number, added.Unasked = 8, 9, 10, true
	r, _, _ := newRenderer(t, story("confirm"), link, move, added)
	r.set.phones = phones{shortSize}
	for _, lang := range r.set.Languages() {
		d := delivery(7, 41)
		d.Channel, d.Language, d.Quiet, d.Zone = notifier.SMS, lang, "00:00-23:59", "UTC"
		m := render(t, r, d)
		code := phones{}.Code(41, d.AcceptedAt)
		if l := m.Letter; !strings.Contains(l.Text, code) || strings.Contains(l.Text, "/s/") || len(l.Blanks) != 0 || len(m.Fill) != 0 || l.Key != "" || l.Lane != notifier.LaneConfirm || notifier.MeasureText(l.Text).Segments > smsSegments || !strings.HasPrefix(l.Text, "Example Status") {
			t.Errorf("%s: %+v", lang, l)
		}
		d.ID = notifier.MakeDeliveryID(8, 41)
		if l := render(t, r, d).Letter; !strings.Contains(l.Text, "https://status.example.com/s/S-41-xxxxxxxxxxx") || notifier.MeasureText(l.Text).Segments > smsSegments {
			t.Errorf("%s: %+v", lang, l)
		}
		d.ID = notifier.MakeDeliveryID(10, 41) // staff added it
		if l := render(t, r, d).Letter; !strings.Contains(l.Text, code) || !strings.Contains(l.Text, "https://status.example.com/s/S-41-xxxxxxxxxxx") || notifier.MeasureText(l.Text).Segments > smsSegments {
			t.Errorf("%s: %+v", lang, l)
		}
		d.ID = notifier.MakeDeliveryID(9, 41)
		if m, err := r.Render(t.Context(), d); err == nil {
			t.Errorf("a phone cannot be asked whether to move: %+v", m.Letter)
		}
	}
}

func TestReadersWithPhonesShareATextAndHaveTheirOwnLinks(t *testing.T) {
	r, _, _ := newRenderer(t, story("incident-updated"))
	r.set.phones = phones{shortSize}
	one, two := delivery(7, 1), delivery(7, 2)
	one.Channel, two.Channel = notifier.SMS, notifier.SMS
	a, b := render(t, r, one), render(t, r, two)
	if a.Letter != b.Letter || len(a.Fill) != 1 || a.Fill[0] == b.Fill[0] || a.Letter.Key == render(t, r, delivery(7, 1)).Letter.Key {
		t.Errorf("%+v, %+v", a, b)
	}
	r.set.phones = phones{shortSize + 1}
	if _, err := r.Render(t.Context(), one); err == nil || !strings.Contains(err.Error(), "17 characters") {
		t.Errorf("a token of the wrong length: %v", err)
	}
}

func TestASenderIsToldThatTheLastTryIsInDoubt(t *testing.T) {
	r, _, _ := newRenderer(t, story("incident-updated"))
	r.set.phones = phones{shortSize}
	d := delivery(7, 1)
	d.Channel, d.TriedAt, d.Reply = notifier.SMS, time.Date(2026, 11, 23, 2, 0, 0, 0, time.UTC), "503 Service Unavailable"
	if m := render(t, r, d); !m.Doubt.IsZero() {
		t.Errorf("surely not taken: %+v", m)
	}
	d.Reply = notifier.Doubtful("the gateway did not answer")
	if m := render(t, r, d); !m.Doubt.Equal(d.TriedAt) {
		t.Errorf("in doubt: %+v", m)
	}
}

func TestAPhoneDoesNotRingInQuietHoursUnlessItIsCritical(t *testing.T) {
	at := func(view string, severity notifier.Severity) notifier.Story {
		tale := story(view)
		tale.Event.Severity, tale.Incident.Severity = severity, severity
		return tale
	}
	renderer, from, clock := newRenderer(t)
	set := renderer.set
	set.phones = phones{shortSize}
	for name, c := range map[string]struct {
		story notifier.Story
		waits bool
	}{
		"major": {at("incident-opened", notifier.SeverityMajor), true}, "critical": {at("incident-opened", notifier.SeverityCritical), false},
		"critical, an update": {at("incident-updated", notifier.SeverityCritical), false}, "critical, over": {at("incident-resolved", notifier.SeverityCritical), true},
		"major, over": {at("incident-resolved", notifier.SeverityMajor), true}, "a code": {story("confirm"), false}, "maintenance": {at("maintenance-scheduled", 0), true},
	} {
		from.put(c.story)
		r := set.Renderer()
		d := delivery(7, 1)
		d.Channel, d.Quiet, d.Zone = notifier.SMS, "22:00-07:00", "Europe/Oslo"
		clock.now.Store(time.Date(2026, 11, 23, 21, 30, 0, 0, time.UTC).UnixNano()) // 22:30 in Oslo
		_, err := r.Render(t.Context(), d)
		var early *notifier.NotBeforeError
		switch {
		case !c.waits && err != nil:
			t.Errorf("%s: %v", name, err)
		case c.waits && (!errors.As(err, &early) || !errors.Is(err, notifier.ErrNotStarted) || !early.Until.Equal(time.Date(2026, 11, 24, 6, 0, 0, 0, time.UTC))):
			t.Errorf("%s: %v", name, err)
		}
		clock.now.Store(time.Date(2026, 11, 24, 6, 0, 0, 0, time.UTC).UnixNano())
		if _, err := r.Render(t.Context(), d); err != nil {
			t.Errorf("%s, in the morning: %v", name, err)
		}
	}
}

func TestAServiceWithoutPhonesSaysSo(t *testing.T) {
	r, _, _ := newRenderer(t, story("incident-updated"))
	d := delivery(7, 1)
	d.Channel = notifier.SMS
	if _, err := r.Render(t.Context(), d); err == nil || !strings.Contains(err.Error(), "not set up") {
		t.Errorf("%v", err)
	}
}
