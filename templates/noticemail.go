package templates

import (
	"fmt"
	"html/template"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"time"

	"golang.org/x/net/html"

	"allclear/notifier"
)

// How much of a recipient's own data a sentence holds, in characters.
const (
	valueSize       = 1000
	subjectValue    = 100
	subjectSize     = 180
	noticePreview   = 140
	noticeMailBytes = 90_000 // html and text of a mail, where its rows can be cut down to that
)

// MailNotice is what the view of notices is given beside what every mail has.
type MailNotice struct {
	Lead  string // the template's own words; "" where staff wrote a body
	Parts []NoticePart
}

// NoticePart is a stretch of a notice: what staff wrote, or the place of the table.
type NoticePart struct {
	Body template.HTML
	Rows template.HTML // "" where Body is set
}

// notice is a notice as it goes to the readers of one language in one zone. All
// of it is there but their own data. It never changes, and any number of
// goroutines may make letters of it.
type notice struct {
	set   *Set
	view  noticeView
	words Words
	times Times
	event notifier.Event
	tried bool // to find out what is wrong, so no embedded text takes the place of another

	template string
	needed   []string
	thread   string
	title    string // the heading; "" where staff wrote a subject, which is the heading then
	url      string // the incident's page; "" for none

	columns []string // keys of the columns that stand in subject and body
	names   []string // and how staff wrote them
	bodied  []int    // places of those in the body
	subject []chunk
	own     bool // the text is the template's own

	html  []fill
	tree  *html.Node // the same html, to read the text off
	first []fill     // how the text begins, for previews
}

// fill is a stretch of html and the value behind it.
type fill struct {
	text string
	id   string // "" at the end
	link bool   // the value stands in a link's address
}

// What stands for a value in prepared text. Nothing that anybody writes holds
// these two characters: they are taken out of it.
const valueOpen, valueClose = "\ue002", "\ue003"

// The values beside the columns', which have numbers.
const (
	idSubject = "s"
	idHeading = "h"
	idPreview = "p"
	idLead    = "l"
	idTable   = "t"
	idWhy     = "w"
)

var (
	valueMark = regexp.MustCompile(`\x{e002}([a-z0-9]+)\x{e003}|%EE%80%82([a-z0-9]+)%EE%80%83`)
	rowsLine  = regexp.MustCompile(`(?im)^[ \t]*\{\{\s*rows\s*\}\}[ \t\r]*$`)
	// safeLink is what must stand before a value in an address: who is called is
	// never a recipient's data.
	safeLink = regexp.MustCompile(`^(https?://[^/?#%]+[/?#]|mailto:[^?%]+\?)`)
	bareLink = regexp.MustCompile(`<a [^>]*>(?:https?://|www\.)[^<]*</a>\x{e002}`)
	noMarks  = strings.NewReplacer(timeOpen, "", timeClose, "", valueOpen, "", valueClose, "")
)

func valueAt(id string) string { return valueOpen + id + valueClose }

// prepareNotice reads what staff wrote and renders all that readers share.
func (s *Set) prepareNotice(n notifier.Notice, times Times) (*notice, error) {
	v, ok := noticeNamed(n.Template)
	if !ok {
		return nil, notifier.Invalidf("template", "%q is not one of %s", n.Template, strings.Join(notifier.NoticeTemplates, ", "))
	}
	p := &notice{set: s, view: v, words: Words{times.cat}, times: times, event: notifier.Event{Lane: notifier.LaneBulk}, template: v.name, needed: v.needed, thread: n.IncidentID}
	cat := times.cat
	p.subject = []chunk{{source: cat.must("subject."+v.name, "title", tame(n.Title, subjectSize))}}
	p.title = tame(n.Title, subjectSize)
	if n.Subject != "" {
		p.title = ""
		p.subject = chunksOf(noMarks.Replace(notifier.PrintTimes(n.Subject, times.within(n.Subject, time.Time{}))))
	}
	for _, c := range p.subject {
		switch c.kind {
		case chunkRows:
			return nil, notifier.Invalidf("subject", "{{rows}} has no place in a subject")
		case chunkBad:
			return nil, notifier.Invalidf("subject", "%s names no column", c.source)
		case chunkColumn:
			p.use(c.column)
		}
	}
	m := s.blankMail(circumstances{view: view{name: v.name}, times: times})
	m.Subject, m.Preview, m.Title, m.Why = valueAt(idSubject), valueAt(idPreview), valueAt(idHeading), valueAt(idWhy)
	m.Tone, m.Dark = v.tone, template.CSS(s.dark+"\n"+s.noticeStyle) //nolint:gosec // the operator's own files
	if v.name != notifier.BlankNotice {
		m.State = cat.must("notice." + v.name + ".state")
	}
	if n.IncidentID != "" {
		p.url = s.incidentURL(n.IncidentID, "")
		m.URL = p.url
	}
	if err := p.body(n.Body, &m); err != nil {
		return nil, err
	}
	text, err := s.execute(m, noticeFile)
	if err != nil {
		return nil, err
	}
	p.html = fillsOf(text)
	if p.tree, err = html.Parse(strings.NewReader(text)); err != nil {
		return nil, fmt.Errorf("templates: %s: read text: %w", v.name, err)
	}
	return p, nil
}

