package console_test

import (
	"context"
	"fmt"
	"html"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"allclear/notifier"
	"allclear/notifier/console"
	"allclear/store/storetest"
	"allclear/subscribers"
	"allclear/templates"
)

// templates are what the program gives the console for templates: what was
// edited is used when a page is asked for.
func (b *bench) templates(set *templates.Set) console.TemplateDesk {
	options := func() templates.Options {
		o := wording()
		o.Edits = map[string]string{}
		edits, _, err := b.store.TemplateEdits(context.Background())
		b.must(err)
		for _, e := range edits {
			o.Edits[e.Name] = e.Text
		}
		return o
	}
	return console.TemplateDesk{
		Changed: func(context.Context) {},
		Folder:  "/etc/allclear/templates",
		Now: func() (*templates.Set, []templates.Problem) {
			o := options()
			if len(o.Edits) == 0 {
				return set, nil
			}
			got := judged("check", o.Edits, func() (x judgement) { x.set, x.problems, x.err = templates.Check(o); return x })
			b.must(got.err)
			return got.set, got.problems
		},
		Try: func(_ context.Context, file, text string) (*templates.Set, templates.Problem, error) {
			o := options()
			o.Edits[file] = text
			got := judged("try", o.Edits, func() (x judgement) { x.set, x.err = templates.New(o); return x })
			var problem templates.Problem
			if got.err != nil {
				problem = templates.ProblemOf(got.err)
			}
			return got.set, problem, nil
		},
	}
}

// judgement is what was found of texts.
type judgement struct {
	set      *templates.Set
	problems []templates.Problem
	err      error
}

var judgements sync.Map

// judged judges the same texts once: all of a set is read and tried for each,
// which takes a second, and nothing of it is the test's.
func judged(how string, edits map[string]string, judge func() judgement) judgement {
	key := how + fmt.Sprintf("%q", edits) // sorted by name
	made, _ := judgements.LoadOrStore(key, sync.OnceValue(judge))
	return made.(func() judgement)()
}

// digests are two runs, and a letter of one day.
func (b *bench) digests() console.DigestDesk {
	oslo, err := time.LoadLocation("Europe/Oslo")
	b.must(err)
	return console.DigestDesk{
		Coming: func(_ context.Context, days int) ([]console.ComingRun, error) {
			if days == 1 {
				return nil, nil
			}
			at := time.Date(2026, 11, 30, 23, 30, 0, 0, time.UTC)
			return []console.ComingRun{{At: at, Cadence: subscribers.Daily, Zone: oslo, Schedule: "0 0 * * *", Readers: 3975}, {At: at.Add(time.Hour), Cadence: subscribers.Weekly, Zone: time.UTC, Readers: 1}}, nil
		},
		Preview: func(_ context.Context, who subscribers.Subscriber, at time.Time) (*notifier.Letter, error) {
			switch {
			case !who.Cadence.Digest():
				return nil, notifier.Refuse(notifier.ErrConflict, "%s gets no digests", who.Address)
			case at.Before(b.Now()):
				return nil, nil
			}
			return &notifier.Letter{Subject: "Your daily digest", HTML: `<p style="margin:0">imap7</p>`, Text: "imap7"}, nil
		},
	}
}

const edit = "/console/templates/edit?file=mail/post.html"

