package templates

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"html/template"
	"io/fs"
	"net/url"
	"path"
	"regexp"
	"strings"
	"sync"
	"time"

	"allclear/notifier"
)

// Brand is who speaks.
type Brand struct {
	Name  string // shown in every mail and page; required
	Logo  string // address of a picture that stands for the name; empty: the name as text
	URL   string // where the name leads; empty: the public page
	Color string // accent, as #0b5d57; empty: the look's own. Made readable on light and dark ground
}

// Stories finds what an event tells. *store.Store does.
type Stories interface {
	Story(ctx context.Context, event int64) (notifier.Story, error)
}

// Links makes the tokens of links in mails, each 44 characters of A-Z a-z 0-9 _ -.
type Links interface {
	Unsubscribe(reader int64) string
	// Remove is Unsubscribe for an endpoint, good while this is its contact.
	Remove(reader int64, contact string) string
	Manage(reader int64, accepted time.Time) string
	// Personal is for the one link of an event for one reader, accepted then and
	// mailed to that address.
	Personal(t notifier.EventType, reader int64, accepted time.Time, address string) string
}

// Options says what a Set is made from.
type Options struct {
	Overrides fs.FS // files that take the place of embedded ones of the same name; nil for none
	// Edits are texts of files, by name, that take the place of those and of Overrides.
	Edits    map[string]string
	Brand    Brand
	Zone     *time.Location // the service's; nil is UTC
	Language string         // the service's; "" is en
	BaseURL  string         // of the public pages, http or https; required
	Stories  Stories        // for Renderer
	// Digests, for Renderer; nil: there are none.
	Digests Digests
	// Recipients of notices, for Renderer; nil: there are no notices.
	Recipients Recipients
	Links      Links            // for Renderer
	Phones     Phones           // for Renderer, of messages to phones; nil: there are none
	Now        func() time.Time // the service's clock; required
	// Broken is told when a text that is not embedded could not be used for what
	// had to be written, and the embedded ones were; nil: nobody is.
	Broken func(view string, err error)
}

// Set is every view, read, styled and tried out.
type Set struct {
	options   Options
	files     *files
	edition   string // of what is not embedded; "" where all is
	spare     func() (*Set, error)
	languages *languages
	brand     Brand
	logo      string // scheme and host of the brand's picture, for a policy; "" for none
	base      string // without a slash at its end
	root      string // path of base
	zone      *time.Location
	stories   Stories
	digests   Digests
	people    Recipients
	links     Links
	phones    Phones
	now       func() time.Time

	markdown    *markdown
	dark        string            // the part of the mails' style sheet that only media queries can say
	noticeStyle string            // and that of notices
	styles      map[string]string // of the elements of a body in a mail
	colours     map[string]template.CSS
	mails       map[string]*template.Template // by file
	pages       *Pages
}

// New reads and styles every view. Where a file is overridden or edited it tries
// all of them out, so that a broken one stops the start and not a mail. The error
// names file and line.
func New(o Options) (*Set, error) {
	if strings.TrimSpace(o.Brand.Name) == "" {
		return nil, fmt.Errorf("templates: the brand has no name")
	}
	if o.Now == nil {
		return nil, fmt.Errorf("templates: no clock was given")
	}
	base, err := url.Parse(o.BaseURL)
	if err != nil || base.Host == "" || base.Scheme != "http" && base.Scheme != "https" {
		return nil, fmt.Errorf("templates: base URL %q: write it as https://status.example.com", o.BaseURL)
	}
	s := &Set{
		options: o, brand: o.Brand, base: strings.TrimRight(base.String(), "/"), root: strings.TrimRight(base.Path, "/"),
		zone: o.Zone, stories: o.Stories, digests: o.Digests, people: o.Recipients, links: o.Links, phones: o.Phones, now: o.Now, markdown: newMarkdown(),
	}
	if s.logo, err = logoSource(o.Brand.Logo); err != nil {
		return nil, err
	}
	if s.brand.URL == "" {
		s.brand.URL = s.base + "/"
	}
	if s.zone == nil {
		s.zone = time.UTC
	}
	if s.files, err = openFiles(o.Overrides, o.Edits); err != nil {
		return nil, err
	}
	if s.edition, err = s.files.edition(); err != nil {
		return nil, err
	}
	s.spare = sync.OnceValues(s.embeddedOnly)
	if s.languages, err = loadLanguages(s.files, o.Language); err != nil {
		return nil, err
	}
	colour, err := newAccent(o.Brand.Color)
	if err != nil {
		return nil, err
	}
	if s.pages, err = loadPages(s, colour); err != nil {
		return nil, err
	}
	if s.edition == "" { // what is embedded was tried by the tests
		err = s.loadMails(colour, true)
	} else {
		err = s.try(colour)
	}
	if err != nil {
		return nil, err
	}
	return s, nil
}

// try renders everything that there is once, and leaves the mails loaded. They
// are tried as they were written first, so that the line an error names is the
// file's own, then with their styles.
func (s *Set) try(colour accent) error {
	if err := s.pages.try(); err != nil {
		return err
	}
	for _, styled := range []bool{false, true} {
		if err := s.loadMails(colour, styled); err != nil {
			return err
		}
		if err := s.tryMails(); err != nil {
			return err
		}
	}
	return nil
}

// logoSource checks the address of a picture and returns where it is loaded from.
func logoSource(logo string) (string, error) {
	if logo == "" {
		return "", nil
	}
	u, err := url.Parse(logo)
	if err != nil || u.Host == "" || u.User != nil || u.Scheme != "https" && u.Scheme != "http" || !policyHost.MatchString(u.Host) {
		return "", fmt.Errorf("templates: brand logo %q: write it as https://example.com/logo.png", logo)
	}
	return u.Scheme + "://" + u.Host, nil
}

