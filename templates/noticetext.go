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

// nearest is the name that was probably meant: with a slip of the keys, with
// more around it, or begun alike; "" where none is like it.
func nearest(wanted string, names []string) string {
	best, score := "", 1<<30
	w := letters(wanted)
	for _, name := range names {
		n := letters(name)
		d, alike := editDistance(w, n), 0
		for alike < min(len(w), len(n)) && w[alike] == n[alike] {
			alike++
		}
		near := d <= max(1, len(w)/3) || alike >= 3 || len(w) >= 3 && strings.Contains(string(n), string(w)) || len(n) >= 3 && strings.Contains(string(w), string(n))
		if near && 2*d-alike < score {
			best, score = name, 2*d-alike
		}
	}
	return best
}

// letters are those of a name that people do not confuse.
func letters(name string) []rune {
	all := slices.DeleteFunc([]rune(columnKey(name)), func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) })
	return all[:min(len(all), 60)] // nobody writes more
}

// editDistance counts the letters to change, add, take away or exchange with the next.
func editDistance(a, b []rune) int {
	var before []int
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i, x := range a {
		next := make([]int, len(b)+1)
		next[0] = i + 1
		for j, y := range b {
			change := 1
			if x == y {
				change = 0
			}
			next[j+1] = min(row[j]+change, row[j+1]+1, next[j]+1)
			if i > 0 && j > 0 && x == b[j-1] && a[i-1] == y {
				next[j+1] = min(next[j+1], before[j-1]+1)
			}
		}
		before, row = row, next
	}
	return row[len(b)]
}
