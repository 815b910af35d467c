package templates

import (
	"strconv"
	"strings"
	"unicode"

	"golang.org/x/net/html"
	"golang.org/x/net/html/atom"
	"golang.org/x/text/width"
)

const textWidth = 72

// plainText reads the text version off a rendered mail. It knows a few classes
// of the mail views: "preview" is left out, "fact" paragraphs stand close
// together, a "head" stands close to what follows, a "button" and "leave" give their address a line of its own, a "bare" link is
// only its words.
func plainText(document string) (string, error) { return textOfWidth(document, textWidth) }

// unbroken is the width of text whose lines end only where paragraphs and items do.
const unbroken = 1 << 30

// textOfWidth is plainText with lines of at most so many columns, or unbroken.
func textOfWidth(document string, width int) (string, error) {
	return (&textWriter{width: width}).read(document)
}

func (w *textWriter) read(document string) (string, error) {
	root, err := html.Parse(strings.NewReader(document))
	if err != nil {
		return "", err
	}
	w.colon = colonIn(root)
	w.walk(root)
	w.flush()
	return strings.Trim(w.out.String(), "\n") + "\n", nil
}

type textWriter struct {
	width  int
	out    strings.Builder
	line   strings.Builder // the paragraph so far; \n is a break that was asked for
	prefix []string        // of every line, outermost first
	marker string          // of the first line of a list item, in place of the last prefix
	gap    bool            // an empty line is due before the next one
	tight  bool            // the paragraph before was a fact
	close  bool            // the paragraph before was a head
	fresh  bool            // nothing stands yet within the innermost prefix
	colon  string          // as the document's language writes it
	lists  []int           // number of the next item, outermost first; -1 for bullets
	bare   bool            // no signs around what is stressed, as in previews and on phones

	// Where the document is one that values are put into: put takes a text with
	// the marks in it, code fills in a line as it is, address that of a link.
	put     func(string)
	code    func(string) string
	address func(string) string
}

func (w *textWriter) walk(n *html.Node) {
	switch n.Type {
	case html.TextNode:
		if w.put != nil {
			w.put(n.Data)
			return
		}
		w.text(n.Data)
		return
	case html.ElementNode:
		w.element(n)
		return
	}
	w.children(n)
}

func (w *textWriter) children(n *html.Node) {
	for c := n.FirstChild; c != nil; c = c.NextSibling {
		w.walk(c)
	}
}

func (w *textWriter) element(n *html.Node) {
	switch n.DataAtom {
	case atom.Head, atom.Style, atom.Script, atom.Title:
	case atom.Br:
		w.line.WriteByte('\n')
	case atom.Hr:
		w.block(func() { w.line.WriteString(strings.Repeat("-", 24)) })
	case atom.Img:
		w.text(attribute(n, "alt"))
	case atom.A:
		w.link(n)
	case atom.Strong:
		w.around(n, "*")
	case atom.Em:
		w.around(n, "*")
	case atom.Del:
		w.around(n, "~~")
	case atom.Code:
		if n.Parent != nil && n.Parent.DataAtom == atom.Pre {
			w.children(n)
			return
		}
		w.around(n, "`")
	case atom.Pre:
		w.pre(n)
	case atom.H1:
		w.block(func() { w.heading(n, "=") })
	case atom.H2, atom.H3:
		w.block(func() { w.heading(n, "-") })
	case atom.H4:
		w.block(func() { w.children(n) })
	case atom.Blockquote:
		w.within("> ", func() { w.children(n) })
	case atom.Ul, atom.Ol:
		w.list(n)
	case atom.Li:
		w.item(n)
	case atom.P:
		w.paragraph(n)
	case atom.Div, atom.Table, atom.Tbody, atom.Tr, atom.Td, atom.Body, atom.Html:
		if class(n, "preview") || attribute(n, "aria-hidden") == "true" {
			return
		}
		w.block(func() { w.children(n) })
	default:
		w.children(n)
	}
}

func (w *textWriter) paragraph(n *html.Node) {
	fact := class(n, "fact")
	w.flush()
	w.gap = !w.close && !(fact && w.tight)
	w.children(n)
	w.flush()
	w.tight, w.close = fact, class(n, "head")
	w.gap = !w.tight && !w.close
}

// block sets off what do writes by empty lines.
func (w *textWriter) block(do func()) {
	w.flush()
	before := w.close
	w.gap = !before
	do()
	w.flush()
	if !before {
		w.close = false // a head that nothing follows here
	}
	w.gap = !w.close
}

func (w *textWriter) within(prefix string, do func()) {
	w.flush()
	w.gap = true
	w.breakLine()
	w.prefix, w.fresh = append(w.prefix, prefix), true
	do()
	w.flush()
	w.prefix = w.prefix[:len(w.prefix)-1]
	w.gap = true
}

// breakLine writes the empty line that is due.
func (w *textWriter) breakLine() {
	if w.gap && !w.fresh && w.out.Len() > 0 {
		w.out.WriteString(strings.TrimRight(strings.Join(w.prefix, ""), " ") + "\n")
	}
	w.gap, w.fresh = false, false
}

func (w *textWriter) list(n *html.Node) {
	next := -1
	if n.DataAtom == atom.Ol {
		next = 1
		if s, err := strconv.Atoi(attribute(n, "start")); err == nil {
			next = s
		}
	}
	w.flush()
	w.gap = len(w.lists) == 0 && !w.close
	w.lists = append(w.lists, next)
	w.children(n)
	w.lists = w.lists[:len(w.lists)-1]
	w.gap = len(w.lists) == 0
}

