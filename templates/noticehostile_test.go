package templates

import (
	"encoding/csv"
	"fmt"
	"strings"
	"sync"
	"testing"

	"golang.org/x/net/html"

	"allclear/notifier"
)

// hostileCells are cells as somebody would write them who wants more than a cell.
func hostileCells() []string {
	return []string{
		`<script>alert(1)</script>`, `</td></tr></table><h1>Pay here</h1>`, `"><img src=x onerror=alert(1)>`, `' onmouseover='x`, `<!-- --><a href="https://evil.example">`,
		`[click](https://evil.example)`, `https://evil.example/login`, `www.evil.example`, `<https://evil.example>`, "# Heading\n\n- list\n\n```\ncode", `**bold** _it_ ~~del~~`, `![p](https://evil.example/p.png)`,
		`{{account}}`, `{{rows}}`, `{{at "2026-11-23T16:11:00Z"}}`, `{{.Subject}}`, `{{"{{"}}`, `}}{{`, "\ue0020\ue003", "\ue002t\ue003", "\ue0000\ue001", "%EE%80%820%EE%80%83",
		"a\r\nBcc: all@example.com\r\n\r\nbody", "a\nb\vc\fd\x00e\x1bf\u0085g\u2028h\u2029i\x7f", "\u202eevil\u202d \u2066x \u2067y \u2068z", "\ufeff\u200e\u200f", "שלום עולם", "مرحبا بالعالم",
		"=cmd|' /C calc'!A0", "+1+1", "-2+3", "@SUM(1)", "\t=1", "\r=1", "＝1", "javascript:alert(1)", "a&b;&lt;&#x3c;script&#x3e;", "\xff\xfe broken", strings.Repeat("x", 10_000), strings.Repeat("wörd ", 2_000), "MARK", "?a=b&c=d#e", "/../..",
	}
}

// bones are the tags of a document with all their attributes, but for the addresses
// of links in which a value stands.
func bones(t *testing.T, document string) string {
	t.Helper()
	var out strings.Builder
	z := html.NewTokenizer(strings.NewReader(document))
	for {
		switch z.Next() {
		case html.ErrorToken:
			return out.String()
		case html.StartTagToken, html.SelfClosingTagToken, html.EndTagToken:
			tok := z.Token()
			out.WriteString(tok.Type.String() + " " + tok.Data)
			for _, a := range tok.Attr {
				v := a.Val
				if a.Key == "aria-label" {
					v = "the subject"
				}
				if a.Key == "href" && strings.HasPrefix(v, "https://example.com/own/") {
					if strings.ContainsAny(v[len("https://example.com/own/"):], "/?#:&<>\"' ") {
						t.Errorf("a value leaves its part of the address: %q", v)
					}
					v = "https://example.com/own/"
				}
				out.WriteString(" " + a.Key + "=" + v)
			}
			out.WriteByte('\n')
		case html.CommentToken, html.DoctypeToken:
			out.WriteString("comment " + string(z.Raw()) + "\n")
		}
	}
}

func hostileNotice() notifier.Notice {
	return notifier.Notice{
		ID: "nt1", Title: "imap7", Template: notifier.BlankNotice, IncidentID: "7kq2m9", Subject: "About {{Word}}, and again {{word}}",
		Body: "Dear {{Word}}, **{{word}}** and `{{word}}`, see [{{word}}](https://example.com/own/{{word}}).\n\n{{word}}\n\n- {{word}}\n\n> {{word}}\n\n{{rows}}\n\n1. {{word}}\n\n```\n{{word}}\n```\n\nBye {{word}}",
	}
}

