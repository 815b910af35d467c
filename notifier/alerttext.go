package notifier

import (
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

func worst(in []Alert) (s Severity) {
	for _, a := range in {
		s = max(s, a.Severity)
	}
	return s
}

func parts(in []Alert) (out []string) {
	for _, a := range in {
		for _, c := range a.Components {
			if !slices.Contains(out, c) {
				out = append(out, c)
			}
		}
	}
	return out
}

// How much of a report's alerts is told; more is read by nobody.
const (
	maxBodies   = 10
	maxTold     = maxBody / 4 // characters of one
	maxToldOfIt = maxBody / 2 // characters of all
)

// bodies puts what is told of alerts into one text, each once.
func bodies(in []Alert) string {
	var out []string
	size := 0
	for _, a := range in {
		text := strings.TrimSpace(a.Body)
		if text == "" || slices.Contains(out, text) {
			continue
		}
		if size += utf8.RuneCountInString(text); len(out) == maxBodies || size > maxToldOfIt {
			out = append(out, "…")
			break
		}
		out = append(out, text)
	}
	return strings.Join(out, "\n\n")
}

// MonitorTitle makes what a monitor wrote a title: one line, cut where it is too long.
func MonitorTitle(s string) string { return cut(strings.Join(strings.Fields(Clean(s)), " "), maxTitle) }

// MonitorBody makes what a monitor wrote a body that can be published: a
// machine cannot mend a text that is refused, and nobody would hear of the
// outage. What looks like a time and is none goes out as written.
func MonitorBody(s string, d Desk) string {
	s = cut(strings.TrimSpace(Clean(strings.ReplaceAll(s, "\r\n", "\n"))), maxTold)
	if _, _, err := ResolveTimes(s, d.Now, d.Zone); err != nil || unwaited(s) != nil {
		s = strings.ReplaceAll(s, "{{", "{ {")
	}
	return s
}

// Clean replaces by spaces what may not stand in a text: control characters
// but tabs and line ends, and what was broken UTF-8.
func Clean(s string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\n', r == '\t':
			return r
		case unicode.IsControl(r), r == '\ufffd', r == '\u2028', r == '\u2029':
			return ' '
		}
		return r
	}, s)
}

func cut(s string, limit int) string {
	if utf8.RuneCountInString(s) <= limit {
		return s
	}
	return strings.TrimSpace(string([]rune(s)[:limit-1])) + "…"
}

// Fingerprint makes what a monitor calls something short enough to be a key:
// itself, or where it is over 200 bytes its SHA-256.
func Fingerprint(s string) string {
	if len(s) <= 200 {
		return s
	}
	sum := sha256.Sum256([]byte(s))
	return "sha256:" + hex.EncodeToString(sum[:])
}
