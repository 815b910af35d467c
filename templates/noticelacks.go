package templates

import (
	"slices"
	"strings"

	"allclear/notifier"
)

// NoticeLacks lists what a notice asks of columns that a file of these does not
// have: {{columns}} of its text, and those that the template needs. Each is a
// *notifier.Invalid for subject, body or audience.
func NoticeLacks(n notifier.Notice, columns []string) []error {
	var out []error
	known := map[string]bool{}
	for _, c := range columns {
		known[columnKey(c)] = true
	}
	for field, text := range map[string]string{"body": n.Body, "subject": n.Subject} {
		for _, c := range chunksOf(text) {
			key := columnKey(c.column)
			if c.kind != chunkColumn || known[key] || whoKey(key) {
				continue
			}
			out = append(out, notifier.Invalidf(field, "line %d: nobody's row has %s%s", lineOf(text, c.source), c.source, meant(nearest(c.column, columns), columns, "{{", "}}")))
		}
	}
	v, _ := noticeNamed(n.Template)
	for _, need := range v.needed {
		if !known[need] {
			hint := meant(theirs(need, columns), columns, "map="+need+":", "")
			out = append(out, notifier.Invalidf("audience", "%s needs the column %q, which the file has not%s", v.name, need, hint))
		}
	}
	slices.SortStableFunc(out, func(a, b error) int { return strings.Compare(a.Error(), b.Error()) })
	return out
}

// headings are words by which people head, in their own languages, what a
// template needs.
var headings = map[string][]string{
	"subject": {"betreff", "objet", "sujet", "asunto", "oggetto", "assunto", "onderwerp", "emne", "ämne", "件名", "الموضوع", "title", "titel"},
	"date":    {"datum", "fecha", "data", "dato", "日付", "日時", "التاريخ", "uhrzeit", "zeit", "zeitpunkt", "heure", "hora", "time", "sent", "received", "timestamp"},
	"folder":  {"ordner", "verzeichnis", "dossier", "carpeta", "cartella", "pasta", "mappe", "mapp", "フォルダー", "フォルダ", "المجلد", "mailbox", "directory"},
	"sender":  {"absender", "expéditeur", "remitente", "mittente", "remetente", "afzender", "avsender", "avsändare", "afsender", "差出人", "المرسل", "from", "von"},
}

// theirs is the file's column that is probably meant by one of ours: called so in
// another language, or with a slip of the keys; "" where none is like it.
func theirs(need string, columns []string) string {
	words := headings[need]
	for _, word := range words {
		for _, c := range columns {
			if string(letters(c)) == word {
				return c
			}
		}
	}
	if near := nearest(need, columns); near != "" {
		return near
	}
	for _, c := range columns {
		if slices.ContainsFunc(words, func(w string) bool { return len(w) >= 5 && strings.Contains(string(letters(c)), w) }) {
			return c
		}
	}
	return ""
}

// meant says what was probably meant by a column's name, near, or which there are.
func meant(near string, columns []string, before, behind string) string {
	if len(columns) == 0 {
		return "; the audience has no columns beside addresses"
	}
	if near != "" {
		return "; did you mean " + before + tame(near, labelSize) + behind + "?"
	}
	var all []string
	for _, c := range columns[:min(len(columns), 12)] {
		all = append(all, tame(c, labelSize))
	}
	if len(columns) > len(all) {
		all = append(all, "…")
	}
	return "; there are " + strings.Join(all, ", ")
}
