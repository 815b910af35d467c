package templates

import (
	"strings"

	"allclear/notifier"
)

// text reads the plain text of a mail off its html, as plainText does, with
// the recipient's data put in before lines are broken.
func (n *notice) text(o *own, t noticeTable) string {
	w := &textWriter{width: textWidth}
	w.put = func(data string) {
		for _, f := range fillsOf(data) {
			w.text(f.text)
			switch f.id {
			case "":
			case idTable:
				n.textTable(w, t)
			default:
				w.text(o.value(f.id))
			}
		}
	}
	w.code = func(line string) string { return o.plain(fillsOf(line)) }
	w.address = func(href string) string {
		var out strings.Builder
		for _, f := range fillsOf(href) {
			out.WriteString(f.text)
			if f.id != "" {
				out.WriteString(o.link(f.id))
			}
		}
		return out.String()
	}
	w.walk(n.tree)
	w.flush()
	return strings.Trim(w.out.String(), "\n") + "\n"
}

// textTable writes a table as a list: an item for each row, a line for each cell.
func (n *notice) textTable(w *textWriter, t noticeTable) {
	w.flush()
	for i, row := range t.Rows {
		w.gap = i == 0 || len(t.Columns) > 1
		w.breakLine()
		w.prefix, w.marker = append(w.prefix, "  "), "- "
		for _, c := range row {
			if c.Text == "" {
				continue
			}
			line := n.words.cat.must("notice.cell", "label", c.Label, "value", c.Text)
			for _, l := range wrap(line, w.width-columns(strings.Join(w.prefix, ""))) {
				w.write(l)
			}
		}
		w.prefix, w.marker = w.prefix[:len(w.prefix)-1], ""
	}
	w.gap = true
	if t.More != "" {
		w.text(t.More)
		w.flush()
		w.gap = true
	}
}

// firstSentence cuts a text behind its first sentence.
func firstSentence(s string) string {
	s, _, _ = strings.Cut(strings.TrimSpace(s), "\n")
	runes := []rune(s)
	for i, r := range runes {
		switch {
		case strings.ContainsRune("。！？", r):
			return string(runes[:i+1])
		case strings.ContainsRune(".!?؟", r) && (i+1 == len(runes) || runes[i+1] == ' '):
			return string(runes[:i+1])
		}
	}
	return s
}

// phone is the message for a phone: who speaks, what is, the first sentence
// and where to read on, as far as there is room. The table has none.
func (n *notice) phone(o *own) string {
	cat := n.words.cat
	brand := clip(n.set.brand.Name, brandSize)
	what := []rune(o.named[idSubject])
	sentence := firstSentence(o.plain(n.first))
	for size := len(what); ; size = size * 9 / 10 {
		for _, more := range []string{sentence, ""} {
			parts := []string{cat.must("sms.lead", "brand", brand, "what", clip(string(what), max(size, 1)))}
			if more != "" {
				parts = append(parts, "- "+more)
			}
			if n.url != "" {
				parts = append(parts, n.url)
			}
			text := forPhone(strings.Join(parts, " "))
			if notifier.MeasureText(text).Segments <= smsSegments || size <= 1 && more == "" {
				return text
			}
		}
	}
}
