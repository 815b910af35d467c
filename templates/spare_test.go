package templates

import (
	"context"
	"strings"
	"testing"
	"testing/fstest"

	"allclear/notifier"
)

// oneStory is the story of every event, and one recipient of every notice.
type oneStory struct {
	story notifier.Story
	who   notifier.Recipient
}

func (o oneStory) Story(context.Context, int64) (notifier.Story, error) { return o.story, nil }

func (o oneStory) Recipient(context.Context, string, int64) (notifier.Recipient, error) {
	return o.who, nil
}

// writer is a set with texts that are not embedded, and what it tells of them.
func writer(t *testing.T, files map[string]string, o oneStory) (*Set, *[]string) {
	t.Helper()
	options := overriding(files)
	var told []string
	options.Stories, options.Recipients, options.Links = o, o, tokens{markSize}
	options.Broken = func(view string, err error) { told = append(told, view+": "+err.Error()) }
	s, err := New(options)
	if err != nil {
		t.Fatal(err)
	}
	return s, &told
}

func TestAMailGoesOutByTheEmbeddedTextWhereAnotherBreaksOnIt(t *testing.T) {
	for name, text := range map[string]string{
		"breaks":       `<p>{{if eq .Title "Only this one"}}{{index .Updates 99}}{{end}}ours: {{.Title}}</p>`,
		"loses a link": `<p>ours: {{.Title}}</p>{{if eq .Title "Only this one"}}{{template "lost" .}}{{end}}`,
	} {
		story := sampleStory(viewNamed("incident-updated"))
		files := map[string]string{"mail/incident-updated.html": text}
		if name == "loses a link" {
			files = map[string]string{"mail/partials/footer.html": `{{if ne .Title "Only this one"}}<a class="leave" href="{{.Leave}}">bye</a><p>{{.Why}}</p>{{with .Confirm}}<a href="{{.}}">x</a>{{end}}{{with .Link}}<a href="{{.}}">x</a>{{end}}{{with .Stop}}<a href="{{.}}">x</a>{{end}}{{end}}`}
		}
		s, told := writer(t, files, oneStory{story: story})
		d := notifier.Delivery{ID: notifier.MakeDeliveryID(7, 1), Channel: notifier.Email, Address: "a@example.com", Language: "de"}
		m, err := s.Renderer().Render(t.Context(), d)
		if err != nil {
			t.Fatal(err)
		}
		fine := m.Letter.Key
		if len(*told) != 0 {
			t.Errorf("%s: %q", name, *told)
		}
		story.Incident.Title = "Only this one"
		s, told = writer(t, files, oneStory{story: story})
		r := s.Renderer()
		for range 3 {
			if m, err = r.Render(t.Context(), d); err != nil {
				t.Fatalf("%s: %v", name, err)
			}
		}
		l := m.Letter
		if !strings.Contains(l.Text, "Only this one") || strings.Contains(l.Text, "ours:") || !strings.Contains(l.Text, "/unsubscribe/") || !strings.Contains(l.HTML, `lang="de"`) || l.Key == fine {
			t.Errorf("%s: %s", name, l.Text)
		}
		if len(*told) != 1 || !strings.HasPrefix((*told)[0], "incident-updated: templates: mail/") {
			t.Errorf("%s: told %q", name, *told)
		}
	}
}

func TestANoticeGoesOutByTheEmbeddedTextWhereAnotherBreaksOnIt(t *testing.T) {
	n, who := sampleNotice(notifier.RestoreCompleted)
	n.Title = "Only this one"
	story := notifier.Story{Event: notifier.Event{Number: 9, ID: "ev9", Type: notifier.NoticeSent, Lane: notifier.LaneBulk}, Notice: n}
	d := notifier.Delivery{ID: notifier.MakeDeliveryID(9, notifier.RecipientReader(who.Place)), Channel: who.Channel, Address: who.Address}
	rows, err := newSet(t).Embedded("mail/partials/rows.html")
	if err != nil {
		t.Fatal(err)
	}
	own, err := newSet(t).Embedded("mail/notice.html")
	if err != nil {
		t.Fatal(err)
	}
	for name, files := range map[string]map[string]string{
		"the notice": {"mail/notice.html": own + `{{if eq .Title "nothing has this"}}{{index .Updates 99}}{{end}}{{if not .URL}}{{index .Updates 99}}{{end}}`},
		"its rows":   {"mail/partials/rows.html": rows + `{{if gt (len .Rows) 3}}{{index .Rows 99}}{{end}}`},
	} {
		story.Notice.IncidentID = "" // samples have one
		four := who
		four.Rows = append(four.Rows[:3:3], four.Rows[0])
		s, told := writer(t, files, oneStory{story: story, who: four})
		m, err := s.Renderer().Render(t.Context(), d)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if strings.Count(m.Letter.Text, "Minutes of Thursday") != 2 || len(*told) != 1 || !strings.HasPrefix((*told)[0], "restore-completed: ") {
			t.Errorf("%s: told %q\n%s", name, *told, m.Letter.Text)
		}
	}
}

