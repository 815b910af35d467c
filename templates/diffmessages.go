package templates

import (
	"maps"
	"slices"
	"strings"
)

// DiffFile shows what turns an embedded file into the text in its place, as Diff
// does. A file of messages holds only what it says otherwise, so that of it only the
// messages that differ are shown, each as the line that it is; where it cannot be
// read, all of it.
func DiffFile(name, came, text string) string {
	if !strings.HasPrefix(name, "lang/") {
		return Diff(came, text)
	}
	theirs, err := parseMessages(name, []byte(came))
	if err != nil {
		return Diff(came, text)
	}
	yours, err := parseMessages(name, []byte(text))
	if err != nil {
		return Diff(came, text)
	}
	var out strings.Builder
	line := func(mark, key, message string) {
		out.WriteString(mark + "  " + quoted(key) + ": " + quoted(message) + "\n")
	}
	for _, key := range slices.Sorted(maps.Keys(yours)) {
		was, ok := theirs[key]
		if ok && was == yours[key] {
			continue
		}
		out.WriteString("@@ " + key + " @@\n")
		if ok {
			line("-", key, was)
		}
		line("+", key, yours[key])
	}
	return out.String()
}

// quoted is a text as JSON has it.
func quoted(s string) string {
	text, err := compact(s)
	if err != nil {
		return s // no text has one
	}
	return string(text)
}
