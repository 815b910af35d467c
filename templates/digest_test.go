package templates

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"allclear/notifier"
)

// digestLetter renders a story of a digest.
func digestLetter(t *testing.T, s *Set, story notifier.Story, lang, zone string) *notifier.Letter {
	t.Helper()
	l, err := s.letter(story, circumstances{view: viewNamed("digest"), times: s.Times(lang, zone)}, "golden")
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func TestEveryDigestInEveryLanguageReadsAsTheGoldenFilesSay(t *testing.T) {
	s := newSet(t)
	for _, lang := range s.Languages() {
		for name, cadence := range map[string]string{"daily": "daily", "weekly": "weekly", "monthly": "monthly", "last": ""} {
			l := digestLetter(t, s, sampleDigest(notifier.Event{Number: 7}, cadence), lang, "Europe/Oslo")
			golden(t, "digest-"+name+"."+lang+".txt", "Subject: "+l.Subject+"\n\n"+l.Text)
			if cadence == "weekly" {
				golden(t, "digest-"+name+"."+lang+".html", l.HTML)
			}
		}
		// One that was cut, of a reader whose day is another than UTC's.
		long := sampleDigest(notifier.Event{Number: 7}, "monthly")
		long.Digest.More = 12
		golden(t, "digest-cut."+lang+".txt", digestLetter(t, s, long, lang, "Pacific/Kiritimati").Text)
	}
}

func TestADigestOfAQuietDayInEveryLanguageReadsAsTheGoldenFilesSay(t *testing.T) {
	s := newSet(t)
	for _, lang := range s.Languages() {
		story := sampleDigest(notifier.Event{Number: 7}, "daily")
		story.Digest.Parts = nil
		l := digestLetter(t, s, story, lang, "Europe/Oslo")
		golden(t, "digest-quiet."+lang+".txt", "Subject: "+l.Subject+"\n\n"+l.Text)
		if lang == "en" || lang == "ar" {
			golden(t, "digest-quiet."+lang+".html", l.HTML)
		}
	}
}

func TestASummaryOfAnOutageInEveryLanguageReadsAsTheGoldenFilesSay(t *testing.T) {
	s := newSet(t)
	for _, lang := range s.Languages() {
		story := sampleDigest(notifier.Event{Number: 7}, "")
		story.Digest.Domain = "mail.example.com"
		l := digestLetter(t, s, story, lang, "Europe/Oslo")
		golden(t, "digest-outage."+lang+".txt", "Subject: "+l.Subject+"\n\n"+l.Text)
		if lang == "en" || lang == "ar" {
			golden(t, "digest-outage."+lang+".html", l.HTML)
		}
	}
}

func TestADigestBelongsToNoThreadAndCanBeLeft(t *testing.T) {
	l := digestLetter(t, newSet(t), sampleDigest(notifier.Event{Number: 7}, "daily"), "en", "UTC")
	if l.ThreadID != "" || l.PreviousID != "" || l.Lane != notifier.LaneDigest || l.Type != notifier.DigestDue {
		t.Errorf("%+v", l)
	}
	if len(l.Blanks) != 2 || !strings.HasSuffix(l.ListUnsubscribe, l.Blanks[0].Mark) || !strings.Contains(l.Text, "/manage/"+l.Blanks[1].Mark) {
		t.Error("no way to leave or to change it")
	}
}

func TestADigestTellsWhatIsOpenFirstAndTheRestInItsOrder(t *testing.T) {
	l := digestLetter(t, newSet(t), sampleDigest(notifier.Event{Number: 7}, "daily"), "en", "UTC")
	at := -1
	for _, title := range []string{"Still open", "imap7 does not answer", "Over", "Mail delayed", "Webmail is down", "Maintenance", "new disk shelf", "News", "What we learned"} {
		next := strings.Index(l.Text, title)
		if next <= at {
			t.Errorf("%q stands at %d, not behind %d:\n%s", title, next, at, l.Text)
		}
		at = next
	}
}

func TestALongDigestIsCutAndSaysHowMuchIsLeft(t *testing.T) {
	story := sampleDigest(notifier.Event{Number: 7}, "monthly")
	for i := range 200 {
		part := story.Digest.Parts[1]
		inc := part.Story.Incident
		inc.ID, inc.Title = fmt.Sprintf("many%d", i), fmt.Sprintf("Outage %d", i)
		part.Story.Incident = inc
		story.Digest.Parts = append(story.Digest.Parts, part)
	}
	story.Digest.More = 7
	l := digestLetter(t, newSet(t), story, "en", "UTC")
	if len(l.HTML) > clipSize {
		t.Errorf("%d bytes", len(l.HTML))
	}
	if !strings.Contains(l.Text, "Not shown here: 182.") || !strings.Contains(l.Text, "imap7 does not answer") {
		t.Errorf("%s", l.Text)
	}
	if !strings.Contains(l.Subject, "over: 202") {
		t.Errorf("%q does not count what is not shown", l.Subject)
	}
}

func TestMuchThatIsOpenLeavesRoomForMaintenanceAheadAndNews(t *testing.T) {
	story := sampleDigest(notifier.Event{Number: 7}, "weekly")
	for i := range 39 {
		part := story.Digest.Parts[0]
		part.Story.Incident.ID, part.Story.Incident.Title = fmt.Sprintf("many%d", i), fmt.Sprintf("Outage %d", i)
		story.Digest.Parts = append(story.Digest.Parts, part)
	}
	l := digestLetter(t, newSet(t), story, "en", "UTC")
	for _, want := range []string{"imap7 does not answer", "Mail delayed", "new disk shelf", "What we learned", "Not shown here: 1"} {
		if !strings.Contains(l.Text, want) {
			t.Errorf("no %q in\n%s", want, l.Text)
		}
	}
	if !strings.Contains(l.Subject, "still open: 40") {
		t.Errorf("%q", l.Subject)
	}
}

func TestADigestOfOneIncidentIsNamedAfterIt(t *testing.T) {
	story := sampleDigest(notifier.Event{Number: 7}, "daily")
	story.Digest.Parts = story.Digest.Parts[:1]
	if l := digestLetter(t, newSet(t), story, "en", "UTC"); l.Subject != "Your daily digest: "+story.Digest.Parts[0].Story.Incident.Title+" · Still open" {
		t.Errorf("%q", l.Subject)
	}
}

func TestWhatWasSaidAtLengthIsCutShort(t *testing.T) {
	story := sampleDigest(notifier.Event{Number: 7}, "daily")
	story.Digest.Parts = story.Digest.Parts[:1]
	updates := story.Digest.Parts[0].Story.Incident.Updates
	updates[len(updates)-1].Body = strings.Repeat("We are looking into it. ", 100)
	l := digestLetter(t, newSet(t), story, "en", "UTC")
	if n := strings.Count(l.Text, "We are looking into it"); n < 10 || n > 25 {
		t.Errorf("said %d times", n)
	}
}

// digestSource is a store with one digest of two places.
type digestSource struct {
	asked int
	story notifier.Story
}

func (d *digestSource) Story(_ context.Context, event int64) (notifier.Story, error) {
	if event == 7 {
		return notifier.Story{Event: d.story.Event}, nil
	}
	for _, p := range d.story.Digest.Parts {
		if p.Story.Event.Number == event {
			return p.Story, nil
		}
	}
	return notifier.Story{}, notifier.ErrNotFound
}

func (d *digestSource) Standing(ctx context.Context, event int64, _ time.Time) (notifier.Story, error) {
	return d.Story(ctx, event)
}

func (d *digestSource) Digest(_ context.Context, event int64, place int) (notifier.Digest, error) {
	d.asked++
	out := d.story.Digest.Digest
	switch {
	case event != 7 || place < 1 || place > 2:
		return out, notifier.ErrNotFound
	case place == 1:
		out.Items = []notifier.DigestItem{{Since: 4, Event: 5}, {Since: 3, Event: 4}}
	default:
		out.Items = []notifier.DigestItem{{Since: 5, Event: 6}}
	}
	return out, nil
}

func TestReadersWhoMissedTheSameShareOneLetter(t *testing.T) {
	source := &digestSource{story: sampleDigest(notifier.Event{Number: 7, ID: "ev7"}, "daily")}
	s := newSet(t, func(o *Options) { o.Stories, o.Digests, o.Links = source, source, tokens{markSize} })
	r := s.Renderer()
	render := func(reader int64, place int, since int64, lang string) *notifier.Message {
		t.Helper()
		m, err := r.Render(t.Context(), notifier.Delivery{
			ID: notifier.MakeDeliveryID(7, reader), Channel: notifier.Email, Lane: notifier.LaneDigest, Address: "a@example.com", Since: since, Digest: place, Language: lang,
			AcceptedAt: time.Date(2026, 11, 27, 9, 0, 0, 0, time.UTC),
		})
		if err != nil {
			t.Fatal(err)
		}
		return m
	}
	one, two := render(1, 1, 3, ""), render(2, 1, 5, "en")
	if one.Letter != two.Letter {
		t.Error("two letters of the same content")
	}
	if one.Fill[0] == two.Fill[0] {
		t.Error("two readers have one link")
	}
	other := render(3, 2, 3, "")
	if other.Letter.Key == one.Letter.Key || !strings.Contains(other.Letter.Text, "What we learned") || strings.Contains(other.Letter.Text, "imap7 does not answer") {
		t.Errorf("%s", other.Letter.Text)
	}
	if source.asked != 2 {
		t.Errorf("asked %d times", source.asked)
	}
	if _, err := r.Render(t.Context(), notifier.Delivery{ID: notifier.MakeDeliveryID(7, 4), Channel: notifier.Email, Digest: 9, Address: "a@example.com"}); err == nil {
		t.Error("a digest that is not there was rendered")
	}
}
