package sms

import (
	"slices"
	"strings"
	"unicode"

	"golang.org/x/text/width"
)

// The words that people write to stop, to start and to ask, as carriers know
// them (CTIA Messaging Principles and Best Practices), and ARRET in French.
var (
	stopWords  = []string{"STOP", "STOPALL", "UNSUBSCRIBE", "CANCEL", "END", "QUIT", "REVOKE", "OPTOUT", "ARRET", "REMOVE"}
	startWords = []string{"START", "UNSTOP", "YES"}
	helpWords  = []string{"HELP", "INFO", "AIDE"}
)

// Understand tells what somebody wants; "" is nothing that is known. A word to
// stop counts wherever it comes first, because nobody who writes "stop please"
// means anything else; the others only alone.
func Understand(text string) Answer {
	// Of some gateways what was written with other letters comes as UTF-16, and
	// a Japanese keyboard may write wide letters.
	text = width.Fold.String(strings.ReplaceAll(text, "\x00", ""))
	words := strings.FieldsFunc(apart(strings.ToUpper(text)), func(r rune) bool { return !unicode.IsLetter(r) && !unicode.Is(unicode.M, r) })
	for i, w := range words {
		words[i] = strings.NewReplacer("Ê", "E", "E\u0302", "E").Replace(w)
	}
	switch {
	case len(words) == 0:
		return ""
	case slices.Contains(stopWords, words[0]),
		len(words) > 1 && (words[0]+words[1] == "OPTOUT" || words[0]+words[1] == "STOPALL"):
		return Stopped
	case len(words) > 1:
		return ""
	case slices.Contains(startWords, words[0]):
		return Started
	case slices.Contains(helpWords, words[0]):
		return Help
	}
	return ""
}

// apart parts a word in Latin letters from one in others that is written to it
// without a blank.
func apart(text string) string {
	var b strings.Builder
	latin := false
	for _, r := range text {
		if was := latin; unicode.IsLetter(r) {
			if latin = unicode.Is(unicode.Latin, r); was && !latin {
				b.WriteByte(' ')
			}
		}
		b.WriteRune(r)
	}
	return b.String()
}
