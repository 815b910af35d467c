package api

import (
	"context"
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"time"

	"allclear/notifier"
)

// Preflight is what to look at before a notice goes out. Its warnings hold up nothing.
type Preflight struct {
	Recipients      int64       `json:"recipients"`
	Rows            int64       `json:"rows"`
	Rejected        int64       `json:"rejected"`
	WithoutAddress  int64       `json:"without_address"`
	CaseTwins       int64       `json:"case_twins"`
	Suppressed      int64       `json:"suppressed"`
	Channels        []Share     `json:"channels"`
	Languages       []Share     `json:"languages"` // "" is the service's
	Domains         []Share     `json:"domains"`   // the 20 largest
	Columns         []ColumnGap `json:"columns"`
	Missing         int64       `json:"missing"` // recipients who lack any cell that the mail needs: they are sent nothing
	ApprovalsNeeded int         `json:"approvals_needed"`
	Estimate        *Estimate   `json:"estimate"`
	Warnings        []string    `json:"warnings"`
	Checks          []Check     `json:"checks"` // where anybody is written to by mail
}

// Check is what was found of one thing that mail depends on.
type Check struct {
	Name string `json:"name"` // DKIM, SPF, DMARC, relay
	OK   bool   `json:"ok"`
	Text string `json:"text"` // where it is not ok, with the mend
}

// Share is a part of an audience.
type Share struct {
	Name       string `json:"name"`
	Recipients int64  `json:"recipients"`
}

// ColumnGap is a column of an audience, and how many have nothing in it.
type ColumnGap struct {
	Name    string `json:"name"`
	Missing int64  `json:"missing"` // recipients who have it not, or empty: in their first row, or in any where the template needs it
	later   bool   // some of them have it in their first row, and not in every one
}

// PreflightBook is what of the store a preflight is made from.
type PreflightBook interface {
	NoticeBook
	NoticeFigures
}

// CheckFlight looks a notice over.
func CheckFlight(ctx context.Context, book PreflightBook, n notifier.Notice, d NoticeDesk) (Preflight, error) {
	p := Preflight{
		Recipients: n.Recipients, Rows: n.Rows, Rejected: n.Rejected, WithoutAddress: n.WithoutAddress, CaseTwins: n.CaseTwins,
		ApprovalsNeeded: n.Needs(d.Above), Columns: []ColumnGap{}, Warnings: []string{}, Checks: []Check{},
	}
	split, err := book.AudienceBreakdown(ctx, n.ID)
	if err != nil {
		return p, err
	}
	p.Suppressed, p.Channels, p.Languages, p.Domains = split.Suppressed, shares(split.Channels), shares(split.Languages), shares(split.Domains)
	columns, err := book.AudienceColumns(ctx, n.ID)
	if err != nil {
		return p, err
	}
	if p.Estimate, err = estimate(ctx, book, n); err != nil {
		return p, err
	}
	var names []string
	if n.Recipients > 0 {
		names = columnNames(columns)
	}
	p.warn(n, d.Letters.CheckNotice(n, names))
	gaps, err := gapsOf(ctx, book, n, columns, d.Needs(n.Template))
	if err != nil {
		return p, err
	}
	for _, c := range columns {
		column := ColumnGap{Name: c.Name, Missing: n.Recipients - c.Filled}
		for _, g := range gaps.columns {
			if g.Name == c.Name {
				column.Missing = max(column.Missing, g.Missing)
			}
		}
		p.Columns = append(p.Columns, column)
	}
	for _, g := range gaps.columns {
		p.Warnings = append(p.Warnings, g.tell(n.Recipients))
	}
	if together := gaps.tell(n.Recipients); together != "" {
		p.Warnings = append(p.Warnings, together)
	}
	p.Missing = gaps.people
	p.tongues(d.Speaks)
	head, err := book.AudienceHead(ctx, n.ID, headRows)
	if err != nil {
		return p, err
	}
	p.untimed(head)
	if err := p.shut(ctx, d.Open); err != nil {
		return p, err
	}
	if d.Warnings != nil {
		p.Warnings = append(p.Warnings, d.Warnings(ctx)...)
	}
	if d.Checks != nil && (len(p.Channels) == 0 || p.by(notifier.Email) > 0) {
		for _, f := range d.Checks(ctx) {
			p.Checks = append(p.Checks, Check{f.About, f.OK, f.Text})
		}
	}
	return p, nil
}

// shut warns of channels on which nothing can leave.
func (p *Preflight) shut(ctx context.Context, open func(context.Context, notifier.Channel) (bool, error)) error {
	if n := p.by(notifier.Webhook); n > 0 {
		p.Warnings = append(p.Warnings, fmt.Sprintf("%d of the recipients are webhooks, to which no notice goes", n))
	}
	n := p.by(notifier.SMS)
	if n == 0 || open == nil {
		return nil
	}
	if ok, err := open(ctx, notifier.SMS); err != nil || ok {
		return err
	}
	who := "1 recipient is"
	if n > 1 {
		who = fmt.Sprintf("%d recipients are", n)
	}
	p.Warnings = append(p.Warnings, who+" to be told by text message, and nothing reaches them: there is no gateway (ALLCLEAR_SMS)")
	return nil
}

