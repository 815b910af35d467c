package audience

import (
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode"

	"allclear/notifier"
)

const maxCell = 64 << 10 // bytes

// parsed is where a record was found.
type parsed struct {
	state  state
	next   int // where the next row begins, behind the first unused byte
	lines  int
	second int // where the second line begins
	over   int // how many lines behind the first one stands a line, inside of a quoted cell, that looks like a row; 0 is none
}

// parse finds the record that begins from bytes behind the first unused one.
func (r *Reader) parse(c *record, from int) (parsed, error) {
	c.reset(r.comma)
	text, next, err := r.w.line(from)
	if err != nil {
		return parsed{}, err
	}
	c.add(text, r.at.Encoding)
	p := parsed{next: next, second: next, lines: 1}
	if r.at.Format == ndjson {
		return p, nil
	}
	for p.state = c.split(); p.state == open; p.state = c.split() {
		text, next, err := r.w.line(p.next)
		switch {
		case errors.Is(err, io.EOF), errors.Is(err, errLong), err == nil && next-from > maxRow:
			p.state = broken
			return p, nil
		case err != nil:
			return p, err
		}
		if p.over == 0 && r.looksLikeRow(text) {
			p.over = p.lines
		}
		c.add(text, r.at.Encoding)
		p.next, p.lines = next, p.lines+1
	}
	if p.state == stray && p.lines > 1 {
		p.state = broken
	}
	return p, nil
}

// looksLikeRow tells whether a line inside of a quoted cell would be a row that
// can be used. Two quotes forgotten, one here and one lines below, make one
// cell of all that is between: other people's rows in somebody's mail.
func (r *Reader) looksLikeRow(raw []byte) bool {
	r.probe.reset(r.comma)
	r.probe.add(raw, r.at.Encoding)
	if len(r.columns) < 2 || r.probe.split() != whole || len(r.probe.cells) != len(r.columns) {
		return false
	}
	var row Row
	row.Channel = notifier.Email
	for i, text := range r.probe.strings(nil) {
		if c := r.columns[i]; (c.role == address || c.role == channel) && r.put(&row, c, text) != "" {
			return false
		}
	}
	return r.check(&row) == ""
}

// cut gives up the first line of a broken record, where the next row can be
// read for itself. Where it cannot, nobody knows whether the lines that follow
// are rows or what somebody wrote, and the file ends there.
func (r *Reader) cut(p parsed) (parsed, error) {
	for at := p.second; ; {
		next, err := r.parse(&r.ahead, at)
		switch {
		case errors.Is(err, io.EOF):
			return parsed{next: p.second, lines: 1}, nil
		case err != nil && !errors.Is(err, errLong):
			return p, err
		case err == nil && next.state == whole && next.lines == 1 && r.ahead.blank() && next.next-p.second < maxRow:
			at = next.next
			continue
		case err == nil && next.state == whole && next.over == 0 && len(r.ahead.cells) == len(r.columns):
			return parsed{next: p.second, lines: 1}, nil
		}
		return p, notifier.Invalidf(fmt.Sprintf("line %d", r.at.Line),
			`%s%s, and the line behind it is not whole either: from here on rows cannot be told apart; mend the quotes (a quote inside a quoted cell is written "")`,
			r.column(len(r.rec.cells)), r.rec.reason)
	}
}

// row makes a row of a whole record.
func (r *Reader) row(row *Row, p parsed) kind {
	n := len(r.rec.cells)
	switch {
	case (n == 1 || n == len(r.columns)) && r.rec.empty(r.to) && r.rec.blank():
		return empty
	case n != len(r.columns):
		row.Reason = fmt.Sprintf("has %d cells where the header has %d", n, len(r.columns))
		return rejected
	case p.over > 0:
		row.Reason = fmt.Sprintf("a quoted cell runs on to line %d, and line %d inside of it looks like a row of its own; mend the quotes", row.Line+p.lines-1, row.Line+p.over)
		return rejected
	case r.rec.empty(r.to):
		return addressless
	}
	r.cells = r.rec.strings(r.cells)
	row.Fields = make([]notifier.Field, 0, n)
	for i, text := range r.cells {
		reason := r.content(text)
		if reason == "" {
			reason = r.put(row, r.columns[i], text)
		}
		if reason != "" {
			row.Reason = r.column(i) + reason
			return rejected
		}
	}
	if reason := r.check(row); reason != "" {
		row.Reason = r.column(r.to) + reason
		return rejected
	}
	return usable
}

