package templates

import (
	"strings"
	"unicode"

	"golang.org/x/net/html"
	"golang.org/x/net/html/atom"
)

// piece is text that stays on one line, and the space before it where the line
// goes on.
type piece struct{ space, text string }

// pieces cuts text where a line may end. A number stays with what is counted, a
// time with its zone.
func pieces(text string) (out []piece) {
	before := ""
	for i, word := range strings.Split(text, " ") {
		space := " "
		if i == 0 {
			space = ""
		}
		for n, part := range cuts(word) {
			if n > 0 {
				space = ""
			}
			if n == 0 && i > 0 && belongs(before) {
				out[len(out)-1].text += space + part
				continue
			}
			out = append(out, piece{space, part})
		}
		before = word
	}
	return out
}

// belongs reports whether a word is nothing without the next one: 14 min, 18:30 UTC.
func belongs(word string) bool {
	word = strings.TrimLeft(word, "(（و")
	return word != "" && word[0] != ':' && word[len(word)-1] != ':' && strings.Trim(word, "0123456789:") == ""
}

// cuts are the parts of a word of a script that writes no spaces. An address is none.
func cuts(word string) []string {
	if strings.Contains(word, "://") {
		return []string{word}
	}
	var out []string
	from, last := 0, rune(-1)
	for at, r := range word {
		if last >= 0 && (isIdeographic(last) || isIdeographic(r)) && !unicode.IsDigit(last) && !strings.ContainsRune(noEnd, last) && !strings.ContainsRune(noStart, r) && !unicode.Is(unicode.M, r) {
			out = append(out, word[from:at])
			from = at
		}
		last = r
	}
	return append(out, word[from:])
}

const (
	// noStart are signs that no line begins with, noEnd those that none ends
	// with, as JIS X 4051 has them.
	noStart = `、。，．・：；？！゛゜ヽヾゝゞ々ー）〕］｝〉》」』】〟ぁぃぅぇぉっゃゅょゎァィゥェォッャュョヮヵヶ～…,.:;?!)]}>"'%％`
	noEnd   = `～（〔［｛〈《「『【〝([{<`
)

// isIdeographic reports whether lines may be broken beside r.
func isIdeographic(r rune) bool {
	return unicode.In(r, unicode.Han, unicode.Hiragana, unicode.Katakana) || r >= 0x3000 && r <= 0x303f || r >= 0xff01 && r <= 0xff60
}

// colonIn is how the language of a document writes a colon.
func colonIn(root *html.Node) string {
	for n := root.FirstChild; n != nil; n = n.NextSibling {
		if n.DataAtom != atom.Html {
			continue
		}
		switch language, _, _ := strings.Cut(attribute(n, "lang"), "-"); language {
		case "fr":
			return "\u00a0:"
		case "ja":
			return "："
		}
	}
	return ":"
}
