package console

import (
	"context"
	"io"
	"slices"
	"time"

	"allclear/notifier"
)

// Notices keeps notices.
type Notices interface {
	CreateNotice(ctx context.Context, n notifier.Notice) error
	Notice(ctx context.Context, id string) (notifier.Notice, error)
	Notices(ctx context.Context, cursor string, limit int) ([]notifier.Notice, string, error)
	ChangeNotice(ctx context.Context, id string, c notifier.NoticeChange) (notifier.Notice, error)
	DeleteNotice(ctx context.Context, id string) error
	Rejects(ctx context.Context, notice string, after int64, limit int) ([]notifier.Reject, int64, error)
	// RejectEncoding is that of the files that they stood in.
	RejectEncoding(ctx context.Context, notice string) (string, error)
}

// NoticeOrders carries out what staff decide about a notice.
type NoticeOrders interface {
	OrderNotice(ctx context.Context, id string, o notifier.NoticeOrder, above int64, e notifier.Event) (notifier.Notice, error)
	ApproveNotice(ctx context.Context, id string, by notifier.Actor, reason, version string, above int64) (notifier.Notice, error)
	PauseNotice(ctx context.Context, id string) error
	ResumeNotice(ctx context.Context, id string) error
	CancelNotice(ctx context.Context, id string) error
	ThrottleNotice(ctx context.Context, id string, perSecond int) error
	RetryFailedNotice(ctx context.Context, id string) (int, error)
}

// NoticeDesk is what notices need beside the store: what programs do by the
// API, staff do by the console. All but Above are mandatory.
type NoticeDesk struct {
	// Draft makes a draft of what was written, with warnings.
	Draft func(n notifier.Notice, by notifier.Actor) (notifier.Notice, []string, error)
	// Event is the event that sends a notice.
	Event func(notice string) notifier.Event
	// Load reads a file into a notice's audience. What was there before is still
	// there after an error; a file at fault is a *notifier.Invalid. resumed is how
	// many of its rows an earlier upload of it brought, before it broke off.
	Load func(ctx context.Context, notice string, replace bool, in io.Reader, query, contentType string) (n notifier.Notice, resumed int64, err error)
	// Look writes what one recipient would get.
	Look func(ctx context.Context, n notifier.Notice, at Looking) (Copy, error)
	// Test sends such a copy to somebody else, at once; it answers what the relay said.
	Test func(ctx context.Context, n notifier.Notice, which, to string) (string, error)
	// Flight is what to look at before a notice goes out.
	Flight func(ctx context.Context, n notifier.Notice) (Flight, error)
	// Report and Rejects write what became of everybody, and the rows that could not be used.
	Report  func(ctx context.Context, n notifier.Notice, w io.Writer) error
	Rejects func(ctx context.Context, notice string, w io.Writer) error
	// Columns are those that a template needs, and others that it knows.
	Columns func(template string) (needed, optional []string)
	// Above is the size of an audience that one person alone may write to.
	Above int64
}

// Looking is whose copy is looked at: of the one with this address, else of the
// one with the smallest, median or largest number of rows; and as whom.
type Looking struct {
	Which, Address     string
	Language, Timezone string // "" is the recipient's own
}

// Copy is what one recipient would get.
type Copy struct {
	To        notifier.Recipient
	Mail, SMS *notifier.Letter
}

// Flight is what to look at before a notice goes out. Nothing of it holds it up.
type Flight struct {
	notifier.Breakdown
	Columns  []notifier.Share // how many recipients have nothing in it
	Missing  int64            // recipients who lack any cell that the mail needs: they are sent nothing
	Takes    time.Duration    // until everyone was tried; 0 where there is no telling
	Guessed  bool             // how long it takes, because nothing large went out lately
	Warnings []string
	Checks   []notifier.Finding // of DNS and the relays
}

// Speaks reports whether anything was found that speaks against sending.
func (f Flight) Speaks() bool {
	return len(f.Warnings) > 0 || slices.ContainsFunc(f.Checks, func(c notifier.Finding) bool { return !c.OK })
}
