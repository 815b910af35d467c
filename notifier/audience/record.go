package audience

import (
	"bytes"
	"strings"
)

// state is how far a record came.
type state int

const (
	whole  state = iota // every cell is there
	open                // a quote is open at the end of the text
	stray               // a quote where none may be; the row ends where its line does
	broken              // a quoted cell is spoilt, and so is the knowledge where the row ends
)

// cell is a part of a record's text.
type cell struct {
	start, end int
	doubled    bool // holds "" for "
}

// record cuts a row (RFC 4180) into cells, line by line: where a quoted cell
// runs on, more text is added and split again.
type record struct {
	comma   byte
	text    []byte // of the lines so far, in UTF-8, with LF between them
	cells   []cell
	pos     int  // split up to here
	open    bool // inside a quoted cell
	from    int  // where that cell begins
	doubled bool

	found  byte   // what scan found in the text
	torn   bool   // is not what its encoding says
	reason string // why it is stray or broken
}

func (c *record) reset(comma byte) {
	*c = record{comma: comma, text: c.text[:0], cells: c.cells[:0]}
}

// add appends a line, as the file has it, without its end.
func (c *record) add(raw []byte, encoding string) {
	if c.open {
		c.text = append(c.text, '\n')
	}
	text, found, ok := decode(c.text, raw, encoding)
	c.text, c.found, c.torn = text, c.found|found, c.torn || !ok
}

// split cuts what was added.
func (c *record) split() state {
	for {
		if !c.open && c.pos < len(c.text) && c.text[c.pos] == '"' {
			c.open, c.doubled = true, false
			c.pos++
			c.from = c.pos
		}
		if c.open {
			i := bytes.IndexByte(c.text[c.pos:], '"')
			if i < 0 {
				c.pos = len(c.text)
				c.reason = "a quote is opened and not closed"
				return open
			}
			i += c.pos
			if i+1 < len(c.text) && c.text[i+1] == '"' {
				c.doubled = true
				c.pos = i + 2
				continue
			}
			if i+1 < len(c.text) && c.text[i+1] != c.comma {
				c.reason = `something stands behind the closing quote (a quote inside a quoted cell is written "")`
				return broken
			}
			c.open = false
			c.cells = append(c.cells, cell{c.from, i, c.doubled})
			if i+1 == len(c.text) {
				return whole
			}
			c.pos = i + 2
			continue
		}
		end := len(c.text)
		if i := bytes.IndexByte(c.text[c.pos:], c.comma); i >= 0 {
			end = c.pos + i
		}
		if i := bytes.IndexByte(c.text[c.pos:end], '"'); i >= 0 {
			c.reason = "a quote stands in a cell that does not begin with one"
			if len(bytes.TrimLeft(c.text[c.pos:c.pos+i], " \t")) == 0 {
				c.reason = "a space stands before the opening quote"
			}
			return stray
		}
		c.cells = append(c.cells, cell{c.pos, end, false})
		if end == len(c.text) {
			return whole
		}
		c.pos = end + 1
	}
}

// strings returns the cells of a whole record. They share one string.
func (c *record) strings(into []string) []string {
	text := string(c.text)
	into = into[:0]
	for _, x := range c.cells {
		s := text[x.start:x.end]
		if x.doubled {
			s = strings.ReplaceAll(s, `""`, `"`)
		}
		into = append(into, s)
	}
	return into
}

// empty tells that the i-th cell holds nothing, or is not there.
func (c *record) empty(i int) bool {
	return i >= len(c.cells) || len(bytes.TrimSpace(c.text[c.cells[i].start:c.cells[i].end])) == 0
}

// blank tells that no cell holds anything: an empty line, or a spreadsheet's
// empty row.
func (c *record) blank() bool {
	for i := range c.cells {
		if !c.empty(i) {
			return false
		}
	}
	return true
}

// guessDelimiter is the one that a header uses most outside of quotes.
func guessDelimiter(header []byte) byte {
	best, most := byte(','), 0
	for _, d := range []byte(",;\t|") {
		n, quoted := 0, false
		for _, b := range header {
			switch {
			case b == '"':
				quoted = !quoted
			case b == d && !quoted:
				n++
			}
		}
		if n > most {
			best, most = d, n
		}
	}
	return best
}
