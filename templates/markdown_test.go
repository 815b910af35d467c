package templates

import (
	"strings"
	"testing"
	"time"

	"golang.org/x/net/html"

	"allclear/notifier"
)

func body(t testing.TB, s *Set, source string) string {
	t.Helper()
	out, err := s.markdown.html(source, func(at time.Time) string { return s.Times("de", "Europe/Oslo").Full(at) }, nil)
	if err != nil {
		t.Fatal(err)
	}
	return string(out)
}

func TestABodyIsMarkdownAndNothingElse(t *testing.T) {
	s := newSet(t)
	for _, c := range []struct{ name, in, want string }{
		{"emphasis", "*a* **b** ~~c~~ `d`", "<p><em>a</em> <strong>b</strong> <del>c</del> <code dir=\"ltr\">d</code></p>"},
		{"raw html is shown as typed", "write to <yourname>@example.com <b>now</b>", "<p>write to &lt;yourname&gt;@example.com &lt;b&gt;now&lt;/b&gt;</p>"},
		{"a script is text", "<script>alert(1)</script>", "<p>&lt;script&gt;alert(1)&lt;/script&gt;</p>"},
		{"template actions are text", "{{.}} {{template \"x\"}}", "<p>{{.}} {{template &#34;x&#34;}}</p>"},
		{"a link", "[a](https://example.com/)", `<p><a href="https://example.com/" rel="nofollow">a</a></p>`},
		{"a bare address", "see https://example.com/x.", `<p>see <a href="https://example.com/x" rel="nofollow">https://example.com/x</a>.</p>`},
		{"mailto", "[a](mailto:a@example.com)", `<p><a href="mailto:a@example.com" rel="nofollow">a</a></p>`},
		{"javascript is no link", "[a](javascript:alert(1))", "<p>a</p>"},
		{"data is no link", "[a](data:text/html,x)", "<p>a</p>"},
		{"ftp is no link", "[a](ftp://example.com/)", "<p>a</p>"},
		{"a picture is a link", "![the graph](https://example.com/g.png)", `<p><a href="https://example.com/g.png" rel="nofollow">the graph</a></p>`},
		{"a picture without words", "![](https://example.com/g.png)", `<p><a href="https://example.com/g.png" rel="nofollow">https://example.com/g.png</a></p>`},
		{"a picture in a link", "[![g](https://example.com/g.png)](https://example.com/)", `<p><a href="https://example.com/" rel="nofollow">g</a></p>`},
		{"headings stay below the update's", "# A\n\n### B", "<h3>A</h3>\n<h4>B</h4>"},
		{"nothing", "", ""},
	} {
		if got := body(t, s, c.in); got != c.want {
			t.Errorf("%s: %s\nwant %s", c.name, got, c.want)
		}
	}
}

func TestATimeInABodyIsPrintedForTheReader(t *testing.T) {
	s := newSet(t)
	// At the start of a line "23. Nov." would begin a list.
	got := body(t, s, "{{at \"2026-11-23T16:11:00Z\"}} war es so weit, `{{at \"2026-11-23T16:12:00Z\"}}` auch.")
	want := "<p>Mo., 23. Nov. 2026, 16:11 UTC (17:11 CET) war es so weit, <code dir=\"ltr\">Mo., 23. Nov. 2026, 16:12 UTC (17:12 CET)</code> auch.</p>"
	if got != want {
		t.Errorf("%s\nwant %s", got, want)
	}
	if got := body(t, s, "\ue0000\ue001 and {{at \"2026-11-23T16:11:00Z\"}}"); strings.Count(got, "16:11") != 1 {
		t.Errorf("a forged mark was filled: %s", got)
	}
}

func TestStylesAreWrittenIntoABodysElements(t *testing.T) {
	s := newSet(t)
	out, err := s.markdown.html("a [b](https://x.example/?a=1&b=2) \"c\"\n\n> d", nil, s.styles)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{`<p style="margin:0 0 8px">`, `href="https://x.example/?a=1&amp;b=2"`, `style="color:#0b5d57"`, `<blockquote style=`} {
		if !strings.Contains(string(out), want) {
			t.Errorf("%s\nlacks %s", out, want)
		}
	}
}