func TestNothingInARecipientsDataChangesATagOrAnAttribute(t *testing.T) {
	s := newSet(t)
	person := func(word string) notifier.Recipient {
		row := func(w string) []notifier.Field {
			return []notifier.Field{{Name: "Word", Text: w}, {Name: "other", Text: word}}
		}
		return notifier.Recipient{Place: 1, Channel: notifier.Email, Address: "a@example.com", Account: "acc", Rows: [][]notifier.Field{row(word), row("another")}}
	}
	for _, lang := range []string{"en", "ar"} {
		harmless := person("harmless")
		harmless.Language = lang
		want, err := s.Notice(hostileNotice(), harmless)
		if err != nil {
			t.Fatal(err)
		}
		for _, word := range hostileCells() {
			r := person(word)
			r.Language, r.Account = lang, word
			l, err := s.Notice(hostileNotice(), r)
			if tame(word, 100) == "" || strings.Trim(tame(word, 100), "\u200e\u200f\ufeff") == "" {
				continue // as good as empty: an error, or nothing to see
			}
			if err != nil {
				t.Errorf("%q: %v", word, err)
				continue
			}
			got, wanted := bones(t, l.HTML), bones(t, want.HTML)
			if len([]rune(word)) > cellSize { // then a sentence says where the rest is
				wanted = strings.Replace(wanted, "EndTag table\nEndTag div\n", "EndTag table\n"+between(got, "EndTag table\n", "EndTag div\n")+"EndTag div\n", 1)
			}
			if got != wanted {
				t.Errorf("%s, %q changes the mail:\n%s", lang, word, firstDifference(wanted, got))
			}
			if strings.ContainsAny(l.Subject, "\r\n\x00\x1b\u2028\u2029\u0085\u202e\u202d") || len([]rune(l.Subject)) > subjectSize+4 || l.Subject == "" {
				t.Errorf("subject %q", l.Subject)
			}
			if strings.Contains(l.Text, "\r") || strings.Contains(l.Text, "\x00") || strings.ContainsAny(l.Text+l.HTML, "\ue002\ue003\u202e\u202d") {
				t.Errorf("%q: the text holds what steers a program:\n%q", word, l.Text)
			}
			if n := len(l.HTML) + len(l.Text); n > 100_000 {
				t.Errorf("%q makes a mail of %d bytes", word[:20], n)
			}
		}
	}
}

func between(s, from, to string) string {
	_, s, _ = strings.Cut(s, from)
	s, _, _ = strings.Cut(s, to)
	return s
}

func TestAVeryLargeRecipientGetsAMailThatProvidersShowWholeAndAllRowsAsAFile(t *testing.T) {
	s := newSet(t)
	words := hostileCells()
	r := notifier.Recipient{Place: 1, Channel: notifier.Email, Address: "a@example.com"}
	for i := range 500 {
		var row []notifier.Field
		for c := range 30 {
			row = append(row, notifier.Field{Name: fmt.Sprintf("%s %d", words[c][:min(len(words[c]), 90)], c), Text: fmt.Sprintf("%d/%d %s", i, c, words[(i+c)%len(words)][:min(len(words[(i+c)%len(words)]), 150)])})
		}
		r.Rows = append(r.Rows, row)
	}
	n := notifier.Notice{ID: "nt1", Title: "imap7", Template: notifier.AccountAffected}
	for _, lang := range s.Languages() {
		r.Language = lang
		l, err := s.Notice(n, r)
		if err != nil {
			t.Fatal(err)
		}
		if size := len(l.HTML) + len(l.Text); size > 100_000 {
			t.Errorf("%s: %d bytes", lang, size)
		}
		shown := strings.Count(l.HTML, `<tr class="row"`)
		if shown < 10 || shown > shownRows || strings.Count(l.HTML, "<th ") != shownColumns {
			t.Errorf("%s: %d rows, %d columns", lang, shown, strings.Count(l.HTML, "<th "))
		}
		contains(t, l.Text, "account-affected.csv")
		if lang == "en" {
			contains(t, strings.Join(strings.Fields(l.Text), " "), fmt.Sprintf("and %d more; see the attached file account-affected.csv.", 500-shown))
		}
		if len(l.Attachments) != 1 {
			t.Fatalf("%d files", len(l.Attachments))
		}
		rows := readAttached(t, l.Attachments[0])
		if len(rows) != 501 || len(rows[0]) != 30 || !strings.HasPrefix(rows[500][29], "499/29 ") {
			t.Errorf("%d rows of %d cells", len(rows), len(rows[0]))
		}
	}
}

func readAttached(t *testing.T, a notifier.Attachment) [][]string {
	t.Helper()
	text, marked := strings.CutPrefix(string(a.Data), "\ufeff")
	if !marked {
		t.Error("Excel would take the file for Windows' own encoding")
	}
	rows, err := csv.NewReader(strings.NewReader(text)).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	return rows
}

func TestNoCellOfTheAttachedFileIsAFormula(t *testing.T) {
	s := newSet(t)
	n, r := sampleNotice(notifier.RestoreCompleted)
	first := r.Rows[0]
	r.Rows = nil
	for _, w := range append(hostileCells(), " =1", "\u00a0+1", "-5", "harmless") {
		row := append([]notifier.Field{{Name: "=HYPERLINK(1)", Text: w}}, first...)
		r.Rows = append(r.Rows, row)
	}
	l, err := s.Notice(n, r)
	if err != nil || len(l.Attachments) != 1 {
		t.Fatal(err, l)
	}
	if a := l.Attachments[0]; a.Name != "restore-completed.csv" || a.Type != "text/csv; charset=utf-8" {
		t.Errorf("%s, %s", a.Name, a.Type)
	}
	rows := readAttached(t, l.Attachments[0])
	if strings.Join(rows[0], ",") != "subject,date,folder,'=HYPERLINK(1),size" || rows[1][1] != "2026-11-23T09:12:00Z" || rows[1][4] != "18.4" {
		t.Errorf("%q\n%q", rows[0], rows[1])
	}
	for _, row := range rows {
		for _, cell := range row {
			if strings.ContainsAny(strings.TrimLeft(cell, " \u00a0\ufeff")[:min(1, len(strings.TrimLeft(cell, " \u00a0\ufeff")))], "=+-@\t\r") {
				t.Errorf("%q is a formula", cell)
			}
		}
	}
}

