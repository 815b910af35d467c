package main

import (
	"context"
	"errors"
	"io"
	"net/url"
	"strconv"
	"strings"
	"time"

	"allclear/notifier"
	"allclear/notifier/api"
	"allclear/notifier/audience"
	"allclear/notifier/email"
	"allclear/store"
	"allclear/subscribers"
	"allclear/templates"
)

// Approving says when a notice needs a second person.
type Approving struct {
	ApprovalAbove string `setting:"APPROVAL_ABOVE" group:"settings" default:"1000" placeholder:"N" help:"A notice to more recipients than this needs the approval of a second person."`
}

// above reads the setting.
func (s *Approving) above() (int64, error) {
	if s.ApprovalAbove == "" {
		return 1000, nil // settings that no command line filled in
	}
	n, err := strconv.ParseInt(s.ApprovalAbove, 10, 64)
	if err != nil || n < 0 {
		return 0, wrong("APPROVAL_ABOVE", "%q is no number of recipients; write 1000, or 0 to have every notice approved", s.ApprovalAbove)
	}
	return n, nil
}

// audienceFiles reads files of who is meant into the store.
type audienceFiles struct {
	db       *store.Store
	zone     *time.Location   // of times without an offset, where the query names none
	progress func(rows int64) // nil is nobody
	resumed  func(rows int64) // of an earlier upload; nil is nobody
	kept     func(rows int64) // of one that broke off; nil is nobody
	folder   string           // for the beginning of a file that comes but once; "" is the system's
}

// LoadAudience is part of api.Audiences. exclude_notice leaves out, as the file
// is read, whom another notice was sent to; members takes who lives on a
// component in the place of a file.
func (f audienceFiles) LoadAudience(ctx context.Context, notice string, replace bool, in io.Reader, query, contentType string) (n notifier.Notice, resumed int64, err error) {
	query, exclude, err := cutParameter(query, "exclude_notice")
	if err != nil {
		return n, 0, err
	}
	query, members, err := cutParameter(query, "members")
	if err != nil {
		return n, 0, err
	}
	if members != "" {
		n, err = f.fromMembers(ctx, notice, replace, members, exclude, query)
		return n, 0, err
	}
	return f.fromFile(ctx, notice, replace, exclude, in, query, contentType)
}

func (f audienceFiles) fromMembers(ctx context.Context, notice string, replace bool, key, exclude, query string) (notifier.Notice, error) {
	switch {
	case query != "":
		return notifier.Notice{}, notifier.Invalidf("members", "stands alone: there is no file to be read")
	case !replace:
		return notifier.Notice{}, notifier.Invalidf("members", "take the place of the audience; they cannot be added to one")
	}
	return f.db.AudienceFromMembers(ctx, notice, key, exclude)
}

func (f audienceFiles) fromFile(ctx context.Context, notice string, replace bool, exclude string, in io.Reader, query, contentType string) (n notifier.Notice, resumed int64, err error) {
	o, err := f.options(query, contentType)
	if err != nil {
		return n, 0, err
	}
	n, err = audience.Load(ctx, leavingOut{f.db, exclude}, in, audience.Loading{
		Notice: notice, Replace: replace, Options: o, Folder: f.folder, Spare: spare, Progress: f.progress, Kept: f.kept,
		Resumed: func(rows int64) {
			if resumed = rows; f.resumed != nil {
				f.resumed(rows)
			}
		},
	})
	return n, resumed, err
}

// leavingOut begins audiences that leave out whom another notice was sent to.
type leavingOut struct {
	*store.Store
	notice string // "" is none
}

func (l leavingOut) BeginAudience(ctx context.Context, notice string, replace bool) (notifier.Upload, error) {
	return l.BeginAudienceWithout(ctx, notice, replace, l.notice)
}

func (l leavingOut) LeftAudiences(ctx context.Context, notice string, replace bool) ([]notifier.Left, error) {
	return l.LeftAudiencesWithout(ctx, notice, replace, l.notice)
}

// LoadMembers is part of api.Audiences.
func (f audienceFiles) LoadMembers(ctx context.Context, key string, in io.Reader, query, contentType string) (api.Members, error) {
	o, err := f.options(query, contentType)
	if err != nil {
		return api.Members{}, err
	}
	o.Check = memberAddress
	got, err := audience.LoadMembers(ctx, f.db, in, key, o, f.progress)
	return api.Members{Members: got.Members, Rejected: got.Rejected, Rejects: got.Rejects, WithoutAddress: got.WithoutAddress}, err
}

func (f audienceFiles) options(query, contentType string) (audience.Options, error) {
	o, err := audience.ParseOptions(query, contentType)
	if o.Zone == nil {
		o.Zone = f.zone
	}
	o.Check = recipientAddress
	return o, err
}

