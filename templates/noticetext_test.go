package templates

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"allclear/notifier"
)

func FuzzTagsOfANotice(f *testing.F) {
	for _, seed := range []string{"", "Dear {{name}},", "{{ Folder  name }}", "{{rows}}", `{{at "2026-11-23T16:11:00Z"}}`, "{{at}}", "{{}}", "{{{a}}}", "{{a}}{{b}}", "}}{{", "{{a\nb}}", "{{a}", "{{\xff}}", "\ue0020\ue003", "[x](https://e.example/{{a}})", "{{a|b}}", "```\n{{rows}}\n```"} {
		f.Add(seed)
	}
	s := newSet(f)
	f.Fuzz(func(t *testing.T, text string) {
		var again strings.Builder
		for _, c := range chunksOf(text) {
			if c.source == "" {
				t.Errorf("an empty chunk of %q", text)
			}
			if (c.kind == chunkColumn) != (c.column != "") || strings.ContainsAny(c.column, "{}\n") {
				t.Errorf("%q: %+v", text, c)
			}
			again.WriteString(c.source)
		}
		if again.String() != text {
			t.Errorf("%q became %q", text, again.String())
		}
		n := notifier.Notice{Template: notifier.BlankNotice, Title: "t", Subject: text, Body: text}
		made, err := s.prepareNotice(n, s.Times("", ""))
		if err != nil {
			return
		}
		// Whatever it asks for, a recipient who has that gets a mail without marks.
		row := make([]notifier.Field, len(made.names))
		for i, name := range made.names {
			row[i] = notifier.Field{Name: name, Text: "value"}
		}
		l, err := made.letter(notifier.Recipient{Place: 1, Channel: notifier.Email, Address: "a@example.com", Rows: [][]notifier.Field{row}})
		if err != nil {
			t.Fatalf("%q: %v", text, err)
		}
		if strings.ContainsAny(l.HTML+l.Text+l.Subject, valueOpen+valueClose) || strings.ContainsAny(l.Subject, "\r\n") {
			t.Errorf("%q: marks are left, or the subject has lines: %q\n%s", text, l.Subject, l.Text)
		}
	})
}

func TestColumnsAreFoundWhateverTheirCaseAndSpaces(t *testing.T) {
	n := notifier.Notice{Template: notifier.BlankNotice, Title: "t", Subject: "{{ORDER no.}}", Body: "Of {{folder   name}}, {{ Größe }}: {{Email}}, {{account}}."}
	r := notifier.Recipient{Place: 1, Channel: notifier.Email, Address: "a@example.com", Account: "ann", Rows: [][]notifier.Field{{
		{Name: " Folder Name", Text: "INBOX"}, {Name: "Gro\u0308ße", Text: "5 MB"}, {Name: "Order No.", Text: "007"},
	}}}
	l, err := newSet(t).Notice(n, r)
	if err != nil || l.Subject != "007" {
		t.Fatal(l, err)
	}
	contains(t, l.Text, "Of INBOX, 5 MB: a@example.com, ann.")
	lacks(t, l.HTML, "<table class=\"rows\"") // the text has said it all
	r.Account = ""
	if _, err := newSet(t).Notice(n, r); err == nil || err.Error() != `audience: recipient 1 (a@example.com) has no "account"` {
		t.Error(err)
	}
}

func TestTimesAndNumbersAreWrittenAsTheReaderReadsThem(t *testing.T) {
	when := time.Date(2026, 11, 23, 23, 11, 30, 0, time.UTC)
	row := []notifier.Field{
		{Name: "when", Text: "2026-11-24 00:11:30", Value: when}, {Name: "day", Text: "2026-11-23", Value: when.Truncate(24 * time.Hour)},
		{Name: "long", Text: "12345678901234567", Value: 12345678901234567.0}, {Name: "small", Text: "-1.5e-3", Value: -0.0015},
		{Name: "price", Text: "1234.50", Value: 1234.5}, {Name: "count", Text: "100000", Value: 1e5}, {Name: "order", Text: "00042"},
	}
	n := notifier.Notice{Template: notifier.BlankNotice, Title: "t", Body: "{{when}} | {{day}} | {{price}} | {{count}} | {{order}} | {{long}} | {{small}}"}
	for _, c := range []struct{ language, zone, want string }{
		{"en", "", "23 Nov 2026, 23:11 UTC | 23 Nov 2026 | 1,234.50 | 100,000 | 00042 | 12345678901234567 | -0.0015"},
		{"de", "Europe/Berlin", "23. Nov. 2026, 23:11 UTC (24. Nov. 2026, 00:11 CET) | 23. Nov. 2026 | 1.234,50 | 100.000 | 00042 | 12345678901234567 | -0,0015"},
		{"en", "Asia/Kathmandu", "23 Nov 2026, 23:11 UTC (24 Nov 2026, 04:56 UTC+5:45) | 23 Nov 2026 | 1,234.50 | 100,000 | 00042 | 12345678901234567 | -0.0015"},
	} {
		l, err := newSet(t).Notice(n, notifier.Recipient{Place: 1, Address: "a@example.com", Language: c.language, Timezone: c.zone, Rows: [][]notifier.Field{row}})
		if err != nil {
			t.Fatal(err)
		}
		contains(t, strings.Join(strings.Fields(l.Text), " "), c.want)
	}
}

