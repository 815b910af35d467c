package templates

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"path"
	"regexp"
	"slices"
	"strings"

	"golang.org/x/text/feature/plural"
	"golang.org/x/text/language"
	"golang.org/x/text/message"
	"golang.org/x/text/number"
	"golang.org/x/text/unicode/bidi"

	"allclear/notifier"
)

// fallback is the language of readers whose own is not in the catalogue.
const fallback = "en"

// catalogue is every message in one language. Messages hold named places,
// "lasted {duration}"; those that count end in .zero, .one, .two, .few, .many,
// .other as CLDR's plural rules for the language ask, .other alone where all
// forms are the same.
type catalogue struct {
	code     string // as in lang=
	tag      language.Tag
	messages map[string]string
	numbers  *message.Printer
}

// foreign are the places for what people or machines named, in whatever script.
var foreign = []string{"{title}", "{brand}", "{address}", "{old}", "{new}", "{field}", "{host}", "{city}", "{account}", "{file}"}

var place = regexp.MustCompile(`\{([a-z]+)\}`)

// text fills the places of a message from args, pairs of name and value.
func (c *catalogue) text(key string, args ...any) (string, error) {
	m, ok := c.messages[key]
	if !ok {
		return "", fmt.Errorf("lang/%s.json has no message %q", c.code, key)
	}
	if len(args)%2 != 0 {
		return "", fmt.Errorf("message %q: a name without a value", key)
	}
	if len(args) == 0 && !strings.Contains(m, "{") {
		return m, nil
	}
	var out strings.Builder
	var missing error
	for rest := m; ; {
		before, p, behind := nextPlace(rest)
		out.WriteString(before)
		if p == "" {
			return out.String(), missing
		}
		rest = behind
		i := 0
		for i < len(args) && args[i] != p[1:len(p)-1] {
			i += 2
		}
		if i >= len(args) {
			missing = fmt.Errorf("lang/%s.json: message %q wants %s, which it is not given", c.code, key, p)
			out.WriteString(p)
			continue
		}
		if name, ok := args[i+1].(string); ok && p != m && slices.Contains(foreign, p) {
			out.WriteString(c.isolate(name))
			continue
		}
		out.WriteString(c.value(args[i+1]))
	}
}

// nextPlace finds the first place of a message, {name}; "" where there is none.
// Messages are put together so often, and times of many, that an expression is
// too slow for it.
func nextPlace(m string) (before, p, behind string) {
	for from := 0; ; {
		open := strings.IndexByte(m[from:], '{')
		if open < 0 {
			return m, "", ""
		}
		open += from
		end := open + 1
		for end < len(m) && m[end] >= 'a' && m[end] <= 'z' {
			end++
		}
		if end > open+1 && end < len(m) && m[end] == '}' {
			return m[:open], m[open : end+1], m[end+1:]
		}
		from = open + 1
	}
}

// must is text for keys that checkCatalogue has found; a message that lacks
// one all the same shows its key rather than nothing.
func (c *catalogue) must(key string, args ...any) string {
	s, err := c.text(key, args...)
	if err != nil {
		return key
	}
	return s
}

func (c *catalogue) plural(key string, n int) string {
	if _, ok := c.messages[key+"."+c.form(n)]; ok {
		return key + "." + c.form(n)
	}
	return key + ".other"
}

func (c *catalogue) form(n int) string {
	switch plural.Cardinal.MatchPlural(c.tag, n, 0, 0, 0, 0) {
	case plural.Zero:
		return "zero"
	case plural.One:
		return "one"
	case plural.Two:
		return "two"
	case plural.Few:
		return "few"
	case plural.Many:
		return "many"
	}
	return "other"
}

// count is the message for a number of things; {n} is the number.
func (c *catalogue) count(key string, n int) string { return c.must(c.plural(key, n), "n", n) }

