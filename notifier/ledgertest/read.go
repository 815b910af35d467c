package ledgertest

import (
	"bytes"
	"slices"
)

// read finds in a mail's content its Message-ID, the marks of posts, and the
// words of readers. scratch is kept between mails.
func (l *Ledger) read(m *Mail, content, scratch []byte) []byte {
	header, _, _ := bytes.Cut(content, []byte("\r\n\r\n"))
	for line := range bytes.SplitSeq(header, []byte("\r\n")) {
		const name = "message-id:"
		if len(line) > len(name) && bytes.EqualFold(line[:len(name)], []byte(name)) {
			m.ID = string(bytes.TrimSpace(line[len(name):]))
		}
	}
	l.mu.RLock()
	defer l.mu.RUnlock()
	own := l.readers[m.To].Words
	seen := make([]bool, len(own))
	scratch = plain(scratch[:0], content)
	for rest := scratch; ; {
		var word []byte
		if word, rest = nextWord(rest, &l.lengths); word == nil {
			break
		}
		if at, ok := l.marks[string(word)]; ok && !slices.Contains(m.Marks, at) {
			m.Marks = append(m.Marks, at)
		}
		switch whose, ok := l.words[string(word)]; {
		case !ok:
		case whose == m.To:
			seen[slices.Index(own, string(word))] = true
		case !slices.Contains(m.Foreign, string(word)):
			m.Foreign = append(m.Foreign, string(word))
		}
	}
	slices.Sort(m.Marks)
	for i, ok := range seen {
		if !ok {
			m.Missing = append(m.Missing, own[i])
		}
	}
	return scratch
}

// inWord says of which bytes words are made.
var inWord = func() (in [256]bool) {
	for _, c := range "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-" {
		in[c] = true
	}
	return in
}()

// nextWord cuts off the first word that is as long as one of ours; nil where
// there is none. Every mail passes here byte by byte, and what it reads is its
// caller's own: the race detector would only make it slow.
//
//go:norace
func nextWord(text []byte, lengths *[longest + 1]bool) (word, rest []byte) {
	for to := 0; to < len(text); {
		from := to
		for to < len(text) && inWord[text[to]] {
			to++
		}
		if n := to - from; n > 0 && n <= longest && lengths[n] {
			return text[from:to], text[to:]
		}
		to++
	}
	return nil, nil
}

// longest is how long a word of a reader or a post may be.
const longest = 63

// plain appends content with quoted-printable undone (RFC 2045 6.7). Headers
// are not encoded so, and hold no = that would be taken for it within a word.
func plain(to, content []byte) []byte {
	for len(content) > 0 {
		at := bytes.IndexByte(content, '=')
		if at < 0 {
			return append(to, content...)
		}
		to = append(to, content[:at]...)
		content = content[at+1:]
		switch {
		case len(content) >= 2 && content[0] == '\r' && content[1] == '\n':
			content = content[2:]
		case len(content) >= 2 && hex(content[0]) >= 0 && hex(content[1]) >= 0:
			to = append(to, byte(hex(content[0])<<4|hex(content[1])))
			content = content[2:]
		default:
			to = append(to, '=')
		}
	}
	return to
}

func hex(c byte) int {
	switch {
	case c >= '0' && c <= '9':
		return int(c - '0')
	case c >= 'A' && c <= 'F':
		return int(c-'A') + 10
	}
	return -1
}
