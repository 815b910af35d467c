package templates

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"allclear/notifier"
)

// Recipients finds whom a notice is for, with their rows. *store.Store does.
type Recipients interface {
	// Recipient is the one at a place of a notice's audience; notifier.ErrNotFound where there is none.
	Recipient(ctx context.Context, notice string, place int64) (notifier.Recipient, error)
}

// noticeFile is the view that the templates of notices share; they differ in
// their words, their colour and the columns they need.
const noticeFile = "mail/notice.html"

// noticeView is one template of notices.
type noticeView struct {
	name     string
	tone     string
	needed   []string // columns that every row must have, as columnKey has them
	optional []string // columns that the words are made for; any other is shown too
	counts   bool     // its own text has a form for every number of rows
}

// noticeViews lists them, as notifier.NoticeTemplates does. Who runs a mail
// server may know no subject of mail that was refused: it is not needed there.
func noticeViews() []noticeView {
	return []noticeView{
		{name: notifier.RestoreStarted, tone: tonePlan, optional: []string{"folder"}},
		{name: notifier.RestoreCompleted, tone: toneOK, needed: []string{"subject", "date", "folder"}, counts: true},
		{name: notifier.AccountAffected, tone: toneMinor},
		{name: notifier.MailBounced, tone: toneMinor, needed: []string{"sender", "date"}, optional: []string{"subject"}, counts: true},
		{name: notifier.BlankNotice, tone: toneSoft},
	}
}

func noticeNamed(name string) (noticeView, bool) {
	all := noticeViews()
	i := slices.IndexFunc(all, func(v noticeView) bool { return v.name == name })
	if i < 0 {
		return noticeView{}, false
	}
	return all[i], true
}

// NoticeColumns lists the columns that a template of notices needs of every
// row, and those that it has words for without needing them. A template that
// there is not has none.
func NoticeColumns(template string) (needed, optional []string) {
	v, _ := noticeNamed(template)
	return slices.Clone(v.needed), slices.Clone(v.optional)
}

// NoticeWords is what a template of notices says where staff write no body, in
// the service's language and to somebody with several rows; "" for blank.
func (s *Set) NoticeWords(template string) string {
	v, ok := noticeNamed(template)
	if !ok || template == notifier.BlankNotice {
		return ""
	}
	n := notice{view: v, words: Words{s.languages.service}, own: true}
	return n.lead(3)
}

// Notice is what one recipient gets of a notice, for their channel, in their
// language and zone: previews and tests. Errors are *notifier.Invalid where the
// notice's text cannot be used ("subject", "body") or the recipient has not what
// it needs ("audience").
func (s *Set) Notice(n notifier.Notice, r notifier.Recipient) (*notifier.Letter, error) {
	made, err := s.prepareNotice(n, s.Times(r.Language, r.Timezone))
	if err != nil {
		return nil, err
	}
	l, err := made.letter(r)
	var lacks *lackingError
	if errors.As(err, &lacks) {
		return nil, notifier.Invalidf("audience", "%s", lacks.tell())
	}
	return l, err
}

// CheckNotice lists what keeps a notice from going out to an audience whose
// file has these columns: text that cannot be read, {{columns}} that nobody's
// file has, columns that the template needs and the file lacks. Each is a
// *notifier.Invalid for subject, body or audience. Where columns are nil, as there
// is no audience yet, only the text is judged; an audience may have none at all.
func (s *Set) CheckNotice(n notifier.Notice, columns []string) []error {
	var out []error
	if _, err := s.prepareNotice(n, s.Times("", "")); err != nil {
		out = append(out, err)
	}
	if columns == nil {
		return out
	}
	return append(out, NoticeLacks(n, columns)...)
}

// lackingError says what a recipient's data lacks. Error names the recipient by
// its place, as it may stand in a log; what was never written is counted by it.
type lackingError struct {
	place   int64
	address string
	account string
	field   string // column
	row     int    // from 1; 0: the first one, which the text asks
	empty   bool   // it is there, and empty
}

func (e *lackingError) Error() string {
	return fmt.Sprintf("recipient %d has %s", e.place, e.what())
}

// tell names the recipient by address and account too, for the person who sends
// the notice and finds them in the file by these.
func (e *lackingError) tell() string {
	who := []string{tame(e.address, labelSize)}
	if e.account != "" {
		who = append(who, "account "+tame(e.account, labelSize))
	}
	return fmt.Sprintf("recipient %d (%s) has %s", e.place, strings.Join(who, ", "), e.what())
}

func (e *lackingError) what() string {
	what := fmt.Sprintf("no %q", e.field)
	if e.empty {
		what = fmt.Sprintf("an empty %q", e.field)
	}
	if e.row > 0 {
		what += fmt.Sprintf(" in row %d", e.row)
	}
	return what
}