// by is how many are written to on a channel.
func (p *Preflight) by(ch notifier.Channel) int64 {
	for _, s := range p.Channels {
		if s.Name == string(ch) {
			return s.Recipients
		}
	}
	return 0
}

// warn says in sentences what the figures show.
func (p *Preflight) warn(n notifier.Notice, template []error) {
	say := func(holds bool, format string, args ...any) {
		if holds {
			p.Warnings = append(p.Warnings, fmt.Sprintf(format, args...))
		}
	}
	say(p.Recipients == 0, "it has no audience yet")
	for _, err := range template {
		p.Warnings = append(p.Warnings, err.Error())
	}
	say(p.Rejected == 1, "1 row of the file could not be used; rejects.csv has it")
	say(p.Rejected > 1, "%d rows of the file could not be used; rejects.csv has them", p.Rejected)
	say(p.WithoutAddress == 1, "1 row names no address: nobody hears of it")
	say(p.WithoutAddress > 1, "%d rows name no address: nobody hears of them", p.WithoutAddress)
	say(p.Suppressed == 1, "1 recipient is suppressed and gets nothing")
	say(p.Suppressed > 1, "%d recipients are suppressed and get nothing", p.Suppressed)
	say(p.CaseTwins > 0, "%d recipients differ from another by upper and lower case before the @ only: each gets its own mail", p.CaseTwins)
	missing := p.ApprovalsNeeded - len(n.Approved)
	if n.Enough(p.ApprovalsNeeded) {
		missing = 0
	}
	say(missing == 1, "it needs the approval of 1 other person")
	say(missing > 1, "it needs the approval of %d other people", missing)
}

// tell says in a sentence who lacks a column, of so many recipients.
func (g ColumnGap) tell(of int64) string {
	where := ""
	switch {
	case g.Missing == of && g.later:
		return fmt.Sprintf("nobody of the audience has %q in every row, which the mail needs", g.Name)
	case g.Missing == of:
		return fmt.Sprintf("nobody of the audience has %q, which the mail needs", g.Name)
	case g.later:
		where = " in one of their rows"
	}
	if g.Missing == 1 {
		return fmt.Sprintf("1 recipient has no %q%s and can be sent nothing", g.Name, where)
	}
	return fmt.Sprintf("%d recipients have no %q%s and can be sent nothing", g.Missing, g.Name, where)
}

// headRows is how many rows are looked at for what is not understood.
const headRows = 1000

var timeName = regexp.MustCompile(`(?i)(^|[ _-])(date|time|datum)($|[ _-])`)

// untimed warns of columns called like times whose cells are none.
func (p *Preflight) untimed(head [][]notifier.Field) {
	count, first := map[string]int{}, map[string]string{}
	var names []string
	for _, row := range head {
		for _, f := range row {
			if _, ok := f.Value.(time.Time); ok || strings.TrimSpace(f.Text) == "" || !timeName.MatchString(f.Name) {
				continue
			}
			if count[f.Name]++; count[f.Name] == 1 {
				names, first[f.Name] = append(names, f.Name), f.Text
			}
		}
	}
	for _, name := range names {
		p.Warnings = append(p.Warnings, fmt.Sprintf("%d of the first %d rows have a %q that is not understood as a time, such as %q, and is shown as it stands: write 2026-11-20 09:12",
			count[name], len(head), name, notifier.Clip(first[name])))
	}
}

// tongues warns of languages that mails do not speak.
func (p *Preflight) tongues(speaks func(string) bool) {
	for _, l := range p.Languages {
		switch {
		case l.Name == "" || speaks == nil || speaks(l.Name):
		case l.Recipients == 1:
			p.Warnings = append(p.Warnings, fmt.Sprintf("1 recipient reads %s, which mails do not speak, and gets English", l.Name))
		default:
			p.Warnings = append(p.Warnings, fmt.Sprintf("%d recipients read %s, which mails do not speak: they get English", l.Recipients, l.Name))
		}
	}
}

func shares(in []notifier.Share) []Share {
	out := make([]Share, len(in))
	for i, s := range in {
		out[i] = Share{s.Name, s.Count}
	}
	return out
}

func (c noticeRoom) preflight(ctx context.Context, q *request) (reply, error) {
	n, err := c.store.Notice(ctx, q.PathValue("id"))
	if err != nil {
		return reply{}, err
	}
	p, err := CheckFlight(ctx, noticeBook{c.store, c.events}, n, c.tools)
	return reply{http.StatusOK, p}, err
}