func TestTheTableStandsWhereStaffPutItAndElseBehindTheText(t *testing.T) {
	_, r := sampleNotice(notifier.RestoreCompleted)
	for body, order := range map[string][]string{
		"Before.\n\n{{rows}}\n\nAfter.":   {"Before.", "Minutes of Thursday", "After."},
		"Before.\r\n{{ROWS}}\r\nAfter.":   {"Before.", "Minutes of Thursday", "After."},
		"Before.\n\nAfter.":               {"Before.", "After.", "Minutes of Thursday"},
		"{{rows}}\n\nBefore.\n\n- After.": {"Minutes of Thursday", "Before.", "- After."},
	} {
		l, err := newSet(t).Notice(notifier.Notice{Template: notifier.RestoreCompleted, Title: "t", Body: body}, r)
		if err != nil {
			t.Fatal(err)
		}
		for _, text := range []string{l.Text, strings.ReplaceAll(l.HTML, "<li", "- <li")} {
			at := -1
			for _, w := range order {
				next := strings.LastIndex(text, strings.TrimPrefix(w, "- "))
				if next <= at {
					t.Errorf("%q: %q comes too early, or not at all:\n%s", body, w, l.Text)
				}
				at = next
			}
		}
		if strings.Count(l.Text, "Minutes of Thursday") != 1 || strings.Contains(l.Text, "messages are back") {
			t.Errorf("%q:\n%s", body, l.Text)
		}
	}
}

func TestAColumnInALinkIsAPartOfItsAddressAndNeverItsHost(t *testing.T) {
	s := newSet(t)
	r := notifier.Recipient{Place: 1, Address: "a@example.com", Rows: [][]notifier.Field{{{Name: "id", Text: "a b/../?x=1&y#z"}}}}
	for body, href := range map[string]string{
		"[yours](https://example.com/{{id}})":             `href="https://example.com/a%20b%2F..%2F%3Fx%3D1%26y%23z"`,
		"<https://example.com/?q={{id}}&r=1>":             `href="https://example.com/?q=a%20b%2F..%2F%3Fx%3D1%26y%23z&amp;r=1"`,
		"[write](mailto:help@example.com?subject={{id}})": `href="mailto:help@example.com?subject=a%20b%2F..%2F%3Fx%3D1%26y%23z"`,
	} {
		l, err := s.Notice(notifier.Notice{Template: notifier.BlankNotice, Title: "t", Body: body}, r)
		if err != nil {
			t.Errorf("%s: %v", body, err)
			continue
		}
		contains(t, l.HTML, href)
	}
	for _, body := range []string{
		"[x]({{id}})", "[x](https://{{id}}/)", "[x](https://example.com{{id}})", "[x](https://{{id}}.example.com/)", "[x](https://u:{{id}}@example.com/)", "[x](mailto:{{id}})",
		"[x](javascript:{{id}})", "https://example.com/{{id}}", "www.example.com/{{id}}", "[x](https://example.com \"{{id}}\")", "[x]: https://example.com/{{id}}", "[x](https://e.example\\{{id}}/)",
	} {
		l, err := s.Notice(notifier.Notice{Template: notifier.BlankNotice, Title: "t", Body: body}, r)
		if inv := new(notifier.Invalid); !asInvalid(err, &inv) || inv.Field != "body" {
			t.Errorf("%s: %v, %v", body, l, err)
		}
	}
}

