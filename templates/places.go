package templates

import (
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"strings"
)

// messagePlaces are the places of a message, {name}.
func messagePlaces(m string) map[string]bool {
	out := map[string]bool{}
	for rest := m; ; {
		_, p, behind := nextPlace(rest)
		if p == "" {
			return out
		}
		out[p], rest = true, behind
	}
}

// embeddedPlaces are the places that each message has in any of the embedded
// languages: a language may leave out what another says.
func embeddedPlaces(f *files) (map[string]map[string]bool, error) {
	names, err := fs.Glob(f.embedded, "lang/*.json")
	if err != nil {
		return nil, fmt.Errorf("templates: %w", err)
	}
	out := map[string]map[string]bool{}
	for _, name := range names {
		messages, err := readMessages(f.embedded, name)
		if err != nil {
			return nil, err
		}
		for key, m := range messages {
			if out[key] == nil {
				out[key] = map[string]bool{}
			}
			maps.Copy(out[key], messagePlaces(m))
		}
	}
	return out, nil
}

// neededPlaces are those without which a message is for nothing.
var neededPlaces = map[string][]string{"sms.code": {"{code}"}, "sms.code-link": {"{code}", "{link}"}, "sms.link": {"{link}"}}

// omissions are the places of what was said that a changed message leaves out:
// that may be a wording, or a slip.
func omissions(name string, changed, said map[string]string) (out []Problem) {
	for _, key := range slices.Sorted(maps.Keys(changed)) {
		has := messagePlaces(changed[key])
		for _, p := range slices.Sorted(maps.Keys(messagePlaces(said[key]))) {
			if !has[p] {
				out = append(out, Problem{File: name, Text: fmt.Sprintf("message %q leaves out %s, which the embedded one says", key, p)})
			}
		}
	}
	return out
}

// checkPlaces refuses messages with a place that nothing fills: readers would
// see it as it is. To leave one out is a wording, but where all is about it.
func checkPlaces(name string, changed map[string]string, known map[string]map[string]bool) error {
	var wrong []string
	for _, key := range slices.Sorted(maps.Keys(changed)) {
		has := messagePlaces(changed[key])
		for _, p := range neededPlaces[key] {
			if !has[p] {
				wrong = append(wrong, fmt.Sprintf("message %q must say %s", key, p))
			}
		}
		for _, p := range slices.Sorted(maps.Keys(has)) {
			if known[key][p] {
				continue
			}
			has := "it has none"
			if len(known[key]) > 0 {
				has = "there is " + strings.Join(slices.Sorted(maps.Keys(known[key])), ", ")
			}
			wrong = append(wrong, fmt.Sprintf("message %q wants %s, which it is not given; %s", key, p, has))
		}
	}
	if len(wrong) == 0 {
		return nil
	}
	return fmt.Errorf("templates: %s: %s", name, strings.Join(wrong, "; "))
}
