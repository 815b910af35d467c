package templates

import (
	"fmt"
	"slices"
	"strconv"

	"allclear/notifier"
)

// sampleNotice is a notice and one of its recipients, in our own words.
func sampleNotice(template string) (notifier.Notice, notifier.Recipient) {
	n := notifier.Notice{ID: "nt3v8q", Title: "imap7, 23 November", Template: template, IncidentID: "7kq2m9"}
	r := notifier.Recipient{Place: 17, Channel: notifier.Email, Address: "ingrid@example.com", Account: "ingrid"}
	field := func(name, text string) notifier.Field { return notifier.Field{Name: name, Text: text} }
	when := func(h, m int) notifier.Field {
		t := sampleAt(h, m)
		return notifier.Field{Name: "date", Text: t.Format("2006-01-02 15:04"), Value: t}
	}
	switch template {
	case notifier.RestoreCompleted:
		r.Rows = [][]notifier.Field{
			{field("subject", "Minutes of Thursday"), when(9, 12), field("folder", "INBOX"), figure("size", "18.4")},
			{field("subject", "Re: <invoice> & receipt"), when(11, 40), field("folder", "Archive/2026"), figure("size", "1204")},
			{field("subject", ""), when(15, 58), field("folder", "Sent"), figure("size", "3")},
		}
	case notifier.MailBounced:
		r.Rows = [][]notifier.Field{
			{field("sender", "ola@example.org"), when(16, 20)},
			{field("sender", "billing@shop.example"), when(17, 2)},
		}
	case notifier.AccountAffected:
		n.Body = "Mail to **{{account}}** that came between {{at \"2026-11-23T16:11:00Z\"}} and {{at \"2026-11-23T18:25:00Z\"}} was kept on {{Server}} and delivered late: {{mails}} messages, the last of them after {{Delay}}.\n\nNothing was lost. If one is missing all the same, [tell us](https://example.com/help?account={{account}})."
		r.Rows = [][]notifier.Field{{field("Server", "imap7"), figure("Mails", "1204"), field("Delay", "2 h 14 min")}}
	case notifier.BlankNotice:
		n.Subject, n.Body = "Your rules for {{Folder name}} stopped for an hour", "For an hour your own rules did not run. This came in meanwhile:\n\n{{rows}}\n\nPlease look through it yourself; the rules run again."
		r.Rows = [][]notifier.Field{
			{field("Folder name", "Lists"), field("From", "ops@example.org"), when(16, 31)},
			{field("Folder name", "Invoices"), field("From", "billing@shop.example"), when(16, 48)},
		}
	}
	return n, r
}

func figure(name, text string) notifier.Field {
	v, _ := strconv.ParseFloat(text, 64) // one of ours
	return notifier.Field{Name: name, Text: text, Value: v}
}

// sampleLetter is what the recipient of a sample gets in one language and zone.
func (s *Set) sampleLetter(template string, times Times) (*notifier.Letter, error) {
	n, r := sampleNotice(template)
	made, err := s.prepareNotice(n, times)
	if err != nil {
		return nil, err
	}
	if err := made.check(); err != nil {
		return nil, err
	}
	made.event.ID, made.tried = "ev9sample", true
	return made.letter(r)
}

// check makes sure that an override has not lost what a notice must not be
// without: what staff wrote, each recipient's rows, and why it comes.
func (n *notice) check() error {
	have := map[string]bool{}
	for _, f := range n.html {
		have[f.id] = true
	}
	said := have[idLead] || !n.own
	for i := range n.columns {
		said = said && (have[strconv.Itoa(i)] || !slices.Contains(n.bodied, i))
	}
	for _, c := range []struct {
		ok         bool
		what, file string
	}{
		{said, "what it says", noticeFile}, {have[idTable], "the recipient's rows", noticeFile}, {have[idWhy], "why it comes", "mail/partials/footer.html"},
	} {
		if c.ok {
			continue
		}
		for _, f := range []string{"mail/layout.html", noticeFile, c.file} {
			if n.set.files.overridden(f) {
				c.file = f
			}
		}
		return fmt.Errorf("templates: %s: a notice has no place for %s", c.file, c.what)
	}
	return nil
}