func TestWhatCannotBeReadIsNamedWithItsLine(t *testing.T) {
	s := newSet(t)
	for _, c := range []struct{ subject, body, want string }{
		{"", "", "body: is empty, and the template blank has no words of its own"},
		{"", "a\n\nb {{}}", "body: line 3: {{}} names no column"},
		{"", "a\n{{at 16:11}}\n{{at}}", "body: line 3: {{at}} names no column"},
		{"", "x {{rows}}", "body: line 1: {{rows}} must stand on a line of its own"},
		{"", "{{rows}}\n\nx\n\n{{rows}}", "body: {{rows}} stands in it more than once"},
		{"", "a\n\n{{rows}}\n\nb\n{{ }}", "body: line 6: {{ }} names no column"},
		{"{{rows}}", "a", "subject: {{rows}} has no place in a subject"},
		{"{{}}", "a", "subject: {{}} names no column"},
	} {
		n := notifier.Notice{Template: notifier.BlankNotice, Title: "t", Subject: c.subject, Body: c.body}
		if got := s.CheckNotice(n, nil); len(got) != 1 || got[0].Error() != c.want {
			t.Errorf("%q, %q: %v", c.subject, c.body, got)
		}
	}
	if got := s.CheckNotice(notifier.Notice{Template: "none"}, nil); len(got) != 1 || !strings.HasPrefix(got[0].Error(), `template: "none" is not one of restore-started, `) {
		t.Error(got)
	}
}

func TestACheckSaysWhichColumnNobodyHasAndWhichWasMeant(t *testing.T) {
	s := newSet(t)
	n := notifier.Notice{Template: notifier.RestoreCompleted, Title: "t", Subject: "For {{Naem}}", Body: "Dear {{name}},\n\nyour {{server}} is {{foldr name}}, {{account}}, {{email}}."}
	got := s.CheckNotice(n, []string{"Name", "Folder_Name", "Subject", "Datum"})
	want := []string{
		`audience: restore-completed needs the column "date", which the file has not; did you mean map=date:Datum?`,
		`audience: restore-completed needs the column "folder", which the file has not; did you mean map=folder:Folder_Name?`,
		`body: line 3: nobody's row has {{foldr name}}; did you mean {{Folder_Name}}?`,
		`body: line 3: nobody's row has {{server}}; there are Name, Folder_Name, Subject, Datum`,
		`subject: line 1: nobody's row has {{Naem}}; did you mean {{Name}}?`,
	}
	for i := range max(len(got), len(want)) {
		if i >= len(got) || i >= len(want) || got[i].Error() != want[i] {
			t.Fatalf("got %q\nwant %q", got, want)
		}
		if inv := new(notifier.Invalid); !asInvalid(got[i], &inv) {
			t.Errorf("%v has no field", got[i])
		}
	}
	if got := s.CheckNotice(n, nil); len(got) != 0 {
		t.Errorf("without an audience: %v", got)
	}
	n.Subject, n.Body = "", ""
	if got := s.CheckNotice(n, []string{"subject", "DATE", " Folder "}); len(got) != 0 {
		t.Errorf("%v", got)
	}
}

func TestAColumnThatIsCalledSoInAnotherLanguageIsSuggested(t *testing.T) {
	for need, columns := range map[string]map[string][]string{
		"subject": {"Betreff": {"Datum", "Betreff"}, "OBJET": {"id", "OBJET"}, "Asunto": {"Asunto", "Fecha"}, "件名": {"件名"}, "Mail-Betreff": {"Mail-Betreff"}, "": {"Kunde", "x"}},
		"date":    {"Datum": {"update_count", "Datum"}, "Fecha": {"Fecha"}, "date_lost": {"date_lost", "size"}},
		"folder":  {"Ordner": {"Ordner"}, "Dossier": {"Dossier", "Objet"}, "Carpeta": {"Carpeta"}, "フォルダー": {"フォルダー"}, "المجلد": {"المجلد"}, "Folder_Name": {"Folder_Name"}},
		"sender":  {"Absender": {"Absender"}, "From": {"To", "From"}},
	} {
		for want, among := range columns {
			if got := theirs(need, among); got != want {
				t.Errorf("%s of %q: %q, want %q", need, among, got, want)
			}
		}
	}
}