// memberAddress checks who lives on a component: whose mailbox is there.
func memberAddress(ch notifier.Channel, s string) (string, error) {
	if ch != notifier.Email {
		return "", notifier.Invalidf("channel", "members are email addresses, not %s", ch)
	}
	return subscribers.ParseOn(ch, s)
}

// recipientAddress checks whom a notice may go to. An endpoint is none: it has
// no data of its own, and nobody who reads it.
func recipientAddress(ch notifier.Channel, s string) (string, error) {
	if ch == notifier.Webhook {
		return "", notifier.Invalidf("channel", "a notice goes by email or sms, not to a webhook")
	}
	return subscribers.ParseOn(ch, s)
}

// cutParameter takes one parameter out of a raw query, which is left as it was
// otherwise: delimiter=; survives no parsing.
func cutParameter(query, name string) (rest, value string, err error) {
	var kept []string
	for pair := range strings.SplitSeq(query, "&") {
		key, v, _ := strings.Cut(pair, "=")
		if key != name {
			kept = append(kept, pair)
			continue
		}
		if value, err = url.QueryUnescape(v); err != nil {
			return "", "", notifier.Invalidf(name, "%q cannot be read", notifier.Clip(v))
		}
	}
	return strings.Join(kept, "&"), value, nil
}

// mailNow sends a mail past the queue, through the pool that all mail uses.
type mailNow struct{ sender notifier.Sender }

// testTime is how long a test waits for the relay.
const testTime = 45 * time.Second

// MailNow is part of api.Mailer.
func (m mailNow) MailNow(ctx context.Context, to string, l *notifier.Letter) (notifier.Receipt, error) {
	ctx, done := context.WithTimeout(ctx, testTime)
	defer done()
	receipt, err := m.sender.Send(ctx, testOf(to, l), freeFlight{})
	return receipt, notSent(err)
}

// testOf is a letter on its way to who asked for it.
func testOf(to string, l *notifier.Letter) *notifier.Message {
	test := *l
	test.Lane = notifier.LaneConfirm
	return &notifier.Message{Lane: notifier.LaneConfirm, Channel: notifier.Email, To: to, Letter: &test}
}

// notSent says in plain words why a mail did not leave.
func notSent(err error) error {
	var refused *notifier.SendError
	switch {
	case errors.As(err, &refused):
		return notifier.Refuse(notifier.ErrUnavailable, "not sent: %s", refusalWords(refused))
	case errors.Is(err, notifier.ErrNotStarted), errors.Is(err, context.DeadlineExceeded):
		return notifier.Refuse(notifier.ErrUnavailable, "not sent: no relay answered in time")
	}
	return err
}

// noticeDesk is what the API's notices need of the program.
func (p *Program) noticeDesk() (api.NoticeDesk, error) {
	above, err := p.o.settings.above()
	if err != nil {
		return api.NoticeDesk{}, err
	}
	zone, err := p.o.settings.zone()
	if err != nil {
		return api.NoticeDesk{}, err
	}
	folder, err := p.o.settings.stateFolder(p.o.env) // a container may have no other that can be written to
	if err != nil {
		return api.NoticeDesk{}, err
	}
	looks := &checkups{of: p.mail.checkup(p.o.lookupTXT), now: p.db.Now}
	return api.NoticeDesk{
		Audiences: audienceFiles{db: p.db, zone: zone, folder: folder}, Letters: p.set, Mailer: mailNow{p.mailer}, Above: above, MessageID: p.mail.messageID, Needs: needs, Speaks: p.set.Speaks,
		Warnings: func(ctx context.Context) []string { return flightWarnings(ctx, p.db, p.base) },
		Checks:   looks.findings, Open: p.db.DoorOpen,
	}, nil
}

// needs lists the columns that a template of notices needs of every row.
func needs(template string) []string {
	needed, _ := templates.NoticeColumns(template)
	return needed
}

// messageID is that of the mail to a reader of an event.
func (m *mailRoom) messageID(event string, reader int64) string {
	return email.MessageID(m.from.Address, event, reader)
}

// flightWarnings tells what of the service as a whole is in a notice's way,
// beside what is looked at by checks.
func flightWarnings(ctx context.Context, db *store.Store, base string) []string {
	var out []string
	if strings.HasPrefix(base, "http://") && !onLoopback(base) {
		out = append(out, "links begin with http://; set ALLCLEAR_BASE_URL to an https:// address")
	}
	pulse, err := db.Pulse(ctx)
	if err != nil {
		return append(out, "the queue could not be asked whether it is paused")
	}
	for _, x := range pulse.Pauses {
		if x.Scope != notifier.PauseLane || x.Key == notifier.LaneBulk.String() {
			out = append(out, "paused: "+pauseWord(x.Scope, x.Key)+", by "+x.By+" since "+stamp(x.Since))
		}
	}
	return out
}
