package email

import (
	"bytes"
	"errors"
	"fmt"
	"strings"

	"allclear/notifier"
)

// maxLine is the longest line that may be sent, without its CRLF (RFC 5322 section 2.1.1).
const maxLine = 998

// skeletonWriter collects a skeleton and remembers where what differs stands.
type skeletonWriter struct {
	sk    skeleton
	now   piece    // the piece being written
	marks []string // of the letter's blanks
	names []string // headers written so far
	open  bool     // a header line has no CRLF yet
}

func marksOf(l *notifier.Letter) []string {
	out := make([]string, len(l.Blanks))
	for i, b := range l.Blanks {
		out[i] = b.Mark
	}
	return out
}

// field ends the line before and begins the header name.
func (w *skeletonWriter) field(name string) *skeletonWriter {
	w.endField()
	w.names, w.open = append(w.names, name), true
	return w.text(name + ": ")
}

// line writes a whole header that is the same for everyone.
func (w *skeletonWriter) line(s string) {
	name, value, _ := strings.Cut(s, ": ")
	w.field(name).text(value)
}

func (w *skeletonWriter) endField() {
	if w.open {
		w.text("\r\n")
	}
	w.open = false
}

func (w *skeletonWriter) text(s string) *skeletonWriter {
	w.now.text = append(w.now.text, s...)
	return w
}

// value leaves n bytes for one of the values that every mail has.
func (w *skeletonWriter) value(value, n int) *skeletonWriter {
	w.now.patches = append(w.now.patches, patch{at: len(w.now.text), n: n, value: value})
	return w.text(strings.Repeat("0", n))
}

// cut ends the piece with a hole.
func (w *skeletonWriter) cut(h hole) *skeletonWriter {
	w.now.hole = h
	w.sk.mailto = w.sk.mailto || h == holeMailto
	w.sk.pieces = append(w.sk.pieces, w.now)
	w.now = piece{}
	return w
}

// marked writes text in which marks stand as they are.
func (w *skeletonWriter) marked(s string) *skeletonWriter {
	at := len(w.now.text)
	w.eachMark([]byte(s), func(blank, from int) {
		w.now.patches = append(w.now.patches, patch{at: at + from, n: len(w.marks[blank]), value: blank})
	})
	return w.text(s)
}

// body writes the MIME body. Marks are looked for in the contents of the parts only.
func (w *skeletonWriter) body(mime encoded) {
	if mime.boundary == "" {
		w.quoted(mime.body)
		return
	}
	delimiter := []byte("--" + mime.boundary)
	parts := bytes.Split(mime.body, delimiter)
	for i, part := range parts {
		if i > 0 {
			w.text(string(delimiter))
		}
		head, content, ok := bytes.Cut(part, []byte("\r\n\r\n"))
		w.text(string(head))
		if ok {
			w.text("\r\n\r\n")
			w.quoted(content)
		}
	}
}

// quoted writes quoted-printable text. Marks are looked for in what it stands
// for, so that a soft line break within one hides nothing and an escape beside
// one pretends nothing; each becomes as many patches as it lies on lines.
func (w *skeletonWriter) quoted(raw []byte) {
	if len(w.marks) == 0 {
		w.text(string(raw))
		return
	}
	plain, from := unquote(raw)
	base := len(w.now.text)
	w.eachMark(plain, func(blank, at int) {
		n := len(w.marks[blank])
		for i := 0; i < n; {
			run := 1
			for i+run < n && from[at+i+run] == from[at+i]+run {
				run++
			}
			w.now.patches = append(w.now.patches, patch{at: base + from[at+i], skip: i, n: run, value: blank})
			i += run
		}
	})
	w.text(string(raw))
}

// eachMark calls found for every mark in text, left to right, none overlapping.
func (w *skeletonWriter) eachMark(text []byte, found func(blank, at int)) {
	next := make([]int, len(w.marks)) // where each mark occurs next; len(text) for never
	look := func(blank, from int) {
		next[blank] = len(text)
		if i := bytes.Index(text[from:], []byte(w.marks[blank])); i >= 0 {
			next[blank] = from + i
		}
	}
	for b := range w.marks {
		look(b, 0)
	}
	for {
		first := -1
		for b := range next {
			if next[b] < len(text) && (first < 0 || next[b] < next[first]) {
				first = b
			}
		}
		if first < 0 {
			return
		}
		found(first, next[first])
		end := next[first] + len(w.marks[first])
		for b := range next {
			if next[b] < end {
				look(b, end)
			}
		}
	}
}

// unquote reads quoted-printable text and tells for each byte where it stands.
// A byte that was escaped is no candidate for a mark, whatever it is, and
// becomes a NUL: marks are never escaped.
func unquote(raw []byte) (plain []byte, from []int) {
	plain, from = make([]byte, 0, len(raw)), make([]int, 0, len(raw))
	for i := 0; i < len(raw); i++ {
		b, at := raw[i], i
		if b == '=' && i+2 < len(raw) {
			i += 2
			if raw[i-1] == '\r' {
				continue // a soft line break
			}
			b = 0
		}
		plain, from = append(plain, b), append(from, at)
	}
	return plain, from
}

// finish hands the skeleton over after a last look at what goes on the wire:
// lines end in CRLF, none is too long, and all is 7 bit.
func (w *skeletonWriter) finish() (*skeleton, error) {
	if !bytes.HasSuffix(w.now.text, []byte("\r\n")) {
		w.text("\r\n")
	}
	w.cut(holeNone)
	column := 0
	for _, p := range w.sk.pieces {
		w.sk.size += len(p.text)
		for i, b := range p.text {
			switch {
			case b >= 0x80 || b == 0:
				return nil, fmt.Errorf("byte %#02x is not 7 bit text", b)
			case b == '\n' && (i == 0 || p.text[i-1] != '\r'), b == '\r' && (i+1 == len(p.text) || p.text[i+1] != '\n'):
				return nil, errors.New("a line break is not CRLF")
			case b == '\n':
				column = 0
			case b != '\r':
				column++
			}
			if column > maxLine {
				return nil, fmt.Errorf("a line is longer than %d bytes", maxLine)
			}
		}
		if p.hole != holeNone {
			column += 254
		}
	}
	for _, m := range w.marks {
		w.sk.blanks = append(w.sk.blanks, len(m))
	}
	sk := w.sk
	return &sk, nil
}