// policyHost is what a Content-Security-Policy can name: no separator of its own.
var policyHost = regexp.MustCompile(`^[A-Za-z0-9.-]+(:[0-9]+)?$`)

// loadMails reads the mail views, with their styles written into them if styled is set.
func (s *Set) loadMails(colour accent, styled bool) error {
	var sheet [3]string
	for i, name := range []string{"mail/style.css", "mail/dark.css", "mail/notice.css"} {
		css, err := s.files.read(name)
		if err != nil {
			return err
		}
		sheet[i] = colour.fill(comments.ReplaceAllString(css, ""))
	}
	s.dark, s.noticeStyle = strings.TrimSpace(sheet[1]), strings.TrimSpace(sheet[2])
	if err := s.readStyles(sheet[0]); err != nil {
		return err
	}
	styling := func(name string) func(string) (string, error) {
		if !styled {
			return nil
		}
		return func(src string) (string, error) { return s.dressed(name, src, sheet[0], colour) }
	}
	shared, err := s.parse(nil, "mail/layout.html", "layout", styling("mail/layout.html"))
	if err != nil {
		return err
	}
	for _, name := range s.files.names("mail/partials/") {
		if _, err := s.parse(shared, name, strings.TrimSuffix(path.Base(name), ".html"), styling(name)); err != nil {
			return err
		}
	}
	s.mails = map[string]*template.Template{}
	for _, file := range mailFiles() {
		own, err := shared.Clone()
		if err != nil {
			return trouble(err)
		}
		if _, err := s.parse(own, file, "content", styling(file)); err != nil {
			return err
		}
		s.mails[file] = own
	}
	return nil
}

var comments = regexp.MustCompile(`(?s)/\*.*?\*/\s*`)

// parse reads a file into a set of templates under its own name, which errors
// show, and under the name by which others call it.
func (s *Set) parse(into *template.Template, file, called string, change func(string) (string, error)) (*template.Template, error) {
	src, err := s.files.read(file)
	if err != nil {
		return nil, err
	}
	if _, _, err := hold(file, src, false); err != nil {
		return nil, err
	}
	if change != nil {
		if src, err = change(src); err != nil {
			return nil, err
		}
	}
	var t *template.Template
	if into == nil {
		t = template.New(file).Option("missingkey=error").Funcs(loopFuncs())
	} else {
		t = into.New(file)
	}
	if t, err = t.Parse(src); err != nil {
		return nil, trouble(err)
	}
	if err := guardLoops(t); err != nil {
		return nil, err
	}
	if _, err := t.AddParseTree(called, t.Tree); err != nil {
		return nil, trouble(err)
	}
	return t, nil
}

// readStyles asks the style sheet what the elements of a body and the tones look like.
func (s *Set) readStyles(css string) error {
	s.styles, s.colours = map[string]string{}, map[string]template.CSS{}
	elements := append([]string{"a"}, bodyTags...)
	var samples []string
	for _, tag := range elements {
		samples = append(samples, "<"+tag+">")
		if tag != "br" && tag != "hr" {
			samples[len(samples)-1] += "</" + tag + ">"
		}
	}
	for _, t := range tones() {
		samples = append(samples, `<i class="`+t+`"></i>`)
	}
	styles, err := stylesOf(css, samples)
	if err != nil {
		return err
	}
	for i, tag := range elements {
		s.styles[tag] = styles[i]
	}
	for i, t := range tones() {
		style := styles[len(elements)+i]
		_, colour, _ := strings.Cut(style, "color:")
		colour, _, _ = strings.Cut(colour, ";")
		if colour = strings.TrimSpace(colour); !hexColour.MatchString(colour) {
			return fmt.Errorf("templates: mail/style.css: class %s needs a color such as #14713d", t)
		}
		s.colours[t] = template.CSS(colour) //nolint:gosec // six hexadecimal digits
	}
	return nil
}

// mostWritten is how much a view may write, in bytes: a loop that does not end
// must not take all the memory there is.
const mostWritten = 8 << 20

var errTooMuch = errors.New("it writes more than 8 MiB; does a loop in it ever end?")

// bounded takes so much, and no more.
type bounded struct{ bytes.Buffer }

func (b *bounded) Write(p []byte) (int, error) {
	if b.Len()+len(p) > mostWritten {
		return 0, errTooMuch
	}
	return b.Buffer.Write(p)
}

// execute renders a mail's html.
func (s *Set) execute(m Mail, file string) (string, error) {
	var out bounded
	if err := s.mails[file].ExecuteTemplate(&out, "layout", m); err != nil {
		if errors.Is(err, errTooMuch) {
			return "", fmt.Errorf("templates: %s: %w", file, err)
		}
		return "", trouble(err)
	}
	return out.String(), nil
}

var templatePrefix = regexp.MustCompile(`^(html/)?template: ?`)

// trouble words an error of html/template as one of this package's: file, line, what is wrong.
func trouble(err error) error {
	return fmt.Errorf("templates: %s", templatePrefix.ReplaceAllString(err.Error(), ""))
}

// Times is the printer of times for a language and a zone; "" is the service's.
func (s *Set) Times(language, zone string) Times {
	return Times{cat: s.languages.find(language), zone: s.location(zone)}
}

// location finds a reader's zone, the service's where it has none or an unknown one.
func (s *Set) location(zone string) *time.Location {
	if zone == "" || zone == "Local" {
		return s.zone
	}
	z, err := time.LoadLocation(zone)
	if err != nil {
		return s.zone
	}
	return z
}