func TestATemplateIsEditedOnThePageAndTakenBack(t *testing.T) {
	onBoth(t, func(t *testing.T, b *bench) {
		w := b.enter(b.hire("ann", notifier.RoleAdmin))
		w.get("/console/templates").is(http.StatusOK, "/etc/allclear/templates", "mail/post.html", "lang/ar.json", "asset/allclear.css")
		was := regexp.MustCompile(`name="was" value="([^"]*)"`)
		w.get(edit).is(http.StatusOK, "This is the embedded text", "Nothing.", `<textarea class="source"`)
		w.send(edit, "/console/templates/edit", "file", "mail/post.html", "was", "", "text", "<p>ours: {{.Title}}</p>", "do", "save").leads(edit + "&done=saved")
		got := w.get(edit).is(http.StatusOK, "Edited", "by staff:ann", "ours: {{.Title}}", "&#43;&lt;p&gt;ours", "Back to the embedded text")
		w.get("/console/templates").is(http.StatusOK, "edited</span>", ", staff:ann")
		hash := was.FindStringSubmatch(got.body)[1]
		if hash != notifier.HashTemplate("<p>ours: {{.Title}}</p>\n") {
			t.Errorf("the page was of %q", hash)
		}
		// Somebody else's edit is not written over, and nothing that was typed is lost.
		b.must(b.store.SaveTemplate(t.Context(), notifier.TemplateEdit{Name: "mail/post.html", Text: "<p>theirs</p>"}, hash))
		w.send(edit, "/console/templates/edit", "file", "mail/post.html", "was", hash, "text", "<p>mine</p>", "do", "save").is(http.StatusConflict, "Somebody else changed it", "&lt;p&gt;mine&lt;/p&gt;")
		w.send(edit, "/console/templates/edit", "file", "mail/post.html", "was", hash, "do", "drop").is(http.StatusConflict, "was changed since")
		w.get(edit+"&from=embedded").is(http.StatusOK, "to begin anew", "{{template")
		w.send(edit, "/console/templates/edit", "file", "mail/post.html", "was", notifier.HashTemplate("<p>theirs</p>"), "do", "drop").leads(edit + "&done=back")
		w.get(edit+"&done=back").is(http.StatusOK, "Taken back", "This is the embedded text")
		w.get("/console/audit?action=template.").is(http.StatusOK, "template.save", "template.drop", "mail/post.html")
	})
}

func TestATextThatCannotBeUsedIsRefusedWithItsLineAndNotLost(t *testing.T) {
	b := newBench(t, storetest.Dialects()[0])
	w := b.enter(b.hire("ann", notifier.RoleAdmin))
	for _, c := range []struct{ file, text, says string }{
		{"mail/post.html", "<p>x</p>\n<p>{{.Nope}}</p>", "Line 2</a>: "},
		{"mail/post.html", "<p>x</p>\n<p {{.Tone}}>x</p>", "Line 2</a>: an action inside a tag"},
		{"mail/post.html", " \n", "The text</a>: is empty"},
		{"mail/partials/footer.html", "<p>bye</p>", "the mail has no link to leave"},
		{"lang/de.json", "{\n\"leave\": 3}", "Line 2</a>: "},
		{"page/home.html", strings.Repeat("x", 129<<10), "longer than 128 KiB"},
	} {
		at := "/console/templates/edit?file=" + c.file
		got := w.send(at, "/console/templates/edit", "file", c.file, "was", "", "text", c.text, "do", "save").is(http.StatusUnprocessableEntity, c.says)
		if typed := c.text[:min(len(c.text), 12)]; strings.TrimSpace(typed) != "" && !strings.Contains(got.body, html.EscapeString(typed)) {
			t.Errorf("%s: what was typed is lost", c.file)
		}
		frame := w.send(at, "/console/templates/preview", "file", c.file, "text", c.text).is(http.StatusOK)
		if !strings.Contains(frame.body, `role="status"`) || strings.Contains(frame.body, "<nav") {
			t.Errorf("%s: the frame says\n%s", c.file, frame.body)
		}
	}
	edits, _, err := b.store.TemplateEdits(t.Context())
	if err != nil || len(edits) != 0 {
		t.Errorf("%v, %v", edits, err)
	}
	for _, file := range []string{"asset/allclear.css", "mail/none.html", ""} {
		status := http.StatusNotFound
		if strings.HasPrefix(file, "asset") {
			status = http.StatusConflict
		}
		w.send(edit, "/console/templates/edit", "file", file, "text", "x").is(status)
	}
	w.get("/console/templates/edit?file=asset/allclear.css").is(http.StatusOK, "is not edited here")
	w.get("/console/templates/edit?file=none").is(http.StatusNotFound)
}