func TestWhatNoTextCanBeWrittenForIsTheEventsOwnFault(t *testing.T) {
	story := sampleStory(viewNamed("post"))
	story.Event.Type = "unheard of"
	s, told := writer(t, map[string]string{"mail/post.html": "<p>ours</p>"}, oneStory{story: story})
	if _, err := s.Renderer().Render(t.Context(), notifier.Delivery{ID: notifier.MakeDeliveryID(7, 1), Channel: notifier.Email}); err == nil || len(*told) != 0 {
		t.Errorf("%v, told %q", err, *told)
	}
}

func TestAPageAndAFeedAreWrittenByTheEmbeddedTextWhereAnotherBreaksOnThem(t *testing.T) {
	came, err := newSet(t).Embedded("page/home.html")
	if err != nil {
		t.Fatal(err)
	}
	entry, err := newSet(t).Embedded("page/partials/entry.html")
	if err != nil {
		t.Fatal(err)
	}
	s, told := writer(t, map[string]string{
		"page/home.html":           came + `{{if .Older}}{{.Nope}}{{end}}`,
		"page/partials/entry.html": `{{if eq .Title "Only this one"}}{{.Nope}}{{end}}` + entry,
	}, oneStory{})
	inc := sampleIncident(notifier.IncidentUpdated)
	inc.Title = "Only this one"
	var out strings.Builder
	if err := s.Pages().Page(&out, PageHome, "fr", Home{Incidents: []notifier.Incident{inc}, Older: "/?before=x"}); err != nil || !strings.Contains(out.String(), `lang="fr"`) || !strings.Contains(out.String(), "Only this one") {
		t.Errorf("%v\n%s", err, out.String())
	}
	if f, err := s.Pages().Feed("en", []notifier.Incident{inc}, nil); err != nil || len(f.Entries) != 1 {
		t.Errorf("%v, %+v", err, f)
	}
	if len(*told) != 2 || !strings.HasPrefix((*told)[0], "page/home: ") || !strings.HasPrefix((*told)[1], "feed: ") {
		t.Errorf("told %q", *told)
	}
	if err := s.Pages().Page(&out, "nosuch", "en", nil); err == nil || len(*told) != 2 {
		t.Errorf("%v, told %q", err, *told)
	}
}

func TestAnotherSetIsUsedFromTheNextMessageOn(t *testing.T) {
	story := sampleStory(viewNamed("post"))
	before, _ := writer(t, nil, oneStory{story: story})
	after, _ := writer(t, map[string]string{"mail/post.html": "<p>ours: {{.Title}}</p>", "page/confirm.html": "<p>our page</p>"}, oneStory{story: story})
	live := NewLive(before)
	r, pages := live.Renderer(), live.Pages()
	d := notifier.Delivery{ID: notifier.MakeDeliveryID(7, 1), Channel: notifier.Email, Address: "a@example.com"}
	show := func() (*notifier.Letter, string) {
		t.Helper()
		m, err := r.Render(t.Context(), d)
		if err != nil {
			t.Fatal(err)
		}
		var page strings.Builder
		if err := pages.Page(&page, PageConfirm, "en", ActionPage{}); err != nil {
			t.Fatal(err)
		}
		return m.Letter, page.String()
	}
	was, page := show()
	if strings.Contains(was.Text, "ours:") || strings.Contains(page, "our page") {
		t.Error("an override before there was one")
	}
	if again, _ := show(); again != was {
		t.Error("what readers share is not kept")
	}
	live.Use(after)
	is, page := show()
	if !strings.Contains(is.Text, "ours:") || !strings.Contains(page, "our page") {
		t.Error("the other set is not used")
	}
	if is.Key == was.Key {
		t.Error("a sender would take what it keeps of the old letter for the new one's")
	}
	if live.Pages().Style().Hash != before.Pages().Style().Hash {
		t.Error("pages load something else")
	}
}

func TestTwoEditionsOfOneTextNeverShareAKey(t *testing.T) {
	keys := map[string]bool{}
	for _, text := range []string{"", "<p>a</p>", "<p>b</p>"} {
		o := overriding(nil)
		if text != "" {
			o.Overrides = fstest.MapFS{"mail/post.html": {Data: []byte(text)}}
		}
		s, err := New(o)
		if err != nil {
			t.Fatal(err)
		}
		l, err := s.RenderSample("post", "", "")
		if err != nil {
			t.Fatal(err)
		}
		keys[l.Key] = true
	}
	if len(keys) != 3 {
		t.Errorf("%d keys of 3 texts", len(keys))
	}
}