func TestAnErrorNamesTheRecipientAndTheField(t *testing.T) {
	s := newSet(t)
	n, r := sampleNotice(notifier.RestoreCompleted)
	with := func(change func(row []notifier.Field) []notifier.Field) notifier.Recipient {
		c := r
		c.Rows = [][]notifier.Field{r.Rows[0], change(append([]notifier.Field{}, r.Rows[1]...))}
		return c
	}
	for want, who := range map[string]notifier.Recipient{
		`audience: recipient 17 (ingrid@example.com, account ingrid) has no "date" in row 2`:         with(func(f []notifier.Field) []notifier.Field { return append(f[:1], f[2:]...) }),
		`audience: recipient 17 (ingrid@example.com, account ingrid) has an empty "folder" in row 2`: with(func(f []notifier.Field) []notifier.Field { f[2].Text = " \t"; return f }),
		`audience: recipient 17 (a@example.com, account ingrid) has no "subject" in row 1`:           {Place: 17, Account: "ingrid", Address: "a@example.com"},
	} {
		if l, err := s.Notice(n, who); err == nil || err.Error() != want || l != nil {
			t.Errorf("%v, want %s", err, want)
		}
	}
	n.Body = "In {{server}}."
	_, err := s.Notice(n, r)
	if err == nil || err.Error() != `audience: recipient 17 (ingrid@example.com, account ingrid) has no "server"` {
		t.Error(err)
	}
	// A mail without a subject was restored as any other.
	if _, err := s.Notice(notifier.Notice{Template: notifier.RestoreCompleted, Title: "t"}, with(func(f []notifier.Field) []notifier.Field { f[0].Text = ""; return f })); err != nil {
		t.Error(err)
	}
}

func TestAMessageToAPhoneSaysTheSubjectAndTheFirstSentence(t *testing.T) {
	s := newSet(t)
	for _, c := range []struct{ template, subject, body, want string }{
		{notifier.RestoreCompleted, "", "", "Example Status: Restore completed: imap7, 23 November - 3 messages are back in your mailbox. https://status.example.com/incidents/7kq2m9"},
		{notifier.AccountAffected, "News for {{account}}", "Dear *{{account}}*, all is [well](https://example.com). More:\n\n{{rows}}", "Example Status: News for ingrid - Dear ingrid, all is well <https://example.com>. https://status.example.com/incidents/7kq2m9"},
	} {
		n, r := sampleNotice(notifier.RestoreCompleted)
		n.Template, n.Subject, n.Body, r.Channel, r.Address = c.template, c.subject, c.body, notifier.SMS, "+4790000001"
		l, err := s.Notice(n, r)
		if err != nil || l.Text != c.want || l.HTML != "" || l.Subject != "" || l.Attachments != nil {
			t.Errorf("%+v, %v\nwant %s", l, err, c.want)
		}
	}
	for _, lang := range s.Languages() {
		for _, template := range notifier.NoticeTemplates {
			n, r := sampleNotice(template)
			n.Title, r.Channel, r.Language = strings.Repeat("A long title of many words ", 6), notifier.SMS, lang
			l, err := s.Notice(n, r)
			if err != nil || notifier.MeasureText(l.Text).Segments > smsSegments || !strings.HasSuffix(l.Text, "https://status.example.com/incidents/7kq2m9") || strings.Contains(l.Text, "\n") {
				t.Errorf("%s in %s: %+v, %v", template, lang, l, err)
			}
		}
	}
}

func asInvalid(err error, to **notifier.Invalid) bool { return errors.As(err, to) }

func TestAnAudienceWithoutColumnsLacksWhatTheTemplateNeedsAndTheTextNames(t *testing.T) {
	s := newSet(t)
	got := s.CheckNotice(notifier.Notice{Template: notifier.MailBounced, Title: "t", Body: "Dear {{name}}, {{email}}"}, []string{})
	want := []string{
		`audience: mail-bounced needs the column "date", which the file has not; the audience has no columns beside addresses`,
		`audience: mail-bounced needs the column "sender", which the file has not; the audience has no columns beside addresses`,
		`body: line 1: nobody's row has {{name}}; the audience has no columns beside addresses`,
	}
	for i := range max(len(got), len(want)) {
		if i >= len(got) || i >= len(want) || got[i].Error() != want[i] {
			t.Fatalf("got %q\nwant %q", got, want)
		}
	}
}

func TestWhatATemplateNeedsOfEveryRowIsCounted(t *testing.T) {
	for _, name := range notifier.NoticeTemplates {
		needed, _ := NoticeColumns(name)
		for _, column := range needed {
			if !slices.Contains(notifier.RowColumns, column) {
				t.Errorf("%s needs %q of every row, which is not among notifier.RowColumns", name, column)
			}
		}
		if together := notifier.TogetherColumn(needed); together != "" && !slices.Contains(notifier.RowColumns, together) {
			t.Errorf("%s needs %q together, which is not among notifier.RowColumns", name, together)
		}
	}
}
