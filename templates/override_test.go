package templates

import (
	"io/fs"
	"regexp"
	"strings"
	"testing"
	"testing/fstest"
)

func withFiles(files map[string]string) error {
	_, err := New(overriding(files))
	return err
}

func overriding(files map[string]string) Options {
	m := fstest.MapFS{}
	for name, text := range files {
		m[name] = &fstest.MapFile{Data: []byte(text)}
	}
	return Options{Brand: Brand{Name: "Example Status"}, BaseURL: "https://status.example.com", Now: sampleNow, Overrides: m}
}

func TestABadOverrideStopsTheStartWithFileAndLine(t *testing.T) {
	for _, c := range []struct{ name, file, text, want string }{
		{"unclosed action", "mail/incident-opened.html", "<p>a</p>\n<p>{{.Title</p>", "templates: mail/incident-opened.html:2: "},
		{"unknown function", "mail/post.html", "\n\n{{shout .Title}}", `templates: mail/post.html:3: function "shout" not defined`},
		{"unknown field", "mail/post.html", "<p\n class=\"lead\">\n{{.Nope}}</p>", "templates: mail/post.html:3:2: "},
		{"unknown partial", "mail/post.html", "<p>x</p>\n{{template \"none\" .}}", "templates: mail/post.html:2:"},
		{"unknown message", "mail/post.html", "\n{{.T \"no.such\"}}", "templates: mail/post.html:2:"},
		{"a value that is missing", "mail/post.html", "{{.T \"lasted\"}}", "wants {duration}"},
		{"unbalanced html for the escaper", "mail/post.html", "<p>\n<a href=\"{{.URL}}>x</a>", "templates: mail/post.html:"},
		{"action loose in a tag", "mail/post.html", "<p>x</p>\n<p {{.Tone}}>x</p>", "templates: mail/post.html:2: an action inside a tag must stand in a quoted attribute"},
		{"a lost element", "mail/post.html", "<p>x</p>\n<tr><td>x</td></tr>", "templates: mail/post.html:2: <t"},
		{"layout", "mail/layout.html", "<html>\n{{.Nope}}</html>", "templates: mail/layout.html:2:2: "},
		{"partial", "mail/partials/facts.html", "{{.Nope}}", "templates: mail/partials/facts.html:1:2: "},
		{"page", "page/home.html", "\n{{.Nope}}", "templates: page/home.html:2:2: "},
		{"page partial", "page/partials/article.html", "\n\n{{.Nope}}", "templates: page/partials/article.html:3:2: "},
		{"style without a tone", "mail/style.css", "p { margin: 0 }", "templates: mail/style.css: class ok needs a color"},
		{"language file with a bad line", "lang/de.json", "{\n\"leave\": \"x\"\n\"why\": \"y\"}", "templates: lang/de.json:3: "},
		{"language file that is no text", "lang/de.json", "{\n\"leave\": 3}", `templates: lang/de.json:2: the message "leave" is no text: write it in quotes`},
		{"language file that is no object", "lang/de.json", "[\n\"leave\"]", "templates: lang/de.json:"},
		{"unknown message in a language file", "lang/de.json", "{\"leeve\": \"x\"}", `templates: lang/de.json: there is no message "leeve"`},
		{"a place that is not filled", "lang/en.json", "{\"leave\": \"Stop {what}\"}", "wants {what}"},
		{"unknown file", "mail/incident-openned.html", "x", "templates: mail/incident-openned.html overrides nothing"},
		{"an empty file", "mail/post.html", "", "templates: mail/post.html is empty: delete it or fill it"},
		{"only white space", "mail/partials/footer.html", " \n\t\n", "templates: mail/partials/footer.html is empty"},
		{"an empty page", "page/home.html", "\n", "templates: page/home.html is empty"},
		{"an empty style sheet", "asset/allclear.css", "", "templates: asset/allclear.css is empty"},
		{"an empty language", "lang/de.json", "", "templates: lang/de.json is empty"},
		{"a footer without the link", "mail/partials/footer.html", "<p>bye</p>", "templates: mail/partials/footer.html: the mail has no link to leave"},
		{"a layout without the footer", "mail/layout.html", "<html><body>{{template \"content\" .}}</body></html>", "templates: mail/layout.html: the mail has no link to leave"},
		{"a link that the text loses", "mail/partials/footer.html", "{{if .Leave}}<a class=\"bare\" href=\"{{.Leave}}\">bye</a>{{end}}", "templates: mail/partials/footer.html: the mail has no link to leave"},
		{"a confirmation without its link", "mail/confirm.html", "<p>hello</p>", "templates: mail/confirm.html: the mail has no link to confirm"},
		{"a table of a notice", "mail/partials/rows.html", "<table>\n<tbody><tr><td>{{.Nope}}</td></tr></tbody></table>", "templates: mail/partials/rows.html:2:"},
		{"a notice without what it says", "mail/notice.html", "<h1>{{.Title}}</h1>", "templates: mail/notice.html: a notice has no place for what it says"},
		{"a notice without its rows", "mail/notice.html", "{{.Notice.Lead}}{{range .Notice.Parts}}<div>{{.Body}}</div>{{end}}", "templates: mail/notice.html: a notice has no place for the recipient's rows"},
		{"a footer that does not say why", "mail/partials/footer.html", "{{if .Leave}}<a class=\"leave\" href=\"{{.Leave}}\">bye</a>{{end}}", "templates: mail/partials/footer.html: a notice has no place for why it comes"},
		{"unknown language", "lang/xx.json", "{}", "templates: lang/xx.json overrides nothing"},
	} {
		err := withFiles(map[string]string{c.file: c.text})
		if err == nil {
			t.Errorf("%s: no error", c.name)
			continue
		}
		if !strings.Contains(err.Error(), c.want) || !strings.HasPrefix(err.Error(), "templates: ") {
			t.Errorf("%s: %v\nwant %s", c.name, err, c.want)
		}
	}
}

