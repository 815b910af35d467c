package subscribers

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode/utf8"

	"allclear/notifier"
)

const (
	maxCell = 4 << 10  // bytes
	maxLine = 64 << 10 // bytes; every column filled to the brim
)

// csvColumns are the columns of this version, in the order an export writes them.
var csvColumns = []string{"channel", "address", "components", "severity", "kinds", "cadence", "timezone", "language", "state", "group", "contact", "incident", "format", "types", "quiet", "hour", "weekday", "critical", "all_quiet", "mine", "second_channel", "second_address"}

// Row is one line of a file of subscribers.
type Row struct {
	Line       int // counted from 1, the header's
	Subscriber Subscriber
	Err        *notifier.Invalid // what is wrong with this row; nil where it can be used
}

// CSVReader reads a file of subscribers (RFC 4180) row by row, in memory that
// does not grow with the file. It differs from the RFC in one point: a cell
// cannot hold a line break, because no column has a use for one. So a quote
// that is never closed spoils its own line and not the rest of the file.
type CSVReader struct {
	in      *bufio.Reader
	line    int
	comma   byte
	columns []string
	from    *foreign // whose file it is; nil is ours
	without State    // of rows that name none; "" is Pending
}

// ReadCSV begins to read a file: UTF-8 with or without a byte order mark,
// comma, semicolon or tab between cells (whichever its header uses most),
// columns in any order and case. A file that cannot be understood at all is a
// *notifier.Invalid for "header".
func ReadCSV(r io.Reader) (*CSVReader, error) {
	c := &CSVReader{in: bufio.NewReaderSize(r, maxLine)}
	bad := func(format string, args ...any) (*CSVReader, error) {
		return nil, notifier.Invalidf("header", format, args...)
	}
	if start, _ := c.in.Peek(3); bytes.Equal(start, []byte("\xef\xbb\xbf")) {
		_, _ = c.in.Discard(3)
	}
	head, err := c.next()
	switch {
	case errors.Is(err, io.EOF):
		return bad("the file is empty; its first line must name the columns")
	case errors.Is(err, bufio.ErrBufferFull):
		return bad("the first line is longer than %d bytes", maxLine)
	case err != nil:
		return nil, fmt.Errorf("read the header: %w", err)
	case bytes.HasPrefix(head, []byte("\xff\xfe")), bytes.HasPrefix(head, []byte("\xfe\xff")), bytes.IndexByte(head, 0) >= 0:
		return bad("the file is UTF-16; save it as UTF-8")
	case !utf8.Valid(head):
		return bad("the file is not UTF-8")
	case bytes.IndexByte(head, '\r') >= 0:
		return bad("the lines end in CR alone; save the file with LF or CRLF")
	}
	c.comma = delimiter(head)
	cells, at, reason := c.split(head)
	if reason != "" {
		return bad("column %d: %s", at+1, reason)
	}
	for i, name := range cells {
		cells[i] = strings.ToLower(strings.TrimSpace(name))
	}
	c.from = foreignFile(cells)
	for _, name := range cells {
		name = c.from.column(name)
		switch {
		case name == "", name == "country" && c.from != nil && c.from.country:
		case !slices.Contains(csvColumns, name):
			return bad("%q is not a known column; known are %s", notifier.Clip(name), strings.Join(csvColumns, ", "))
		case slices.Contains(c.columns, name):
			return bad("the column %s stands there twice", name)
		}
		c.columns = append(c.columns, name)
	}
	if !slices.Contains(c.columns, "address") {
		return bad("there is no column address (or email)")
	}
	return c, nil
}

// Next returns the next row, or io.EOF after the last. A row that is wrong has
// its Err set and reading goes on; an error returned here ends the file (it
// could not be read further), and what was read of a broken last line is not
// made into a row.
func (c *CSVReader) Next() (Row, error) {
	for {
		text, err := c.next()
		row := Row{Line: c.line}
		switch {
		case errors.Is(err, bufio.ErrBufferFull):
			row.Err = notifier.Invalidf("", "the line is longer than %d bytes", maxLine)
			return row, nil
		case errors.Is(err, io.EOF):
			return Row{}, io.EOF
		case err != nil:
			return Row{}, fmt.Errorf("read line %d: %w", c.line, err)
		}
		cells, at, reason := c.split(text)
		if reason != "" {
			row.Err = notifier.Invalidf(c.column(at), "%s", reason)
			return row, nil
		}
		if !slices.ContainsFunc(cells, func(s string) bool { return s != "" }) {
			continue // an empty line, or a spreadsheet's empty row
		}
		row.Subscriber, row.Err = c.subscriber(cells)
		return row, nil
	}
}

// next returns the next line without its end. Of a line that is too long it
// reads past the end and returns bufio.ErrBufferFull.
func (c *CSVReader) next() ([]byte, error) {
	c.line++
	text, err := c.in.ReadSlice('\n')
	if errors.Is(err, bufio.ErrBufferFull) {
		for errors.Is(err, bufio.ErrBufferFull) {
			_, err = c.in.ReadSlice('\n')
		}
		if err != nil && !errors.Is(err, io.EOF) {
			return nil, err
		}
		return nil, bufio.ErrBufferFull
	}
	if err != nil && (!errors.Is(err, io.EOF) || len(text) == 0) {
		return nil, err
	}
	text = bytes.TrimSuffix(text, []byte("\n"))
	return bytes.TrimSuffix(text, []byte("\r")), nil
}

// delimiter is the one of the three that the header uses most.
func delimiter(head []byte) byte {
	best, most := byte(','), 0
	for _, d := range []byte{',', ';', '\t'} {
		if n := bytes.Count(head, []byte{d}); n > most {
			best, most = d, n
		}
	}
	return best
}