func FuzzBodiesHoldOnlyWhatIsAllowed(f *testing.F) {
	for _, h := range hostile() {
		f.Add(h)
	}
	f.Add("1. a\n2. b\n\n   c\n> # d\n```\ne\n```\n![f](https://g.example)<https://h.example>")
	s := newSet(f)
	allowed := map[string]bool{"a": true}
	for _, tag := range bodyTags {
		allowed[tag] = true
	}
	f.Fuzz(func(t *testing.T, in string) {
		out, err := s.markdown.html(in, func(time.Time) string { return "<now>" }, s.styles)
		if err != nil {
			t.Fatal(err)
		}
		z := html.NewTokenizer(strings.NewReader(string(out)))
		for {
			kind := z.Next()
			if kind == html.ErrorToken {
				break
			}
			if kind != html.StartTagToken && kind != html.SelfClosingTagToken {
				continue
			}
			tag := z.Token()
			if !allowed[tag.Data] {
				t.Fatalf("%q became <%s>", in, tag.Data)
			}
			for _, a := range tag.Attr {
				scheme, _, _ := strings.Cut(a.Val, ":")
				switch {
				case a.Key == "href" && tag.Data == "a" && (scheme == "http" || scheme == "https" || scheme == "mailto"):
				case a.Key == "rel" && a.Val == "nofollow", a.Key == "style" && a.Val == s.styles[tag.Data], a.Key == "start" && tag.Data == "ol",
					a.Key == "dir" && a.Val == "ltr" && (tag.Data == "code" || tag.Data == "pre"):
				default:
					t.Fatalf("%q became %s", in, tag.String())
				}
			}
		}
		if _, err := plainText(string(out)); err != nil {
			t.Fatal(err)
		}
	})
}

// hostile is what should not be taken for anything but text.
func hostile() []string {
	return []string{
		`<script>alert(1)</script>`, `"><img src=x onerror=alert(1)>`, `<svg/onload=alert(1)>`, `'-alert(1)-'`,
		`[x](javascript:alert(1))`, `[x](JaVaScRiPt:alert(1))`, "[x](java\tscript:alert(1))", `[x](data:text/html;base64,PHNjcmlwdD4=)`,
		`{{.}}`, `{{template "layout" .}}`, `{{define "x"}}`, `${7*7}`, `<%= 7*7 %>`, `#{7*7}`, `%s%n%x`,
		"abc\u202egnp.exe", "\u2066isolated\u2069", "שלום, העולם", "مرحبا", strings.Repeat("W", 200), strings.Repeat("🔥", 200), "👩‍👩‍👧‍👦 ok",
		`</title><script>`, `</style><script>`, `--><script>`, `<!--held0-->`, `held0dleh`, "\ue0000\ue001", `&lt;b&gt;&amp;amp;`, "a\\b`c",
		`<a href="https://evil.example" style="x">`, `<https://evil.example/"onmouseover=alert(1)>`, `![x](https://evil.example/?{{.}})`,
	}
}

func TestHostileTextChangesNoTagAndNoAttributeOfAMail(t *testing.T) {
	s := newSet(t)
	render := func(v view, text string) *notifier.Letter {
		story := sampleStory(v)
		story.Incident.Title = text
		names := map[string]string{}
		for k := range story.Components {
			names[k] = text
		}
		story.Components = names
		l, err := s.letter(story, circumstances{view: v, since: 7, told: 6, times: s.Times("en", "UTC")}, "x")
		if err != nil {
			t.Fatal(err)
		}
		return l
	}
	for _, v := range views() {
		want := shape(t, render(v, "imap7 does not answer").HTML)
		for _, h := range hostile() {
			l := render(v, h)
			if got := shape(t, l.HTML); got != want {
				t.Errorf("%s with %q: the tags are others:\n%s", v.name, h, firstDifference(want, got))
			}
			if strings.ContainsAny(l.Subject, "\r\n") {
				t.Errorf("%s with %q: a line break in the subject", v.name, h)
			}
			if v.name == "incident-opened" && !strings.Contains(l.Subject, oneLine(h)) {
				t.Errorf("the subject %q does not show %q as it is", l.Subject, h)
			}
		}
	}
}

// shape is every tag of a document with its attributes' names, and the values of
// those that no text may reach.
func shape(t *testing.T, document string) string {
	t.Helper()
	var out strings.Builder
	z := html.NewTokenizer(strings.NewReader(document))
	for {
		switch z.Next() {
		case html.ErrorToken:
			return out.String()
		case html.StartTagToken, html.SelfClosingTagToken, html.EndTagToken, html.CommentToken:
			tok := z.Token()
			out.WriteString(tok.Type.String() + " " + tok.Data)
			for _, a := range tok.Attr {
				out.WriteString(" " + a.Key)
				if a.Key != "aria-label" && !(a.Key == "href" && strings.Contains(a.Val, "/unsubscribe/")) {
					out.WriteString("=" + a.Val)
				}
			}
			out.WriteString("\n")
		}
	}
}

func TestATemplateActionInATitleOrBodyAppearsAsItWasTyped(t *testing.T) {
	s := newSet(t)
	tale := story("incident-opened")
	tale.Incident.Title = `{{.Brand}} {{at "now"}}`
	tale.Incident.Updates[0].Body = `Type {{.Title}} and <b>`
	v := viewNamed("incident-opened")
	l, err := s.letter(tale, circumstances{view: v, since: 7, times: s.Times("", "")}, "x")
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(l.Text, tale.Incident.Title) || !strings.Contains(l.Text, tale.Incident.Updates[0].Body) || !strings.Contains(l.Subject, tale.Incident.Title) {
		t.Errorf("subject %q, text\n%s", l.Subject, l.Text)
	}
}
