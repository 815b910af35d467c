package templates

import (
	"html/template"
	"strings"
	"testing"
)

const inlineRules = ".lead { color: #112233; margin: 0 } td { padding: 4px } a { color: #445566 } .title { font-weight: 600 }"

func TestStylesAreWrittenIntoATemplateWithoutTouchingItsActions(t *testing.T) {
	for _, c := range []struct{ name, in, want string }{
		{"a class", `<p class="lead">x</p>`, `<p class="lead" style="color:#112233;margin:0">x</p>`},
		{"actions in text", `<p class="lead">{{if gt .N 1}}"a" & {{.T "k" "n" "<b>"}}{{end}}</p>`,
			`<p class="lead" style="color:#112233;margin:0">{{if gt .N 1}}&#34;a&#34; &amp; {{.T "k" "n" "<b>"}}{{end}}</p>`},
		{"actions in attributes", `<a href="{{.URL}}?a={{.A}}">x</a>`, `<a href="{{.URL}}?a={{.A}}" style="color:#445566">x</a>`},
		{"a style of its own", `<p class="lead" style="color: {{.C}}">x</p>`, `<p class="lead" style="margin:0;color:{{.C}}">x</p>`},
		{"loops between cells", `<table><tr>{{range .L}}<td>{{.}}</td>{{end}}</tr></table>`,
			`<table><tbody><tr>{{range .L}}<td style="padding:4px">{{.}}</td>{{end}}</tr></tbody></table>`},
		{"loops between rows", `<table><tbody>{{range .L}}<tr><td>x</td></tr>{{end}}</tbody></table>`,
			`<table><tbody>{{range .L}}<tr><td style="padding:4px">x</td></tr>{{end}}</tbody></table>`},
		{"braces in a string", "{{\"}}\"}}{{`}}`}}{{/* }} */}}<p>x</p>", "{{\"}}\"}}{{`}}`}}{{/* }} */}}<p>x</p>"},
		{"trimmed actions", `a {{- .B -}} c`, `a {{- .B -}} c`},
		{"an apostrophe in a comment", `<!-- don't --><p>x</p>`, `<!-- don't --><p>x</p>`},
		{"a less-than sign in text", `<p>1 < 2 {{.A}}</p>`, `<p>1 &lt; 2 {{.A}}</p>`},
	} {
		got, err := inline("mail/x.html", c.in, inlineRules)
		if err != nil || got != c.want {
			t.Errorf("%s:\n%s\nwant\n%s (%v)", c.name, got, c.want, err)
		}
	}
}

func TestADocumentKeepsItsHeadAndTheSheetOfDarkMode(t *testing.T) {
	got, err := inline("mail/layout.html", `<!doctype html><html lang="{{.Lang}}"><head><title>{{.Subject}}</title><style data-premailer="ignore">{{.Dark}}</style></head><body><p class="title">x</p></body></html>`, inlineRules)
	if err != nil {
		t.Fatal(err)
	}
	contains(t, got, "<!DOCTYPE html>", `<html lang="{{.Lang}}">`, "<title>{{.Subject}}</title>", "<style>{{.Dark}}</style>", `style="font-weight:600"`)
	if strings.Count(got, "<style") != 1 {
		t.Errorf("the inlined sheet is still there: %s", got)
	}
}

func TestWhatCannotBeStyledIsNamedWithItsLine(t *testing.T) {
	for _, c := range []struct{ in, want string }{
		{"<p>\n<a href=\"x>y</a>", "x.html:2: the tag that begins here does not end"},
		{"\n\n<p {{.A}}>x</p>", "x.html:3: an action inside a tag"},
		{"x\n<td>y</td>", "x.html:2: <td> cannot stand there"},
	} {
		if _, err := inline("x.html", c.in, inlineRules); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%q: %v, want %s", c.in, err, c.want)
		}
	}
}

func FuzzHeldActionsComeBackAsTheyWere(f *testing.F) {
	for _, name := range []string{"mail/layout.html", "mail/partials/facts.html", "mail/partials/updates.html", "page/home.html"} {
		b, err := embedded.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(string(b))
	}
	f.Add("{{\"}}\"}} <a b='{{`x`}}'> {{/* */}} {{")
	f.Fuzz(func(t *testing.T, src string) {
		if strings.Contains(src, "held") {
			t.Skip("holds a mark already")
		}
		held, actions, err := hold("x", src, false)
		if err != nil {
			return
		}
		if got := release(held, actions); got != src && !strings.Contains(src, "<!--") {
			t.Fatalf("%q came back as %q", src, got)
		}
		// What is a template stays one.
		if _, err := template.New("x").Parse(src); err == nil {
			if _, err := template.New("x").Parse(release(held, actions)); err != nil {
				t.Fatalf("%q: %v", src, err)
			}
		}
	})
}