func (c *catalogue) value(v any) string {
	switch v := v.(type) {
	case string:
		return v
	case int, int64:
		return c.numbers.Sprint(number.Decimal(v))
	case float64:
		return c.numbers.Sprint(number.Decimal(v, digits(v)))
	}
	return fmt.Sprint(v)
}

// list joins names: "a", "a and b", "a, b and c".
func (c *catalogue) list(names []string) string {
	if len(names) == 0 {
		return ""
	}
	out := names[0]
	for i, n := range names[1:] {
		key := "list.more"
		if i == len(names)-2 {
			if key = "list.last"; soundsLikeI(n) {
				key = "list.last.i"
			}
		}
		out = c.must(key, "a", out, "b", n)
	}
	return out
}

// soundsLikeI reports whether a name begins with the sound of i, before which
// Spanish says e for y.
func soundsLikeI(name string) bool {
	name = strings.ToLower(name)
	return strings.HasPrefix(name, "i") || strings.HasPrefix(name, "hi") && !strings.HasPrefix(name, "hie") && !strings.HasPrefix(name, "hia")
}

// isolate sets off text of the other direction, such as a Latin title in an
// Arabic sentence, so that it does not pull the signs beside it to its own side.
// Marks of Unicode do so in subjects and plain text too, where no tag can.
func (c *catalogue) isolate(s string) string {
	rtl := c.dir() == "rtl"
	for _, r := range s {
		switch p, _ := bidi.LookupRune(r); p.Class() {
		case bidi.L:
			if !rtl {
				continue
			}
		case bidi.R, bidi.AL:
			if rtl {
				continue
			}
		default:
			continue
		}
		return "\u2068" + s + "\u2069"
	}
	return s
}

func (c *catalogue) dir() string { return c.must("language.dir") }

// Words gives a template the reader's language: {{.T "key" "name" value}} is a
// message, {{.N "key" 3}} one that counts.
type Words struct{ cat *catalogue }

// T is the message of a key with its places filled. A missing key is an error.
func (w Words) T(key string, args ...any) (string, error) { return w.cat.text(key, args...) }

// N is the message of a key for n things.
func (w Words) N(key string, n int) (string, error) { return w.cat.text(w.cat.plural(key, n), "n", n) }

// Lang is the language of the text, for lang=.
func (w Words) Lang() string { return w.cat.code }

// Dir is ltr or rtl, for dir=.
func (w Words) Dir() string { return w.cat.dir() }

// Start is the side on which lines begin, left or right, for mail programs that
// do not know start.
func (w Words) Start() string {
	if w.cat.dir() == "rtl" {
		return "right"
	}
	return "left"
}

// languages is every catalogue, and the choice among them.
type languages struct {
	all     []*catalogue // the fallback first, because the matcher falls back on its first
	matcher language.Matcher
	service *catalogue
	omitted []Problem // what messages leave out that the embedded ones say
}

func loadLanguages(f *files, service string) (*languages, error) {
	l := &languages{}
	var tags []language.Tag
	base, err := readMessages(f.embedded, "lang/"+fallback+".json")
	if err != nil {
		return nil, err
	}
	places, err := embeddedPlaces(f)
	if err != nil {
		return nil, err
	}
	names := f.names("lang/")
	slices.SortFunc(names, func(a, b string) int {
		if a == "lang/"+fallback+".json" {
			return -1
		}
		return strings.Compare(a, b)
	})
	for _, name := range names {
		code := strings.TrimSuffix(path.Base(name), ".json")
		tag, err := language.Parse(code)
		if err != nil {
			return nil, fmt.Errorf("templates: %s: %w", name, err)
		}
		c := &catalogue{code: code, tag: tag, numbers: message.NewPrinter(westernDigits(tag))}
		if c.messages, err = readMessages(f.embedded, name); err != nil {
			return nil, err
		}
		// An override may hold only what it changes.
		if f.overridden(name) {
			text, err := f.read(name)
			if err != nil {
				return nil, err
			}
			changed, err := parseMessages(name, []byte(text))
			if err != nil {
				return nil, err
			}
			said := maps.Clone(c.messages)
			for k, v := range changed {
				if _, ok := c.messages[k]; !ok && base[k] == "" {
					return nil, fmt.Errorf("templates: %s: there is no message %q", name, k)
				}
				c.messages[k] = v
			}
			if err := checkPlaces(name, changed, places); err != nil {
				return nil, err
			}
			l.omitted = append(l.omitted, omissions(name, changed, said)...)
		}
		l.all, tags = append(l.all, c), append(tags, tag)
	}
	l.matcher = language.NewMatcher(tags)
	l.service = l.all[0]
	if service != "" {
		c, sure := l.choose(service)
		if !sure {
			return nil, notifier.Invalidf("language", "there are no texts in %q; there are %s", service, strings.Join(l.codes(), ", "))
		}
		l.service = c
	}
	return l, nil
}