func TestAPreviewShowsWhatReadersGetInAFrameOfItsOwnPolicy(t *testing.T) {
	b := newBench(t, storetest.Dialects()[0])
	w := b.enter(b.hire("ann", notifier.RoleAdmin))
	page := w.get(edit)
	if policy := page.header.Get("Content-Security-Policy"); !strings.Contains(policy, "frame-src 'self'") || !strings.Contains(policy, "frame-ancestors 'none'") || strings.Contains(policy, "unsafe") {
		t.Errorf("the page's policy: %s", policy)
	}
	got := w.send(edit, "/console/templates/preview", "file", "mail/post.html", "text", "<p>ours: {{.Title}} {{.State}}</p>", "view", "post", "language", "ja", "zone", "Asia/Tokyo")
	got.is(http.StatusOK, "Subject:", "ours: What we learned", "Text message", "post.published", `<iframe sandbox title="The mail"`)
	policy := got.header.Get("Content-Security-Policy")
	if !strings.Contains(policy, "frame-ancestors 'self'") || !strings.Contains(policy, "'unsafe-hashes'") || strings.Contains(policy, "unsafe-inline") || strings.Contains(policy, "frame-src") {
		t.Errorf("the frame's policy: %s", policy)
	}
	for path, says := range map[string]string{
		"file=mail/digest.html":                        "Your daily digest",
		"file=mail/notice.html&view=mail-bounced":      "billing@shop.example",
		"file=lang/de.json&language=de":                "imap7",
		"file=page/confirm.html":                       `title="The page"`,
		"file=mail/layout.html&view=incident-resolved": "All queues are empty",
		"file=mail/post.html&view=page/home":           "no such view",
		"file=mail/post.html&language=pt":              "no texts in this language",
		"file=mail/post.html&zone=Oslo":                "use a name like Europe/Oslo",
		"file=asset/allclear.js":                       "no preview of its own",
	} {
		if frame := w.get("/console/templates/preview?" + path); !strings.Contains(frame.body, says) {
			t.Errorf("%s: %d\n%s", path, frame.status, frame.body)
		}
	}
	poster := b.enter(b.hire("kari", notifier.RolePoster))
	poster.get(edit).is(http.StatusOK, "Admins may edit it", `method="get" action="/console/templates/preview"`)
	poster.get("/console/templates/preview?file=mail/post.html").is(http.StatusOK, "Subject:")
	form := url.Values{"form": {poster.token("/console/account")}, "file": {"mail/post.html"}, "text": {"x"}}
	poster.do(http.MethodPost, "/console/templates/preview", form).is(http.StatusForbidden, "needs the role admin")
}

func TestAnEditThatThisProgramCannotUseIsSaidSo(t *testing.T) {
	b := newBench(t, storetest.Dialects()[0])
	b.must(b.store.SaveTemplate(t.Context(), notifier.TemplateEdit{Name: "mail/post.html", Text: "\n{{.Gone}}"}, ""))
	w := b.enter(b.hire("ann", notifier.RoleAdmin))
	w.get("/console/templates").is(http.StatusOK, "edit not used")
	w.get(edit).is(http.StatusOK, "The edit cannot be used", "Line 2", "{{.Gone}}")
	w.get("/console/templates/preview?file=mail/post.html").is(http.StatusOK, "What we learned")
}

func TestTheCalendarOfDigestsShowsTheirDateAndUTC(t *testing.T) {
	b := newBench(t, storetest.Dialects()[0])
	w := b.enter(b.hire("ann", notifier.RoleSender))
	w.get("/console/digests").is(http.StatusOK, "Tue 1 Dec 2026, 00:30 CET", "30 Nov, 23:30", "Europe/Oslo", "3,975", "weekly", "2 runs within 7 days")
	w.get("/console/digests?days=1").is(http.StatusOK, "Nobody gets a digest within 1 day.")
	for _, bad := range []string{"0", "401", "x"} {
		w.get("/console/digests?days="+bad).is(http.StatusUnprocessableEntity, "not between 1 and 400")
	}
}
