package templates

import (
	"bytes"
	"fmt"
	"html/template"
	"strconv"
	"strings"
	"time"

	"github.com/microcosm-cc/bluemonday"
	"github.com/yuin/goldmark"
	"github.com/yuin/goldmark/ast"
	"github.com/yuin/goldmark/extension"
	"github.com/yuin/goldmark/parser"
	"github.com/yuin/goldmark/text"
	"github.com/yuin/goldmark/util"
	"golang.org/x/net/html"

	"allclear/notifier"
)

// markdown turns what staff write into html. Raw html is no html here: it shows
// as it was typed, so that "<name>" is not lost. Pictures become links, since
// neither mails nor pages load anything from elsewhere.
type markdown struct {
	engine goldmark.Markdown
	policy *bluemonday.Policy
}

// bodyTags is what may stand in a body; all else is taken away.
var bodyTags = []string{"p", "ul", "ol", "li", "blockquote", "pre", "code", "strong", "em", "del", "br", "hr", "h3", "h4"}

func newMarkdown() *markdown {
	policy := bluemonday.NewPolicy()
	policy.AllowElements(bodyTags...)
	policy.AllowAttrs("start").Matching(bluemonday.Integer).OnElements("ol")
	policy.AllowAttrs("href").OnElements("a")
	policy.AllowURLSchemes("http", "https", "mailto")
	policy.RequireParseableURLs(true)
	policy.RequireNoFollowOnLinks(true)
	engine := goldmark.New(
		goldmark.WithParser(parser.NewParser(
			parser.WithBlockParsers(without(parser.DefaultBlockParsers(), parser.NewHTMLBlockParser())...),
			parser.WithInlineParsers(without(parser.DefaultInlineParsers(), parser.NewRawHTMLParser())...),
			parser.WithParagraphTransformers(parser.DefaultParagraphTransformers()...),
			parser.WithASTTransformers(util.Prioritized(bodyShape{}, 100)),
		)),
		goldmark.WithExtensions(extension.Strikethrough, extension.Linkify),
	)
	return &markdown{engine: engine, policy: policy}
}

func without(all []util.PrioritizedValue, gone any) []util.PrioritizedValue {
	var out []util.PrioritizedValue
	for _, v := range all {
		if fmt.Sprintf("%T", v.Value) != fmt.Sprintf("%T", gone) {
			out = append(out, v)
		}
	}
	return out
}

// bodyShape fits a body into its place: headings below the update's own, pictures as links.
type bodyShape struct{}

func (bodyShape) Transform(doc *ast.Document, _ text.Reader, _ parser.Context) {
	var pictures []*ast.Image
	_ = ast.Walk(doc, func(n ast.Node, entering bool) (ast.WalkStatus, error) {
		switch n := n.(type) {
		case *ast.Heading:
			if entering {
				n.Level = map[bool]int{true: 3, false: 4}[n.Level <= 2]
			}
		case *ast.Image:
			if entering {
				pictures = append(pictures, n)
			}
		}
		return ast.WalkContinue, nil
	})
	for _, p := range pictures {
		link := ast.NewLink()
		link.Destination = p.Destination
		if p.ChildCount() == 0 {
			link.AppendChild(link, ast.NewString(p.Destination))
		}
		to, at := ast.Node(link), ast.Node(nil)
		if _, linked := p.Parent().(*ast.Link); linked {
			to, at = p.Parent(), p // a link of its own cannot stand in a link
		}
		for c := p.FirstChild(); c != nil; {
			next := c.NextSibling()
			to.InsertBefore(to, at, c)
			c = next
		}
		if at != nil {
			to.RemoveChild(to, p)
			continue
		}
		p.Parent().ReplaceChild(p.Parent(), p, link)
	}
}

// The times of a body are put in after its Markdown is read: a date such as
// "23. Nov." at the start of a line would begin a list.
const timeOpen, timeClose = "\ue000", "\ue001"

// html renders a body; print prints its {{at "..."}} instants. styles, where
// given, is written into the elements by tag (mails).
func (m *markdown) html(body string, print func(time.Time) string, styles map[string]string) (template.HTML, error) {
	return m.render(body, func(t time.Time) string {
		text := template.HTMLEscapeString(print(t))
		// Some mail programs know the marks and some the element.
		switch {
		case strings.HasPrefix(text, byItself):
			return "<bdi>" + text + "</bdi>"
		case strings.HasPrefix(text, fromRight):
			return `<bdi dir="rtl">` + text + "</bdi>"
		}
		return text
	}, styles)
}

// page renders a body for a page, with every instant as a <time>.
func (m *markdown) page(body string, print func(time.Time) string) (template.HTML, error) {
	return m.render(body, func(t time.Time) string { return string(stamp(t, time.Time{}, print(t))) }, nil)
}

// codeRuns lets what a computer reads run from left to right in every text.
var codeRuns = strings.NewReplacer("<code>", `<code dir="ltr">`, "<pre>", `<pre dir="ltr">`, "<code style", `<code dir="ltr" style`, "<pre style", `<pre dir="ltr" style`)

// render is given what print returns as html.
func (m *markdown) render(body string, print func(time.Time) string, styles map[string]string) (template.HTML, error) {
	body = strings.NewReplacer(timeOpen, "", timeClose, "").Replace(body)
	var times []string
	body = notifier.PrintTimes(body, func(t time.Time) string {
		times = append(times, print(t))
		return timeOpen + strconv.Itoa(len(times)-1) + timeClose
	})
	var out bytes.Buffer
	if err := m.engine.Convert([]byte(body), &out); err != nil {
		return "", fmt.Errorf("read Markdown: %w", err)
	}
	safe := m.policy.SanitizeBytes(out.Bytes())
	if styles != nil {
		safe = dress(safe, styles)
	}
	text := codeRuns.Replace(string(safe))
	for i, t := range times {
		text = strings.ReplaceAll(text, timeOpen+strconv.Itoa(i)+timeClose, t)
	}
	return template.HTML(strings.TrimSpace(text)), nil //nolint:gosec // sanitised above; the times are escaped
}

// dress writes a style into every element that styles names.
func dress(in []byte, styles map[string]string) []byte {
	var out bytes.Buffer
	z := html.NewTokenizer(bytes.NewReader(in))
	for {
		switch kind := z.Next(); kind {
		case html.ErrorToken:
			return out.Bytes()
		case html.StartTagToken, html.SelfClosingTagToken:
			t := z.Token()
			if s := styles[t.Data]; s != "" {
				t.Attr = append(t.Attr, html.Attribute{Key: "style", Val: s})
			}
			out.WriteString(t.String())
		default:
			out.Write(z.Raw())
		}
	}
}
