package audience

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"allclear/notifier"
)

// Row is one row of the file.
type Row struct {
	Line   int   // of the file, counted from 1, where the row begins
	Offset int64 // of that line's first byte in the file

	// The following are empty where the row cannot be used.
	Channel notifier.Channel // Email where the file does not say
	// Address is as Options.Check returned it, an email address with its
	// domain in lower case: rows with the same Channel and Address are one
	// recipient's.
	Address  string
	Language string // BCP 47; "" where the file does not say
	Timezone string // IANA name; "" where the file does not say
	Account  string // the other team's name for the recipient; "" where the file does not say
	Fields   []notifier.Field

	// Reason is why the row cannot be used, for the person who mends it; ""
	// where it can. Text is then the row as it stands in the file, in UTF-8 and
	// without its last line end; of a row longer than 1 MiB only how it begins.
	Reason string
	Text   string
}

// Point is a place between two rows, and what a Reader must know to go on from
// there. It can be kept as JSON.
type Point struct {
	Offset int64 `json:"offset"` // of the next byte, in bytes of the file
	Line   int   `json:"line"`   // that begins there; 0 is a file that was not begun

	Format    string   `json:"format"` // csv or ndjson
	Encoding  string   `json:"encoding"`
	Delimiter string   `json:"delimiter,omitempty"`
	Header    []string `json:"header,omitempty"` // of a CSV file, as written there

	Rows           int64 `json:"rows"`            // that can be used
	Rejected       int64 `json:"rejected"`        // that cannot
	WithoutAddress int64 `json:"without_address"` // that name nobody

	// BeyondASCII: the file was seen to be UTF-8, so that a row which is not
	// was damaged, and the encoding is no other.
	BeyondASCII bool `json:"beyond_ascii,omitempty"`
}

// Reader reads a file row by row, in memory that does not grow with the file:
// a quarter of a MiB, and some MiB where rows are long or their quotes broken.
type Reader struct {
	o       Options
	w       window
	at      Point
	err     error
	comma   byte
	columns []column
	to      int // the column of addresses

	rec, ahead, probe record
	cells             []string
	keys              map[string]column // of an NDJSON file
	found             []pair            // in the object at hand
	zones, languages  map[string]bool   // that were met, and whether they are any
}

// NewReader begins to read a file. One that cannot be understood at all (no
// column for addresses, no text) is a *notifier.Invalid that names the line or
// the option and says what to write; where in itself cannot be read, the error
// wraps in's.
func NewReader(in io.Reader, o Options) (*Reader, error) {
	if o.Check == nil {
		return nil, errors.New("read an audience: Options.Check is missing")
	}
	if encoding, ok := encodings[o.Encoding]; ok {
		o.Encoding = encoding
	} else if o.Encoding != "" {
		return nil, notifier.Invalidf("encoding", "%q is not one of utf-8, utf-16, windows-1252", notifier.Clip(o.Encoding))
	}
	if o.Zone == nil {
		o.Zone = time.UTC
	}
	r := &Reader{o: o, w: window{in: in, used: o.Sum}, at: o.From, keys: map[string]column{}, zones: map[string]bool{}, languages: map[string]bool{}}
	if o.From.Line == 0 {
		if err := r.begin(); err != nil {
			return nil, err
		}
		return r, nil
	}
	r.w.offset = o.From.Offset
	r.decodeAs(o.From.Encoding)
	if o.From.Format == csvFormat {
		if len(o.From.Delimiter) != 1 {
			return nil, fmt.Errorf("go on with an audience: %q is no delimiter", o.From.Delimiter)
		}
		r.comma = o.From.Delimiter[0]
		columns, bad := r.o.columnsOf(o.From.Header)
		if bad != nil {
			return nil, bad
		}
		r.know(columns)
	}
	return r, nil
}

