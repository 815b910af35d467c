package console

import (
	"errors"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"allclear/notifier"
)

// fileField is a field of the form for a file that says how the file is to be
// read. It is sent under a name of its own where pages' scripts would fill in
// another's: the zone that a browser is in says nothing of a file.
type fileField struct{ name, parameter, label string }

func fileFields() []fileField {
	return []fileField{
		{"map", "map", "Which column is what"},
		{"numbers", "numbers", "Columns of amounts"},
		{"delimiter", "delimiter", "Between cells"},
		{"encoding", "encoding", "Encoding"},
		{"zone", "timezone", "Zone of its times"},
		{"exclude_notice", "exclude_notice", "Leave out who got this notice"},
	}
}

// howToRead writes what the form says as the API takes it.
func howToRead(form url.Values) url.Values {
	how := url.Values{}
	for _, f := range fileFields() {
		v := strings.TrimSpace(form.Get(f.name))
		switch {
		case v == "":
		case f.parameter == "map":
			how["map"] = mappings(v)
		default:
			how.Set(f.parameter, v)
		}
	}
	return how
}

// mappings are those of a text: one on each line, or several with commas
// between. A comma is part of a column's name where what stands on either side
// of it is not a mapping each.
func mappings(text string) (out []string) {
	for line := range strings.Lines(text) {
		if line = strings.TrimSpace(line); line == "" {
			continue
		}
		parts := strings.Split(strings.TrimSuffix(line, ","), ",")
		if slices.ContainsFunc(parts, func(p string) bool { return !isMapping(p) }) {
			parts = []string{line}
		}
		for _, p := range parts {
			out = append(out, strings.TrimSpace(p))
		}
	}
	return out
}

func isMapping(text string) bool {
	ours, theirs, ok := strings.Cut(text, ":")
	return ok && strings.TrimSpace(ours) != "" && strings.TrimSpace(theirs) != ""
}

var (
	example   = regexp.MustCompile(`such as map=`)
	inURL     = regexp.MustCompile(` \(in a URL: [^)]*\)`)
	parameter = regexp.MustCompile(`\b(map|numbers|delimiter|encoding|timezone)=`)
)

// fileWrong is what is wrong with a file, by field and in the words of the
// form, in the place of the API's parameters. nil where it is no such error.
func fileWrong(err error) map[string]string {
	var inv *notifier.Invalid
	if !errors.As(err, &inv) {
		return nil
	}
	field := inv.Field
	for _, f := range fileFields() {
		if f.parameter == inv.Field {
			field = f.name
		}
	}
	return map[string]string{field: asEntered(inv.Message)}
}

// asEntered says in the words of the form what the API's parameters would be.
func asEntered(text string) string {
	text = inURL.ReplaceAllString(example.ReplaceAllString(text, "such as "), "")
	return parameter.ReplaceAllStringFunc(text, func(p string) string {
		return `at "` + labelOf(strings.TrimSuffix(p, "=")) + `": `
	})
}

func labelOf(parameter string) string {
	for _, f := range fileFields() {
		if f.parameter == parameter {
			return f.label
		}
	}
	return parameter
}

// FieldLabel is what a field that is wrong is called on the page.
func (p *noticePage) FieldLabel(name string) string {
	for _, f := range fileFields() {
		if f.name == name {
			return f.label
		}
	}
	return strings.ReplaceAll(name, "_", " ")
}

// OpensReading reports whether something was entered of how a file is read, or
// is to be by what is wrong with it: it is seen before it is sent once more.
func (p *noticePage) OpensReading() bool {
	if !p.FileWrong {
		return false
	}
	for _, f := range fileFields() {
		if f.name == "exclude_notice" { // stands outside
			continue
		}
		if p.Entered.Get(f.name) != "" || p.Wrong[f.name] != "" {
			return true
		}
		for _, why := range p.Wrong {
			if strings.Contains(why, `at "`+f.label+`": `) {
				return true
			}
		}
	}
	return false
}