// split cuts a line into cells. Where that fails, it tells in which cell and why.
func (c *CSVReader) split(text []byte) (cells []string, at int, reason string) {
	for {
		var cell []byte
		if len(text) > 0 && text[0] == '"' {
			text = text[1:]
			for closed := false; !closed; {
				i := bytes.IndexByte(text, '"')
				if i < 0 {
					return nil, len(cells), "a quote is opened and not closed on its line"
				}
				cell = append(cell, text[:i]...)
				text = text[i+1:]
				if len(text) > 0 && text[0] == '"' {
					cell, text = append(cell, '"'), text[1:]
				} else {
					closed = true
				}
			}
			if len(text) > 0 && text[0] != c.comma {
				return nil, len(cells), "something stands behind the closing quote"
			}
		} else {
			i := bytes.IndexByte(text, c.comma)
			if i < 0 {
				i = len(text)
			}
			cell, text = bytes.Trim(text[:i], " "), text[i:]
			if bytes.IndexByte(cell, '"') >= 0 {
				return nil, len(cells), "a quote stands in a cell that does not begin with one"
			}
		}
		switch {
		case len(cell) > maxCell:
			return nil, len(cells), fmt.Sprintf("%d bytes; at most %d are allowed", len(cell), maxCell)
		case !utf8.Valid(cell):
			return nil, len(cells), "is not valid UTF-8"
		}
		cells = append(cells, unguard(string(cell)))
		if len(text) == 0 {
			return cells, 0, ""
		}
		text = text[1:]
	}
}

func (c *CSVReader) column(i int) string {
	if i < len(c.columns) {
		return c.columns[i]
	}
	return ""
}

func (c *CSVReader) subscriber(cells []string) (Subscriber, *notifier.Invalid) {
	if len(cells) != len(c.columns) {
		return Subscriber{}, notifier.Invalidf("", "has %d cells where the header has %d", len(cells), len(c.columns))
	}
	var s Subscriber
	var country string
	for i, name := range c.columns {
		v := cells[i]
		word := strings.ToLower(strings.TrimSpace(v))
		switch name {
		case "": // passed over
		case "channel":
			s.Channel = notifier.Channel(word)
		case "address":
			s.Address = v
		case "components":
			s.Filter.Components = list(v)
		case "severity":
			level, err := notifier.ParseSeverity(word)
			if err != nil {
				return s, asInvalid(err)
			}
			s.Filter.Severity = level
		case "kinds":
			for _, k := range list(word) {
				s.Filter.Kinds = append(s.Filter.Kinds, notifier.Kind(k))
			}
		case "cadence":
			s.Cadence = Cadence(word)
		case "timezone":
			s.Timezone = strings.TrimSpace(v)
		case "language":
			s.Language = strings.TrimSpace(v)
		case "state":
			s.State = State(word)
			if c.from != nil {
				state, bad := c.from.state(word)
				if bad != nil {
					return s, bad
				}
				s.State = state
			}
		case "group":
			var bad *notifier.Invalid
			if s.Group, bad = truth(name, word); bad != nil {
				return s, bad
			}
		case "contact":
			s.Contact = strings.TrimSpace(v)
		case "incident":
			s.Filter.Incident = strings.TrimSpace(v)
		case "format":
			s.Format = notifier.Format(word)
		case "types":
			for _, t := range list(word) {
				s.Filter.Types = append(s.Filter.Types, notifier.EventType(t))
			}
		case "quiet":
			s.Quiet = notifier.Quiet(strings.TrimSpace(v))
		case "hour":
			hour, err := ParseHour(v)
			if err != nil {
				return s, asInvalid(err)
			}
			s.Hour = hour
		case "weekday":
			s.Weekday = Weekday(word)
		case "critical":
			var bad *notifier.Invalid
			if s.Critical, bad = truth(name, word); bad != nil {
				return s, bad
			}
		case "all_quiet":
			var bad *notifier.Invalid
			if s.AllQuiet, bad = truth(name, word); bad != nil {
				return s, bad
			}
		case "mine":
			var bad *notifier.Invalid
			if s.Filter.Mine, bad = truth(name, word); bad != nil {
				return s, bad
			}
		case "second_channel":
			s.Second.Channel = notifier.Channel(word)
		case "second_address":
			s.Second.Address = strings.TrimSpace(v)
		case "country":
			country = v
		}
	}
	if s.State == "" {
		s.State = c.without
	}
	if err := s.Second.parse(); err != nil {
		bad := asInvalid(err)
		return s, notifier.Invalidf("second_"+bad.Field, "%s", bad.Message)
	}
	if s.Channel == "" {
		s.Channel = ChannelOf(s.Address)
	}
	if country != "" && s.Channel == notifier.SMS {
		phone, err := ParsePhoneIn(s.Address, country)
		if err != nil {
			return s, asInvalid(err)
		}
		s.Address = phone
	}
	if err := s.Validate(); err != nil {
		return s, asInvalid(err)
	}
	return s, nil
}

// truth reads a cell that is true or false; an empty one is false.
func truth(column, word string) (bool, *notifier.Invalid) {
	yes, ok := map[string]bool{"": false, "false": false, "no": false, "0": false, "true": true, "yes": true, "1": true}[word]
	if !ok {
		return false, notifier.Invalidf(column, "%q is neither true nor false", notifier.Clip(word))
	}
	return yes, nil
}

func asInvalid(err error) *notifier.Invalid {
	var bad *notifier.Invalid
	if errors.As(err, &bad) {
		return bad
	}
	return &notifier.Invalid{Message: err.Error()}
}

// list reads what stands between semicolons.
func list(v string) []string {
	var out []string
	for part := range strings.SplitSeq(v, ";") {
		if part = strings.TrimSpace(part); part != "" {
			out = append(out, part)
		}
	}
	return out
}