func TestFilesAreOverriddenOneByOne(t *testing.T) {
	s, err := New(overriding(map[string]string{
		"mail/incident-opened.html": "<h1 class=\"title\">{{.Title}}</h1>\n<p>Ours: {{.State}}</p>",
		"lang/en.json":              `{"leave": "No more of this"}`,
		".git/config":               "not ours",
		"mail/.hidden":              "not ours either",
	}))
	if err != nil {
		t.Fatal(err)
	}
	l, err := s.RenderSample("incident-opened", "en", "UTC")
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(l.Text, "Ours: Investigating") || !strings.Contains(l.Text, "No more of this:") || !strings.Contains(l.Text, "because this address follows") {
		t.Errorf("the override is not used, or more than it:\n%s", l.Text)
	}
	if !strings.Contains(l.HTML, `<p style="margin:0 0 8px">Ours`) {
		t.Error("an override's elements have no styles")
	}
	var changed []string
	for _, f := range s.Files() {
		if f.Overridden {
			changed = append(changed, f.Name)
		}
	}
	if got := strings.Join(changed, " "); got != "lang/en.json mail/incident-opened.html" {
		t.Errorf("overridden: %s", got)
	}
	used, err := s.Source("mail/incident-opened.html")
	if err != nil || !strings.Contains(used, "Ours") {
		t.Errorf("source in use: %q, %v", used, err)
	}
	came, err := s.Embedded("mail/incident-opened.html")
	if err != nil || strings.Contains(came, "Ours") || !strings.Contains(came, "{{template") {
		t.Errorf("source as it came: %q, %v", came, err)
	}
	if _, err := s.Source("mail/none.html"); err == nil {
		t.Error("a file that does not exist has a source")
	}
}

func TestAStyleSheetCanBeOverridden(t *testing.T) {
	css, err := newSet(t).Source("mail/style.css")
	if err != nil {
		t.Fatal(err)
	}
	s, err := New(overriding(map[string]string{"mail/style.css": strings.Replace(css, "#14713d", "#006600", 1)}))
	if err != nil {
		t.Fatal(err)
	}
	l, err := s.RenderSample("incident-resolved", "", "")
	if err != nil || !strings.Contains(l.HTML, "color:#006600") || strings.Contains(l.HTML, "#14713d") {
		t.Errorf("the new colour is not used (%v)", err)
	}
}