func TestEveryRecipientGetsTheirOwnRowsWhenManyAreRenderedAtOnce(t *testing.T) {
	const people = 200
	var who []notifier.Recipient
	canary := func(place int64) string { return fmt.Sprintf("canary%dx", 1000+place) }
	for place := int64(1); place <= people; place++ {
		r := notifier.Recipient{
			Place: place, Channel: notifier.Email, Address: fmt.Sprintf("a%d@example.com", place), Account: canary(place),
			Language: []string{"en", "de", "ar", "ja"}[place%4], Timezone: []string{"", "Europe/Oslo", "Asia/Tokyo"}[place%3],
		}
		if place%5 == 0 {
			r.Channel, r.Address = notifier.SMS, fmt.Sprintf("+4790000%03d", place)
		}
		rows := 1 + place*7%20
		if place%25 == 1 {
			rows = shownRows + 9
		}
		for range rows {
			r.Rows = append(r.Rows, []notifier.Field{
				{Name: "subject", Text: canary(place)}, {Name: "date", Text: "2026-11-23"}, {Name: "folder", Text: canary(place)}, {Name: "name", Text: canary(place)},
			})
		}
		who = append(who, r)
	}
	n := notifier.Notice{
		ID: "nt1", Title: "imap7", Template: notifier.RestoreCompleted, Subject: "For {{name}}",
		Body: "Dear {{name}}, this came back. See [this](https://example.com/{{account}}).\n\n{{rows}}",
	}
	r, _ := noticeRenderer(t, n, who...)
	var wg sync.WaitGroup
	for worker := range 8 {
		wg.Go(func() {
			for i := range who {
				p := who[(i*7+worker*13)%len(who)]
				m, err := r.Render(t.Context(), noticeDelivery(p))
				if err != nil {
					t.Errorf("recipient %d: %v", p.Place, err)
					return
				}
				all := m.To + m.Letter.Subject + m.Letter.Text + m.Letter.HTML
				for _, a := range m.Letter.Attachments {
					all += string(a.Data)
				}
				own := strings.Count(all, canary(p.Place))
				if own == 0 || strings.Count(all, "canary") != own || m.To != p.Address {
					t.Errorf("recipient %d is told of %d of their own and of %d in all", p.Place, own, strings.Count(all, "canary"))
				}
			}
		})
	}
	wg.Wait()
}

func TestAFileThatNoRelayWouldTakeHoldsWhatFitsAndSaysSo(t *testing.T) {
	n, r := sampleNotice(notifier.RestoreCompleted)
	first := r.Rows[0]
	r.Rows = nil
	for range 70 {
		r.Rows = append(r.Rows, append([]notifier.Field{{Name: "Text", Text: strings.Repeat("x", 100_000)}}, first...))
	}
	l, err := newSet(t).Notice(n, r)
	if err != nil || len(l.Attachments) != 1 {
		t.Fatal(err)
	}
	rows := readAttached(t, l.Attachments[0])
	if len(rows) != 53 || len(l.Attachments[0].Data) > attachedSize+100 {
		t.Errorf("%d rows in %d bytes", len(rows), len(l.Attachments[0].Data))
	}
	contains(t, strings.Join(strings.Fields(l.Text), " "), "see the attached file restore-completed.csv. It has room for the first 52 rows only.")
}

func TestRowsThatWereNotReadAreCountedInTheMail(t *testing.T) {
	n, r := sampleNotice(notifier.RestoreCompleted)
	row := r.Rows[0]
	r.Rows, r.More = nil, 1_000_000
	for range 10 {
		r.Rows = append(r.Rows, row)
	}
	l, err := newSet(t).Notice(n, r)
	if err != nil || len(l.Attachments) != 1 || len(readAttached(t, l.Attachments[0])) != 11 {
		t.Fatal(l, err)
	}
	text := strings.Join(strings.Fields(l.Text), " ")
	contains(t, text, "and 1,000,000 more; see the attached file restore-completed.csv. It has room for the first 10 rows only.")
	contains(t, text, "1,000,010")
}
