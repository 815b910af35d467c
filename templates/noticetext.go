package templates

import (
	"regexp"
	"slices"
	"strings"
	"unicode"

	"golang.org/x/text/unicode/norm"
)

// chunk is a stretch of what staff wrote in a notice: text, or a tag that every
// recipient's own data takes the place of.
type chunk struct {
	source string // as it was written; all of the chunks together are the text again
	kind   chunkKind
	column string // of a chunkColumn, as it was written
}

type chunkKind int

const (
	chunkText   chunkKind = iota // a {{at "..."}} too, which has been resolved
	chunkColumn                  // {{Folder name}}
	chunkRows                    // {{rows}}
	chunkBad                     // looks like a tag and is none
)

var (
	tagged  = regexp.MustCompile(`\{\{([^{}\n]*)\}\}`)
	timeTag = regexp.MustCompile(`^\s*at\s+"[^"\n]*"\s*$`)
	atWord  = regexp.MustCompile(`^\s*at(\s*["“„«]|\s*$)`)
)

// chunksOf takes a text of staff apart.
func chunksOf(text string) []chunk {
	var out []chunk
	at := 0
	for _, m := range tagged.FindAllStringSubmatchIndex(text, -1) {
		inner := text[m[2]:m[3]]
		c := chunk{source: text[m[0]:m[1]]}
		switch name := strings.TrimSpace(inner); {
		case timeTag.MatchString(inner):
			continue
		case name == "" || atWord.MatchString(inner):
			c.kind = chunkBad
		case columnKey(name) == "rows":
			c.kind = chunkRows
		default:
			c.kind, c.column = chunkColumn, name
		}
		if m[0] > at {
			out = append(out, chunk{source: text[at:m[0]]})
		}
		out, at = append(out, c), m[1]
	}
	if at < len(text) {
		out = append(out, chunk{source: text[at:]})
	}
	return out
}

// columnKey is a column's name as names are compared: {{folder  name}} means
// the column "Folder Name".
func columnKey(name string) string {
	return strings.ToLower(norm.NFC.String(strings.Join(strings.Fields(name), " ")))
}

// The tags that say who is meant, where the file has no such column.
const (
	accountKey = "account"
	addressKey = "address"
	emailKey   = "email"
)

func whoKey(key string) bool { return key == accountKey || key == addressKey || key == emailKey }

// tame makes somebody else's text fit to stand in a sentence of ours: one line,
// nothing that steers a terminal or turns the direction of what stands behind
// it, at most so many characters.
func tame(s string, most int) string {
	s = strings.Map(func(r rune) rune {
		switch {
		case r >= '\u202a' && r <= '\u202e', r >= '\u2066' && r <= '\u2069', r >= '\ue000' && r <= '\uf8ff':
			return -1
		case unicode.IsControl(r) || r == '\u2028' || r == '\u2029':
			return ' '
		}
		return r
	}, strings.ToValidUTF8(s, "\ufffd"))
	return clip(oneLine(s), most)
}

// nearest is the name that was probably meant; "" where none is like it.
func nearest(wanted string, names []string) string {
	best, distance := "", max(2, len([]rune(wanted))/3)+1
	for _, n := range names {
		if d := editDistance(letters(wanted), letters(n)); d < distance {
			best, distance = n, d
		}
	}
	return best
}

// letters are those of a name that people do not confuse.
func letters(name string) []rune {
	return slices.DeleteFunc([]rune(columnKey(name)), func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) })
}

// editDistance counts the letters to change, add or take away. Names longer
// than any that people write are compared by their beginning.
func editDistance(a, b []rune) int {
	a, b = a[:min(len(a), 60)], b[:min(len(b), 60)]
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i, x := range a {
		corner := row[0]
		row[0] = i + 1
		for j, y := range b {
			cost := corner
			if x != y {
				cost++
			}
			corner = row[j+1]
			row[j+1] = min(cost, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