func TestWhatASetNeedsIsAskedFor(t *testing.T) {
	good := overriding(nil)
	for name, c := range map[string]struct {
		change func(*Options)
		want   string
	}{
		"no name":       {func(o *Options) { o.Brand.Name = " " }, "no name"},
		"no base":       {func(o *Options) { o.BaseURL = "" }, "base URL"},
		"relative base": {func(o *Options) { o.BaseURL = "/status" }, "base URL"},
		"odd scheme":    {func(o *Options) { o.BaseURL = "javascript://x/" }, "base URL"},
		"bad colour":    {func(o *Options) { o.Brand.Color = "teal" }, `brand colour "teal"`},
		"no clock":      {func(o *Options) { o.Now = nil }, "clock"},
	} {
		o := good
		c.change(&o)
		if _, err := New(o); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestABrandsColourIsMadeReadableOnBothGrounds(t *testing.T) {
	for _, colour := range []string{"#ffff00", "#000000", "#ffffff", "#ff0000", "#3366cc", "#0b5d57", "#7f7f7f"} {
		a, err := newAccent(colour)
		if err != nil {
			t.Fatal(err)
		}
		for _, pair := range [][2]string{{a.light, surfaceLight}, {a.dark, surfaceDark}, {a.lightInk, a.light}, {a.darkInk, a.dark}} {
			if c := contrast(pair[0], pair[1]); c < enoughContrast {
				t.Errorf("%s: %s on %s has a contrast of %.2f", colour, pair[0], pair[1], c)
			}
		}
	}
	s := newSet(t, func(o *Options) { o.Brand.Color = "#3366cc" })
	l, err := s.RenderSample("incident-opened", "", "")
	if err != nil || !strings.Contains(l.HTML, "background-color:#3366cc") || strings.Contains(l.HTML, "$accent") {
		t.Errorf("the mail does not wear the brand's colour (%v)", err)
	}
	if css := string(s.Pages().Style().Body); !strings.Contains(css, "--accent:#3366cc") {
		t.Error("the pages do not wear the brand's colour")
	}
}

func TestTheNaturalWayToBeginAnOverrideWorks(t *testing.T) {
	name := "mail/post.html"
	came, err := newSet(t).Embedded(name)
	if err != nil {
		t.Fatal(err)
	}
	folder := fstest.MapFS{name: {}} // as the shell leaves it for us: show FILE > FOLDER/FILE
	for about, c := range map[string]struct {
		over fs.FS
		want string
	}{
		"no folder":     {nil, came},
		"no override":   {fstest.MapFS{}, came},
		"made empty":    {folder, came},
		"white space":   {fstest.MapFS{name: {Data: []byte(" \n")}}, came},
		"one's own":     {fstest.MapFS{name: {Data: []byte("ours")}}, "ours"},
		"a broken one":  {fstest.MapFS{name: {Data: []byte("{{.Nope")}}, "{{.Nope"},
		"another empty": {fstest.MapFS{"mail/test.html": {}}, came},
	} {
		if got, err := Source(c.over, name); err != nil || got != c.want {
			t.Errorf("%s: %q, %v", about, got, err)
		}
	}
	for _, none := range []string{"mail/none.html", "../mail/post.html", "", "mail"} {
		if got, err := Source(folder, none); err == nil {
			t.Errorf("%q shows %q", none, got)
		}
	}
	folder[name].Data = []byte(came)
	if _, err := New(Options{Brand: Brand{Name: "x"}, BaseURL: "https://s.example", Now: sampleNow, Overrides: folder}); err != nil {
		t.Error(err)
	}
}

func TestAnOverrideOfALanguageMayChangeNothing(t *testing.T) {
	if err := withFiles(map[string]string{"lang/de.json": "{}"}); err != nil {
		t.Error(err)
	}
}

func TestWhatIsEmbeddedNeedsNoTrialAtTheStart(t *testing.T) {
	o := plainOptions()
	o.Brand.Color, o.Brand.Logo, o.Zone, o.Language = "#206040", "https://example.com/logo.png", mustZone(t, "Asia/Kathmandu"), "ar"
	set, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	colour, err := newAccent(o.Brand.Color)
	if err != nil {
		t.Fatal(err)
	}
	if err := set.try(colour); err != nil {
		t.Error(err)
	}
}

func TestAnOverrideMayChangeAFormThatEnglishHasNot(t *testing.T) {
	s := newSet(t, func(o *Options) {
		o.Overrides = fstest.MapFS{"lang/ar.json": {Data: []byte(`{"page.home.followers.two": "اثنان هنا"}`)}}
	})
	if got := s.languages.find("ar").count("page.home.followers", 2); got != "اثنان هنا" {
		t.Errorf("%q", got)
	}
}

func TestWhatNoticesAreWrittenByIsCalledOtherwiseOnceAFileOfTheirsIsAnother(t *testing.T) {
	called := func(o Options) string {
		t.Helper()
		s, err := New(o)
		if err != nil {
			t.Fatal(err)
		}
		name, err := s.NoticeTexts()
		if err != nil {
			t.Fatal(err)
		}
		return name.String()
	}
	text := func(name string) string {
		b, err := fs.ReadFile(embedded, name)
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	was := called(overriding(nil))
	for name, theirs := range map[string]bool{
		"mail/layout.html": true, "mail/notice.html": true, "mail/style.css": true, "mail/dark.css": true, "mail/notice.css": true,
		"mail/partials/rows.html": true, "lang/de.json": true, "lang/ja.json": false, "mail/post.html": false, "page/home.html": false,
	} {
		changed := text(name) + "\n"
		switch name {
		case "lang/de.json":
			changed = regexp.MustCompile(`"notice\.[a-z.-]+": "`).ReplaceAllString(changed, "${0}x")
		case "lang/ja.json": // words of pages and feeds only
			changed = regexp.MustCompile(`"(page|feed)\.[a-z.-]+": "`).ReplaceAllString(changed, "${0}x")
		}
		other := overriding(map[string]string{name: changed})
		if is := called(other); is == was == theirs || strings.Contains(is, name+"=+") != theirs {
			t.Errorf("%s: %s, before it %s", name, is, was)
		}
		other.Edits, other.Overrides = map[string]string{name: changed}, nil // which are kept, and counted, by the database
		if is := called(other); is != was {
			t.Errorf("an edit of %s: %s, before it %s", name, is, was)
		}
	}
}
