package templates

import (
	"bytes"
	"fmt"
	"html/template"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"allclear/notifier"
)

// own is what one recipient's letter differs in.
type own struct {
	values []string // of the columns that the text holds
	links  []string // the same as a part of an address
	named  map[string]string
	table  template.HTML
}

// link is a value as a part of an address: as the file has it, whoever reads it.
func (o *own) link(id string) string {
	if i, err := strconv.Atoi(id); err == nil && i < len(o.links) {
		return strings.ReplaceAll(url.QueryEscape(o.links[i]), "+", "%20")
	}
	return ""
}

func (o *own) value(id string) string {
	if i, err := strconv.Atoi(id); err == nil && i < len(o.values) {
		return o.values[i]
	}
	return o.named[id]
}

// plain fills in text.
func (o *own) plain(fills []fill) string {
	var out strings.Builder
	for _, f := range fills {
		out.WriteString(f.text)
		if f.id != "" {
			out.WriteString(o.value(f.id))
		}
	}
	return out.String()
}

// html fills in a document.
func (o *own) html(fills []fill) string {
	var out bytes.Buffer
	for _, f := range fills {
		out.WriteString(f.text)
		switch {
		case f.id == "":
		case f.id == idTable:
			out.WriteString(string(o.table))
		case f.link:
			out.WriteString(o.link(f.id))
		default:
			template.HTMLEscape(&out, []byte(o.value(f.id)))
		}
	}
	return out.String()
}

// letter makes one recipient's letter.
func (n *notice) letter(r notifier.Recipient) (*notifier.Letter, error) {
	l := &notifier.Letter{Lane: n.event.Lane, Type: notifier.NoticeSent, EventID: n.event.ID, ThreadID: n.thread}
	rows := sheetOf(r, n.needed)
	o, err := n.data(&rows, r)
	if err != nil {
		return nil, err
	}
	switch r.Channel {
	case notifier.SMS:
		l.Text = n.phone(o)
		return l, nil
	case notifier.Webhook:
		return nil, notifier.Invalidf("channel", "notices go by mail and SMS only")
	}
	l.Subject = o.named[idSubject]
	return l, n.mail(l, o, &rows)
}

// mail writes html, text and attachments of a mail: the largest table that
// providers will show whole.
func (n *notice) mail(l *notifier.Letter, o *own, rows *sheet) error {
	for most, size := shownRows, cellSize; ; {
		t, whole := n.table(rows, most, size)
		if !whole {
			a, held, err := n.attachment(rows)
			if err != nil {
				return fmt.Errorf("templates: %s: write attachment: %w", n.view.name, err)
			}
			l.Attachments = []notifier.Attachment{a}
			t.More = n.more(rows.all()-len(t.Rows), a.Name, held, rows.all())
		}
		o.table = ""
		if len(t.Rows) > 0 {
			var err error
			if o.table, err = n.rows(t); err != nil {
				return err
			}
		}
		l.HTML, l.Text = o.html(n.html), n.text(o, t)
		switch {
		case len(l.HTML)+len(l.Text) < noticeMailBytes || most == 1:
			return nil
		case size > tightCell:
			size = tightCell
		default:
			most /= 2
		}
	}
}

// more says what the table leaves out, and where it is.
func (n *notice) more(left int, file string, held, all int) string {
	cat := n.words.cat
	text := cat.must("notice.attached", "file", file)
	if left > 0 {
		text = cat.must(cat.plural("notice.more", left), "n", left, "file", file)
	}
	if held < all {
		text += " " + cat.must("notice.too-many", "n", held)
	}
	return text
}

// data finds what the text holds in a recipient's rows.
func (n *notice) data(rows *sheet, r notifier.Recipient) (*own, error) {
	lacks := func(row int, field string, empty bool) error {
		return &lackingError{place: r.Place, address: r.Address, account: r.Account, field: field, row: row, empty: empty}
	}
	for i := range rows.rows {
		for column, c := range rows.columns[:len(n.needed)] {
			f := rows.rows[i][column]
			switch {
			case f == nil:
				return nil, lacks(i+1, c.key, false)
			case c.key != "subject" && strings.TrimSpace(f.Text) == "":
				return nil, lacks(i+1, c.key, true)
			}
		}
	}
	if len(rows.rows) == 0 && len(n.needed) > 0 {
		return nil, lacks(1, n.needed[0], false)
	}
	o := &own{named: map[string]string{}}
	cat := n.words.cat
	for i, key := range n.columns {
		var text, link string
		var f notifier.Field
		switch column := rows.find(key); {
		case column >= 0 && len(rows.rows) > 0:
			f = rows.cell(0, column)
			text, link = n.value(f, valueSize), tame(f.Text, valueSize)
		case key == accountKey:
			text = tame(r.Account, valueSize)
			link = text
		case whoKey(key):
			text = tame(r.Address, valueSize)
			link = text
		}
		if strings.TrimSpace(text) == "" {
			return nil, lacks(0, n.names[i], false)
		}
		switch {
		case f.Value == nil:
			text = cat.isolate(text)
		case cat.dir() == "rtl": // what staff wrote around it may run the other way
			text = fromRight + text + endIsolate
		}
		o.values, o.links = append(o.values, text), append(o.links, link)
	}
	var subject strings.Builder
	for _, c := range n.subject {
		text := c.source
		if c.kind == chunkColumn {
			text = closed(clip(o.values[slices.Index(n.columns, columnKey(c.column))], subjectValue))
		}
		subject.WriteString(text)
	}
	o.named[idSubject] = closed(clip(oneLine(subject.String()), subjectSize))
	if o.named[idHeading] = n.title; n.title == "" {
		o.named[idHeading] = o.named[idSubject]
	}
	o.named[idLead] = n.lead(rows.all())
	o.named[idPreview] = clip(oneLine(o.plain(n.first)), noticePreview)
	o.named[idWhy] = cat.must("notice.why", "brand", n.set.brand.Name)
	if account := tame(r.Account, labelSize); account != "" {
		o.named[idWhy] = cat.must("notice.why-account", "account", account, "brand", n.set.brand.Name)
	}
	return o, nil
}

// closed ends the isolates whose end was cut off.
func closed(s string) string {
	for range strings.Count(s, fromRight) + strings.Count(s, byItself) + strings.Count(s, "\u2066") - strings.Count(s, endIsolate) {
		s += endIsolate
	}
	return s
}

// lead is the template's own words.
func (n *notice) lead(rows int) string {
	switch {
	case !n.own:
		return ""
	case n.view.counts:
		return n.words.cat.count("notice."+n.view.name+".lead", rows)
	}
	return n.words.cat.must("notice." + n.view.name + ".lead")
}
