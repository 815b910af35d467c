package templates

import (
	"html/template"
	"regexp"
	"strconv"
	"strings"

	"golang.org/x/net/html"
	"golang.org/x/net/html/atom"
)

// dialect is how a chat program writes text.
type dialect struct {
	escape               func(string) string // of words within a line
	start                func(string) string // of a paragraph whose first signs would mean something; nil for none
	bold, italic, strike string              // on both sides; "" where there is no such thing
	code                 func(string) string
	fenced               func(string) string
	link                 func(label, address string) string // the label is escaped
	bullet               string
	quote                string // before every line
	newline              string // within a paragraph
}

// text is a body in the dialect, in at most so many characters, and whether its
// end is left out. Blocks are left whole as far as they have room; of the one
// that is cut the words stand plain, so that no sign is left without its other
// half.
func (d dialect) text(body template.HTML, most int) (string, bool) {
	blocks := d.blocks(body)
	out := strings.Join(blocks, "\n\n")
	if units(out) <= most {
		return out, false
	}
	const between = "\n\n"
	words, kept := bare().blocks(body), []string(nil)
	for i, b := range blocks {
		if n := units(b) + len(between); n <= most {
			kept, most = append(kept, b), most-n
			continue
		}
		if i < len(words) && (i == 0 || most > leastRest) {
			kept = append(kept, fit(words[i], most, d.plain))
		}
		break
	}
	return strings.Join(kept, between), true
}

// leastRest is how much of a block that is cut is worth showing, in characters.
const leastRest = 80

// bare is the dialect of who knows no signs: its blocks are those of any other, in words.
func bare() dialect {
	same := func(s string) string { return s }
	return dialect{escape: same, bullet: "- ", newline: "\n", code: same, fenced: same, link: func(label, address string) string {
		if label == "" {
			return strings.TrimPrefix(address, "mailto:")
		}
		return label
	}}
}

// plain writes text as it is, line for line.
func (d dialect) plain(text string) string {
	lines := strings.Split(text, "\n")
	for i, l := range lines {
		lines[i] = d.begin(d.escape(l))
	}
	return strings.Join(lines, "\n")
}

func (d dialect) begin(s string) string {
	if d.start == nil {
		return s
	}
	return d.start(s)
}

// blocks are the paragraphs, lists and so on of a body.
func (d dialect) blocks(body template.HTML) []string {
	root, err := html.Parse(strings.NewReader(string(body)))
	if err != nil { // a string never fails to be read
		return nil
	}
	return d.below(root)
}

// below are the blocks in n; words that stand outside of any are one of their own.
func (d dialect) below(n *html.Node) []string {
	var out []string
	var words strings.Builder
	flush := func() {
		if s := trimLines(words.String()); s != "" {
			out = append(out, d.begin(s))
		}
		words.Reset()
	}
	for c := n.FirstChild; c != nil; c = c.NextSibling {
		if !isBlock(c) {
			words.WriteString(d.inline(c))
			continue
		}
		flush()
		out = append(out, d.block(c)...)
	}
	flush()
	return out
}

func isBlock(n *html.Node) bool {
	switch n.DataAtom {
	case atom.Html, atom.Head, atom.Body, atom.P, atom.Div, atom.Ul, atom.Ol, atom.Li, atom.Blockquote, atom.Pre, atom.H3, atom.H4, atom.Hr:
		return n.Type == html.ElementNode
	}
	return false
}

func (d dialect) block(n *html.Node) []string {
	switch n.DataAtom {
	case atom.Hr:
		return []string{"———"}
	case atom.H3, atom.H4:
		if s := trimLines(d.inlines(n)); s != "" {
			return []string{d.around(s, d.bold)}
		}
		return nil
	case atom.Pre:
		return []string{d.fenced(strings.Trim(textOf(n), "\n"))}
	case atom.Blockquote:
		return []string{prefixed(strings.Join(d.below(n), "\n\n"), d.quote, d.quote)}
	case atom.Ul, atom.Ol:
		return []string{d.list(n)}
	}
	return d.below(n)
}

func (d dialect) list(n *html.Node) string {
	next, ordered := 1, n.DataAtom == atom.Ol
	if s, err := strconv.Atoi(attribute(n, "start")); err == nil {
		next = s
	}
	var out []string
	for c := n.FirstChild; c != nil; c = c.NextSibling {
		if c.DataAtom != atom.Li {
			continue
		}
		marker := d.bullet
		if ordered {
			marker = strconv.Itoa(next) + ". "
			next++
		}
		out = append(out, prefixed(strings.Join(d.below(c), "\n"), marker, strings.Repeat(" ", len([]rune(marker)))))
	}
	return strings.Join(out, "\n")
}

// prefixed sets something before the first line and before every other.
func prefixed(s, first, others string) string {
	return first + strings.ReplaceAll(s, "\n", "\n"+others)
}

func (d dialect) inlines(n *html.Node) string {
	var out strings.Builder
	for c := n.FirstChild; c != nil; c = c.NextSibling {
		out.WriteString(d.inline(c))
	}
	return out.String()
}

var blanks = regexp.MustCompile(`[ \t\r\n\f]+`)

func (d dialect) inline(n *html.Node) string {
	if n.Type == html.TextNode {
		return d.escape(blanks.ReplaceAllString(n.Data, " "))
	}
	switch n.DataAtom {
	case atom.Br:
		return d.newline
	case atom.Strong:
		return d.around(d.inlines(n), d.bold)
	case atom.Em:
		return d.around(d.inlines(n), d.italic)
	case atom.Del:
		return d.around(d.inlines(n), d.strike)
	case atom.Code:
		return d.code(blanks.ReplaceAllString(textOf(n), " "))
	case atom.A:
		label, address := trimLines(d.inlines(n)), attribute(n, "href")
		if address == "" {
			return label
		}
		if text := strings.TrimSpace(textOf(n)); text == "" || text == address || text == strings.TrimPrefix(address, "mailto:") {
			label = ""
		}
		address = calling.ReplaceAllStringFunc(address, func(call string) string { return strings.ReplaceAll(call, "@", "%40") })
		return d.link(label, address)
	}
	return d.inlines(n)
}

// around sets signs on both sides of words, inside of blanks at their ends.
func (d dialect) around(s, sign string) string {
	inner := strings.Trim(s, " ")
	if inner == "" || sign == "" {
		return s
	}
	before, after, _ := strings.Cut(s, inner)
	return before + sign + inner + sign + after
}

// trimLines takes the blanks from both ends of every line.
func trimLines(s string) string {
	lines := strings.Split(strings.TrimSpace(s), "\n")
	for i, l := range lines {
		lines[i] = strings.Trim(l, " ")
	}
	return strings.Join(lines, "\n")
}

// beginning is what would begin a heading, a list or a quote in Markdown.
var beginning = regexp.MustCompile(`^(?:#{1,6}|-#|[-+>=]|\d{1,9}[.)])`)

// escapeBeginning keeps a paragraph from becoming something else in Markdown.
func escapeBeginning(s string) string {
	m := beginning.FindString(s)
	if m == "" {
		return s
	}
	return m[:len(m)-1] + `\` + s[len(m)-1:]
}
