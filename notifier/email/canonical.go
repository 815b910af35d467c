package email

import (
	"bytes"
	"errors"
	"slices"
	"strings"
)

// canonical is a skeleton once more, as DKIM's relaxed canonicalisation reads it
// (RFC 6376 section 3.4): the signed headers in the order of h=, and the body.
// What mails differ in has no white space in it and is filled in here as it is
// there, so that no mail has to be canonicalised on its own.
type canonical struct {
	head, body []piece
	names      string // h=
}

// holeMark and the hole's number stand for a hole in flat text: bytes that
// skeletonWriter.finish lets through nowhere else.
const holeMark = 0x80

var errNotCanonical = errors.New("what is filled in cannot be found again in the canonical text")

// makeCanonical makes it, or says why it cannot.
func (s *skeleton) makeCanonical() (*canonical, error) {
	var text []byte
	var patches []patch
	for _, p := range s.pieces {
		for _, x := range p.patches {
			x.at += len(text)
			patches = append(patches, x)
		}
		text = append(text, p.text...)
		if p.hole != holeNone {
			text = append(text, holeMark+byte(p.hole))
		}
	}
	end := bytes.Index(text, []byte("\r\n\r\n"))
	if end < 0 {
		return nil, errors.New("the mail has no end of its header")
	}
	end += 2 // behind the last field's CRLF
	fields, err := fieldsOf(text[:end])
	if err != nil {
		return nil, err
	}
	head, body := newRelaxed(len(text)), newRelaxed(len(text))
	for _, name := range s.signs {
		// A name that stands in h= once more than it occurs signs its absence.
		if f, ok := fields[strings.ToLower(name)]; ok {
			head.field(text[f.from:f.to], f.from)
			delete(fields, strings.ToLower(name))
		}
	}
	body.body(text[end+2:], end+2)
	found := 0
	c := &canonical{names: strings.Join(s.signs, ":")}
	if c.head, err = head.pieces(len(text), patches); err != nil {
		return nil, err
	}
	if c.body, err = body.pieces(len(text), patches); err != nil {
		return nil, err
	}
	for _, p := range slices.Concat(c.head, c.body) {
		found += len(p.patches)
	}
	if found != len(patches) {
		return nil, errNotCanonical
	}
	return c, nil
}

type span struct{ from, to int }

// fieldsOf finds the fields of a header by their name in lower case. None of
// ours stands there twice, which spares the order in which those would be signed.
func fieldsOf(header []byte) (map[string]span, error) {
	out := map[string]span{}
	for at := 0; at < len(header); {
		end := at
		for {
			end += bytes.Index(header[end:], []byte("\r\n")) + 2
			if end == len(header) || header[end] != ' ' && header[end] != '\t' {
				break
			}
		}
		colon := bytes.IndexByte(header[at:end], ':')
		if colon < 1 {
			return nil, errors.New("a header line has no name")
		}
		name := string(bytes.ToLower(header[at : at+colon]))
		if _, twice := out[name]; twice {
			return nil, errors.New(name + " stands twice in the header")
		}
		out[name] = span{at, end}
		at = end
	}
	return out, nil
}

// relaxed is canonical text, and for each byte where it stood before.
type relaxed struct {
	text []byte
	from []int // -1 for what was put in
}

func newRelaxed(room int) *relaxed {
	return &relaxed{make([]byte, 0, room), make([]int, 0, room)}
}

func (r *relaxed) put(b byte, from int) {
	r.text, r.from = append(r.text, b), append(r.from, from)
}

func (r *relaxed) crlf() {
	r.put('\r', -1)
	r.put('\n', -1)
}

// field appends a header field: its name in lower case, its value unfolded, one
// space where there was white space, none around it.
func (r *relaxed) field(raw []byte, at int) {
	colon := bytes.IndexByte(raw, ':')
	for i, b := range bytes.ToLower(raw[:colon+1]) {
		r.put(b, at+i)
	}
	r.squeeze(raw[colon+1:], at+colon+1, false)
	r.crlf()
}

// body appends a body: one space where there was white space, none at a line's
// end, no empty lines at its own end.
func (r *relaxed) body(raw []byte, at int) {
	for len(raw) > 0 {
		line, rest, _ := bytes.Cut(raw, []byte("\r\n"))
		r.squeeze(line, at, true)
		r.crlf()
		at += len(raw) - len(rest)
		raw = rest
	}
	n := len(r.text)
	for n >= 2 && r.text[n-1] == '\n' && (n == 2 || r.text[n-3] == '\n') {
		n -= 2
	}
	r.text, r.from = r.text[:n], r.from[:n]
}

// squeeze appends raw with one space for each run of white space; none at its
// end, and at its beginning only where indented says that it counts.
func (r *relaxed) squeeze(raw []byte, at int, indented bool) {
	space := -1
	for i, b := range raw {
		switch {
		case b == ' ' || b == '\t' || b == '\r' || b == '\n':
			if space < 0 {
				space = i
			}
			continue
		case space >= 0 && indented:
			r.put(' ', at+space)
		}
		r.put(b, at+i)
		space, indented = -1, true
	}
}

// pieces cuts the text at its holes and finds the patches again, which stood in
// a text of size bytes. One that went missing in part is an error; one that is not
// here at all may be elsewhere.
func (r *relaxed) pieces(size int, patches []patch) ([]piece, error) {
	to := make([]int, size)
	for i, f := range r.from {
		if f >= 0 {
			to[f] = i + 1
		}
	}
	var moved []patch
	for _, x := range patches {
		at := to[x.at]
		for i := range x.n {
			if at != 0 && to[x.at+i] != at+i || at == 0 && to[x.at+i] != 0 {
				return nil, errNotCanonical
			}
		}
		if at != 0 {
			x.at = at - 1
			moved = append(moved, x)
		}
	}
	var out []piece
	start := 0
	cut := func(end int, h hole) {
		p := piece{text: bytes.Clone(r.text[start:end]), hole: h}
		for _, x := range moved {
			if x.at >= start && x.at < end {
				x.at -= start
				p.patches = append(p.patches, x)
			}
		}
		out = append(out, p)
	}
	for i, b := range r.text {
		if b >= holeMark {
			cut(i, hole(b-holeMark))
			start = i + 1
		}
	}
	cut(len(r.text), holeNone)
	return out, nil
}
