package audience

import (
	"net/url"
	"slices"
	"strings"
	"unicode"
)

// likely are words that name a column of addresses, the surest first.
var likely = []string{"mail", "メール", "بريد", "courriel", "correo", "recipient", "adress", "address", "direcci", "empfänger", "destinataire", "login", "username", "user"} //nolint:misspell // as people head columns

// nearest is the column that most likely holds the addresses; "" where none
// looks like it.
func nearest(names []string) string {
	best, rank := "", len(likely)*1000
	for _, name := range names {
		key := letters(name)
		r := slices.IndexFunc(likely, func(word string) bool { return strings.Contains(key, word) })
		switch {
		case key == "email" || key == "mail":
			r = -1
		case r < 0 && strings.HasPrefix(key, "e") && distance(key, "email") <= 2:
			r = 0 // emial; without the e it would be "detail" too
		case r < 0:
			continue
		}
		// Of two that hold the word the shorter one is nearer: "user_email"
		// before "email_confirmed_at".
		if n := r*1000 + min(len(key), 999); n < rank {
			best, rank = name, n
		}
	}
	return best
}

// letters are the letters of a name in lower case.
func letters(name string) string {
	return strings.Map(func(r rune) rune {
		if !unicode.IsLetter(r) && !unicode.IsMark(r) {
			return -1
		}
		return unicode.ToLower(r)
	}, name)
}

// distance is how many letters must be put in, left out or changed to make b of
// a (Levenshtein 1965).
func distance(a, b string) int {
	const enough = 100 // of a name, or a hostile header would take its time
	x, y := []rune(a), []rune(b)
	x, y = x[:min(len(x), enough)], y[:min(len(y), enough)]
	row := make([]int, len(y)+1)
	for j := range row {
		row[j] = j
	}
	for i, r := range x {
		diagonal := row[0]
		row[0] = i + 1
		for j, s := range y {
			change := diagonal
			if r != s {
				change++
			}
			diagonal = row[j+1]
			row[j+1] = min(change, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(y)]
}

// escape writes text as the value of a parameter, with a bare colon, which
// needs no escape there (RFC 3986, section 3.4).
func escape(text string) string {
	return strings.ReplaceAll(url.QueryEscape(text), "%3A", ":")
}
