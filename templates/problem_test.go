package templates

import (
	"strings"
	"testing"
	"testing/fstest"
)

// checked is what Check says of a folder and of edits.
func checked(t *testing.T, folder, edits map[string]string) (*Set, []string) {
	t.Helper()
	o := overriding(folder)
	o.Edits = edits
	set, problems, err := Check(o)
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, p := range problems {
		out = append(out, p.String())
	}
	return set, out
}

func TestEveryFileThatIsWrongIsNamedAtOnceWithItsLine(t *testing.T) {
	set, got := checked(t, map[string]string{
		"mail/incident-opened.html":  "<p>a</p>\n<p>{{.Title</p>",
		"mail/post.html":             "<p>fine: {{.Title}}</p>",
		"mail/test.html":             "\n\n{{.Nope}}",
		"mail/incident-openned.html": "x",
		"post.html":                  "x",
		"lang/de.json":               "{\n\"leave\": \"x\"\n\"why\": \"y\"}",
		"mail/style.css":             "p { margin: 0 }",
		"page/home.html":             "\n",
		"notes/read.me":              "ours",
	}, nil)
	want := []string{
		"lang/de.json:3: ", "mail/incident-opened.html:2: ", "mail/incident-openned.html: overrides nothing: no embedded file has this name; did you mean mail/incident-opened.html?",
		"mail/style.css: class ok needs a color", "mail/test.html:3: ", "notes/read.me: overrides nothing: no embedded file has this name", "page/home.html: is empty", "post.html: overrides nothing: no embedded file has this name; did you mean mail/post.html?",
	}
	if len(got) != len(want) {
		t.Fatalf("%d problems:\n%s", len(got), strings.Join(got, "\n"))
	}
	for i := range want {
		if !strings.HasPrefix(got[i], want[i]) {
			t.Errorf("%s\nwant %s", got[i], want[i])
		}
	}
	if l, err := set.RenderSample("post", "", ""); err != nil || !strings.Contains(l.Text, "fine:") {
		t.Errorf("what is right of them is not used: %v", err)
	}
	if set.Files() == nil || set.files.overridden("mail/test.html") {
		t.Error("what is wrong is used")
	}
}

func TestTwoFilesThatDoNotGoTogetherAreBlamedOnOneOfThem(t *testing.T) {
	_, got := checked(t, map[string]string{"mail/partials/facts.html": `{{define "another"}}x{{end}}`}, map[string]string{"mail/layout.html": "<html><head></head><body>{{template \"content\" .}}</body></html>"})
	if len(got) != 1 || got[0] != "mail/layout.html: the mail has no link to leave" {
		t.Errorf("%q", got)
	}
	if _, got = checked(t, nil, nil); got != nil {
		t.Errorf("nothing is changed, and %q", got)
	}
}

func TestAnEditTakesThePlaceOfTheFoldersFile(t *testing.T) {
	folder := map[string]string{"mail/post.html": "<p>folder: {{.Title}}</p>", "mail/test.html": "<p>folder</p>"}
	set, got := checked(t, folder, map[string]string{"mail/post.html": "<p>edited: {{.Title}}</p>", "asset/allclear.js": "alert(1)", "mail/nosuch.html": "x", "lang/fr.json": " "})
	if len(got) != 3 || !strings.HasPrefix(got[0], "asset/allclear.js: is what pages load") || got[1] != "lang/fr.json: is empty" || !strings.HasPrefix(got[2], "mail/nosuch.html: overrides nothing") {
		t.Errorf("%q", got)
	}
	if l, err := set.RenderSample("post", "", ""); err != nil || !strings.Contains(l.Text, "edited:") {
		t.Errorf("%v", err)
	}
	if _, got := checked(t, nil, map[string]string{"lang/de.json": "{\n\"leave\": 3}", "mail/post.html": "{{range 100000000}}more and more and more{{end}}"}); len(got) != 2 || !strings.HasPrefix(got[0], "lang/de.json:2: ") || !strings.HasPrefix(got[1], "mail/post.html:1: a loop over a number") {
		t.Errorf("%q", got)
	}
	from := map[string]Origin{}
	for _, f := range set.Files() {
		from[f.Name] = f.From
	}
	if from["mail/post.html"] != FromEdit || from["mail/test.html"] != FromFolder || from["mail/confirm.html"] != FromEmbedded {
		t.Errorf("%v", from)
	}
	if under, err := set.Under("mail/post.html"); err != nil || !strings.HasPrefix(under, "<p>folder") {
		t.Errorf("under the edit: %q, %v", under, err)
	}
	if _, err := New(Options{Brand: Brand{Name: "x"}, BaseURL: "https://s.example", Now: sampleNow, Edits: map[string]string{"asset/allclear.css": "x"}}); err == nil {
		t.Error("what pages load was edited")
	}
}

func TestWhatIsWrongWithNoFileIsAnError(t *testing.T) {
	o := overriding(map[string]string{"mail/post.html": "{{.Nope}}"})
	o.Brand.Color = "teal"
	if _, _, err := Check(o); err == nil {
		t.Error("a wrong colour was blamed on a file")
	}
	o = overriding(nil)
	o.Overrides = fstest.MapFS{"mail": {Data: []byte("no folder")}}
	if _, problems, err := Check(o); err != nil || len(problems) != 1 || problems[0].File != "mail" {
		t.Errorf("%v, %v", problems, err)
	}
}
