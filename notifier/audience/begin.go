package audience

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"allclear/notifier"
)

// begin finds out what the file is and reads its header.
func (r *Reader) begin() error {
	r.at.Line = 1
	for len(r.w.unread()) < 512 && r.w.err == nil {
		r.w.fill()
	}
	first := r.w.unread()
	if len(first) == 0 && !errors.Is(r.w.err, io.EOF) {
		return fmt.Errorf("read line 1: %w", r.w.err)
	}
	encoding, mark, bad := encodingOf(first, r.o.Encoding)
	if bad != nil {
		return bad
	}
	r.decodeAs(encoding)
	r.use(mark, 0)
	r.at.BeyondASCII = encoding == utf8Name && mark > 0 // whoever writes the mark means it
	r.at.Format = r.o.Format
	if r.at.Format == "" {
		r.at.Format = csvFormat
		text, _, _ := decode(nil, first[mark:min(len(first), 512)], encoding)
		text = bytes.TrimSpace(text)
		if inner, list := bytes.CutPrefix(text, []byte("[")); list {
			text = bytes.TrimSpace(inner) // no NDJSON either, but its reader says so best
		}
		if bytes.HasPrefix(text, []byte("{")) {
			r.at.Format = ndjson
		}
	}
	if r.at.Format == ndjson {
		return nil
	}
	err := r.header()
	bad = nil
	if errors.As(err, &bad) && bad.Field == "" {
		bad.Field = fmt.Sprintf("line %d", r.at.Line)
	}
	return err
}

// header reads the line that names the columns.
func (r *Reader) header() error {
	if err := r.delimiter(); err != nil {
		return err
	}
	r.at.Delimiter = string(rune(r.comma))
	p, err := r.parse(&r.rec, 0)
	if err != nil {
		return r.unheaded(err)
	}
	if r.rec.torn {
		if _, err := r.damaged(); err != nil {
			return err
		}
		return notifier.Invalidf("", "is not valid %s", r.at.Encoding)
	}
	if p.state != whole {
		return notifier.Invalidf("", "column %d: %s", len(r.rec.cells)+1, r.rec.reason)
	}
	cells := r.rec.strings(nil)
	for i, name := range cells {
		switch bad := r.content(name); {
		case strings.IndexByte(name, '\r') >= 0:
			return oldMac()
		case strings.IndexByte(name, 0) >= 0:
			return notifier.Invalidf("", "column %d: holds NUL bytes; a file that is full of them is often UTF-16: write encoding=utf-16", i+1)
		case bad != "":
			return notifier.Invalidf("", "column %d: %s", i+1, bad)
		}
	}
	columns, bad := r.o.columnsOf(cells)
	if bad != nil {
		return bad
	}
	r.know(columns)
	r.at.Header = cells
	r.at.BeyondASCII = r.at.BeyondASCII || r.rec.found&hasHigh != 0
	r.use(p.next, p.lines)
	return nil
}

func (r *Reader) know(columns []column) {
	r.columns = columns
	r.to = slices.IndexFunc(columns, func(c column) bool { return c.role == address })
}

// delimiter passes over empty lines, and over the line by which Excel is told
// the delimiter (sep=;), and settles what it is.
func (r *Reader) delimiter() error {
	r.comma = r.o.Delimiter
	for {
		raw, next, err := r.w.line(0)
		if err != nil {
			return r.unheaded(err)
		}
		text, _, _ := decode(nil, raw, r.at.Encoding)
		switch {
		case len(bytes.TrimSpace(text)) == 0:
		case len(text) == 5 && bytes.HasPrefix(text, []byte("sep=")) && strings.IndexByte(",;\t|", text[4]) >= 0:
			if r.comma == 0 {
				r.comma = text[4]
			}
		default:
			if r.comma == 0 {
				r.comma = guessDelimiter(text)
			}
			return nil
		}
		r.use(next, 1)
	}
}

// unheaded says why there is no header.
func (r *Reader) unheaded(err error) error {
	switch {
	case errors.Is(err, io.EOF):
		return notifier.Invalidf("", "the file is empty; its first line must name the columns")
	case errors.Is(err, errLong) && bytes.IndexByte(r.w.unread(), '\r') >= 0:
		return oldMac()
	case errors.Is(err, errLong):
		return notifier.Invalidf("", "the header is %s; is it a table, with a row on each line?", err)
	}
	return fmt.Errorf("read line %d: %w", r.at.Line, err)
}

func oldMac() *notifier.Invalid {
	return notifier.Invalidf("", "the lines end in CR alone; save the file with LF or CRLF")
}