// column names the i-th column, counted from 0, before a reason.
func (r *Reader) column(i int) string {
	if i < len(r.columns) && r.columns[i].theirs != "" {
		return fmt.Sprintf("column %d (%q): ", i+1, notifier.Clip(r.columns[i].theirs))
	}
	return fmt.Sprintf("column %d: ", i+1)
}

// content is what is wrong with a cell of any column; "" where nothing is.
func (r *Reader) content(text string) string {
	if len(text) > maxCell {
		return fmt.Sprintf("%d bytes; at most %d are allowed", len(text), maxCell)
	}
	if r.rec.found == 0 {
		return ""
	}
	for _, c := range text {
		switch {
		case c == 0:
			return "holds a NUL byte"
		case c != '\n' && c != '\t' && unicode.IsControl(c):
			return fmt.Sprintf("holds a control character (%U)", c)
		}
	}
	return ""
}

var languageTag = regexp.MustCompile(`^[a-zA-Z]{2,3}(-[a-zA-Z0-9]{2,8})*$`)

// put gives the row a cell; a reason comes back where that cannot be.
func (r *Reader) put(row *Row, c column, text string) string {
	if c.role == data {
		row.Fields = append(row.Fields, notifier.Field{Name: c.name, Text: text, Value: c.holds.typed(text, r.o.Zone)})
		return ""
	}
	if c.role == address {
		row.Address = text // its check may mind spaces
		return ""
	}
	text = strings.TrimSpace(text)
	if text == "" {
		return ""
	}
	switch c.role {
	case channel:
		row.Channel = notifier.Channel(strings.ToLower(text))
		if !slices.Contains(notifier.Channels, row.Channel) {
			return fmt.Sprintf("%q is not one of email, webhook, sms", notifier.Clip(text))
		}
	case language:
		row.Language = text
		if !known(r.languages, text, func() bool { return len(text) <= 35 && languageTag.MatchString(text) }) {
			return fmt.Sprintf("%q is no language; use a code like en or pt-BR", notifier.Clip(text))
		}
	case timezone:
		row.Timezone = text
		if !known(r.zones, text, func() bool { _, err := time.LoadLocation(text); return err == nil && text != "Local" }) {
			return fmt.Sprintf("%q is no time zone; use a name like Europe/Oslo", notifier.Clip(text))
		}
	case account:
		row.Account = text
	case nameless:
		return "the column has no name, and so may hold nothing"
	}
	return ""
}

// known asks once for each word; a file has few of them, or is wrong.
func known(met map[string]bool, word string, ask func() bool) bool {
	yes, ok := met[word]
	if !ok {
		yes = ask()
		if len(met) < 1000 && len(word) < 100 {
			met[strings.Clone(word)] = yes
		}
	}
	return yes
}

// check has the address checked, and folds the case of its domain, and of no
// more: before the @ only the domain's own server knows what is the same.
func (r *Reader) check(row *Row) string {
	kept, err := r.o.Check(row.Channel, row.Address)
	if err != nil {
		var bad *notifier.Invalid
		if errors.As(err, &bad) {
			return bad.Message
		}
		return err.Error()
	}
	if at := strings.LastIndexByte(kept, '@'); row.Channel == notifier.Email && at >= 0 {
		if domain := lower(kept[at:]); domain != kept[at:] { // which the check did already as a rule
			kept = kept[:at] + domain
		}
	}
	row.Address = kept
	return ""
}

// lower folds ASCII only: strings.ToLower would make a k of the Kelvin sign.
func lower(s string) string {
	if strings.IndexFunc(s, func(r rune) bool { return r >= 'A' && r <= 'Z' }) < 0 {
		return s
	}
	return strings.Map(func(r rune) rune {
		if r >= 'A' && r <= 'Z' {
			r += 'a' - 'A'
		}
		return r
	}, s)
}