// westernDigits keeps numbers in one script with the times and addresses beside
// them: what staff write and what the tz database names is in these digits in
// every language, and two kinds in one sentence are read as two numbers.
func westernDigits(tag language.Tag) language.Tag {
	if t, err := tag.SetTypeForKey("nu", "latn"); err == nil {
		return t
	}
	return tag
}

// find chooses the catalogue for a language tag or an Accept-Language header:
// the service's for "", English where nothing fits.
func (l *languages) find(wanted string) *catalogue {
	if wanted == "" {
		return l.service
	}
	c, _ := l.choose(wanted)
	return c
}

func (l *languages) choose(wanted string) (*catalogue, bool) {
	tags, _, err := language.ParseAcceptLanguage(wanted)
	if err != nil || len(tags) == 0 {
		return l.all[0], false
	}
	_, i, sure := l.matcher.Match(tags...)
	if sure == language.No { // for want of better it takes a language of the same script
		return l.all[0], false
	}
	return l.all[i], true
}

// Languages lists the languages that there are texts in.
func (s *Set) Languages() []string { return s.languages.codes() }

// Speaks reports whether there are texts for a language tag.
func (s *Set) Speaks(tag string) bool {
	_, sure := s.languages.choose(tag)
	return sure
}

func (l *languages) codes() []string {
	var out []string
	for _, c := range l.all {
		out = append(out, c.code)
	}
	return out
}

func readMessages(from fs.FS, name string) (map[string]string, error) {
	b, err := fs.ReadFile(from, name)
	if err != nil {
		return nil, fmt.Errorf("templates: %w", err)
	}
	return parseMessages(name, b)
}

// parseMessages reads what a language's file holds.
func parseMessages(name string, b []byte) (map[string]string, error) {
	m := map[string]string{}
	if err := json.Unmarshal(b, &m); err != nil {
		line := 1
		var syntax *json.SyntaxError
		var kind *json.UnmarshalTypeError
		switch {
		case errors.As(err, &syntax):
			line += bytes.Count(b[:min(int(syntax.Offset), len(b))], []byte("\n"))
		case errors.As(err, &kind):
			line += bytes.Count(b[:min(int(kind.Offset), len(b))], []byte("\n"))
			if key := notText(b); key != "" {
				return nil, fmt.Errorf("templates: %s:%d: the message %q is no text: write it in quotes", name, line, key)
			}
		}
		return nil, fmt.Errorf("templates: %s:%d: %w", name, line, err)
	}
	return m, nil
}

// notText is the first key of an object whose value is no text; "" where there
// is none, or no object.
func notText(b []byte) string {
	in := json.NewDecoder(bytes.NewReader(b))
	if open, err := in.Token(); err != nil || open != json.Delim('{') {
		return ""
	}
	for in.More() {
		key, err := in.Token()
		var value json.RawMessage
		if err == nil {
			err = in.Decode(&value)
		}
		if err != nil {
			return ""
		}
		if name, ok := key.(string); ok && len(value) > 0 && value[0] != '"' && string(value) != "null" {
			return name
		}
	}
	return ""
}