// Next returns the next row that can be used or, with its Reason, cannot. Rows
// without an address are passed over and counted; empty lines are no rows.
// After the last row it returns io.EOF. Any other error ends the file: a
// *notifier.Invalid where rows cannot be told apart from that line on or are
// in another encoding, else what the input said, wrapped, with the line. Of a
// row that the connection tore nothing comes out.
func (r *Reader) Next() (Row, error) {
	for r.err == nil {
		row, kind, err := r.read()
		switch {
		case errors.Is(err, io.EOF):
			r.err = io.EOF
			continue
		case err != nil:
			var bad *notifier.Invalid
			if r.err = err; !errors.As(err, &bad) {
				r.err = fmt.Errorf("read line %d: %w", r.at.Line, err)
			}
			continue
		}
		switch kind {
		case usable:
			r.at.Rows++
			return row, nil
		case rejected:
			r.at.Rejected++
			return row, nil
		case addressless:
			r.at.WithoutAddress++
		case empty:
		}
	}
	return Row{}, r.err
}

// Point tells how far the Reader is: behind the row that Next returned last.
// Whoever keeps it together with the rows so far can begin again there.
func (r *Reader) Point() Point { return r.at }

// Settled reports whether everything before the Point would be read the same
// way whatever stands behind it: not a last line without an end, which may grow,
// nor a row whose quotes only what follows showed to be broken.
func (r *Reader) Settled() bool { return r.w.seen <= r.at.Offset }

// kind is what became of a row.
type kind int

const (
	usable kind = iota
	rejected
	addressless
	empty
)

func (r *Reader) read() (Row, kind, error) {
	row := Row{Line: r.at.Line, Offset: r.w.offset, Channel: notifier.Email}
	p, err := r.parse(&r.rec, 0)
	if errors.Is(err, errLong) {
		return r.tooLong(row)
	}
	if err != nil {
		return Row{}, empty, err
	}
	k := rejected
	switch {
	case r.rec.torn:
		if row.Reason, err = r.damaged(); err != nil {
			return Row{}, empty, err
		}
		if p.state == broken {
			p, err = r.cut(p)
		}
	case p.state == broken:
		row.Reason = r.column(len(r.rec.cells)) + r.rec.reason
		p, err = r.cut(p)
	case p.state == stray:
		row.Reason = r.column(len(r.rec.cells)) + r.rec.reason
	case r.at.Format == ndjson:
		k, err = r.object(&row)
	default:
		k = r.row(&row, p)
	}
	if err != nil {
		return Row{}, empty, err
	}
	if r.rec.found&hasHigh != 0 && !r.rec.torn {
		r.at.BeyondASCII = true
	}
	if k == rejected {
		row = Row{Line: row.Line, Offset: row.Offset, Reason: row.Reason, Text: r.text(p.next)}
	}
	r.use(p.next, p.lines)
	return row, k, nil
}

// use goes on behind n bytes that were so many lines.
func (r *Reader) use(n, lines int) {
	r.w.use(n)
	r.at.Offset = r.w.offset
	r.at.Line += lines
}

// text is what stands in the next n bytes of the file.
func (r *Reader) text(n int) string {
	out, _, _ := decode(nil, r.w.unread()[:n], r.at.Encoding)
	out = bytes.TrimSuffix(bytes.TrimSuffix(out, []byte("\n")), []byte("\r"))
	return strings.ToValidUTF8(string(out), "\ufffd")
}

// tooLong rejects a line that is too long, with how it begins.
func (r *Reader) tooLong(row Row) (Row, kind, error) {
	row = Row{Line: row.Line, Offset: row.Offset, Reason: fmt.Sprintf("the row is %s; nothing in it was read", errLong), Text: r.text(1000)}
	if err := r.w.skip(); err != nil {
		return Row{}, empty, err
	}
	r.use(0, 1)
	return row, rejected, nil
}

// damaged is the reason of a row that is not what the encoding says; an error
// where that shows the whole file to be something else.
func (r *Reader) damaged() (string, error) {
	if r.at.Encoding == utf8Name && !r.at.BeyondASCII && !mixed(r.rec.text) {
		return "", notifier.Invalidf(fmt.Sprintf("line %d", r.at.Line), "is not valid UTF-8; a file from a spreadsheet is often windows-1252: write encoding=windows-1252")
	}
	return "is not valid " + strings.ToUpper(r.at.Encoding) + "; it was damaged on its way", nil
}

func (r *Reader) decodeAs(encoding string) {
	r.at.Encoding = encoding
	r.w.wide = encoding == utf16LE || encoding == utf16BE
	if encoding == utf16BE {
		r.w.low = 1
	}
}
