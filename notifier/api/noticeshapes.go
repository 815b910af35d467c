package api

import (
	"context"
	"math"
	"time"

	"allclear/notifier"
)

// noticeSummary is a notice as a list shows it.
type noticeSummary struct {
	ID              string                           `json:"id"`
	Title           string                           `json:"title"`
	Template        string                           `json:"template"`
	IncidentID      *string                          `json:"incident_id"`
	State           notifier.NoticeState             `json:"state"`
	Halted          *string                          `json:"halted"` // why it halted
	Recipients      int64                            `json:"recipients"`
	Rows            int64                            `json:"rows"`
	Rejected        int64                            `json:"rejected"`
	WithoutAddress  int64                            `json:"without_address"`
	CaseTwins       int64                            `json:"case_twins"`
	Counts          map[notifier.DeliveryState]int64 `json:"counts"`
	Tried           int64                            `json:"tried"`
	Approvals       []approvalShape                  `json:"approvals"`
	ApprovalsNeeded int                              `json:"approvals_needed"`
	EventID         *string                          `json:"event_id"`
	PerSecond       int                              `json:"per_second"` // 0: as fast as it goes
	At              *string                          `json:"at"`         // when it is to go out; null is at once
	CreatedAt       *string                          `json:"created_at"`
	CreatedBy       string                           `json:"created_by"`
	OrderedAt       *string                          `json:"ordered_at"`
	OrderedBy       *string                          `json:"ordered_by"`
	BegunAt         *string                          `json:"begun_at"`
	DoneAt          *string                          `json:"done_at"`
	CleanedAt       *string                          `json:"cleaned_at"` // when its audience was deleted
}

// noticeShape is a notice alone.
type noticeShape struct {
	noticeSummary
	Version  string        `json:"version"` // of text, audience and order
	Subject  string        `json:"subject"`
	Body     string        `json:"body"`
	Rejects  []rejectShape `json:"rejects"` // the first 100
	Estimate *Estimate     `json:"estimate"`
	Warnings []string      `json:"warnings"`

	ResumedRows *int64 `json:"resumed_rows,omitempty"` // of a file that was just taken; else nil
}

type approvalShape struct {
	By     string  `json:"by"`
	At     *string `json:"at"`
	Reason *string `json:"reason"` // of an admin who overrode the need of a second person
}

type rejectShape struct {
	Line   int    `json:"line"`
	Reason string `json:"reason"`
}

// Estimate says how long it will take until everyone was tried.
type Estimate struct {
	Seconds   int64   `json:"seconds"`
	PerSecond float64 `json:"per_second"`
	From      string  `json:"from"` // limit, recent or guess
}

// mostRejects is how many a notice shows; rejects.csv has all of them.
const mostRejects = 100

// NoticeSummary is how GET /notices lists a notice.
func NoticeSummary(n notifier.Notice, above int64) any { return summariseNotice(n, above) }

func summariseNotice(n notifier.Notice, above int64) noticeSummary {
	counts := map[notifier.DeliveryState]int64{}
	for _, s := range notifier.DeliveryStates {
		counts[s] = n.Counts[s]
	}
	approved := []approvalShape{}
	for _, a := range n.Approved {
		approved = append(approved, approvalShape{a.By, moment(a.At), text(a.Reason)})
	}
	return noticeSummary{
		ID: n.ID, Title: n.Title, Template: n.Template, IncidentID: text(n.IncidentID), State: n.State, Halted: text(n.Halted),
		Recipients: n.Recipients, Rows: n.Rows, Rejected: n.Rejected, WithoutAddress: n.WithoutAddress, CaseTwins: n.CaseTwins,
		Counts: counts, Tried: n.Tried, Approvals: approved, ApprovalsNeeded: n.Needs(above), EventID: text(n.EventID),
		PerSecond: n.Order.PerSecond, At: moment(n.Order.At), CreatedAt: moment(n.CreatedAt), CreatedBy: n.CreatedBy,
		OrderedAt: moment(n.OrderedAt), OrderedBy: text(n.OrderedBy), BegunAt: moment(n.BegunAt), DoneAt: moment(n.DoneAt), CleanedAt: moment(n.CleanedAt),
	}
}

// NoticeBook is what of the store a notice is shown from.
type NoticeBook interface {
	Notice(ctx context.Context, id string) (notifier.Notice, error)
	Notices(ctx context.Context, cursor string, limit int) ([]notifier.Notice, string, error)
	Rejects(ctx context.Context, notice string, after int64, limit int) ([]notifier.Reject, int64, error)
	Progress(ctx context.Context, event string) (notifier.Progress, error)
}