// use is the number of a column among those that the text holds.
func (n *notice) use(name string) int {
	key := columnKey(name)
	for i, k := range n.columns {
		if k == key {
			return i
		}
	}
	n.columns, n.names = append(n.columns, key), append(n.names, name)
	return len(n.columns) - 1
}

// body prepares what staff wrote, or the template's own words.
func (n *notice) body(body string, m *Mail) error {
	table := NoticePart{Rows: template.HTML(valueAt(idTable))} //nolint:gosec // a mark
	if strings.TrimSpace(body) == "" {
		if n.view.name == notifier.BlankNotice {
			return notifier.Invalidf("body", "is empty, and the template blank has no words of its own")
		}
		n.own, n.first = true, fillsOf(valueAt(idLead))
		m.Notice = MailNotice{Lead: valueAt(idLead), Parts: []NoticePart{table}}
		return nil
	}
	texts := rowsLine.Split(body, -1)
	if len(texts) > 2 {
		return notifier.Invalidf("body", "{{rows}} stands in it more than once")
	}
	line := 0
	for i, text := range texts {
		if i > 0 {
			m.Notice.Parts = append(m.Notice.Parts, table)
		}
		said, err := n.said(text, line)
		if err != nil {
			return err
		}
		line += strings.Count(text, "\n")
		if said == "" {
			continue
		}
		m.Notice.Parts = append(m.Notice.Parts, NoticePart{Body: said})
		if n.first == nil {
			plain, err := (&textWriter{width: unbroken, bare: true}).read(string(said))
			if err != nil {
				return fmt.Errorf("templates: %s: read text: %w", n.view.name, err)
			}
			n.first = fillsOf(plain)
		}
	}
	if len(texts) == 1 {
		m.Notice.Parts = append(m.Notice.Parts, table)
	}
	return nil
}

// said is a stretch of a body as html, with marks for the columns.
func (n *notice) said(text string, before int) (template.HTML, error) {
	var marked strings.Builder
	line := before + 1
	wrong := func(c chunk, format string) error {
		return notifier.Invalidf("body", "line %d: "+format, line, c.source)
	}
	type use struct {
		chunk
		line int
	}
	used := map[int]use{}
	for _, c := range chunksOf(text) {
		switch c.kind {
		case chunkBad:
			return "", wrong(c, "%s names no column")
		case chunkRows:
			return "", wrong(c, "%s must stand on a line of its own")
		case chunkColumn:
			i := n.use(c.column)
			used[i] = use{c, line}
			n.bodied = append(n.bodied, i)
			marked.WriteString(valueAt(strconv.Itoa(i)))
		default:
			marked.WriteString(noMarks.Replace(c.source))
		}
		line += strings.Count(c.source, "\n")
	}
	out, err := n.set.markdown.html(marked.String(), n.times.within(text, time.Time{}), n.set.styles)
	if err != nil {
		return "", err
	}
	if bareLink.MatchString(string(out)) {
		return "", notifier.Invalidf("body", "an address that ends in a {{column}} must stand in angle brackets: <https://example.com/{{column}}>")
	}
	for i, u := range used {
		if line = u.line; !strings.Contains(string(out), valueAt(strconv.Itoa(i))) && !strings.Contains(string(out), url.PathEscape(valueAt(strconv.Itoa(i)))) {
			return "", wrong(u.chunk, "%s cannot stand there; in a link it must stand behind the host's name")
		}
	}
	for _, f := range fillsOf(string(out)) {
		if at := strings.LastIndex(f.text, `href="`); f.link && !safeLink.MatchString(f.text[at+len(`href="`):]) {
			return "", notifier.Invalidf("body", "a {{column}} in a link must stand behind the host's name, as in https://example.com/{{column}}")
		}
	}
	return out, nil
}

// fillsOf cuts prepared text at its marks.
func fillsOf(text string) []fill {
	var out []fill
	at := 0
	for _, m := range valueMark.FindAllStringSubmatchIndex(text, -1) {
		f := fill{text: text[at:m[0]], link: m[2] < 0}
		if f.link {
			f.id = text[m[4]:m[5]]
		} else {
			f.id = text[m[2]:m[3]]
		}
		out, at = append(out, f), m[1]
	}
	return append(out, fill{text: text[at:]})
}