func (w *textWriter) item(n *html.Node) {
	marker := "- "
	if k := len(w.lists) - 1; k >= 0 && w.lists[k] >= 0 {
		marker = strconv.Itoa(w.lists[k]) + ". "
		w.lists[k]++
	}
	w.flush()
	w.breakLine()
	w.prefix, w.fresh = append(w.prefix, strings.Repeat(" ", len(marker))), true
	w.marker = marker
	w.children(n)
	w.flush()
	w.prefix, w.marker = w.prefix[:len(w.prefix)-1], ""
	w.gap, w.fresh = false, false
}

func (w *textWriter) heading(n *html.Node, underline string) {
	w.children(n)
	longest := 0
	for _, l := range wrap(w.line.String(), w.width) {
		longest = max(longest, columns(l))
	}
	w.flush()
	if longest > 0 {
		w.line.WriteString(strings.Repeat(underline, min(longest, textWidth)))
	}
}

func (w *textWriter) around(n *html.Node, mark string) {
	if w.bare {
		mark = ""
	}
	w.line.WriteString(mark)
	w.children(n)
	w.line.WriteString(mark)
}

func (w *textWriter) link(n *html.Node) {
	start := w.line.Len()
	w.children(n)
	label := strings.TrimSpace(w.line.String()[start:])
	href := attribute(n, "href")
	if w.address != nil {
		href = w.address(href)
	}
	address := strings.TrimPrefix(href, "mailto:")
	switch {
	case class(n, "bare") || href == "" || label == href || label == address:
	case class(n, "button") || class(n, "leave"):
		w.line.WriteString(w.colon + "\n" + href)
	default:
		w.line.WriteString(" <" + address + ">")
	}
}

func (w *textWriter) pre(n *html.Node) {
	w.within("    ", func() {
		for _, l := range strings.Split(strings.Trim(textOf(n), "\n"), "\n") {
			if w.code != nil {
				l = w.code(l)
			}
			w.write(strings.TrimRight(l, " \r"))
		}
	})
}

// text adds words to the paragraph, every run of white space as one space.
func (w *textWriter) text(s string) {
	space := false
	for _, r := range s {
		if r == ' ' || r == '\n' || r == '\t' || r == '\r' || r == '\f' {
			space = true
			continue
		}
		if space {
			w.space()
			space = false
		}
		w.line.WriteRune(r)
	}
	if space {
		w.space()
	}
}

func (w *textWriter) space() {
	if s := w.line.String(); s != "" && !strings.HasSuffix(s, " ") && !strings.HasSuffix(s, "\n") {
		w.line.WriteByte(' ')
	}
}

// flush writes the paragraph so far.
func (w *textWriter) flush() {
	text := strings.Trim(w.line.String(), " \n")
	w.line.Reset()
	if text == "" {
		return
	}
	w.tight, w.close = false, false
	w.breakLine()
	for _, l := range wrap(text, w.width-columns(strings.Join(w.prefix, ""))) {
		w.write(l)
	}
}

func (w *textWriter) write(line string) {
	prefix := strings.Join(w.prefix, "")
	if w.marker != "" {
		prefix = strings.Join(w.prefix[:len(w.prefix)-1], "") + w.marker
		w.marker = ""
	}
	w.fresh = false
	w.out.WriteString(strings.TrimRight(prefix+line, " ") + "\n")
}

// wrap breaks text at spaces into lines of at most limit columns, and where a
// script has none, between its signs. A word that is longer, an address say, has a
// line to itself.
func wrap(text string, limit int) []string {
	var out []string
	if limit > unbroken/2 {
		for _, part := range strings.Split(text, "\n") {
			out = append(out, strings.TrimSpace(part))
		}
		return out
	}
	for _, part := range strings.Split(text, "\n") {
		line, used := "", 0
		for _, p := range pieces(strings.TrimSpace(part)) {
			n, space := columns(p.text), len(p.space)
			if used > 0 && used+space+n > limit {
				out = append(out, line)
				line, used = "", 0
			}
			if used > 0 {
				line, used = line+p.space, used+space
			}
			line, used = line+p.text, used+n
		}
		out = append(out, line)
	}
	return out
}

// columns is how wide s shows in a fixed-width font.
func columns(s string) int {
	n := 0
	for _, r := range s {
		switch {
		case unicode.Is(unicode.Mn, r) || unicode.Is(unicode.Cf, r):
		case isWide(r):
			n += 2
		default:
			n++
		}
	}
	return n
}

func isWide(r rune) bool {
	k := width.LookupRune(r).Kind()
	return k == width.EastAsianWide || k == width.EastAsianFullwidth
}

func textOf(n *html.Node) string {
	if n.Type == html.TextNode {
		return n.Data
	}
	var b strings.Builder
	for c := n.FirstChild; c != nil; c = c.NextSibling {
		b.WriteString(textOf(c))
	}
	return b.String()
}

func attribute(n *html.Node, key string) string {
	for _, a := range n.Attr {
		if a.Key == key {
			return a.Val
		}
	}
	return ""
}

func class(n *html.Node, name string) bool {
	for _, c := range strings.Fields(attribute(n, "class")) {
		if c == name {
			return true
		}
	}
	return false
}