// NoticeJSON is what GET /notices/{id} answers, for whoever has no server at
// hand. above is as in NoticeDesk.
func NoticeJSON(ctx context.Context, book NoticeBook, id string, above int64) ([]byte, error) {
	n, err := book.Notice(ctx, id)
	if err != nil {
		return nil, err
	}
	shown, err := showNotice(ctx, book, n, above)
	if err != nil {
		return nil, err
	}
	return marshal(shown)
}

// showNotice shows a notice. Why rows were rejected is told to those only who
// may see the audience, because it is told with what stands in them.
func showNotice(ctx context.Context, book NoticeBook, n notifier.Notice, above int64) (noticeShape, error) {
	s := noticeShape{noticeSummary: summariseNotice(n, above), Version: n.Mark(), Subject: n.Subject, Body: n.Body, Rejects: []rejectShape{}, Warnings: []string{}}
	if n.Rejected > 0 && notifier.ActorFrom(ctx).Role.Can(notifier.RoleSender) {
		found, _, err := book.Rejects(ctx, n.ID, 0, mostRejects)
		if err != nil {
			return s, err
		}
		for _, r := range found {
			s.Rejects = append(s.Rejects, rejectShape{r.Line, r.Reason})
		}
	}
	var err error
	s.Estimate, err = estimate(ctx, book, n)
	return s, err
}

// What an estimate rests on.
const (
	guessedRate = 50.0 // a second, where nothing was sent yet: a relay that is neither slow nor quick
	enoughSent  = 500  // messages, to tell a rate from
	fewNotices  = 10   // are looked at
	minPace     = 100 * time.Millisecond
)

// estimate says how long a notice will take from now until everyone was tried;
// nil where that is behind it, or never comes.
func estimate(ctx context.Context, book NoticeBook, n notifier.Notice) (*Estimate, error) {
	left := n.Recipients - n.Tried
	if left <= 0 || n.State.Final() || n.State == notifier.NoticeSettling {
		return nil, nil //nolint:nilnil // JSON's null
	}
	rate, from, err := recentRate(ctx, book, n)
	if err != nil {
		return nil, err
	}
	if limit := float64(n.Order.PerSecond); limit > 0 && limit < rate {
		rate, from = limit, "limit"
	}
	seconds := math.Ceil(float64(left) / rate)
	if !n.State.Begun() && n.Order.CanarySize(n.Recipients) > 0 {
		seconds += n.Order.CanaryWait.Seconds()
	}
	return &Estimate{int64(seconds), math.Round(rate*10) / 10, from}, nil
}

// recentRate is how many mails a second went out lately: of this notice itself,
// else of the newest that sent enough.
func recentRate(ctx context.Context, book NoticeBook, n notifier.Notice) (float64, string, error) {
	if rate, err := rateOf(ctx, book, n); err != nil || rate > 0 {
		return rate, "recent", err
	}
	others, _, err := book.Notices(ctx, "", fewNotices)
	if err != nil {
		return 0, "", err
	}
	for _, x := range others {
		if x.Order.PerSecond > 0 { // which was its own limit's rate
			continue
		}
		if rate, err := rateOf(ctx, book, x); err != nil || rate > 0 {
			return rate, "recent", err
		}
	}
	return guessedRate, "guess", nil
}

// rateOf is how many mails of a notice go out in a second; 0 where too few did
// to tell.
func rateOf(ctx context.Context, book NoticeBook, n notifier.Notice) (float64, error) {
	if n.EventID == "" || n.State == notifier.NoticeCanary || n.Tried < enoughSent {
		return 0, nil
	}
	p, err := book.Progress(ctx, n.EventID)
	if err != nil {
		return 0, err
	}
	return pace(p), nil
}

// pace is at what rate the second half of an event's messages was sent, which
// leaves out what the canary waited for; 0 where that was too few of them, or too
// quick beside how long ago they were accepted: the times are known to 2 % of that.
func pace(p notifier.Progress) float64 {
	sent := p.Counts[notifier.Sent] + p.Counts[notifier.Bounced]
	took, since := p.P99SentAt.Sub(p.P50SentAt), p.P50SentAt.Sub(p.Event.AcceptedAt)
	if sent < enoughSent || took < minPace || took < since/10 {
		return 0
	}
	return 0.49 * float64(sent) / took.Seconds()
}
