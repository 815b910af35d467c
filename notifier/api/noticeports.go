package api

import (
	"context"
	"io"

	"allclear/notifier"
	"allclear/subscribers"
)

// Notices keeps notices.
type Notices interface {
	CreateNotice(ctx context.Context, n notifier.Notice) error
	Notice(ctx context.Context, id string) (notifier.Notice, error)
	Notices(ctx context.Context, cursor string, limit int) ([]notifier.Notice, string, error)
	ChangeNotice(ctx context.Context, id string, c notifier.NoticeChange) (notifier.Notice, error)
	DeleteNotice(ctx context.Context, id string) error
}

// NoticeOrders carries out what staff decide about a notice.
type NoticeOrders interface {
	// OrderNotice sends it, or lets it wait for its time or for approval.
	// above is the size of an audience that one person alone may write to.
	OrderNotice(ctx context.Context, id string, o notifier.NoticeOrder, above int64, e notifier.Event) (notifier.Notice, error)
	ApproveNotice(ctx context.Context, id string, by notifier.Actor, reason, version string, above int64) (notifier.Notice, error)
	PauseNotice(ctx context.Context, id string) error
	ResumeNotice(ctx context.Context, id string) error
	CancelNotice(ctx context.Context, id string) error
	ThrottleNotice(ctx context.Context, id string, perSecond int) error
	RetryFailedNotice(ctx context.Context, id string) (int, error)
}

// NoticePeople reads whom a notice is for.
type NoticePeople interface {
	Recipient(ctx context.Context, notice string, place int64) (notifier.Recipient, error)
	RecipientByAddress(ctx context.Context, notice string, ch notifier.Channel, address string) (notifier.Recipient, error)
	RecipientSizes(ctx context.Context, notice string) (smallest, median, largest int64, err error)
}

// NoticeFigures tells what an audience looks like.
type NoticeFigures interface {
	AudienceColumns(ctx context.Context, notice string) ([]notifier.Column, error)
	AudienceBreakdown(ctx context.Context, notice string) (notifier.Breakdown, error)
	// AudienceHead are its first rows.
	AudienceHead(ctx context.Context, notice string, limit int) ([][]notifier.Field, error)
	// AudienceAccounts is how many of its recipients have an account.
	AudienceAccounts(ctx context.Context, notice string) (int64, error)
	// AudienceWhole is how many of them have a column in every row, for each of notifier.RowColumns.
	AudienceWhole(ctx context.Context, notice string) (map[string]int64, error)
	// AudienceLacking is how many of them lack anything that is needed, each counted once.
	AudienceLacking(ctx context.Context, notice string, need notifier.Needing) (int64, error)
}

// NoticeProof reads, page by page, what could not be used and what became of the rest.
type NoticeProof interface {
	Rejects(ctx context.Context, notice string, after int64, limit int) ([]notifier.Reject, int64, error)
	// RejectEncoding is that of the files that the rejects stood in.
	RejectEncoding(ctx context.Context, notice string) (string, error)
	NoticeReport(ctx context.Context, notice string, after int64, limit int) ([]notifier.Reported, error)
}

// NoticeTests is what tests are judged and noted by.
type NoticeTests interface {
	Suppression(ctx context.Context, channel notifier.Channel, address string) (subscribers.Suppression, error)
	Audit(ctx context.Context, action, subject, detail string) error
	// AuditName is what stands for an address there: who is erased is named nowhere.
	AuditName(ctx context.Context, channel notifier.Channel, address string) (string, error)
}

// NoticeStore is everything of notices that a database keeps.
type NoticeStore interface {
	Notices
	NoticeOrders
	NoticePeople
	NoticeFigures
	NoticeProof
	NoticeTests
}

// Audiences reads another team's file of who is meant. The query and the
// Content-Type say how it is to be read. A file at fault is a *notifier.Invalid;
// the audience that was there before is still there then. resumed is how many
// rows of the file an earlier upload of it brought, before it broke off.
type Audiences interface {
	LoadAudience(ctx context.Context, notice string, replace bool, in io.Reader, query, contentType string) (n notifier.Notice, resumed int64, err error)
	// LoadMembers reads who lives on a component, in the place of who did.
	LoadMembers(ctx context.Context, key string, in io.Reader, query, contentType string) (Members, error)
}

// Members is what came of a list of who lives on a component.
type Members struct {
	Members        int64
	Rejected       int64
	Rejects        []notifier.Reject // the first of them
	WithoutAddress int64
}

// Letters writes what the recipients of a notice get.
type Letters interface {
	// Notice writes to r on r's channel.
	Notice(n notifier.Notice, r notifier.Recipient) (*notifier.Letter, error)
	// CheckNotice says what keeps it from going out to people of whom these
	// columns are known; nil where there is no audience yet.
	CheckNotice(n notifier.Notice, columns []string) []error
}

// Mailer sends one mail at once, past the queue, and waits for the answer.
type Mailer interface {
	MailNow(ctx context.Context, to string, l *notifier.Letter) (notifier.Receipt, error)
}

// NoticeDesk is what notices need beside the store. All but Above, Speaks,
// Warnings, Checks and Open are mandatory.
type NoticeDesk struct {
	Audiences Audiences
	Letters   Letters
	Mailer    Mailer
	// Needs lists the columns that a template needs of every row.
	Needs func(template string) []string
	// MessageID is that of the mail to a reader of an event.
	MessageID func(event string, reader int64) string
	// Above is the size of an audience that one person alone may write to.
	Above int64
	// Speaks reports whether there are texts for a language; nil is for all.
	Speaks func(language string) bool
	// Warnings tells what of the service as a whole may be in a notice's way,
	// in sentences; nil is nothing.
	Warnings func(ctx context.Context) []string
	// Checks looks at what mail is judged by, DNS and the relays; nil is nothing.
	Checks func(ctx context.Context) []notifier.Finding
	// Open reports whether a channel has a way out, such as a gateway of text
	// messages; nil is that each has.
	Open func(ctx context.Context, ch notifier.Channel) (bool, error)
}
